// A service's own requests to the gateway: the session behind a Lethe-Session-Url
// (docs/sessions.md).
#pragma once

#include "base/task.hpp"
#include "lethe/session.hpp"
#include "net/address.hpp"
#include "net/worker.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lethe::library {

struct session_place {
    net::address at;
    std::string authority;
    std::string target;  // who has it may use it: it is logged nowhere
};
// `url` is the field's value, here and below: `"http://127.0.0.1:3500/lethe/v1/session/h…"`.
// nullopt for what lethe does not write, and for https, which is not spoken here.
[[nodiscard]] std::optional<session_place> parse_session_url(std::string_view url);

struct session_read {
    std::string json;
    std::uint64_t version = 0;
};
// Errors: session_gone, session_away, malformed_field.
[[nodiscard]] task<session_read> read_session(net::worker& on, std::string_view url);

struct session_order {
    std::string_view media_type;
    std::string body;
    std::string key = {};  // the request's own Idempotency-Key, "" for none
    std::string_view condition;
};
// The session's new version. Errors: no_session_url where `url` is empty, malformed_field,
// session_gone, session_conflict, session_refused, session_away, session_unknown.
[[nodiscard]] task<std::uint64_t> change_session(net::worker& on, std::string_view url,
                                                 session_order what);

}  // namespace lethe::library
