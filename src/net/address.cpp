#include "net/address.hpp"

#include <algorithm>
#include <charconv>

namespace lethe::net {
namespace {

enum class errc { malformed = 1 };

error_code make_error_code(errc e) {
    static constexpr error_row rows[] = {
        {int(errc::malformed), "not an address of the form host:port", condition::malformed}};
    static const table_category instance{"lethe.net.address", rows};
    return {static_cast<int>(e), instance};
}

bool is_host_byte(char c, bool ipv6) {
    if (ipv6)
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ||
               c == ':' || c == '.';
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_';
}

}  // namespace

result<address> parse_address(std::string_view text) {
    const bool ipv6 = text.starts_with('[');
    const std::size_t host_end = ipv6 ? text.find(']') : text.rfind(':');
    if (host_end == std::string_view::npos) return LETHE_ERR(errc::malformed);
    const std::string_view host = ipv6 ? text.substr(1, host_end - 1) : text.substr(0, host_end);
    std::string_view rest = text.substr(host_end + (ipv6 ? 1 : 0));
    if (host.empty() || host.size() > 253 || !rest.starts_with(':'))
        return LETHE_ERR(errc::malformed);
    for (const char c : host)
        if (!is_host_byte(c, ipv6)) return LETHE_ERR(errc::malformed);
    rest.remove_prefix(1);

    address out{std::string(host), 0};
    const auto [end, status] = std::from_chars(rest.data(), rest.data() + rest.size(), out.port);
    if (status != std::errc{} || end != rest.data() + rest.size() || rest.empty())
        return LETHE_ERR(errc::malformed);
    return out;
}

result<address> parse_peer_address(std::string_view text) {
    constexpr std::string_view scheme = "unix:";
    constexpr std::size_t path_bytes_max = 107;  // unix(7), sun_path
    if (!text.starts_with(scheme)) return parse_address(text);
    text.remove_prefix(scheme.size());
    const bool printable =
        std::ranges::all_of(text, [](char c) { return c > ' ' && c != 0x7f && c != '"'; });
    if (!text.starts_with('/') || text.ends_with('/') || text.size() > path_bytes_max || !printable)
        return LETHE_ERR(errc::malformed);
    return address{std::string(text), 0, address_kind::path};
}

result<address> parse_listen_address(std::string_view text) {
    constexpr std::string_view scheme = "systemd:";
    if (!text.starts_with(scheme)) return parse_peer_address(text);
    text.remove_prefix(scheme.size());
    // systemd.socket(5), FileDescriptorName=
    const bool printable =
        std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f && c != ':'; });
    if (text.empty() || text.size() > 255 || !printable) return LETHE_ERR(errc::malformed);
    return address{std::string(text), 0, address_kind::inherited};
}

std::string to_text(const address& a) {
    if (a.kind == address_kind::path) return "unix:" + a.host;
    if (a.kind == address_kind::inherited) return "systemd:" + a.host;
    const bool ipv6 = a.host.find(':') != std::string::npos;
    return (ipv6 ? "[" + a.host + "]" : a.host) + ":" + std::to_string(a.port);
}

}  // namespace lethe::net
