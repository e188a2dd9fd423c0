// The header by which a proxy that passes on bytes says whose connection it is: the PROXY protocol,
// versions 1 and 2 (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt).
#pragma once

#include "net/stream.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace lethe::net {

// A longer header is refused; what version 2 carries beside addresses is not looked at.
inline constexpr std::size_t proxy_header_bytes_max = 2048;

struct proxy_header {
    std::size_t bytes = 0;  // its length
    // The client's IP address; "": the connection is the proxy's own, or of no such family.
    std::string address;
};

// `begun`: what has come of a connection. nullopt: more of it is needed. Error:
// proxy_header_malformed, as soon as no header can begin so.
[[nodiscard]] result<std::optional<proxy_header>> parse_proxy_header(std::string_view begun);

// Reads it from a stream that nobody has read from, by the deadline, and not a byte more: from then
// on the stream's remote_address() is what it said. Errors: proxy_header_malformed,
// connection_lost, timeout, cancelled.
[[nodiscard]] task<> take_proxy_header(stream& from, steady_time deadline);

}  // namespace lethe::net
