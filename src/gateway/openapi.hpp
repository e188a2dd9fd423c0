// What lethe adds to an API, as an OpenAPI document to be merged into the service's own.
#pragma once

#include "gateway/config/config.hpp"

#include <string>

namespace lethe::gateway {

// OpenAPI 3.1 as indented JSON: for each route with idempotency its operations with the
// Idempotency-Key parameter, the fields of a replay, and every problem it may answer.
[[nodiscard]] std::string to_openapi(const config::configuration& of);

}  // namespace lethe::gateway
