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
    // The session is too large for a field and has to be fetched from Lethe-Session-Url.
    session_elsewhere,
    // There is nothing at that place of the session.
    no_value,
    // What is there is of another type.
    wrong_type,
    // Not JSON, or too deep, too large, or with a member twice.
    malformed_json,
};
[[nodiscard]] boost::system::error_code make_error_code(service_errc e) noexcept;

}  // namespace v1
}  // namespace lethe

template <>
struct boost::system::is_error_code_enum<lethe::v1::service_errc> : std::true_type {};
