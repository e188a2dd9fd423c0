#include "store/redis/settings.hpp"

#include "store/engine_kind.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace lethe::store::redis {
namespace {

constexpr std::uint16_t server_port = 6379;
constexpr std::uint16_t sentinel_port = 26379;
constexpr std::size_t prefix_bytes_max = 64;

std::optional<unsigned> to_number(std::string_view text, unsigned most) noexcept {
    unsigned out = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (failed != std::errc{} || end != text.data() + text.size() || out > most)
        return std::nullopt;
    return out;
}

result<> wrong(std::string& why, std::string_view what) {
    why = what;
    return LETHE_ERR(errc::malformed);
}

result<> take_database(settings& into, std::string_view text, std::string& why) {
    if (text.empty()) return {};
    const std::optional<unsigned> number = to_number(text, 1'000'000);
    if (!number) return wrong(why, "the database of a Redis URL is a number, such as /0");
    into.database = *number;
    return {};
}

result<> take_path(settings& into, std::string_view path, std::string& why) {
    if (into.how == topology::single) return take_database(into, path, why);
    if (into.how == topology::cluster) {
        if (path.empty()) return {};
        return wrong(why, "a Redis cluster has no databases: leave out what follows the hosts");
    }
    const std::size_t slash = path.find('/');
    into.primary = path.substr(0, slash);
    if (into.primary.empty())
        return wrong(why, "redis+sentinel:// needs the primary's name: …/mymaster");
    return take_database(into, slash == path.npos ? "" : path.substr(slash + 1), why);
}

result<> take_option(settings& into, const std::string& name, const std::string& text,
                     std::string& why) {
    if (name == "prefix") {
        if (text.size() > prefix_bytes_max) return wrong(why, "prefix= is 64 bytes at most");
        into.names.prefix = text;
    } else if (name == "proto") {
        if (text != "2" && text != "3") return wrong(why, "proto= is 2 or 3");
        into.protocol = text == "2" ? 2 : 3;
    } else if (name == "wait") {
        const std::optional<unsigned> number = to_number(text, 100);
        if (!number) return wrong(why, "wait= is a number of replicas");
        into.wait_replicas = *number;
    } else if (name == "wait_ms") {
        const std::optional<unsigned> number = to_number(text, 60'000);
        if (!number || *number == 0)
            return wrong(why, "wait_ms= is a number of milliseconds, 1 to 60000");
        into.wait_time = std::chrono::milliseconds{*number};
    } else if (into.tls && name == "ca") {
        into.tls_files.ca_file = text;
    } else if (into.tls && name == "cert") {
        into.tls_files.certificate_file = text;
    } else if (into.tls && name == "key") {
        into.tls_files.key_file = text;
    } else if (into.tls && name == "tls_name") {
        into.tls_files.name = text;
    } else if (into.how == topology::sentinel && name == "sentinel_user") {
        into.sentinel.user = text;
    } else if (into.how == topology::sentinel && name == "sentinel_password") {
        into.sentinel.password = secret(text);
    } else {
        return wrong(why,
                     "a Redis URL has the options prefix=, proto=, wait= and wait_ms=; rediss:// "
                     "also ca=, cert=, key= and tls_name=; sentinels also sentinel_user= and "
                     "sentinel_password=");
    }
    return {};
}

}  // namespace

bool is_redis_url(std::string_view url) noexcept {
    return has_scheme(url, {"redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster",
                            "rediss+cluster"});
}

result<settings> parse_settings(std::string_view url, std::string& why) {
    const std::string_view scheme = url.substr(0, url.find(':'));
    settings out;
    out.tls = scheme.starts_with("rediss");
    if (scheme.ends_with("+sentinel")) out.how = topology::sentinel;
    if (scheme.ends_with("+cluster")) out.how = topology::cluster;
    const std::uint16_t port = out.how == topology::sentinel ? sentinel_port : server_port;
    LETHE_TRY(server_url parts, parse_server_url(url, port, why));
    if (out.how == topology::single && parts.hosts.size() != 1) {
        why =
            "redis:// takes one host; several are for redis+sentinel://…/NAME and "
            "redis+cluster://";
        return LETHE_ERR(errc::malformed);
    }
    out.hosts = std::move(parts.hosts);
    out.server = {std::move(parts.user), std::move(parts.password)};
    if (!out.server.user.empty() && out.server.password.empty()) {
        why = "a Redis URL with a user needs the password, too: redis://user:password@host";
        return LETHE_ERR(errc::malformed);
    }
    const result<> path = take_path(out, parts.path, why);
    if (path.has_error()) return path.error();
    for (const auto& [name, text] : parts.options) {
        const result<> taken = take_option(out, name, text, why);
        if (taken.has_error()) return taken.error();
    }
    if (out.tls_files.certificate_file.empty() != out.tls_files.key_file.empty()) {
        why = "cert= and key= go together";
        return LETHE_ERR(errc::malformed);
    }
    return out;
}

}  // namespace lethe::store::redis
