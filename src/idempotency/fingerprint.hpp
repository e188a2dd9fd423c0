// What makes two requests with one key the same request.
#pragma once

#include "http/message.hpp"

#include <span>
#include <string>
#include <string_view>

namespace lethe::idempotency {

// 32 bytes: SHA-256 over method, path, raw query, media type (type/subtype, in lower case), the
// digest of the body (body_digest.hpp, or that of a GraphQL request) and the listed fields.
[[nodiscard]] std::string make_fingerprint(const http::request_head& request,
                                           std::string_view body_digest,
                                           std::span<const std::string> field_names);

}  // namespace lethe::idempotency
