// The tables of `routes[]` and of its sections.
#include "base/arena.hpp"
#include "base/bytes.hpp"
#include "gateway/config/tables.hpp"
#include "http/fields.hpp"
#include "http/target.hpp"

#include <algorithm>

namespace lethe::gateway::config {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

bool is_not_empty(std::string_view value) {
    return !value.empty();
}

// Why no request has such a path; "" when one can.
std::string why_no_path(std::string_view path, bool is_prefix) {
    if (!path.starts_with('/')) return "does not start with '/'";
    arena memory;
    const result<std::string_view> normal = http::normalise_path(path, memory);
    if (normal.has_error()) return "is not a path that a request can have";
    if (*normal != path)
        return "is not in normal form, which is " + quote(*normal) + ", so nothing would match";
    if (is_prefix && path.size() > 1 && path.ends_with('/'))
        return "ends with '/', and a prefix stands for itself and all below it";
    return {};
}

codec<std::optional<std::string>> path_codec(bool is_prefix) {
    const std::string words = is_prefix ? "a path such as / or /api" : "a path such as /orders";
    shape what{.kind = value_kind::text, .words = words, .pattern = "^/[^?#]*$|\\$\\{"};
    return {what,
            [words, is_prefix](reader& with, const place& at, std::optional<std::string>& to) {
                to = "/";
                if (want_scalar(with, at, words) == nullptr) return;
                const std::string why = why_no_path(at.value.text, is_prefix);
                if (!why.empty()) return with.fail_value(at, why, words);
                to = at.value.text;
            },
            [](const std::optional<std::string>&) { return boost::json::value(); }};
}

codec<std::string> host_codec() {
    const std::string words = "a host such as shop.example or *.shop.example, without a port";
    shape what{.kind = value_kind::text, .words = words};
    return {what,
            [words](reader& with, const place& at, std::string& to) {
                if (want_scalar(with, at, words) == nullptr) return;
                std::string_view name = at.value.text;
                const bool wild = name.starts_with("*.");
                if (wild) name.remove_prefix(2);
                const std::size_t bracket = std::min(name.rfind(']'), name.size());
                const bool has_port =
                    name.find(':', name.starts_with('[') ? bracket : 0) != name.npos;
                if (has_port || !http::is_authority(name) || (wild && name.starts_with('[')))
                    return with.fail_value(at, "is not a host", words);
                to = to_lower(at.value.text);
                if (to.ends_with('.')) to.pop_back();
            },
            [](const std::string&) { return boost::json::value(); }};
}

codec<std::string> method_codec() {
    const std::string words = "a method such as GET or POST";
    shape what{.kind = value_kind::text, .words = words, .pattern = "^[A-Z][A-Z0-9_-]*$|\\$\\{"};
    return {what,
            [words](reader& with, const place& at, std::string& to) {
                if (want_scalar(with, at, words) == nullptr) return;
                const std::string& name = at.value.text;
                const bool is_lower = std::any_of(name.begin(), name.end(),
                                                  [](char c) { return c >= 'a' && c <= 'z'; });
                if (is_lower)
                    return with.fail_value(
                        at, "is not in capitals, and methods are told apart by them", words);
                if (!http::is_token(name)) return with.fail_value(at, "is not a method", words);
                if (name == "CONNECT") return with.fail_value(at, "is not for gateways", words);
                to = name;
            },
            [](const std::string&) { return boost::json::value(); }};
}

const table<route_match>& match_table() {
    static const table<route_match> made = [] {
        table<route_match> t(
            "match", "`routes[].match`",
            "Which requests a route is for: all that is said here must hold. Paths "
            "are compared in normal form (dot segments gone, `//` is `/`).");
        t.add({.name = "path",
               .text = "Exactly this path. Either `path` or `prefix` is needed.",
               .example = "/orders"},
              &route_match::path, path_codec(false));
        t.add(
            {.name = "prefix",
             .text = "This path and all below it: `/api` matches `/api` and `/api/x`, not `/apix`.",
             .example = "/api"},
            &route_match::prefix, path_codec(true));
        t.add({.name = "host",
               .text = "One of these hosts, whatever the port; `*.shop.example`: every name below. "
                       "Every host without it.",
               .example = "[shop.example, \"*.shop.example\"]"},
              &route_match::hosts, one_or_list("a host or a list of hosts", host_codec()));
        t.add({.name = "methods",
               .text = "One of these; `GET` stands for `HEAD` too. Every method without it.",
               .example = "[GET, POST]"},
              &route_match::methods,
              list<std::string>("a list of methods such as [GET, POST]", method_codec(), 1));
        return t;
    }();
    return made;
}

codec<std::string> slot() {
    return text("a slot's name", is_not_empty);
}

codec<std::string> store_name() {
    return text("the name of a store", is_not_empty);
}

codec<session::stale_rule> stale_codec() {
    codec<session::stale_rule> out =
        choice<session::stale_rule>({{"retry", session::stale_rule::retry},
                                     {"refuse", session::stale_rule::refuse},
                                     {"accept", session::stale_rule::accept}});
    out.read = [read = out.read](reader& with, const place& at, session::stale_rule& to) {
        if (at.value.kind == node_kind::scalar && at.value.text == "503")
            to = session::stale_rule::refuse;
        else
            read(with, at, to);
    };
    return out;
}

constexpr const char* allow_lossy_text =
    "Take a store that may lose what was acknowledged, such as `memory:`.";

}  // namespace

const table<session::serialize_options>& serialize_table() {
    using session::serialize_options;
    static const table<serialize_options> made = [] {
        table<serialize_options> t("serialize", "`routes[].session.serialize`",
                                   "`{}`: as it is by default.");
        t.add({.name = "wait",
               .text = "How long a request waits for its turn before it gets 503.",
               .example = "3s"},
              &serialize_options::wait, duration<milliseconds>(10ms, 60s));
        t.add({.name = "lease",
               .text = "After so long without a sign of life of its gateway a turn is over.",
               .example = "5s"},
              &serialize_options::lease, duration<milliseconds>(1s, 60s));
        return t;
    }();
    return made;
}

const table<session_options>& session_table() {
    using session::route_options;
    static const table<session_options> made = [] {
        table<session_options> t("session", "`routes[].session`",
                                 "The upstream reads and changes the caller's session through "
                                 "`Lethe-Session*` fields ([sessions](sessions.md)).");
        const auto rules = &session_options::rules;
        t.add({.name = "read", .text = "Slots that the upstream sees.", .example = "[cart]"},
              in(rules, &route_options::read), list<std::string>("a list of slots", slot()));
        t.add({.name = "write", .text = "Slots that the upstream may change.", .example = "[cart]"},
              in(rules, &route_options::write), list<std::string>("a list of slots", slot()));
        t.add(
            {.name = "on_conflict",
             .text =
                 "When a slot has changed since the upstream saw it. `reject`, also written `409`: "
                 "409. `last_writer_wins`, also `lww`: the change is applied to what is there "
                 "now. `retry`: what may run twice is sent again, three times at most: GET, HEAD, "
                 "PUT, DELETE, and requests with a key where the service dedups; others get 409. "
                 "Operations never meet this.",
             .example = "last_writer_wins"},
            in(rules, &route_options::on_conflict),
            choice<session::conflict_rule>(
                {{"reject", session::conflict_rule::reject},
                 {"409", session::conflict_rule::reject},
                 {"last_writer_wins", session::conflict_rule::last_writer_wins},
                 {"lww", session::conflict_rule::last_writer_wins},
                 {"retry", session::conflict_rule::retry}}));
        t.add(
            {.name = "when_store_down",
             .text =
                 "When the session cannot be read. `refuse`: 503. `anonymous`: as if the caller "
                 "had none; only for routes that write no slot.",
             .example = "anonymous"},
            in(rules, &route_options::when_store_down),
            choice<session::store_down_rule>({{"refuse", session::store_down_rule::refuse},
                                              {"anonymous", session::store_down_rule::anonymous}}));
        t.add({.name = "url",
               .text = "When the upstream gets a `Lethe-Session-Url`. `large`: where the slots it "
                       "reads are above 4 KiB. `always`: also otherwise, and for callers without a "
                       "session where the route writes. Needs `session_api`.",
               .example = "always"},
              in(rules, &route_options::url),
              choice<session::url_rule>(
                  {{"large", session::url_rule::large}, {"always", session::url_rule::always}}));
        t.add({.name = "serialize",
               .text = "Requests of one session run one after the other, for services that cannot "
                       "take two at once; only on routes that write.",
               .example = "{wait: 3s}"},
              in(rules, &route_options::serialize), optional_of(section(serialize_table())));
        t.add({.name = "stale",
               .text = "When a session is read that is older than its cookie: the store lost "
                       "changes. `retry`: it is read again for up to 1 s, then 503. `refuse` (or "
                       "`503`): 503 at once. `accept`: the upstream gets it, with "
                       "`Lethe-Session-Stale: ?1`.",
               .example = "accept"},
              in(rules, &route_options::stale), stale_codec());
        t.add({.name = "required", .text = "Callers without a session get 403.", .example = "true"},
              in(rules, &route_options::required), boolean());
        t.add({.name = "store", .text = "Which of the named stores.", .example = "carts"},
              &session_options::store, store_name());
        t.add({.name = "allow_lossy", .text = allow_lossy_text, .example = "true"},
              &session_options::allow_lossy, boolean());
        return t;
    }();
    return made;
}

namespace {

using key_rules = idempotency::route_options;

// POST and PATCH take a key in any case; the checks after reading see to the rest.
codec<key_rules> keyed_methods() {
    auto names = list<std::string>(
        "a list of POST, PATCH, PUT and DELETE",
        choice<std::string>(
            {{"POST", "POST"}, {"PATCH", "PATCH"}, {"PUT", "PUT"}, {"DELETE", "DELETE"}}),
        1);
    return {
        names.what,
        [read = names.read](reader& with, const place& at, key_rules& to) {
            std::vector<std::string> all;
            read(with, at, all);
            to.put = std::find(all.begin(), all.end(), "PUT") != all.end();
            to.delete_ = std::find(all.begin(), all.end(), "DELETE") != all.end();
        },
        [](const key_rules&) { return boost::json::value(boost::json::array{"POST", "PATCH"}); }};
}

void add_key_options(table<idempotency_options>& t) {
    using namespace idempotency;
    const auto rules = &idempotency_options::rules;
    t.add(
        {.name = "mode",
         .text = "`required`: a request without a key gets 400. `optional`: it passes unprotected.",
         .example = "required"},
        in(rules, &key_rules::mode),
        choice<key_mode>({{"optional", key_mode::optional}, {"required", key_mode::required}}));
    t.add(
        {.name = "methods",
         .text = "Which methods take a key. `POST` and `PATCH` always do where the route matches "
                 "them.",
         .example = "[POST, PATCH, PUT]"},
        [](idempotency_options& of) -> key_rules& { return of.rules; }, keyed_methods());
    t.add({.name = "strict",
           .text = "Take quoted keys only (`Idempotency-Key: \"…\"`), as the draft has it.",
           .example = "true"},
          in(rules, &key_rules::strict), boolean());
    t.add({.name = "format",
           .text = "`any`: 1 to 255 visible ASCII characters. `uuid`: RFC 9562.",
           .example = "uuid"},
          in(rules, &key_rules::format),
          choice<key_format>({{"any", key_format::any}, {"uuid", key_format::uuid}}));
    t.add({.name = "scope",
           .text = "Whose keys they are. `principal`: the verified caller's, else the session's. "
                   "`public`: where there is neither, all callers share one key space, with UUIDs "
                   "only.",
           .example = "public"},
          in(rules, &key_rules::scope),
          choice<key_scope>({{"principal", key_scope::principal}, {"public", key_scope::open}}));
    t.add({.name = "tenant",
           .text = "Keys of two tenants never meet; routes of one API share one.",
           .example = "shop"},
          in(rules, &key_rules::tenant), text("a text"));
}

void add_graphql_options(table<idempotency_options>& t) {
    using namespace idempotency;
    const auto rules = &idempotency_options::rules;
    t.add({.name = "graphql",
           .text = "POST carries GraphQL: only mutations take a key, from the header, "
                   "`@idempotent(key:)` or `extensions.idempotencyKey`.",
           .example = "true"},
          in(rules, &key_rules::graphql), boolean());
    t.add({.name = "graphql_batch",
           .text = "An array of GraphQL requests with a key. `refuse`: 400. `unit`: all of it is "
                   "one request.",
           .example = "unit"},
          in(rules, &key_rules::graphql_batch),
          choice<batch_rule>({{"refuse", batch_rule::refuse}, {"unit", batch_rule::unit}}));
    t.add({.name = "key_space",
           .text = "What a used key means on another method or path. `api`: 422. `operation`: each "
                   "method and path has keys of its own.",
           .example = "operation"},
          in(rules, &key_rules::key_space),
          choice<key_space_rule>(
              {{"api", key_space_rule::api}, {"operation", key_space_rule::operation}}));
}

void add_time_options(table<idempotency_options>& t) {
    using namespace idempotency;
    const auto rules = &idempotency_options::rules;
    t.add(
        {.name = "ttl",
         .text = "How long an outcome is remembered, from when it was recorded; not below `lease`.",
         .example = "7d"},
        in(rules, &key_rules::ttl), duration<milliseconds>(1s, days_max));
    t.add({.name = "lease",
           .text = "How long a claim counts as under way without a sign of life of its gateway; "
                   "afterwards its outcome is unknown.",
           .example = "1m"},
          in(rules, &key_rules::lease), duration<milliseconds>(1s, 10min));
    t.add({.name = "wait",
           .text = "How long a second request with the same key waits for the outcome of the first "
                   "before it gets 409.",
           .example = "5s"},
          in(rules, &key_rules::wait), duration<milliseconds>(0s, 10s));
    t.add({.name = "expired",
           .text = "What a key means after its record has expired. `new`: a new request. `reject`: "
                   "409 for as long as `tombstone` says.",
           .example = "reject"},
          in(rules, &key_rules::expired),
          choice<expired_rule>({{"new", expired_rule::fresh}, {"reject", expired_rule::reject}}));
    t.add({.name = "tombstone",
           .text = "How long `expired: reject` remembers a key after its record has expired.",
           .example = "90d"},
          in(rules, &key_rules::tombstone), duration<milliseconds>(1s, days_max));
}

void add_recording_options(table<idempotency_options>& t) {
    using namespace idempotency;
    const auto rules = &idempotency_options::rules;
    const auto field = text("a field name", http::is_token);
    t.add(
        {.name = "body_bytes_max",
         .text = "A keyed request's body is held in memory up to so much, and in a temporary file "
                 "beyond; it then counts byte for byte.",
         .example = "64KiB"},
        in(rules, &key_rules::body_bytes_max), size<std::uint64_t>(0, 64 * 1024 * 1024));
    t.add({.name = "answer_bytes_max",
           .text = "Up to 1 MiB an answer stands in the key's record, beyond it in records of its "
                   "own. A larger one than this passes through, and a retry gets 409.",
           .example = "256KiB"},
          in(rules, &key_rules::answer_bytes_max), size<std::uint64_t>(0, answer_bytes_limit));
    t.add(
        {.name = "fingerprint_headers",
         .text = "Request fields that make two requests differ, besides method, path, query, media "
                 "type and body.",
         .example = "[X-Currency]"},
        in(rules, &key_rules::fingerprint_headers),
        list<std::string>("a list of field names", field));
    t.add({.name = "fingerprint_body",
           .text = "Which bodies are the same request. `bytes`: byte for byte. `meaning`: JSON by "
                   "its canonical text (RFC 8785), multipart without its boundary.",
           .example = "meaning"},
          in(rules, &key_rules::fingerprint_body),
          choice<body_rule>({{"bytes", body_rule::bytes}, {"meaning", body_rule::meaning}}));
    t.add({.name = "fingerprint_paths",
           .text = "JSONPaths of names, indexes and `*`: of a JSON body only what they select "
                   "counts. With `fingerprint_body: meaning`.",
           .example = "[\"$.order.id\", \"$.items[*].sku\"]"},
          in(rules, &key_rules::fingerprint_paths),
          list<std::string>("a list of JSONPaths", text("a JSONPath")));
    t.add({.name = "not_replayed",
           .text = "Answer fields that are not replayed, besides those that never are.",
           .example = "[X-Served-By]"},
          in(rules, &key_rules::not_replayed), list<std::string>("a list of field names", field));
    t.add(
        {.name = "on_500",
         .text = "When the upstream answered 500 or 501. `store`: that is the outcome. `release`: "
                 "the key is free again. `unknown`: nobody knows whether it ran.",
         .example = "unknown"},
        in(rules, &key_rules::on_500),
        choice<answer_rule>({{"store", answer_rule::store},
                             {"release", answer_rule::release},
                             {"unknown", answer_rule::unknown}}));
    t.add({.name = "described_by",
           .text = "Where the service's own idempotency specification stands, for `Link: <…>; "
                   "rel=\"describedby\"`.",
           .example = "\"https://api.shop.example/docs/retries\""},
          in(rules, &key_rules::described_by), text("a URI"));
}

void add_unknown_options(table<idempotency_options>& t) {
    using namespace idempotency;
    const auto rules = &idempotency_options::rules;
    t.add({.name = "backend",
           .text = "`dedups`: the service itself makes a repeated request of one key take effect "
                   "once, and says so by answering the first answer again.",
           .example = "dedups"},
          in(rules, &key_rules::backend_dedups),
          choice<bool>({{"plain", false}, {"dedups", true}}));
    t.add({.name = "on_unknown",
           .text = "What a retry does about an outcome that nobody knows. `hold`: 409. "
                   "`reconcile`: asks the service at `reconcile`. `resend`: sends it again, only "
                   "with `backend: dedups`. `final`: the 504 is the outcome.",
           .example = "reconcile"},
          in(rules, &key_rules::on_unknown),
          choice<unknown_rule>({{"hold", unknown_rule::hold},
                                {"reconcile", unknown_rule::reconcile},
                                {"resend", unknown_rule::resend},
                                {"final", unknown_rule::final}}));
    t.add({.name = "reconcile",
           .text = "Where `on_unknown: reconcile` asks with GET, `{key}` replaced by the key. 200: "
                   "done, and that answer is replayed; 404: not done and never will be, so the "
                   "retry is forwarded; all else: still unknown.",
           .example = "\"/orders/by-key/{key}\""},
          in(rules, &key_rules::reconcile), text("a path with {key} in it"));
}

void add_store_options(table<idempotency_options>& t) {
    using namespace idempotency;
    const auto rules = &idempotency_options::rules;
    t.add({.name = "store_down",
           .text = "When the store cannot be asked. `refuse`: 503. `pass`: forwarded unprotected, "
                   "only with `mode: optional`.",
           .example = "pass"},
          in(rules, &key_rules::store_down),
          choice<idempotency::store_down_rule>({{"refuse", idempotency::store_down_rule::refuse},
                                                {"pass", idempotency::store_down_rule::pass}}));
    t.add({.name = "store_timeout",
           .text = "How long one step waits for the store.",
           .example = "500ms"},
          in(rules, &key_rules::store_timeout), duration<milliseconds>(10ms, 60s));
    t.add({.name = "store", .text = "Which of the named stores.", .example = "default"},
          &idempotency_options::store, store_name());
    t.add({.name = "allow_lossy", .text = allow_lossy_text, .example = "true"},
          &idempotency_options::allow_lossy, boolean());
}

bool is_route_name(std::string_view name) {
    return !name.empty() && name.size() <= 128 && std::all_of(name.begin(), name.end(), [](char c) {
        return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
    });
}

}  // namespace

const table<idempotency_options>& idempotency_table() {
    static const table<idempotency_options> made = [] {
        table<idempotency_options> t(
            "idempotency", "`routes[].idempotency`",
            "Requests with an `Idempotency-Key` run once; retries get the recorded answer. Needs "
            "`authenticate` or `session` on the route, which say whose key it is, or `scope: "
            "public`.");
        add_key_options(t);
        add_graphql_options(t);
        add_time_options(t);
        add_recording_options(t);
        add_unknown_options(t);
        add_store_options(t);
        return t;
    }();
    return made;
}

const table<route_options>& route_table_of_options() {
    static const table<route_options> made = [] {
        table<route_options> t(
            "route", "`routes[]`",
            "Requests go to the first route that matches. The sections apply in a "
            "fixed order: limits, authenticate, session, idempotency, upstream.");
        t.add({.name = "name",
               .text = "A label of logs and metrics. Made of `match` without it: `POST /orders`.",
               .example = "orders"},
              &route_options::name, text("a name of up to 128 characters", is_route_name));
        t.add({.name = "match",
               .text = "Which requests.",
               .example = "{path: /orders, methods: [POST]}",
               .required = true},
              &route_options::match, section(match_table()));
        t.add({.name = "limits",
               .text = "How many requests one client may send; all of them hold "
                       "([limits](limits.md)).",
               .example = "[{rate: 100/s, burst: 50}]"},
              &route_options::limits,
              list<limits::options>("a list of limits such as [{rate: 100/s}]",
                                    section(limit_table())));
        t.add({.name = "authenticate",
               .text = "Who may come.",
               .example = "{issuers: [shop-id], forward: {sub: X-User}}"},
              &route_options::authenticate, optional_of(section(authenticate_table())));
        t.add({.name = "session",
               .text = "Which slots of the session.",
               .example = "{read: [cart], write: [cart]}"},
              &route_options::session, optional_of(section(session_table())));
        t.add({.name = "idempotency",
               .text = "Retries that are safe.",
               .example = "{mode: required}"},
              &route_options::idempotency, optional_of(section(idempotency_table())));
        t.add({.name = "upstream",
               .text = "The name of one of `upstreams`.",
               .example = "shop",
               .required = true},
              &route_options::upstream, text("the name of an upstream", is_not_empty));
        t.add({.name = "timeout",
               .text = "From the request's head to the head of the answer, all tries and stores "
                       "included.",
               .example = "10s"},
              &route_options::timeout, duration<milliseconds>(10ms, 24h));
        return t;
    }();
    return made;
}

}  // namespace lethe::gateway::config
