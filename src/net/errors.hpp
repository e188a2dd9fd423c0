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
    // The service manager passed no listening socket of that name.
    not_inherited,
    // The process or the machine has no descriptor left.
    out_of_descriptors,
    // No TLS could be agreed on: the peer speaks none, or no version and cipher that we do.
    tls_failed,
    // The peer's certificate leads to no authority that we trust.
    tls_untrusted,
    // The peer's certificate is for another name.
    tls_wrong_name,
    // The peer's certificate, or one above it, is no longer or not yet valid.
    tls_expired,
    // The peer ended TLS with an alert: it wants a certificate, or does not take ours.
    tls_refused,
    // The client speaks plain HTTP where TLS is spoken.
    plain_http,
    // The connection does not begin with a PROXY header.
    proxy_header_malformed,
    // No name server answered, or only that it could not.
    name_server_failed,
    // What a name server answered is no DNS message.
    name_answer_malformed,
};
[[nodiscard]] error_code make_error_code(errc e) noexcept;

}  // namespace lethe::net

template <>
struct boost::system::is_error_code_enum<lethe::net::errc> : std::true_type {};
