// What can go wrong in a service made with lethe, as error codes.
#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

#include <type_traits>

namespace lethe {
inline namespace v1 {

enum class service_errc {
    // The address is not an IP address, or the system does not let the service listen there.
    cannot_listen = 1,
    // Another process listens on the address.
    address_in_use,
    // run() was called twice.
    already_running,
    // A route's method or pattern is not one.
    bad_route,
    // All threads for blocking work are busy and their queue is full: answer 503.
    pool_full,
    // blocking() was awaited outside of a running service's handler.
    no_pool,
    // A field that lethe sets is not what lethe writes.
    malformed_field,
    // The session is too large for a field: request::fetch_session() gets it.
    session_elsewhere,
    // There is nothing at that place of the session.
    no_value,
    // What is there is of another type.
    wrong_type,
    // Not JSON, or too deep, too large, or with a member twice.
    malformed_json,

    // --- of sessions that are read and changed by URL
    // The request came without a Lethe-Session-Url.
    no_session_url,
    // The session has ended, or the request's time has.
    session_gone,
    // Others have changed it meanwhile. Nothing was changed.
    session_conflict,
    // lethe does not make such a change: a slot that the route does not write, a value that does
    // not fit, too much. Nothing was changed.
    session_refused,
    // The gateway, or its store, does not answer. Nothing was changed.
    session_away,
    // The answer was lost: it may be that the session was changed.
    session_unknown,
};
[[nodiscard]] boost::system::error_code make_error_code(service_errc e) noexcept;

}  // namespace v1
}  // namespace lethe

template <>
struct boost::system::is_error_code_enum<lethe::v1::service_errc> : std::true_type {};
