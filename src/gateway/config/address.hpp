// IP addresses and networks, for `trusted_proxies`.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lethe::gateway::config {

// An IPv4 address is kept as the IPv6 address that maps it (RFC 4291 section 2.5.5.2), so that both
// ways to write the same peer are one.
struct ip_address {
    std::array<std::uint8_t, 16> bytes{};

    bool operator==(const ip_address&) const = default;
};

// "127.0.0.1", "::1"; no brackets, no zone.
[[nodiscard]] std::optional<ip_address> parse_ip_address(std::string_view text);

// An address, or all addresses that share its first bits.
struct network {
    std::string text;  // as written: "10.0.0.0/8"
    ip_address first;
    std::uint8_t prefix_bits = 128;  // of the IPv6 form
    bool unix_peers = false;         // whoever connects to a Unix socket, and no IP address

    [[nodiscard]] bool contains(const ip_address& one) const noexcept;
    bool operator==(const network&) const = default;
};
[[nodiscard]] inline const std::string& to_text(const network& one) noexcept {
    return one.text;
}

// "10.0.0.0/8", "::1", "unix"; bits behind the prefix must be zero.
[[nodiscard]] std::optional<network> parse_network(std::string_view text);

}  // namespace lethe::gateway::config
