#include "http/target.hpp"

#include "base/bytes.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>

namespace lethe::http {
namespace {

// What a byte of a path asks for; the bits of a whole path are or-ed together.
enum path_work : std::uint8_t {
    dot = 1,     // may be a dot segment
    escape = 2,  // '%'
    encode = 4,  // not allowed raw by RFC 3986, but often sent so
    refuse = 8,
};

constexpr bool is_unreserved(unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

constexpr auto path_table = [] {
    std::array<std::uint8_t, 256> out{};
    for (std::size_t c = 0; c < 256; ++c) out[c] = c <= 0x20 || c >= 0x7f ? refuse : 0;
    for (const char c : {'#', '?', '\\'}) out[static_cast<unsigned char>(c)] = refuse;
    for (const char c : {'"', '<', '>', '[', ']', '^', '`', '{', '|', '}'})
        out[static_cast<unsigned char>(c)] = encode;
    out['.'] = dot;
    out['%'] = escape;
    return out;
}();

constexpr auto query_refused = [] {
    std::array<bool, 256> out{};
    for (std::size_t c = 0; c < 256; ++c) out[c] = c <= 0x20 || c >= 0x7f || c == '#';
    return out;
}();

constexpr int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

constexpr char hex_upper[] = "0123456789ABCDEF";

unsigned work_of(std::string_view path) {
    unsigned work = 0;
    for (const char c : path) work |= path_table[static_cast<unsigned char>(c)];
    return work;
}

// Whether a segment starts with a dot: only then can there be a dot segment, open or disguised.
bool starts_segment_with_dot(std::string_view path) {
    for (std::size_t at = path.find('.'); at != std::string_view::npos; at = path.find('.', at + 1))
        if (path[at - 1] == '/') return true;  // the path starts with '/', so at > 0
    return false;
}

void put_escape(char*& to, unsigned char byte) {
    *to++ = '%';
    *to++ = hex_upper[byte >> 4];
    *to++ = hex_upper[byte & 15];
}

// One form for every escape; answers the end of what was written, nullptr when an escape is broken
// or hides a control byte.
char* rewrite_escapes(std::string_view path, char* to) {
    for (std::size_t i = 0; i < path.size(); ++i) {
        const auto byte = static_cast<unsigned char>(path[i]);
        if (path_table[byte] == encode) {
            put_escape(to, byte);
        } else if (byte != '%') {
            *to++ = path[i];
        } else {
            if (i + 2 >= path.size()) return nullptr;
            const int high = hex_digit(path[i + 1]);
            const int low = hex_digit(path[i + 2]);
            if (high < 0 || low < 0) return nullptr;
            const auto decoded = static_cast<unsigned char>(high * 16 + low);
            if (decoded < 0x20 || decoded == 0x7f) return nullptr;
            if (is_unreserved(decoded))
                *to++ = static_cast<char>(decoded);
            else
                put_escape(to, decoded);
            i += 2;
        }
    }
    return to;
}

// 3 at an escaped slash or backslash, which some servers take for a slash.
std::size_t escaped_slash(std::string_view rest) {
    const std::string_view start = rest.substr(0, 3);
    return start == "%2F" || start == "%5C" ? 3 : 0;
}

// A "." or ".." that is no dot segment by RFC 3986, but becomes one for a server that decodes "%2F"
// or
// "%5C" early or drops ";parameters" before it looks.
bool has_disguised_dots(std::string_view path) {
    bool behind_escape = false;
    for (std::size_t i = 0; i < path.size();) {
        const std::size_t slash = path[i] == '/' ? 1 : escaped_slash(path.substr(i));
        if (slash == 0) {
            ++i;
            continue;
        }
        behind_escape = slash == 3;
        i += slash;
        std::size_t end = i;
        while (end < path.size() && path[end] == '.') ++end;
        if (end == i || end - i > 2) continue;
        const std::string_view rest = path.substr(end);
        if (!rest.empty() && (rest.front() == ';' || escaped_slash(rest) != 0)) return true;
        if (behind_escape && (rest.empty() || rest.front() == '/')) return true;
    }
    return false;
}

// RFC 3986 section 5.2.4, in place, and without empty segments but a last one; nullopt when ".."
// goes above the root.
std::optional<std::size_t> remove_dot_segments(char* path, std::size_t size) {
    std::size_t out = 0;
    for (std::size_t start = 0; start < size;) {  // at a '/'
        std::size_t end = start + 1;
        while (end < size && path[end] != '/') ++end;
        const std::string_view segment(path + start + 1, end - start - 1);
        const bool dots = segment == "." || segment == "..";
        const bool empty = segment.empty() && end != size;
        if (segment == "..") {
            if (out == 0) return std::nullopt;
            while (path[--out] != '/') {
            }
        }
        if (!dots && !empty) {
            std::memmove(path + out, path + start, end - start);
            out += end - start;
        } else if (end == size) {
            path[out++] = '/';
        }
        start = end;
    }
    return out;
}

result<std::string_view> rewrite_path(std::string_view text, arena& memory) {
    const auto to_encode =
        static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
            return path_table[static_cast<unsigned char>(c)] == encode;
        }));
    char* const start = static_cast<char*>(memory.allocate(text.size() + 2 * to_encode, 1));
    const char* const end = rewrite_escapes(text, start);
    if (end == nullptr) return LETHE_ERR(errc::malformed);
    const auto size = static_cast<std::size_t>(end - start);
    if (has_disguised_dots({start, size})) return LETHE_ERR(errc::malformed);
    const std::optional<std::size_t> kept = remove_dot_segments(start, size);
    if (!kept) return LETHE_ERR(errc::malformed);
    const std::string_view out(start, *kept);
    return out == text ? text : out;
}

bool starts_ignoring_case(std::string_view text, std::string_view lower) {
    return text.size() >= lower.size() && equal_ignoring_case(text.substr(0, lower.size()), lower);
}

// Splits "http://host:1/path?query"; what is left in `text` is in origin form but for an empty
// path.
result<> take_authority(std::string_view& text, target& out, arena& memory) {
    if (starts_ignoring_case(text, "http://")) {
        out.default_port = 80;
        text.remove_prefix(7);
    } else if (starts_ignoring_case(text, "https://")) {
        out.default_port = 443;
        text.remove_prefix(8);
    } else {
        return LETHE_ERR(errc::malformed);
    }
    const std::size_t end = std::min(text.find_first_of("/?"), text.size());
    if (!is_authority(text.substr(0, end))) return LETHE_ERR(errc::malformed);
    out.authority = normalise_authority(text.substr(0, end), memory);
    text.remove_prefix(end);
    return {};
}

struct host_and_port {
    std::string_view host;
    std::string_view port;
};

// Only for what is_authority accepts, or rubbish that then compares unequal.
host_and_port split_authority(std::string_view text) {
    const std::size_t bracket = text.rfind(']');
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || (bracket != std::string_view::npos && colon < bracket))
        return {text, {}};
    return {text.substr(0, colon), text.substr(colon + 1)};
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || text.size() > 5)
        return std::nullopt;
    return port;
}

bool is_ipv6(std::string_view text) {
    std::array<char, 46> zero_ended{};
    if (text.size() >= zero_ended.size() || text.find('\0') != std::string_view::npos) return false;
    std::copy(text.begin(), text.end(), zero_ended.begin());
    in6_addr address{};
    return inet_pton(AF_INET6, zero_ended.data(), &address) == 1;
}

}  // namespace

bool is_authority(std::string_view text) noexcept {
    const auto [host, port] = split_authority(text);
    if (host.size() != text.size() && !parse_port(port)) return false;
    if (host.empty() || host.size() > 255) return false;
    if (host.front() == '[') return host.back() == ']' && is_ipv6(host.substr(1, host.size() - 2));
    return std::all_of(host.begin(), host.end(),
                       [](char c) { return is_unreserved(static_cast<unsigned char>(c)); });
}

std::string_view normalise_authority(std::string_view text, arena& memory) {
    const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
    if (std::none_of(text.begin(), text.end(), is_upper)) return text;
    char* const to = static_cast<char*>(memory.allocate(text.size(), 1));
    std::transform(text.begin(), text.end(), to,
                   [&](char c) { return is_upper(c) ? static_cast<char>(c + ('a' - 'A')) : c; });
    return {to, text.size()};
}

bool same_authority(std::string_view a, std::string_view b, std::uint16_t default_port) noexcept {
    const host_and_port left = split_authority(a);
    const host_and_port right = split_authority(b);
    if (!equal_ignoring_case(left.host, right.host)) return false;
    const auto port_of = [default_port](std::string_view port) {
        return port.empty() ? std::optional(default_port) : parse_port(port);
    };
    return port_of(left.port) == port_of(right.port);
}

result<std::string_view> normalise_path(std::string_view text, arena& memory) {
    if (text.empty() || text.front() != '/') return LETHE_ERR(errc::malformed);
    const unsigned work = work_of(text);
    if ((work & refuse) != 0) return LETHE_ERR(errc::malformed);
    if ((work & (escape | encode)) == 0 && ((work & dot) == 0 || !starts_segment_with_dot(text)) &&
        text.find("//") == std::string_view::npos)
        return text;
    return rewrite_path(text, memory);
}

result<target> parse_target(std::string_view text, method m, arena& memory) {
    target out;
    if (text == "*" && m == method::options) {
        out.path = text;
        return out;
    }
    if (text.empty()) return LETHE_ERR(errc::malformed);
    const bool absolute = text.front() != '/';
    if (absolute) {
        const result<> taken = take_authority(text, out, memory);
        if (taken.has_error()) return taken.error();
    }
    const std::size_t question = text.find('?');
    if (question != std::string_view::npos) {
        out.has_query = true;
        out.query = text.substr(question + 1);
        text = text.substr(0, question);
        for (const char c : out.query)
            if (query_refused[static_cast<unsigned char>(c)]) return LETHE_ERR(errc::malformed);
    }
    if (absolute && text.empty()) {  // RFC 9112 sections 3.2.2 and 3.2.4
        out.path = m == method::options && !out.has_query ? "*" : "/";
        return out;
    }
    const result<std::string_view> path = normalise_path(text, memory);
    if (path.has_error()) return path.error();
    out.path = *path;
    return out;
}

}  // namespace lethe::http
