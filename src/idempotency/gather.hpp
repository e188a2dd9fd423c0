// Reads an answer's body for the record.
#pragma once

#include "base/task.hpp"
#include "http/body.hpp"

#include <cstdint>
#include <string>

namespace lethe::idempotency {

// As much of an answer as may be kept; `complete` when that is all of it.
struct gathered {
    std::string bytes;
    bool complete = false;
};

// Reads up to the first piece above `bytes_max`; nothing of a body that says to be longer. Null:
// an empty body. An error: it broke off.
[[nodiscard]] task<gathered> gather(http::body_source* body, std::uint64_t bytes_max);

}  // namespace lethe::idempotency
