// Where to listen and where to connect to.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace lethe::net {

enum class address_kind : std::uint8_t { tcp, path, inherited };

struct address {
    // tcp: a name, an IPv4 or an IPv6 address without brackets; path: that of a Unix socket;
    // inherited: the name of a listening socket that the service manager passed on.
    std::string host;
    std::uint16_t port = 0;  // of tcp
    address_kind kind = address_kind::tcp;

    bool operator==(const address&) const = default;
};

// "127.0.0.1:8080", "[::1]:8080", "shop.internal:80"; condition::malformed otherwise.
[[nodiscard]] result<address> parse_address(std::string_view text);
// "unix:/run/shop.sock": an absolute path that fits a Unix socket. Else as parse_address.
[[nodiscard]] result<address> parse_peer_address(std::string_view text);
// "systemd:web" too: what can be listened at.
[[nodiscard]] result<address> parse_listen_address(std::string_view text);
// The same form back.
[[nodiscard]] std::string to_text(const address& a);

}  // namespace lethe::net
