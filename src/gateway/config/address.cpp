#include "gateway/config/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace lethe::gateway::config {

std::optional<ip_address> parse_ip_address(std::string_view text) {
    if (text.size() >= INET6_ADDRSTRLEN) return std::nullopt;
    char copy[INET6_ADDRSTRLEN] = {};
    std::copy(text.begin(), text.end(), copy);
    if (std::memchr(text.data(), 0, text.size()) != nullptr) return std::nullopt;
    ip_address made;
    if (inet_pton(AF_INET6, copy, made.bytes.data()) == 1) return made;
    if (inet_pton(AF_INET, copy, made.bytes.data() + 12) != 1) return std::nullopt;
    made.bytes[10] = 0xff;
    made.bytes[11] = 0xff;
    return made;
}

namespace {

// Whether the first `bits` of both are equal.
bool same_start(const ip_address& a, const ip_address& b, std::uint8_t bits) noexcept {
    const std::size_t whole = bits / 8;
    if (!std::equal(a.bytes.begin(), a.bytes.begin() + static_cast<std::ptrdiff_t>(whole),
                    b.bytes.begin()))
        return false;
    const int rest = bits % 8;
    if (rest == 0) return true;
    return ((a.bytes[whole] ^ b.bytes[whole]) >> (8 - rest)) == 0;
}

bool is_zero_after(const ip_address& one, std::uint8_t bits) noexcept {
    for (std::size_t bit = bits; bit < 128; ++bit)
        if (((one.bytes[bit / 8] >> (7 - bit % 8)) & 1) != 0) return false;
    return true;
}

}  // namespace

bool network::contains(const ip_address& one) const noexcept {
    return !unix_peers && same_start(first, one, prefix_bits);
}

std::optional<network> parse_network(std::string_view text) {
    if (text == "unix") return network{std::string(text), {}, 128, true};
    const std::size_t slash = text.find('/');
    const std::string_view address = text.substr(0, slash);
    const auto first = parse_ip_address(address);
    if (!first) return std::nullopt;
    network made{std::string(text), *first, 128};
    if (slash == text.npos) return made;
    const std::string_view digits = text.substr(slash + 1);
    const unsigned bits_max = address.find(':') == address.npos ? 32 : 128;
    unsigned bits = 0;
    const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    if (failure != std::errc{} || end != digits.data() + digits.size() || bits > bits_max)
        return std::nullopt;
    made.prefix_bits = static_cast<std::uint8_t>(bits + (128 - bits_max));
    if (!is_zero_after(made.first, made.prefix_bits)) return std::nullopt;
    return made;
}

}  // namespace lethe::gateway::config
