// What can go wrong on the network.
#pragma once

#include "base/error.hpp"

namespace lethe::net {

enum class errc {
    // The name does not resolve.
    unknown_host = 1,
    // Nothing listens there, or the way is barred: nothing was sent.
    connect_failed,
    // The peer closed or reset the connection.
    connection_lost,
    // The stream's deadline passed.
    timeout,
    // Somebody called cancel(), or the worker stops.
    cancelled,
    // Another process listens on the address.
    address_in_use,
    // The address is not ours to listen on.
    cannot_listen,
    // The process or the machine has no descriptor left.
    out_of_descriptors,
};
[[nodiscard]] error_code make_error_code(errc e) noexcept;

}  // namespace lethe::net

template <>
struct boost::system::is_error_code_enum<lethe::net::errc> : std::true_type {};
