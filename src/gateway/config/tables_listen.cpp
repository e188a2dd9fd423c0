// The tables of where clients and operators connect.
#include "gateway/config/listen_address.hpp"
#include "gateway/config/tables.hpp"
#include "net/address.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace lethe::gateway::config {

namespace {

using address_parser = result<net::address> (*)(std::string_view);

codec<net::address> address_by(address_parser parse, const std::string& words,
                               std::string pattern) {
    shape what{.kind = value_kind::text, .words = words, .pattern = std::move(pattern)};
    return {what,
            [parse, words](reader& with, const place& at, net::address& to) {
                if (want_scalar(with, at, words) == nullptr) return;
                result<net::address> parsed = parse(at.value.text);
                if (parsed.has_error()) return with.fail_value(at, "is not an address", words);
                if (parsed->host == "localhost") parsed->host = "127.0.0.1";
                if (parsed->kind == net::address_kind::tcp && !parse_ip_address(parsed->host))
                    return with.fail_value(
                        at, "names a host, and one can listen on an IP address only", words);
                to = *std::move(parsed);
            },
            [](const net::address&) { return boost::json::value(); }};
}

}  // namespace

codec<net::address> tcp_address() {
    return address_by(net::parse_address, "an address of the form 127.0.0.1:8080, [::1]:8080",
                      ":[0-9]{1,5}$|\\$\\{");
}

codec<net::address> listen_address() {
    return address_by(net::parse_listen_address,
                      "an address of the form 127.0.0.1:8080, [::1]:8080, "
                      "unix:/run/lethe/lethe.sock or systemd:NAME",
                      ":[0-9]{1,5}$|^unix:/.+|^systemd:.+|\\$\\{");
}

namespace {

template <class Options>
void add_address(table<Options>& t, std::string address_text, std::string example,
                 codec<net::address> of) {
    t.add({.name = "address",
           .text = std::move(address_text),
           .example = std::move(example),
           .required = true,
           .reload = reload_rule::restart},
          &Options::address, std::move(of));
}

// "0660"
codec<unsigned> file_mode() {
    const std::string words = "four octal digits such as 0660";
    return {{.kind = value_kind::text, .words = words, .pattern = "^0[0-7]{3}$|\\$\\{"},
            [words](reader& with, const place& at, unsigned& to) {
                if (want_scalar(with, at, words) == nullptr) return;
                const std::string& given = at.value.text;
                const bool fits =
                    given.size() == 4 && given[0] == '0' &&
                    std::ranges::all_of(given, [](char c) { return c >= '0' && c < '8'; });
                if (!fits) return with.fail_value(at, "is not a mode", words);
                to = 0;
                for (const char c : given) to = to * 8 + static_cast<unsigned>(c - '0');
            },
            [](const unsigned& value) { return boost::json::value(fmt::format("{:04o}", value)); }};
}

bool is_api_token(std::string_view text) {
    constexpr std::size_t bytes_min = 16;
    return text.size() >= bytes_min &&
           std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

// A mistake in it is told without showing it.
codec<std::string> api_token() {
    const std::string words = "16 or more visible ASCII characters";
    codec<std::string> made = text(words);
    made.read = [words](reader& with, const place& at, std::string& to) {
        if (want_scalar(with, at, words) == nullptr) return;
        if (!is_api_token(at.value.text))
            return with.fail(at, "is too short, or has other characters", "expected " + words);
        to = at.value.text;
    };
    return made;
}

}  // namespace

const table<listener_options>& listener_table() {
    static const table<listener_options> made = [] {
        table<listener_options> t("listener", "`listen[]`",
                                  "Where clients connect, by HTTP/1.1 or HTTP/2, plain or in TLS.");
        add_address(
            t,
            "An IP address and a port; `0.0.0.0` and `[::]`: every address of the machine; "
            "port `0`: the system chooses, and the log tells. `unix:/run/lethe/lethe.sock`: a "
            "Unix socket. `systemd:NAME`: a socket that systemd passes on "
            "([how](operations.md#under-systemd)).",
            "\"127.0.0.1:8080\"", listen_address());
        t.add({.name = "mode",
               .text = "Who may connect to a Unix socket, as for chmod.",
               .example = "\"0666\"",
               .reload = reload_rule::restart},
              &listener_options::unix_mode, file_mode());
        t.add({.name = "tls",
               .text = "Clients speak TLS there, and nothing else ([how](tls.md)). What its files "
                       "hold is taken over when they change; on reload, the options too.",
               .example = "{certificates: [{file: shop.pem, key_file: shop.key}]}"},
              &listener_options::tls, optional_of(section(listener_tls_table())));
        t.add(
            {.name = "http2",
             .text = "Clients may speak HTTP/2 there: in TLS as both agree (ALPN), plain when they "
                     "begin with it ([what that means](http.md#http2)).",
             .example = "false"},
            &listener_options::http2, boolean());
        t.add({.name = "proxy_protocol",
               .text = "Each connection begins with a PROXY header, version 1 or 2, of one of "
                       "`trusted_proxies` ([what that means](http.md#proxies-in-front)); any other "
                       "is closed.",
               .example = "true"},
              &listener_options::proxy_protocol, boolean());
        return t;
    }();
    return made;
}

const table<admin_options>& admin_table() {
    static const table<admin_options> made = [] {
        table<admin_options> t("admin", "`admin`",
                               "Where `/healthz`, `/readyz` and `/metrics` are answered: whoever "
                               "can connect can read them. With `api_token`, `/lethe/v1/` too.");
        add_address(t, "An IP address and a port.", "\"127.0.0.1:9901\"", tcp_address());
        t.add({.name = "api_token",
               .text = "What callers of `/lethe/v1/` show as `Authorization: Bearer …`. Without it "
                       "nobody may call. Best `${NAME}` from the environment.",
               .example = "\"3b1f8c0e9d7a4c52\"",
               .reload = reload_rule::restart},
              &admin_options::api_token, api_token());
        return t;
    }();
    return made;
}

}  // namespace lethe::gateway::config
