// What can be wrong with HTTP messages and connections.
#pragma once

#include "base/error.hpp"

namespace lethe::http {

enum class errc {
    // The peer closed or reset the connection before the message was complete.
    truncated = 1,
    // A message that RFC 9112 does not allow, or that two readers could read differently.
    malformed,
    // The head is larger than the limit (431).
    head_too_large,
    // More fields than the limit (431).
    too_many_fields,
    // The request target is longer than the limit (414).
    target_too_long,
    // The body is longer than the limit (413).
    body_too_large,
    // A transfer coding lethe does not speak (501).
    unsupported_transfer_coding,
    // An HTTP version other than 1.0 and 1.1 (505).
    unsupported_version,
    // CONNECT and TRACE: lethe is no forward proxy, and an echo would show the fields it adds
    // (501).
    unsupported_method,
    // An expectation other than 100-continue (417).
    unsupported_expectation,
    // HTTP/2 frames that cost more than they are good for: resets, pings, empty frames in a flood.
    too_costly,
    // The peer was too slow.
    timeout,
    // Whoever waited was told to give up.
    cancelled,
    // There is no room on the disk for a body that must be read whole.
    no_room,
};
[[nodiscard]] error_code make_error_code(errc e) noexcept;

}  // namespace lethe::http

template <>
struct boost::system::is_error_code_enum<lethe::http::errc> : std::true_type {};
