// Where to listen and where to connect to.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace lethe::net {

struct address {
    std::string host;  // a name, an IPv4 or an IPv6 address without brackets
    std::uint16_t port = 0;

    bool operator==(const address&) const = default;
};

// "127.0.0.1:8080", "[::1]:8080", "shop.internal:80"; condition::malformed otherwise.
[[nodiscard]] result<address> parse_address(std::string_view text);
// The same form back.
[[nodiscard]] std::string to_text(const address& a);

}  // namespace lethe::net
