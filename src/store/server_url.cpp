#include "store/server_url.hpp"

#include "store/store.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace lethe::store {
namespace {

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
int hex_value(char c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// NUL is refused as well: the libraries below would end the text there.
std::optional<std::string> percent_decoded(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        char byte = text[i];
        if (byte == '%') {
            if (i + 2 >= text.size()) return std::nullopt;
            const int high = hex_value(text[i + 1]);
            const int low = hex_value(text[i + 2]);
            if (high < 0 || low < 0) return std::nullopt;
            byte = static_cast<char>(high * 16 + low);
            i += 2;
        }
        if (byte == '\0') return std::nullopt;
        out.push_back(byte);
    }
    return out;
}

// What stands before the first `end`, which is taken away with it; all of it when there is none.
std::string_view take_until(std::string_view& text, char end) {
    const std::size_t at = text.find(end);
    const std::string_view out = text.substr(0, at);
    text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
    return out;
}

class reading {
 public:
    reading(std::uint16_t default_port, std::string& why)
        : default_port_(default_port), why_(why) {}

    result<server_url> read(std::string_view url);

 private:
    error_code wrong(std::string sentence) {
        why_ = std::move(sentence);
        return LETHE_ERR(errc::malformed);
    }
    result<> read_scheme(std::string_view scheme);
    result<> read_login(std::string_view login);
    result<> read_hosts(std::string_view hosts);
    result<> read_host(std::string_view one);
    result<> read_options(std::string_view options);

    std::uint16_t default_port_;
    std::string& why_;
    server_url out_;
};

result<> reading::read_scheme(std::string_view scheme) {
    const bool fine =
        !scheme.empty() && is_letter(scheme.front()) && std::ranges::all_of(scheme, [](char c) {
            return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
        });
    if (!fine) return wrong("the URL must begin with a scheme, as redis://");
    for (const char c : scheme)
        out_.scheme.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
    return {};
}

result<> reading::read_login(std::string_view login) {
    const std::string_view user = take_until(login, ':');
    std::optional<std::string> decoded = percent_decoded(user);
    if (!decoded) return wrong("the user has a % that is not followed by two hexadecimal digits");
    out_.user = *std::move(decoded);
    std::optional<std::string> password = percent_decoded(login);
    if (!password)
        return wrong(
            "the password has a % that is not followed by two hexadecimal digits; write % as %25");
    out_.password = secret(*std::move(password));
    return {};
}

result<> reading::read_host(std::string_view one) {
    const std::string which = "host " + std::to_string(out_.hosts.size() + 1);
    if (one.empty()) return wrong(which + " is empty");
    const bool ipv6 = one.front() == '[';
    const std::size_t name_end = ipv6 ? one.find(']') : std::min(one.find(':'), one.size());
    if (name_end == std::string_view::npos) return wrong(which + " has a [ without a ]");
    const std::string_view name = one.substr(0, name_end + (ipv6 ? 1 : 0));
    std::string_view rest = one.substr(name.size());
    std::uint16_t port = default_port_;
    if (!rest.empty()) {
        const bool colon = rest.front() == ':';
        rest.remove_prefix(1);
        const auto [end, status] = std::from_chars(rest.data(), rest.data() + rest.size(), port);
        if (!colon || status != std::errc{} || end != rest.data() + rest.size() || port == 0)
            return wrong(which +
                         ": the port must be a number from 1 to 65535 (in user and password, write "
                         "/ as %2F, ? as %3F, # as %23 and @ as %40)");
    }
    const result<net::address> address =
        net::parse_address(std::string(name) + ":" + std::to_string(port));
    if (address.has_error())
        return wrong(which + " must be a name, an IPv4 address or an IPv6 address in brackets");
    out_.hosts.push_back(*address);
    return {};
}

result<> reading::read_hosts(std::string_view hosts) {
    while (true) {
        const bool more = hosts.find(',') != std::string_view::npos;
        const result<> one = read_host(take_until(hosts, ','));
        if (one.has_error() || !more) return one;
    }
}

result<> reading::read_options(std::string_view options) {
    while (!options.empty()) {
        std::string_view value = take_until(options, '&');
        const bool has_value = value.find('=') != std::string_view::npos;
        const std::string_view name = take_until(value, '=');
        std::optional<std::string> decoded_name = percent_decoded(name);
        std::optional<std::string> decoded_value = percent_decoded(value);
        if (!has_value || name.empty() || !decoded_name || !decoded_value)
            return wrong("an option behind the ? must have the form name=value");
        out_.options.emplace_back(*std::move(decoded_name), *std::move(decoded_value));
    }
    return {};
}

result<server_url> reading::read(std::string_view url) {
    if (url.size() > 8192) return wrong("the URL is longer than 8192 bytes");
    const std::size_t authority = url.find("://");
    if (authority == std::string_view::npos)
        return wrong("the URL must have the form scheme://host:port");
    const result<> scheme_read = read_scheme(url.substr(0, authority));
    if (scheme_read.has_error()) return scheme_read.error();
    std::string_view rest = url.substr(authority + 3);
    if (rest.find('#') != std::string_view::npos)
        return wrong("the URL has a #; in user and password, write it as %23");
    std::string_view hosts = rest.substr(0, rest.find_first_of("/?"));
    rest.remove_prefix(hosts.size());
    // The last @: one in the password is meant as such.
    const std::size_t at = hosts.rfind('@');
    if (at != std::string_view::npos) {
        const result<> login_read = read_login(hosts.substr(0, at));
        if (login_read.has_error()) return login_read.error();
        hosts.remove_prefix(at + 1);
    }
    const result<> hosts_read = read_hosts(hosts);
    if (hosts_read.has_error()) return hosts_read.error();
    std::string_view path = take_until(rest, '?');
    if (!path.empty()) path.remove_prefix(1);
    std::optional<std::string> decoded = percent_decoded(path);
    if (!decoded) return wrong("the path has a % that is not followed by two hexadecimal digits");
    out_.path = *std::move(decoded);
    const result<> options_read = read_options(rest);
    if (options_read.has_error()) return options_read.error();
    return std::move(out_);
}

}  // namespace

result<server_url> parse_server_url(std::string_view url, std::uint16_t default_port,
                                    std::string& why) {
    return reading(default_port, why).read(url);
}

}  // namespace lethe::store
