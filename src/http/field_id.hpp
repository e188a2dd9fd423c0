// The fields lethe itself looks at, as numbers: compared once when read, then by value.
#pragma once

#include <cstdint>
#include <string_view>

namespace lethe::http {

enum class field_id : std::uint8_t {
    other,
    age,
    alt_svc,
    authorization,
    cache_control,
    client_cert,
    client_cert_chain,
    connection,
    content_length,
    content_type,
    cookie,
    date,
    dpop,
    expect,
    forwarded,
    host,
    idempotency_key,
    keep_alive,
    location,
    origin,
    proxy_authenticate,
    proxy_authorization,
    proxy_connection,
    retry_after,
    server,
    set_cookie,
    te,
    traceparent,
    tracestate,
    trailer,
    transfer_encoding,
    upgrade,
    user_agent,
    via,
    www_authenticate,
    x_forwarded_for,
    x_forwarded_host,
    x_forwarded_proto,
    x_request_id,
    // Any field whose name starts with "Lethe-": between gateway and backend only.
    lethe,
};

// By name, in any case.
[[nodiscard]] field_id identify(std::string_view name) noexcept;

// Fields of one connection, never forwarded (RFC 9110 section 7.6.1); those that `Connection` names
// come on top.
[[nodiscard]] constexpr bool is_hop_by_hop(field_id id) noexcept {
    switch (id) {
        case field_id::connection:
        case field_id::keep_alive:
        case field_id::proxy_authenticate:
        case field_id::proxy_authorization:
        case field_id::proxy_connection:
        case field_id::te:
        case field_id::trailer:
        case field_id::transfer_encoding:
        case field_id::upgrade: return true;
        default: return false;
    }
}

}  // namespace lethe::http
