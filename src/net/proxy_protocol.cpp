#include "net/proxy_protocol.hpp"

#include "net/errors.hpp"
#include "net/stream_impl.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

namespace lethe::net {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view v1_begin = "PROXY ";
constexpr std::string_view v2_begin = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::size_t v1_bytes_max = 107;  // section 2.1
constexpr std::size_t v2_head_bytes = 16;

bool agree(std::string_view a, std::string_view b) {
    const std::size_t both = std::min(a.size(), b.size());
    return a.substr(0, both) == b.substr(0, both);
}

// The family's own text of an address; "" when it is none.
std::string to_own_text(int family, const void* bytes) {
    std::array<char, INET6_ADDRSTRLEN> text;
    return ::inet_ntop(family, bytes, text.data(), text.size()) != nullptr ? text.data() : "";
}

std::string read_address(int family, std::string_view text) {
    std::array<unsigned char, sizeof(in6_addr)> bytes;
    return ::inet_pton(family, std::string(text).c_str(), bytes.data()) == 1
               ? to_own_text(family, bytes.data())
               : "";
}

// Decimal, 0 to 65535, no zeros in front.
bool is_port(std::string_view text) {
    if (text.empty() || text.size() > 5 || (text.size() > 1 && text.front() == '0')) return false;
    unsigned value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return false;
        value = value * 10 + static_cast<unsigned>(c - '0');
    }
    return value <= 65535;
}

// Takes what stands before the next space, and the space.
std::string_view take_word(std::string_view& from) {
    const std::size_t space = std::min(from.find(' '), from.size());
    const std::string_view out = from.substr(0, space);
    from.remove_prefix(std::min(space + 1, from.size()));
    return out;
}

// "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"
result<std::optional<proxy_header>> parse_v1(std::string_view begun) {
    const std::size_t end = begun.substr(0, v1_bytes_max).find("\r\n");
    if (end == std::string_view::npos) {
        if (begun.size() >= v1_bytes_max) return LETHE_ERR(errc::proxy_header_malformed);
        return std::optional<proxy_header>{};
    }
    proxy_header out{.bytes = end + 2, .address = {}};
    std::string_view rest = begun.substr(v1_begin.size(), end - v1_begin.size());
    const std::string_view protocol = take_word(rest);
    if (protocol == "UNKNOWN") return std::optional(out);
    if (protocol != "TCP4" && protocol != "TCP6") return LETHE_ERR(errc::proxy_header_malformed);
    const int family = protocol == "TCP4" ? AF_INET : AF_INET6;
    out.address = read_address(family, take_word(rest));
    const std::string to = read_address(family, take_word(rest));
    const bool ports = is_port(take_word(rest)) && is_port(rest);
    if (out.address.empty() || to.empty() || !ports) return LETHE_ERR(errc::proxy_header_malformed);
    return std::optional(std::move(out));
}

// Section 2.2: the signature, version and command, family, the length of what follows.
result<std::optional<proxy_header>> parse_v2(std::string_view begun) {
    if (begun.size() < v2_head_bytes) return std::optional<proxy_header>{};
    const auto at = [begun](std::size_t place) { return static_cast<std::uint8_t>(begun[place]); };
    const std::uint8_t version = at(12) >> 4U;
    const std::uint8_t command = at(12) & 0xfU;
    const std::uint8_t family = at(13);
    const std::size_t length = std::size_t{at(14)} * 256 + at(15);
    proxy_header out{.bytes = v2_head_bytes + length, .address = {}};
    if (version != 2 || command > 1 || (family >> 4U) > 3 || (family & 0xfU) > 2 ||
        out.bytes > proxy_header_bytes_max)
        return LETHE_ERR(errc::proxy_header_malformed);
    constexpr std::uint8_t tcp4 = 0x11;
    constexpr std::uint8_t tcp6 = 0x21;
    const bool is_v4 = family == tcp4;
    const bool is_client = command == 1 && (is_v4 || family == tcp6);
    const std::size_t needed = is_v4 ? 12 : 36;  // two addresses, two ports
    if (is_client && length < needed) return LETHE_ERR(errc::proxy_header_malformed);
    if (begun.size() < out.bytes) return std::optional<proxy_header>{};
    if (is_client)
        out.address = to_own_text(is_v4 ? AF_INET : AF_INET6, begun.data() + v2_head_bytes);
    return std::optional(std::move(out));
}

}  // namespace

result<std::optional<proxy_header>> parse_proxy_header(std::string_view begun) {
    const bool may_be_v1 = agree(begun, v1_begin);
    const bool may_be_v2 = agree(begun, v2_begin);
    if (!may_be_v1 && !may_be_v2) return LETHE_ERR(errc::proxy_header_malformed);
    if (may_be_v1 && begun.size() >= v1_begin.size()) return parse_v1(begun);
    if (may_be_v2 && begun.size() >= v2_begin.size()) return parse_v2(begun);
    return std::optional<proxy_header>{};
}

task<> take_proxy_header(stream& from, steady_time deadline) {
    stream::impl& in = from.inside();
    from.expires_at(deadline);
    std::array<char, proxy_header_bytes_max> bytes;
    while (true) {
        if (in.gave_up()) co_return in.reason();
        // Looked at, not read: what follows is for others.
        const ssize_t got =
            ::recv(in.socket.number(), bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) continue;
        const bool nothing_yet = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
        if (got == 0 || (got < 0 && !nothing_yet)) co_return LETHE_ERR(errc::connection_lost);
        if (got > 0) {
            result<std::optional<proxy_header>> found =
                parse_proxy_header({bytes.data(), static_cast<std::size_t>(got)});
            if (found.has_error()) co_return found.error();
            if (*found) {
                const ssize_t taken =
                    ::recv(in.socket.number(), bytes.data(), (*found)->bytes, MSG_DONTWAIT);
                if (taken != static_cast<ssize_t>((*found)->bytes))
                    co_return LETHE_ERR(errc::connection_lost);
                if (!(*found)->address.empty()) in.remote = std::move((*found)->address);
                in.clear();
                co_return result<>{};
            }
        }
        in.drained();
        // What came is not a whole header, and the peer has ended its side.
        if (in.may_read()) co_return LETHE_ERR(errc::connection_lost);
        co_await in.reading.wait();
    }
}

}  // namespace lethe::net
