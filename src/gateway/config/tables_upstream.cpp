// The table of `upstreams[]`.
#include "gateway/config/tables.hpp"
#include "http/fields.hpp"
#include "net/address.hpp"

#include <algorithm>

namespace lethe::gateway::config {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr const char* replica_words =
    "a URL of the form http://host:port, https://host:port or unix:/run/shop.sock";

// "http://127.0.0.1:9001"; the mistake when it is not one.
std::string read_replica(std::string_view url, upstream::replica& to) {
    if (url.starts_with("unix:")) {
        const result<net::address> path = net::parse_peer_address(url);
        if (path.has_error()) return "is not the path of a Unix socket";
        to.host = path->host;
        to.port = 0;
        return {};
    }
    to.secure = url.starts_with("https://");
    if (!to.secure && !url.starts_with("http://")) return "is not a replica";
    std::string_view rest = url.substr(to.secure ? 8 : 7);
    if (rest.ends_with('/')) rest.remove_suffix(1);
    if (rest.find_first_of("/?#") != rest.npos) return "has a path, which a replica cannot have";
    if (rest.find('@') != rest.npos) return "has user information, which a replica cannot have";
    const std::size_t bracket = rest.rfind(']');
    const std::size_t colon = rest.rfind(':');
    const bool has_port = colon != rest.npos && (bracket == rest.npos || colon > bracket);
    const result<net::address> parsed =
        net::parse_address(std::string(rest) + (has_port    ? ""
                                                : to.secure ? ":443"
                                                            : ":80"));
    if (parsed.has_error() || parsed->port == 0) return "is not a replica";
    if (parsed->host.find(':') != std::string::npos && !parse_ip_address(parsed->host))
        return "is not a replica";
    to.host = parsed->host;
    to.port = parsed->port;
    return {};
}

const char* const name_words = "a URL of the form http://name:port or https://name:port";
const char* const service_words =
    "a URL of the form http://_service._tcp.domain or https://_service._tcp.domain, without a port";

// A name that stands for all addresses it has.
std::string read_name(std::string_view url, upstream::replica_kind kind, upstream::replica& to) {
    std::string mistake = read_replica(url, to);
    if (!mistake.empty()) return mistake;
    to.kind = kind;
    if (url.starts_with("unix:") || parse_ip_address(to.host)) return "is no name";
    if (kind == upstream::replica_kind::addresses) return {};
    // The records say the port.
    if (url.find(':', url.find("//")) != url.npos) return "has a port";
    return to.host.starts_with('_') ? "" : "is no service";
}

codec<upstream::replica> name_url(upstream::replica_kind kind, const char* words) {
    shape what{.kind = value_kind::text, .words = words, .pattern = "^https?://[^/?#@]+/?$|\\$\\{"};
    return {what,
            [kind, words](reader& with, const place& at, upstream::replica& to) {
                if (want_scalar(with, at, words) == nullptr) return;
                const std::string mistake = read_name(at.value.text, kind, to);
                if (!mistake.empty()) with.fail_value(at, mistake, words);
            },
            [](const upstream::replica&) { return boost::json::value(); }};
}

// Which of the ways to say where a replica is, and what goes with it.
void check_replica_map(reader& with, const place& at) {
    const auto given = [&at](std::string_view name) { return at.value.find(name) != nullptr; };
    const int ways = (given("url") ? 1 : 0) + (given("dns") ? 1 : 0) + (given("srv") ? 1 : 0);
    if (ways != 1)
        with.fail(at, ways == 0 ? "does not say where it is" : "says twice where it is",
                  "expected one of url, dns and srv");
    else if (given("refresh") && given("url"))
        with.fail(at, "has a refresh, but no name that is followed", "expected dns or srv");
    else if (given("weight") && given("srv"))
        with.fail(at, "has a weight, which its records have", "expected srv without weight");
}

codec<upstream::replica> replica_url() {
    shape what{.kind = value_kind::text,
               .words = replica_words,
               .pattern = "^https?://[^/?#@]+/?$|^unix:/.+|\\$\\{"};
    return {what,
            [](reader& with, const place& at, upstream::replica& to) {
                if (want_scalar(with, at, replica_words) == nullptr) return;
                const std::string mistake = read_replica(at.value.text, to);
                if (!mistake.empty()) with.fail_value(at, mistake, replica_words);
            },
            [](const upstream::replica&) { return boost::json::value(); }};
}

const char* const replicas_words =
    "a list of at least one URL of the form http://host:port, https://host:port or "
    "unix:/run/shop.sock";

// A URL, or a map with one and more.
codec<upstream::replica> replica() {
    const codec<upstream::replica> url = replica_url();
    const codec<upstream::replica> map = section(replica_table());
    shape what{.kind = value_kind::any_of, .words = replica_words, .ways = {url.what, map.what}};
    return {what,
            [url = url.read, map = map.read](reader& with, const place& at, upstream::replica& to) {
                const bool is_map = at.value.kind == node_kind::map;
                (is_map ? map : url)(with, at, to);
                if (is_map) check_replica_map(with, at);
            },
            [](const upstream::replica&) { return boost::json::value(); }};
}

constexpr std::string_view field_prefix = "field ";

// "client", "session", …, "field X-Tenant".
codec<upstream::hash_options> hash_by() {
    using upstream::hash_source;
    const std::string words = "client, caller, session, path, or field and a field's name";
    static constexpr std::pair<std::string_view, hash_source> names[] = {
        {"client", hash_source::client},
        {"caller", hash_source::caller},
        {"session", hash_source::session},
        {"path", hash_source::path}};
    return {{.kind = value_kind::text,
             .words = words,
             .pattern = "^(client|caller|session|path|field [!#$%&'*+.^_`|~0-9A-Za-z-]+)$|\\$\\{"},
            [words](reader& with, const place& at, upstream::hash_options& to) {
                if (want_scalar(with, at, words) == nullptr) return;
                const std::string_view given = at.value.text;
                for (const auto& [name, source] : names)
                    if (name == given) {
                        to = {source, {}};
                        return;
                    }
                const std::string_view field =
                    given.starts_with(field_prefix) ? given.substr(field_prefix.size()) : "";
                if (!http::is_token(field))
                    return with.fail_value(at, "is nothing to balance by", words);
                to = {hash_source::field, std::string(field)};
            },
            [](const upstream::hash_options&) { return boost::json::value(); }};
}

bool is_health_path(std::string_view path) {
    return path.starts_with('/') && path.size() <= 1024 &&
           std::all_of(path.begin(), path.end(),
                       [](char c) { return c > 0x20 && c < 0x7f && c != '#'; });
}

bool is_name(std::string_view name) {
    return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.';
    });
}

const table<upstream::health_options>& health_table() {
    using upstream::health_options;
    static const table<health_options> made = [] {
        table<health_options> t(
            "health", "`upstreams[].health`",
            "Asks every replica on a schedule. Without this section a replica counts as healthy "
            "until requests to it fail (see `ejection`).");
        t.add({.name = "path",
               .text = "What is asked for with GET; a healthy replica answers 2xx.",
               .example = "/healthz"},
              &health_options::path,
              text("a path such as /healthz", is_health_path, "^/[^#]*$|\\$\\{"));
        t.add({.name = "interval", .text = "From one question to the next.", .example = "1s"},
              &health_options::interval, duration<milliseconds>(100ms, 1h));
        t.add({.name = "timeout",
               .text = "How long connecting and the whole answer may take.",
               .example = "500ms"},
              &health_options::timeout, duration<milliseconds>(10ms, 60s));
        t.add({.name = "healthy_after",
               .text = "So many good answers in a row bring a replica back.",
               .example = "2"},
              &health_options::healthy_after, integer<std::uint32_t>(1, 100));
        t.add({.name = "unhealthy_after",
               .text = "So many bad answers in a row take a replica out.",
               .example = "3"},
              &health_options::unhealthy_after, integer<std::uint32_t>(1, 100));
        return t;
    }();
    return made;
}

const table<upstream::ejection_options>& ejection_table() {
    using upstream::ejection_options;
    static const table<ejection_options> made = [] {
        table<ejection_options> t("ejection", "`upstreams[].ejection`",
                                  "Leaves a replica out for a while when requests to it fail: "
                                  "refused, reset, timed out or answered with nonsense.");
        t.add({.name = "consecutive_failures",
               .text = "So many failures in a row; `0`: never.",
               .example = "5"},
              &ejection_options::consecutive_failures, integer<std::uint32_t>(0, 1000));
        t.add({.name = "for", .text = "How long it is left out.", .example = "30s"},
              &ejection_options::for_how_long, duration<milliseconds>(100ms, 1h));
        return t;
    }();
    return made;
}

const table<upstream::retry_options>& retry_table() {
    using upstream::retry_options;
    static const table<retry_options> made = [] {
        table<retry_options> t(
            "retries", "`upstreams[].retries`",
            "How many requests that broke off may be sent again (only such as may run twice, and "
            "each once), counted over ten seconds and per worker: retries add little to what "
            "replicas under load have to do. A request that no replica took is not one of them: "
            "it goes to the next replica always.");
        t.add({.name = "percent", .text = "So many of a hundred requests.", .example = "10"},
              &retry_options::percent, integer<std::uint32_t>(0, 100));
        t.add({.name = "per_second",
               .text = "So many besides, however few requests there are. With both `0` none is "
                       "sent again.",
               .example = "3"},
              &retry_options::per_second, integer<std::uint32_t>(0, 100'000));
        return t;
    }();
    return made;
}

codec<net::address> name_server() {
    const std::string words = "an IP address and a port, such as 127.0.0.1:53";
    return {{.kind = value_kind::text, .words = words, .pattern = ":[0-9]+$|\\$\\{"},
            [words](reader& with, const place& at, net::address& to) {
                if (want_scalar(with, at, words) == nullptr) return;
                const result<net::address> given = net::parse_address(at.value.text);
                if (given.has_error() || given->port == 0 || !parse_ip_address(given->host))
                    return with.fail_value(at, "is no name server", words);
                to = *given;
            },
            [](const net::address&) { return boost::json::value(); }};
}

const table<upstream::hedge_options>& hedge_table() {
    using upstream::hedge_options;
    static const table<hedge_options> made = [] {
        table<hedge_options> t(
            "hedge", "`upstreams[].hedge`",
            "Sends a slow read (GET or HEAD, without an idempotency key and a body) to another "
            "replica too; the first answer is taken, and the other connection closed. Only for "
            "services whose reads change nothing.");
        t.add({.name = "after",
               .text = "So long after it was sent there is no head of an answer: best what 95 of "
                       "100 requests stay below.",
               .example = "50ms",
               .required = true},
              &hedge_options::after, duration<milliseconds>(1ms, 60s));
        t.add({.name = "percent",
               .text = "So many of a hundred requests at most, counted over ten seconds and per "
                       "worker.",
               .example = "2"},
              &hedge_options::percent, integer<std::uint32_t>(1, 100));
        return t;
    }();
    return made;
}

// A mistake in it is told without showing it.
codec<secret> signing_key() {
    const std::string words = "32 to 256 visible ASCII characters";
    return {{.kind = value_kind::text, .words = words},
            [words](reader& with, const place& at, secret& to) {
                if (want_scalar(with, at, words) == nullptr) return;
                const std::string& given = at.value.text;
                const bool fits = given.size() >= 32 && given.size() <= 256 &&
                                  std::all_of(given.begin(), given.end(),
                                              [](char c) { return c > ' ' && c < 0x7f; });
                if (!fits)
                    return with.fail(at, "is too short or too long, or has other characters",
                                     "expected " + words);
                to = secret(given);
            },
            [](const secret&) { return boost::json::value(); }};
}

bool is_cookie_name(std::string_view name) {
    return http::is_token(name) && name.size() <= 64;
}

const table<upstream::affinity_options>& affinity_table() {
    using upstream::affinity_options;
    static const table<affinity_options> made = [] {
        table<affinity_options> t(
            "affinity", "`upstreams[].affinity`",
            "A crutch for services that keep state in their memory still: a client's requests go "
            "to one replica while it is in use, by a sealed cookie. What a replica knows is lost "
            "with it all the same.");
        t.add({.name = "cookie",
               .text = "The cookie's name, one for each upstream.",
               .example = "shop-replica"},
              &affinity_options::cookie,
              text("a cookie's name", is_cookie_name, "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$"));
        t.add({.name = "max_age",
               .text = "How long the cookie is good for, renewed in its second half; `0s`: as long "
                       "as the browser runs.",
               .example = "8h"},
              &affinity_options::max_age, duration<std::chrono::seconds>(0ms, 400 * 24h));
        t.add(
            {.name = "keys",
             .text = "What the cookie is sealed with, the same for all gateways: the first seals, "
                     "all open. Best `${NAME}` from the environment.",
             .example = "[\"8c1f7e9a2d4f6b0c3e5a7d9f1b3c5e4b\"]",
             .required = true,
             .sensitive = true},
            &affinity_options::keys,
            list<secret>("a list of at least one key of 32 to 256 visible ASCII characters",
                         signing_key(), 1, twins::allowed));
        return t;
    }();
    return made;
}

void add_connections(table<upstream::options>& t) {
    using upstream::options;
    t.add({.name = "concurrency",
           .text = "How many requests are under way at once; as many as there are connections "
                   "without this section.",
           .example = "{max: 64, queue_time: 50ms}"},
          &options::concurrency, optional_of(section(concurrency_table())));
    t.add({.name = "connect_timeout", .text = "How long connecting may take.", .example = "500ms"},
          &options::connect_timeout, duration<milliseconds>(10ms, 60s));
    t.add({.name = "answer_timeout",
           .text = "From the request's last byte to the whole head of the answer.",
           .example = "10s"},
          &options::answer_timeout, duration<milliseconds>(10ms, 24h));
    t.add({.name = "read_timeout",
           .text = "Between two pieces of the answer's body.",
           .example = "10s"},
          &options::read_timeout, duration<milliseconds>(10ms, 24h));
    t.add({.name = "connections_max",
           .text = "Connections to each replica, per worker.",
           .example = "64"},
          &options::connections_max, integer<std::uint32_t>(1, 100'000));
    t.add({.name = "keep_alive_max",
           .text = "Idle connections kept to each replica, per worker.",
           .example = "16"},
          &options::keep_alive_max, integer<std::uint32_t>(0, 100'000));
    t.add({.name = "keep_alive_timeout",
           .text = "How long an idle connection is kept: shorter than the replicas keep theirs.",
           .example = "5s"},
          &options::keep_alive_timeout, duration<milliseconds>(100ms, 1h));
    t.add({.name = "requests_waiting_max",
           .text = "Requests that wait for a connection, per worker; more are answered with 503.",
           .example = "64"},
          &options::requests_waiting_max, integer<std::uint32_t>(0, 1'000'000));
}

}  // namespace

const table<upstream::signature_options>& signature_table() {
    using upstream::signature_options;
    static const table<signature_options> made = [] {
        table<signature_options> t("signature", "`upstreams[].signature`",
                                   "One key for each service, so that none can speak as the "
                                   "gateway to another.");
        t.add({.name = "key_id",
               .text = "Tells the service which key it is: a new key gets a new id.",
               .example = "k1",
               .required = true},
              &signature_options::key_id,
              text("1 to 64 letters, digits, '-', '_' and '.'", is_name, "^[A-Za-z0-9._-]{1,64}$"));
        t.add({.name = "key",
               .text = "What both sides know. Best `${NAME}` from the environment.",
               .example = "\"4b0f1c7e9a2d4f6b8c3e5a7d9f1b3c5e\"",
               .required = true,
               .sensitive = true},
              &signature_options::key, signing_key());
        return t;
    }();
    return made;
}

const table<upstream::replica>& replica_table() {
    static const table<upstream::replica> made = [] {
        table<upstream::replica> t("replica", "`upstreams[].replicas[]`", "In place of a URL.");
        t.add(
            {.name = "url",
             .text = "Where it is; the port is 80 where none is said, 443 with https.",
             .example = "\"http://127.0.0.1:9001\""},
            [](upstream::replica& to) -> upstream::replica& { return to; }, replica_url());
        t.add(
            {.name = "dns",
             .text = "In place of `url`: each address that this name has is a replica, and they "
                     "are [followed](replicas.md#names).",
             .example = "\"http://shop.internal:8080\""},
            [](upstream::replica& to) -> upstream::replica& { return to; },
            name_url(upstream::replica_kind::addresses, name_words));
        t.add(
            {.name = "srv",
             .text = "The same by SRV records, which say ports and weights; those of the lowest "
                     "priority are used.",
             .example = "\"http://_http._tcp.shop.internal\""},
            [](upstream::replica& to) -> upstream::replica& { return to; },
            name_url(upstream::replica_kind::services, service_words));
        t.add({.name = "refresh",
               .text = "From one look-up of the name to the next, and up to a tenth more.",
               .example = "10s"},
              &upstream::replica::refresh, duration<milliseconds>(100ms, 24h));
        t.add({.name = "weight",
               .text = "Its part of the requests beside the others'; with `dns`, that of each "
                       "address.",
               .example = "3"},
              &upstream::replica::weight, integer<std::uint32_t>(1, 1000));
        return t;
    }();
    return made;
}

const table<upstream::concurrency_options>& concurrency_table() {
    using upstream::concurrency_options;
    static const table<concurrency_options> made = [] {
        table<concurrency_options> t(
            "concurrency", "`upstreams[].concurrency`",
            "How many requests are under way at the upstream at once, each from its sending to the "
            "head of its answer, per worker ([limits](limits.md#requests-under-way)). `{}`: as it "
            "is by default.");
        t.add({.name = "adaptive",
               .text = "Found out by the latency, between `min` and `max`. `false`: always `max`.",
               .example = "false"},
              &concurrency_options::adaptive, boolean());
        t.add({.name = "min", .text = "Never fewer.", .example = "8"}, &concurrency_options::min,
              integer<std::uint32_t>(1, 1'000'000));
        t.add({.name = "max", .text = "Never more.", .example = "64"}, &concurrency_options::max,
              integer<std::uint32_t>(1, 1'000'000));
        t.add({.name = "queue",
               .text = "So many more wait; beyond it requests are refused with 503.",
               .example = "64"},
              &concurrency_options::queue, integer<std::uint32_t>(0, 1'000'000));
        t.add({.name = "queue_time",
               .text = "A request that waited so long is refused with 503.",
               .example = "50ms"},
              &concurrency_options::queue_time, duration<milliseconds>(1ms, 60s));
        return t;
    }();
    return made;
}

namespace {

// What is done about replicas that are slow, fail or come back, and how they are known.
void add_care(table<upstream::options>& t) {
    using upstream::options;
    t.add({.name = "affinity",
           .text = "Leads clients back to the replica that answered them "
                   "([how](replicas.md#affinity)).",
           .example = "{keys: [\"${AFFINITY_KEY}\"]}"},
          &options::affinity, optional_of(section(affinity_table())));
    t.add({.name = "health",
           .text = "Active checks; none without this section.",
           .example = "{path: /healthz, interval: 1s}"},
          &options::health, optional_of(section(health_table())));
    t.add({.name = "ejection",
           .text = "Leaving out replicas whose requests fail.",
           .example = "{consecutive_failures: 5, for: 30s}"},
          &options::ejection, section(ejection_table()));
    t.add({.name = "slow_start",
           .text = "A replica that comes back gets a tenth of its part of the requests at "
                   "first, and all of it after so long; `0s`: at once. Not with `hash`.",
           .example = "30s"},
          &options::slow_start, duration<milliseconds>(0ms, 1h));
    t.add({.name = "retries",
           .text = "How many requests that broke off may be sent again.",
           .example = "{percent: 10, per_second: 3}"},
          &options::retries, section(retry_table()));
    t.add({.name = "hedge",
           .text = "Slow reads are sent to another replica too; none without this section.",
           .example = "{after: 50ms, percent: 5}"},
          &options::hedging, optional_of(section(hedge_table())));
    t.add({.name = "tls",
           .text = "How replicas are known, and the gateway to them.",
           .example = "{ca_file: internal.pem}"},
          &options::tls, optional_of(section(upstream_tls_table())));
    t.add({.name = "signature",
           .text = "Signs what the gateway says to this service about the caller and the "
                   "session (`Lethe-Signature`, [how](sessions.md#signed-fields)).",
           .example = "{key_id: k1, key: \"${SHOP_KEY}\"}"},
          &options::signature, optional_of(section(signature_table())));
}

}  // namespace

const table<upstream::options>& upstream_table() {
    using upstream::options;
    static const table<options> made = [] {
        table<options> t("upstream", "`upstreams[]`",
                         "A service and the replicas that answer for it.");
        t.add({.name = "name",
               .text = "What routes call it; also a label of metrics.",
               .example = "shop",
               .required = true},
              &options::name,
              text("a name of up to 64 letters, digits, '-', '_' and '.'", is_name,
                   "^[A-Za-z0-9._-]{1,64}$|\\$\\{"));
        t.add(
            {.name = "replicas",
             .text = "Where the replicas are; the port is 80 where none is said. With a weight: a "
                     "map.",
             .example = "[\"http://127.0.0.1:9001\", {url: \"http://127.0.0.1:9002\", weight: 3}]",
             .required = true},
            &options::replicas,
            list<upstream::replica>(replicas_words, replica(), 1, twins::allowed));
        t.add({.name = "resolver",
               .text = "The name server that `dns` and `srv` of the replicas are asked of. Without "
                       "it the system's way: its hosts file, search list and name servers.",
               .example = "\"127.0.0.1:8600\""},
              &options::resolver, optional_of(name_server()));
        t.add({.name = "balance",
               .text = "`round_robin`: each replica in turn. `least_requests`: of two replicas at "
                       "random the one with fewer requests under way. `hash`: all requests with "
                       "the same `hash_by` to one replica while it is in use and not full.",
               .example = "round_robin"},
              &options::balance,
              choice<upstream::balance_rule>(
                  {{"round_robin", upstream::balance_rule::round_robin},
                   {"least_requests", upstream::balance_rule::least_requests},
                   {"hash", upstream::balance_rule::hash}}));
        t.add(
            {.name = "hash_by",
             .text = "What `balance: hash` goes by: the `client`'s address, the `caller` whom the "
                     "token names, the `session`, the `path` without its query, or a `field` of "
                     "the request. Requests without it go as by `least_requests`.",
             .example = "field X-Tenant"},
            &options::hash_by, optional_of(hash_by()));
        add_care(t);
        add_connections(t);
        return t;
    }();
    return made;
}

}  // namespace lethe::gateway::config
