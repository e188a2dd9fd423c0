#include "store/postgres/url.hpp"

#include "store/store.hpp"

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <set>

namespace lethe::store::postgres {
namespace {

struct options_free {
    void operator()(PQconninfoOption* all) const noexcept { PQconninfoFree(all); }
};
using options_ptr = std::unique_ptr<PQconninfoOption, options_free>;

error_code wrong(std::string& why, std::string sentence) {
    why = std::move(sentence);
    return LETHE_ERR(errc::malformed);
}

bool known_to_libpq(std::string_view name) {
    const options_ptr all(PQconndefaults());
    for (const PQconninfoOption* one = all.get(); one != nullptr && one->keyword != nullptr; ++one)
        if (name == one->keyword) return true;
    // An alias that libpq takes in URLs alone.
    return name == "ssl";
}

// Plain enough to need no escaping anywhere.
bool is_identifier(std::string_view name) {
    return !name.empty() && name.size() <= 63 && !(name.front() >= '0' && name.front() <= '9') &&
           !name.starts_with("pg_") && std::ranges::all_of(name, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
           });
}

enum class owner { lethe, libpq };

result<owner> take_own_option(std::string_view name, std::string_view value, settings& out,
                              std::string& why) {
    if (name == "schema") {
        if (!is_identifier(value))
            return wrong(why,
                         "schema must be a name of lower-case letters, digits and _, such as "
                         "schema=lethe");
        out.schema = value;
    } else if (name == "migrate") {
        if (value != "auto" && value != "manual")
            return wrong(why, "migrate must be auto (the default) or manual");
        out.migrates = value == "auto";
    } else if (name == "pooler") {
        if (value != "session")
            return wrong(why,
                         "pooler must be session: lethe works behind a pooler only where each of "
                         "its connections keeps a connection to the server (PgBouncer: "
                         "pool_mode=session)");
        out.pooled = true;
    } else if (name == "connections") {
        const auto [end, status] =
            std::from_chars(value.data(), value.data() + value.size(), out.connections);
        if (status != std::errc{} || end != value.data() + value.size() || out.connections == 0 ||
            out.connections > connections_max)
            return wrong(why, "connections must be a number from 1 to " +
                                  std::to_string(connections_max) + " (per worker)");
    } else {
        return owner::libpq;
    }
    return owner::lethe;
}

// The URL without lethe's own options.
result<std::string> for_libpq(std::string_view url, settings& out, std::string& why) {
    const std::size_t question = url.find('?');
    std::string kept(url.substr(0, question));
    if (question == std::string_view::npos) return kept;
    std::string_view rest = url.substr(question + 1);
    char separator = '?';
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find('&'), rest.size());
        const std::string_view option = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        const std::size_t equals = option.find('=');
        if (equals == std::string_view::npos || equals == 0)
            return wrong(why,
                         "an option behind the ? must have the form name=value (in user and "
                         "password, write ? as %3F and & as %26)");
        const std::string_view name = option.substr(0, equals);
        LETHE_TRY(const owner whose, take_own_option(name, option.substr(equals + 1), out, why));
        if (whose == owner::lethe) continue;
        if (!known_to_libpq(name))
            return wrong(why, "neither lethe nor libpq knows the option " + std::string(name) +
                                  "; lethe's own are schema, migrate, connections and pooler");
        kept += separator;
        kept += option;
        separator = '&';
    }
    return kept;
}

std::vector<std::string> split(std::string_view list) {
    std::vector<std::string> out;
    while (true) {
        const std::size_t comma = list.find(',');
        out.emplace_back(list.substr(0, comma));
        if (comma == std::string_view::npos) return out;
        list.remove_prefix(comma + 1);
    }
}

bool one_of(std::string_view value, std::initializer_list<std::string_view> allowed) {
    return std::ranges::find(allowed, value) != allowed.end();
}

// What libpq would only say when it connects.
result<> check_parameter(std::string_view name, std::string_view value, std::string& why) {
    if (name == "sslmode" &&
        !one_of(value, {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}))
        return wrong(why,
                     "sslmode must be disable, allow, prefer, require, verify-ca or verify-full");
    // lethe writes: a standby is of no use to it.
    if (name == "target_session_attrs" && !one_of(value, {"any", "read-write", "primary"}))
        return wrong(why, "target_session_attrs must be read-write, primary or any");
    if (name == "replication") return wrong(why, "lethe has no use for the option replication");
    return {};
}

struct hosts {
    std::string names;
    std::string addresses;
    std::string ports;
};

result<> make_endpoints(const hosts& given, settings& out, std::string& why) {
    const std::vector<std::string> names = split(given.names);
    const std::vector<std::string> addresses = split(given.addresses);
    const std::vector<std::string> ports = split(given.ports);
    const std::size_t count = std::max(names.size(), addresses.size());
    if ((!given.names.empty() && names.size() != count) ||
        (!given.addresses.empty() && addresses.size() != count) ||
        (ports.size() != 1 && ports.size() != count))
        return wrong(why, "the URL names different numbers of hosts, addresses and ports");
    for (std::size_t i = 0; i < count; ++i) {
        endpoint one{.host = given.names.empty() ? "" : names[i],
                     .address = given.addresses.empty() ? "" : addresses[i],
                     .port = ports.size() == 1 ? ports[0] : ports[i]};
        if (!one.port.empty()) {
            std::uint16_t number = 0;
            const char* const last = one.port.data() + one.port.size();
            const auto [end, status] = std::from_chars(one.port.data(), last, number);
            if (status != std::errc{} || end != last || number == 0)
                return wrong(why, "a port must be a number from 1 to 65535");
        }
        if (count > 1 && one.host.empty() && one.address.empty())
            return wrong(why, "one of several hosts is empty");
        out.endpoints.push_back(std::move(one));
    }
    return {};
}

}  // namespace

result<settings> parse_url(std::string_view url, std::string& why) {
    settings out;
    if (url.find('\0') != std::string_view::npos) return wrong(why, "the URL has a zero byte");
    LETHE_TRY(const std::string kept, for_libpq(url, out, why));
    char* said = nullptr;
    const options_ptr parsed(PQconninfoParse(kept.c_str(), &said));
    if (said != nullptr) PQfreemem(said);
    // What libpq says may repeat the password.
    if (parsed == nullptr)
        return wrong(why,
                     "libpq does not understand the URL; it must have the form "
                     "postgres://user:password@host:5432/database?sslmode=verify-full (in user and "
                     "password, write / as %2F, : as %3A, @ as %40 and % as %25)");
    hosts given;
    std::set<std::string> has;
    for (const PQconninfoOption* one = parsed.get(); one->keyword != nullptr; ++one) {
        if (one->val == nullptr) continue;
        const std::string name = one->keyword;
        const result<> fine = check_parameter(name, one->val, why);
        if (fine.has_error()) return fine.error();
        has.insert(name);
        if (name == "host")
            given.names = one->val;
        else if (name == "hostaddr")
            given.addresses = one->val;
        else if (name == "port")
            given.ports = one->val;
        else
            out.parameters.emplace_back(name, secret(one->val));
    }
    const result<> made = make_endpoints(given, out, why);
    if (made.has_error()) return made.error();
    const auto by_default = [&](const char* name, const char* value) {
        if (!has.contains(name)) out.parameters.emplace_back(name, secret(value));
    };
    // After a failover one of several hosts is a standby, or a former primary.
    if (out.endpoints.size() > 1) by_default("target_session_attrs", "read-write");
    // Kerberos may ask its server, and blocks meanwhile.
    by_default("gssencmode", "disable");
    // A server that vanished without a word is noticed while nothing is asked of it.
    by_default("keepalives_idle", "30");
    by_default("keepalives_interval", "5");
    by_default("keepalives_count", "3");
    by_default("tcp_user_timeout", "10000");
    return out;
}

std::string to_text(const endpoint& one) {
    std::string out = !one.host.empty() ? one.host : one.address;
    if (out.empty()) out = "(libpq's default)";
    if (out.find(':') != std::string::npos) out = "[" + out + "]";
    if (!one.port.empty()) out += ":" + one.port;
    return out;
}

}  // namespace lethe::store::postgres
