// The session's cookie: out of the request, into the answer.
#pragma once

#include "http/exchange.hpp"
#include "session/options.hpp"
#include "session/ticket.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::session::detail {

// A sealed session's further cookies: `name` itself, name-1, name-2.
inline constexpr std::size_t cookies_max = 3;
// Which of the session's cookies has this name, from 0; cookies_max for another cookie's name.
[[nodiscard]] std::size_t place_of_cookie(std::string_view cookie, std::string_view name) noexcept;

// The first of each that the request brings; views into it.
using found_cookies = std::array<std::optional<std::string_view>, cookies_max>;
[[nodiscard]] found_cookies find_cookies(const http::fields& request, std::string_view name);

// The session's cookies go to the gateway alone: the others stay, in order.
void remove_cookie(http::fields& request, std::string_view name);

// A cookie for as long as the browser runs: the session's own end is the store's business. Drops
// what the upstream set under that name, and keeps shared caches from handing the cookie to others.
// `version`: the session's, as its floor from now on.
void set_cookie(http::exchange& x, const settings& options, const ticket& holder,
                std::uint64_t version);
// Makes the browser forget it.
void expire_cookie(http::exchange& x, const settings& options);
// The same for a sealed session's: sets these and makes the browser forget the others of `sent`.
void set_cookies(http::exchange& x, const settings& options, const std::vector<std::string>& values,
                 const found_cookies& sent);
// Upstreams have no say in this cookie.
void drop_set_cookie(http::fields& response, std::string_view name);

}  // namespace lethe::session::detail
