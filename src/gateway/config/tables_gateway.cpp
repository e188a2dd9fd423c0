// The tables of what concerns the gateway as a whole, and the root, which holds all sections.
#include "gateway/config/file_path.hpp"
#include "gateway/config/tables.hpp"
#include "store/open.hpp"

#include <algorithm>

namespace lethe::gateway::config {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::seconds;

codec<std::uint32_t> workers() {
    shape number{.kind = value_kind::integer, .minimum = 1, .maximum = 1024};
    shape what{.kind = value_kind::any_of,
               .words = "auto, or a whole number from 1 to 1024",
               .ways = {{.kind = value_kind::choice, .choices = {"auto"}}, number}};
    number.words = what.words;
    return {what,
            [number](reader& with, const place& at, std::uint32_t& to) {
                if (at.value.kind == node_kind::scalar && at.value.text == "auto") {
                    to = 0;
                } else if (const auto value = read_integer(with, at, number)) {
                    to = static_cast<std::uint32_t>(*value);
                }
            },
            [](const std::uint32_t& value) {
                return value == 0 ? boost::json::value("auto") : boost::json::value(value);
            }};
}

// A relative path in a sqlite URL starts at the configuration's directory, wherever lethe is
// started.
std::string with_absolute_path(const reader& with, const std::string& url) {
    constexpr std::string_view scheme = "sqlite:";
    if (!url.starts_with(scheme)) return url;
    const std::size_t question = std::min(url.find('?'), url.size());
    const std::string path = url.substr(scheme.size(), question - scheme.size());
    if (path.empty() || path.starts_with('/') || path.starts_with(':')) return url;
    return std::string(scheme) + with.absolute(path) + url.substr(question);
}

constexpr const char* url_words = "a store's URL such as sqlite:lethe.db";
constexpr const char* store_words =
    "a store's URL such as sqlite:lethe.db, {primary: URL, previous: URL}, or a map of named ones";

codec<std::string> store_url() {
    shape what{.kind = value_kind::text, .words = url_words};
    return {what,
            [](reader& with, const place& at, std::string& to) {
                if (want_scalar(with, at, url_words) == nullptr) return;
                std::string url = with_absolute_path(with, at.value.text);
                std::string why;
                // The URL itself is not quoted: it may hold a password.
                if (store::validate_url(url, why).has_error())
                    return with.fail(at, why.empty() ? "is not a store's URL" : why,
                                     "expected a URL such as sqlite:lethe.db or memory:");
                to = std::move(url);
            },
            [](const std::string&) { return boost::json::value(); }};
}

void read_store(reader& with, const place& at, store_options& to) {
    if (at.value.kind == node_kind::map)
        moving_store_table().read(with, at, to);
    else
        store_url().read(with, at, to.url);
    if (!to.previous.empty() && to.previous == to.url)
        with.fail(at.member("previous", *at.value.find("previous")->value), "is the primary itself",
                  "expected the store that records are moved from");
}

bool is_store_name(std::string_view name) {
    return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_';
    });
}

void read_named_stores(reader& with, const place& at, std::map<std::string, store_options>& to) {
    if (at.value.members.empty()) return with.fail(at, "is empty", "expected a store");
    for (const member& one : at.value.members) {
        const place value = at.member(one.key, *one.value);
        if (!is_store_name(one.key))
            with.fail_at(one.key_at, value.path, "is not a store's name",
                         "expected up to 64 letters, digits, '-' and '_'");
        else if (!one.value->bad)
            read_store(with, value, to[one.key]);
    }
}

codec<std::map<std::string, store_options>> stores() {
    using store_map = std::map<std::string, store_options>;
    const shape url = store_url().what;
    const shape moving = section(moving_store_table()).what;
    const shape one{.kind = value_kind::any_of, .ways = {url, moving}};
    const shape map{.kind = value_kind::map, .item = std::make_shared<const shape>(one)};
    shape what{.kind = value_kind::any_of, .words = store_words, .ways = {url, moving, map}};
    return {what,
            [](reader& with, const place& at, store_map& to) {
                if (at.value.kind != node_kind::scalar && at.value.kind != node_kind::map)
                    return with.fail_kind(at, store_words);
                // So no named store is called primary or previous.
                const bool is_map = at.value.kind == node_kind::map;
                const bool is_one = !is_map || at.value.find("primary") != nullptr ||
                                    at.value.find("previous") != nullptr;
                if (is_one) return read_store(with, at, to["default"]);
                read_named_stores(with, at, to);
            },
            [](const store_map&) { return boost::json::value("sqlite:lethe.db"); }};
}

codec<network> trusted_network() {
    const std::string words = "an address or a network such as 10.0.0.0/8, or unix";
    shape what{.kind = value_kind::text, .words = words};
    return {what,
            [words](reader& with, const place& at, network& to) {
                if (want_scalar(with, at, words) == nullptr) return;
                auto parsed = parse_network(at.value.text);
                if (!parsed)
                    return with.fail_value(at, "is not an address or a network",
                                           words + " (bits behind the prefix must be zero)");
                to = *std::move(parsed);
            },
            [](const network& value) { return boost::json::value(value.text); }};
}

codec<std::string> key_id() {
    return text("1 to 16 letters, digits, '-' and '_'", session::is_key_id,
                "^[A-Za-z0-9_-]{1,16}$");
}

// A mistake in it is told without showing it: by the checks that load the keys.
codec<secret> key_text() {
    const std::string words = "32 bytes as base64 or 64 hexadecimal digits";
    return {{.kind = value_kind::text, .words = words},
            [words](reader& with, const place& at, secret& to) {
                if (want_scalar(with, at, words) != nullptr) to = secret(at.value.text);
            },
            [](const secret&) { return boost::json::value(); }};
}

}  // namespace

const table<session::key_source>& session_key_table() {
    using session::key_source;
    static const table<key_source> made = [] {
        table<key_source> t("session_key", "`sessions.keys[]`",
                            "A key that sessions are sealed with.");
        t.add({.name = "id",
               .text = "Stands in what the key sealed; never used again for another key.",
               .example = "k1",
               .required = true},
              &key_source::id, key_id());
        t.add({.name = "file",
               .text = "Holds the key, as `lethe session key` or `openssl rand -base64 32` makes "
                       "it; readable by its owner and group alone; read again on reload. Relative "
                       "to the configuration's directory. Either `file` or `key` is needed.",
               .example = "k1.key"},
              &key_source::file, file_path("a file with a key"));
        t.add({.name = "key",
               .text = "The key itself; best `${NAME}` from the environment.",
               .example = "\"hM3kN1m4f1hYv0M8o3sJm4m0r8xJc4nUe0d2u7zq8mE=\"",
               .sensitive = true},
              &key_source::text, key_text());
        return t;
    }();
    return made;
}

const table<store_options>& moving_store_table() {
    static const table<store_options> made = [] {
        table<store_options> t(
            "moving_store", "`store`",
            "In place of a URL, while records move from one store to another "
            "([how to](stores.md#moving-to-another-store)). For a named store likewise.");
        t.add({.name = "primary",
               .text = "Where records are from now on.",
               .example = "\"sqlite:/var/lib/lethe/new.db\"",
               .required = true,
               .sensitive = true,
               .reload = reload_rule::restart},
              &store_options::url, store_url());
        t.add({.name = "previous",
               .text = "Where they were: a record moves when it is used.",
               .example = "\"sqlite:/var/lib/lethe/lethe.db\"",
               .required = true,
               .sensitive = true,
               .reload = reload_rule::restart},
              &store_options::previous, store_url());
        return t;
    }();
    return made;
}

const table<server_limits>& limits_table() {
    static const table<server_limits> made = [] {
        table<server_limits> t("limits", "`limits`",
                               "What clients may send. A request above a limit is refused with a "
                               "problem that says which.");
        t.add({.name = "head_bytes",
               .text = "The request line and all fields together.",
               .example = "32KiB"},
              &server_limits::head_bytes, size<std::uint64_t>(1024, 1024 * 1024));
        t.add({.name = "target_bytes",
               .text = "The target of the request line; at most `head_bytes`.",
               .example = "4KiB"},
              &server_limits::target_bytes, size<std::uint64_t>(128, 1024 * 1024));
        t.add({.name = "fields", .text = "Field lines of a request.", .example = "64"},
              &server_limits::fields, integer<std::uint32_t>(8, 1000));
        t.add({.name = "body_bytes", .text = "A request's body.", .example = "1MiB"},
              &server_limits::body_bytes, size<std::uint64_t>(0, std::uint64_t{1} << 40));
        t.add(
            {.name = "body_rate_min",
             .text = "So much of a body must come in a second, once the gateway has waited for it "
                     "as long as `timeouts.body` in all; `0`: any pace.",
             .example = "4KiB"},
            &server_limits::body_rate_min, size<std::uint64_t>(0, std::uint64_t{1} << 30));
        t.add({.name = "memory_bytes",
               .text = "Memory of the process. Above nine tenths of it requests with large bodies "
                       "are refused, above all of it every request and new connections "
                       "([limits](limits.md#memory)). 90 % of the cgroup's limit without it, if "
                       "there is one; `0`: no limit.",
               .example = "512MiB"},
              &server_limits::memory_bytes,
              optional_of(size<std::uint64_t>(0, std::uint64_t{1} << 50)));
        t.add({.name = "connections",
               .text = "Connections of clients, per worker; more are closed at once.",
               .example = "2000"},
              &server_limits::connections, integer<std::uint32_t>(1, 1'000'000));
        t.add({.name = "http2_streams",
               .text = "Requests under way at a time on one HTTP/2 connection.",
               .example = "50"},
              &server_limits::http2_streams, integer<std::uint32_t>(1, 10'000));
        t.add({.name = "spool_bytes",
               .text = "Temporary files for the bodies of keyed requests that are too large for "
                       "memory, all together; above it 503.",
               .example = "4GiB",
               .reload = reload_rule::restart},
              &server_limits::spool_bytes, size<std::uint64_t>(0, std::uint64_t{1} << 44));
        t.add({.name = "spool_directory",
               .text = "Where these files are; they have no names. `TMPDIR`, else `/var/tmp`, "
                       "without it.",
               .example = "/var/lib/lethe/spool",
               .reload = reload_rule::restart},
              &server_limits::spool_directory, text("a directory"));
        return t;
    }();
    return made;
}

const table<server_timeouts>& timeouts_table() {
    static const table<server_timeouts> made = [] {
        table<server_timeouts> t(
            "timeouts", "`timeouts`",
            "How long clients may take. For upstreams see `upstreams[]`, for a "
            "whole request `routes[].timeout`.");
        const auto wait = duration<milliseconds>(100ms, 1h);
        t.add({.name = "header",
               .text = "From a request's first byte to the end of its head.",
               .example = "5s"},
              &server_timeouts::header, wait);
        t.add({.name = "body", .text = "Between two pieces of a request's body.", .example = "10s"},
              &server_timeouts::body, wait);
        t.add({.name = "write",
               .text = "Until the client takes the next piece of an answer.",
               .example = "10s"},
              &server_timeouts::write, wait);
        t.add({.name = "keep_alive",
               .text = "How long an idle connection is kept.",
               .example = "30s"},
              &server_timeouts::keep_alive, wait);
        t.add({.name = "drain",
               .text = "After SIGTERM: how long requests under way may take to end.",
               .example = "60s"},
              &server_timeouts::drain, duration<milliseconds>(0s, 1h));
        return t;
    }();
    return made;
}

const table<log_options>& log_table() {
    static const table<log_options> made = [] {
        table<log_options> t("log", "`log`", "JSON, one object a line.");
        t.add({.name = "level",
               .text = "Events below it are not written (to standard error).",
               .example = "warn"},
              &log_options::level,
              choice<log::level>({{"debug", log::level::debug},
                                  {"info", log::level::info},
                                  {"warn", log::level::warn},
                                  {"error", log::level::error},
                                  {"off", log::level::off}}));
        t.add({.name = "access",
               .text = "Where a line for each request goes.",
               .example = "off",
               .reload = reload_rule::restart},
              &log_options::access,
              choice<access_log>({{"stdout", access_log::stdout_stream},
                                  {"stderr", access_log::stderr_stream},
                                  {"off", access_log::off}}));
        return t;
    }();
    return made;
}

namespace {

void add_encryption(table<session::settings>& t) {
    using session::encryption_mode;
    using session::session_mode;
    using session::settings;
    t.add(
        {.name = "mode",
         .text = "Where sessions are. `stored`: in a store. `sealed`: in the browser's cookies, "
                 "sealed with `keys`; what outgrows them (8 KiB) moves to the route's store "
                 "where `store` is given. [What that means](sessions.md#sealed-cookies).",
         .example = "sealed"},
        &settings::mode,
        choice<session_mode>({{"stored", session_mode::stored}, {"sealed", session_mode::sealed}}));
    t.add({.name = "revocation_delay",
           .text = "For `mode: sealed` with a store: how long a subject's sessions in cookies may "
                   "go on after they were ended; `0s` asks the store for each request.",
           .example = "0s"},
          &settings::revocation_delay, duration<milliseconds>(0ms, 1h));
    t.add({.name = "encryption",
           .text = "With what the records of sessions are sealed. `ticket`: a secret in each "
                   "session's cookie; nobody else can open them. `keyring`: `keys`; `lethe session "
                   "show` opens what they sealed. Records open whatever is set here now.",
           .example = "keyring"},
          &settings::encryption,
          choice<encryption_mode>(
              {{"ticket", encryption_mode::ticket}, {"keyring", encryption_mode::keyring}}));
    t.add({.name = "keys",
           .text = "The first seals, all of them open. "
                   "[How to change keys](sessions.md#changing-keys).",
           .example = "[{id: k2, file: k2.key}, {id: k1, file: k1.key}]"},
          &settings::keys,
          list<session::key_source>("a list of keys such as [{id: k1, file: k1.key}]",
                                    section(session_key_table())));
    t.add({.name = "retired_keys",
           .text = "Ids of keys that are gone for good: the sessions that they sealed are over. "
                   "With a key that is neither here nor in `keys`, a session cannot be reached: "
                   "503.",
           .example = "[k0]"},
          &settings::retired_keys, list<std::string>("a list of keys' ids", key_id()));
}

}  // namespace

const table<session::settings>& sessions_table() {
    using session::settings;
    static const table<settings> made = [] {
        table<settings> t("sessions", "`sessions`",
                          "For all routes with `session`: the cookie, how long sessions live, how "
                          "large they grow.");
        t.add({.name = "cookie_name",
               .text = "A name that starts with `__Host-` needs `cookie_secure`.",
               .example = "__Host-shop"},
              &settings::cookie_name, text("a cookie's name"));
        t.add(
            {.name = "cookie_secure",
             .text = "False only to develop over plain HTTP; the cookie then needs a name without "
                     "`__Host-`.",
             .example = "false"},
            &settings::cookie_secure, boolean());
        t.add({.name = "idle_ttl",
               .text = "A session ends when it is not used for so long; at most `absolute_ttl`.",
               .example = "2h"},
              &settings::idle_ttl, duration<seconds>(10s, 400 * 24h));
        t.add({.name = "absolute_ttl",
               .text = "A session ends then, however busy it is.",
               .example = "30d"},
              &settings::absolute_ttl, duration<seconds>(10s, 400 * 24h));
        t.add({.name = "session_bytes_max",
               .text = "All slots as one JSON text. Above 4 KiB what a route reads does not travel "
                       "in a field, and `session_api` is needed.",
               .example = "2KiB"},
              &settings::session_bytes_max, size<std::size_t>(256, 256 * 1024));
        t.add({.name = "slots_max", .text = "Slots that a session may have.", .example = "8"},
              &settings::slots_max, integer<std::size_t>(1, 256));
        t.add({.name = "patch_bytes_max",
               .text = "One change of a session, as an upstream answers it, decoded.",
               .example = "4KiB"},
              &settings::patch_bytes_max, size<std::size_t>(256, 65536));
        t.add(
            {.name = "operations_max",
             .text = "Keyed changes that a session remembers so that a replay changes nothing, 24 "
                     "bytes each. When so many were made within `operation_memory`, further ones "
                     "are refused with 429.",
             .example = "128"},
            &settings::operations_max, integer<std::size_t>(1, 4096));
        t.add(
            {.name = "operation_memory",
             .text = "How long each is remembered: longer than the `idempotency.ttl` of any route "
                     "that has sessions too.",
             .example = "25h"},
            &settings::operation_memory, duration<seconds>(60s, 400 * 24h));
        t.add({.name = "store_timeout",
               .text = "How long one step waits for the store.",
               .example = "1s"},
              &settings::store_timeout, duration<milliseconds>(10ms, 60s));
        add_encryption(t);
        return t;
    }();
    return made;
}

namespace {

void add_gateway_options(table<configuration>& t) {
    t.add({.name = "listen",
           .text = "Where clients connect.",
           .example = "[{address: \"127.0.0.1:8080\"}]",
           .required = true,
           .reload = reload_rule::restart},
          &configuration::listen,
          list<listener_options>("a list of at least one listener such as "
                                 "[{address: \"127.0.0.1:8080\"}]",
                                 section(listener_table()), 1));
    t.add({.name = "admin",
           .text = "Where operators connect; nowhere without it.",
           .example = "{address: \"127.0.0.1:9901\"}",
           .reload = reload_rule::restart},
          &configuration::admin, optional_of(section(admin_table())));
    t.add({.name = "session_api",
           .text = "Where services reach sessions by URL; nowhere without it.",
           .example = "{address: \"127.0.0.1:3500\"}",
           .reload = reload_rule::restart},
          &configuration::session_api, optional_of(section(session_api_table())));
    t.add({.name = "workers",
           .text = "Threads, each with its own event loop. `auto`: one per core.",
           .example = "4",
           .reload = reload_rule::restart},
          &configuration::workers, workers());
    t.add({.name = "store",
           .text = "Where state lives: a URL, or a map of named stores such as `{default: "
                   "\"sqlite:lethe.db\", scratch: \"memory:\"}`. A relative path starts at the "
                   "configuration's directory. `sqlite:lethe.db` without it.",
           .example = "\"sqlite:/var/lib/lethe/lethe.db\"",
           .sensitive = true,
           .reload = reload_rule::restart},
          &configuration::stores, stores());
}

}  // namespace

const table<configuration>& configuration_table() {
    static const table<configuration> made = [] {
        table<configuration> t("configuration", "The file",
                               "Keys that start with `x-` are ignored: a place for anchors.");
        add_gateway_options(t);
        t.add({.name = "issuers",
               .text = "Whose tokens are trusted.",
               .example = "[{name: shop-id, issuer: \"https://id.shop.example\", audience: [shop], "
                          "keys: {file: jwks.json}}]"},
              &configuration::issuers,
              list<identity::issuer_options>("a list of issuers", section(issuer_table())));
        t.add({.name = "upstreams",
               .text = "What answers in the end.",
               .example = "[{name: shop, replicas: [\"http://127.0.0.1:9001\"]}]"},
              &configuration::upstreams,
              list<upstream::options>("a list of upstreams", section(upstream_table())));
        t.add({.name = "routes",
               .text = "Which requests go where, and what applies to them. The first that matches "
                       "counts.",
               .example = "[{match: {prefix: /}, upstream: shop}]",
               .required = true},
              &configuration::routes,
              list<route_options>("a list of at least one route such as "
                                  "[{match: {prefix: /}, upstream: shop}]",
                                  section(route_table_of_options()), 1));
        t.add({.name = "sessions", .text = "For all sessions.", .example = "{idle_ttl: 2h}"},
              &configuration::sessions, section(sessions_table()));
        t.add({.name = "limits", .text = "What clients may send.", .example = "{body_bytes: 1MiB}"},
              &configuration::limits, section(limits_table()));
        t.add({.name = "timeouts", .text = "How long clients may take.", .example = "{drain: 60s}"},
              &configuration::timeouts, section(timeouts_table()));
        t.add({.name = "trusted_proxies",
               .text = "Peers whose `X-Forwarded-*`, `Forwarded` and `Client-Cert*` fields are "
                       "believed; those of all "
                       "others are taken away.",
               .example = "[\"10.0.0.0/8\"]"},
              &configuration::trusted_proxies,
              list<network>("a list of addresses and networks", trusted_network()));
        t.add({.name = "log", .text = "What is written.", .example = "{level: warn}"},
              &configuration::log, section(log_table()));
        return t;
    }();
    return made;
}

namespace {

void collect(const shape& from, std::vector<const section_info*>& out);

void collect(const section_info& from, std::vector<const section_info*>& out) {
    if (std::find(out.begin(), out.end(), &from) != out.end()) return;
    out.push_back(&from);
    for (const option_info& one : from.options) collect(one.value, out);
}

void collect(const shape& from, std::vector<const section_info*>& out) {
    if (from.section != nullptr) collect(*from.section, out);
    if (from.item) collect(*from.item, out);
    for (const shape& one : from.ways) collect(one, out);
}

}  // namespace

std::vector<const section_info*> all_sections() {
    std::vector<const section_info*> out;
    collect(configuration_table().info(), out);
    return out;
}

}  // namespace lethe::gateway::config
