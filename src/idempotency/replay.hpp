// Which part of an answer is kept, and how it is handed out again.
#pragma once

#include "http/exchange.hpp"
#include "idempotency/options.hpp"
#include "idempotency/record.hpp"

#include <string>
#include <string_view>

namespace lethe::idempotency {

// Everything but the body of x's answer, without the fields that are not replayed.
[[nodiscard]] outcome make_outcome(const http::exchange& x, const route_options& options,
                                   system_time now);

// Answers x with the outcome and marks it as replayed. Precondition: its body is in it.
void answer_replay(http::exchange& x, outcome result);
// The same with a body that was kept elsewhere.
void answer_replay(http::exchange& x, const outcome& result, http::body_ptr body);
// 409 replay-unavailable, with the outcome's Location.
void answer_without_body(http::exchange& x, const outcome& result);

// Removes what is between gateway and backend only, or the gateway's own word.
void strip_own_fields(http::response_head& answer);
// Adds the gateway's own word; `name` and `value` live for ever.
void mark(http::exchange& x, std::string_view name, std::string_view value);

// Adds to Access-Control-Expose-Headers, where a browser asks (it sends Origin).
void expose_to_browser(http::exchange& x, std::string_view field_names);

}  // namespace lethe::idempotency
