// An answer that is too large to keep, or a stream: passes through, and ends its claim when its end
// has come.
#pragma once

#include "http/body.hpp"
#include "idempotency/closing.hpp"

#include <string>

namespace lethe::idempotency {

// `begun` was read from `rest` already. The outcome, which has no body, is recorded before the last
// piece is handed on; a body that breaks off, or is let go before its end, leaves the outcome
// unknown.
[[nodiscard]] http::body_ptr make_recording_body(closing with, claim_handle claim, outcome result,
                                                 std::string begun, http::body_ptr rest);

}  // namespace lethe::idempotency
