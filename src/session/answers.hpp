// What clients read when a session stands in the way, and whose outcome a replay is.
#pragma once

#include "http/exchange.hpp"
#include "session/engine.hpp"

#include <chrono>
#include <string_view>

namespace lethe::session::detail {

// Retry-After for what may work in a moment.
inline constexpr std::chrono::seconds soon{1};

[[nodiscard]] bool is(const error_code& error, errc e);

// In place of an answer whose change could not be made. The service did its work: a client that
// reads only "conflict" would do it again.
void answer_failure(http::exchange& x, const error_code& error);

// Whether an outcome made for the session of that pseudonym is for this one: it is the same, or it
// was that one before a login.
[[nodiscard]] bool is_origin(const state& session, std::string_view service, std::string_view name);

}  // namespace lethe::session::detail
