// What an upstream's answer means for the claim.
#pragma once

#include "http/exchange.hpp"
#include "idempotency/options.hpp"

namespace lethe::idempotency {

// Looks at x.outcome, the status, Retry-After and the backend's own word (Lethe-Idempotency: store,
// release or unknown; anything else, or several lines, says nothing).
[[nodiscard]] answer_rule judge_answer(const http::exchange& x, const route_options& options);

// An answer that may never end.
[[nodiscard]] bool is_event_stream(const http::response_head& answer);

}  // namespace lethe::idempotency
