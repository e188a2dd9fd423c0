// The session's cookie: out of the request, into the answer.
#pragma once

#include "http/exchange.hpp"
#include "session/options.hpp"
#include "session/ticket.hpp"

#include <string_view>

namespace lethe::session::detail {

// The cookie goes to the gateway alone: the others stay, in order.
void remove_cookie(http::fields& request, std::string_view name);

// A cookie for as long as the browser runs: the session's own end is the store's business. Drops
// what the upstream set under that name, and keeps shared caches from handing the cookie to others.
void set_cookie(http::exchange& x, const settings& options, const ticket& holder);
// Makes the browser forget it.
void expire_cookie(http::exchange& x, const settings& options);
// Upstreams have no say in this cookie.
void drop_set_cookie(http::fields& response, std::string_view name);

}  // namespace lethe::session::detail
