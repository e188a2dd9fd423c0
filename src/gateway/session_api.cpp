#include "gateway/session_api.hpp"

#include "base/bytes.hpp"
#include "base/log.hpp"
#include "gateway/problems.hpp"
#include "http/problems.hpp"
#include "idempotency/key.hpp"
#include "session/problems.hpp"
#include "session/rules.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace lethe::gateway {
namespace {

constexpr std::chrono::seconds soon{1};
constexpr std::string_view accepted_types =
    "application/merge-patch+json, application/json-patch+json, application/lethe-ops+json";
// Under one ticket others may be faster to make the session; then it is changed instead.
constexpr int tries_max = 4;

bool is(const error_code& error, session::errc e) {
    return error == make_error_code(e);
}

std::optional<std::uint64_t> parse_entity_tag(std::string_view text) {
    if (text.size() < 3 || text.size() > 22 || text.front() != '"' || text.back() != '"')
        return std::nullopt;
    const std::string_view digits = text.substr(1, text.size() - 2);
    std::uint64_t out = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    if (digits.front() == '0' && digits.size() > 1) return std::nullopt;
    return out;
}

std::optional<session::patch_type> patch_type_of(const http::fields& header) {
    if (header.count(http::field_id::content_type) != 1) return std::nullopt;
    const std::string_view field = header.first(http::field_id::content_type).value_or("");
    const std::string type = to_lower(trim(field.substr(0, field.find(';'))));
    if (type == "application/merge-patch+json") return session::patch_type::merge;
    if (type == "application/json-patch+json") return session::patch_type::json_patch;
    if (type == "application/lethe-ops+json") return session::patch_type::ops;
    return std::nullopt;
}

std::optional<session::basis> parse_basis(const http::fields& header) {
    const std::optional<std::string> word = header.combined("Lethe-Session-If");
    if (!word || *word == "slots") return session::basis::slots;
    if (*word == "version") return session::basis::version;
    if (*word == "any") return session::basis::any;
    return std::nullopt;
}

void set_version(http::exchange& x, std::uint64_t version) {
    const std::string text = std::to_string(version);
    x.response.header.append_borrowed("ETag", x.memory().concat({"\"", text, "\""}));
    x.response.header.append_borrowed("Lethe-Session-Version", x.memory().copy(text));
    x.response.header.append_borrowed("Cache-Control", "no-store");
}

task<> refused(http::exchange& x, const http::problem_type& type, std::string_view detail = {}) {
    http::answer_problem(x, type, {.detail = detail});
    co_return result<>{};
}

}  // namespace

std::optional<session_condition> parse_if_match(const http::fields& header) {
    session_condition out;
    const std::size_t lines = header.count("If-Match");
    if (lines == 0) return out;
    if (lines > 1) return std::nullopt;
    const std::string_view text = *header.first("If-Match");
    out.given = true;
    out.any = text == "*";
    if (out.any) return out;
    out.version = parse_entity_tag(text);
    if (!out.version) return std::nullopt;
    return out;
}

bool matches_none(const http::fields& header, std::uint64_t version) {
    const std::optional<std::string> all = header.combined("If-None-Match");
    if (!all) return false;
    bool found = false;
    // RFC 9110 section 13.1.2: the comparison is weak.
    http::for_each_list_member(*all, [&](std::string_view one) {
        if (one.starts_with("W/")) one.remove_prefix(2);
        found |= one == "*" || parse_entity_tag(one) == version;
    });
    return found;
}

struct session_api::call {
    session_way way;
    session::handle right;
    std::uint32_t mark = 0;
    steady_time deadline;
};

session_api::session_api(std::function<session_ways()> ways, metrics::registry& in)
    : ways_(std::move(ways)),
      read_(in.make_counter("lethe_gateway_session_api_requests_total",
                            "Requests to a Lethe-Session-Url, by what became of them.",
                            {{"result", "read"}})),
      not_modified_(in.make_counter("lethe_gateway_session_api_requests_total", "",
                                    {{"result", "not_modified"}})),
      changed_(
          in.make_counter("lethe_gateway_session_api_requests_total", "", {{"result", "changed"}})),
      conflicts_(in.make_counter("lethe_gateway_session_api_requests_total", "",
                                 {{"result", "conflict"}})),
      refused_(
          in.make_counter("lethe_gateway_session_api_requests_total", "", {{"result", "refused"}})),
      no_handle_(in.make_counter("lethe_gateway_session_api_requests_total", "",
                                 {{"result", "no_handle"}})),
      gone_(in.make_counter("lethe_gateway_session_api_requests_total", "", {{"result", "gone"}})),
      failed_(in.make_counter("lethe_gateway_session_api_requests_total", "",
                              {{"result", "failed"}})) {}

task<> session_api::handle(http::exchange& x) {
    const std::string path(x.request.path);
    // From here on nothing can log it.
    x.request.path = session_api_prefix;
    x.request.has_query = false;
    x.request.query = {};
    x.route_name = "session api";
    session_ways ways = ways_();
    x.keeps = ways.keeps;

    std::optional<session::handle> right;
    std::string_view text;
    if (ways.keys && path.starts_with(session_api_prefix)) {
        text = std::string_view(path).substr(session_api_prefix.size());
        right = ways.keys->open(text, x.time().system_now());
    }
    const std::optional<session_way> way = right ? ways.find(right->route) : std::nullopt;
    if (!way) {
        // Forged, expired, of a route that is no more, another path: nothing tells which.
        no_handle_.add();
        return refused(x, session::problems::handle_unknown);
    }
    const steady_time deadline =
        std::min(x.deadline, x.time().steady_now() + way->sessions->options().store_timeout);
    return serve(x, {.way = *way,
                     .right = *std::move(right),
                     .mark = session::write_mark(text),
                     .deadline = deadline});
}

task<> session_api::serve(http::exchange& x, call with) {
    switch (x.request.method) {
        case http::method::get:
        case http::method::head: co_return co_await read(x, std::move(with));
        case http::method::patch: co_return co_await change(x, std::move(with));
        default: break;
    }
    refused_.add();
    http::answer_problem(x, problems::method_not_allowed);
    x.response.header.append_borrowed("Allow", "GET, HEAD, PATCH");
    x.response.header.append_borrowed("Accept-Patch", accepted_types);
    co_return result<>{};
}

task<> session_api::read(http::exchange& x, call with) {
    const result<std::optional<session::view>> found =
        co_await with.way.sessions->load(with.right.holder, with.deadline);
    if (found.has_error()) {
        refuse(x, found.error(), false);
        co_return result<>{};
    }
    if (!*found && !with.right.reserved) {
        refuse(x, make_error_code(session::errc::ended), false);
        co_return result<>{};
    }
    const std::uint64_t version = *found ? (*found)->data().version : 0;
    if (matches_none(x.request.header, version)) {
        not_modified_.add();
        x.response.status = 304;
        set_version(x, version);
        co_return result<>{};
    }
    read_.add();
    x.response.status = 200;
    set_version(x, version);
    x.response.header.append_borrowed("Content-Type", "application/json");
    x.response_body = http::make_owned_body(
        *found ? session::detail::slots_json((*found)->data(), with.way.rules->read) : "{}");
    co_return result<>{};
}

task<> session_api::change(http::exchange& x, call with) {
    const std::optional<session::patch_type> type = patch_type_of(x.request.header);
    if (!type) {
        refused_.add();
        http::answer_problem(x, session::problems::change_type_unknown);
        x.response.header.append_borrowed("Accept-Patch", accepted_types);
        co_return result<>{};
    }
    const std::optional<session_condition> condition = parse_if_match(x.request.header);
    const std::optional<session::basis> basis = parse_basis(x.request.header);
    session::change wanted;
    const std::size_t keys = x.request.header.count(http::field_id::idempotency_key);
    if (keys == 1) {
        const result<std::string> key =
            idempotency::parse_key(*x.request.header.first(http::field_id::idempotency_key), {});
        // A session's keys are its own; those of two services are apart.
        if (key.has_value()) wanted.operation = "url|" + with.way.rules->service + "|" + *key;
    }
    if (!condition || !basis || (keys > 0 && wanted.operation.empty())) {
        refused_.add();
        co_return co_await refused(x, session::problems::change_malformed,
                                   "If-Match, Lethe-Session-If or Idempotency-Key is malformed.");
    }
    const session::settings& limits = with.way.sessions->options();
    const std::size_t bytes_max = 2 * limits.session_bytes_max + limits.patch_bytes_max;
    const result<std::string> body = co_await http::read_whole(x.request_body.get(), bytes_max);
    if (body.has_error()) {
        refused_.add();
        if (body.error() == condition::too_large)
            co_return co_await refused(x, http::problems::body_too_large);
        if (body.error() == condition::timeout)
            co_return co_await refused(x, http::problems::request_timeout);
        co_return body.error();
    }
    result<session::patch> edit = session::patch::parse(*type, *body, bytes_max);
    if (edit.has_error()) {
        refuse(x, edit.error(), false);
        co_return result<>{};
    }
    wanted.edit = *std::move(edit);
    wanted.relies_on = *basis;
    co_return co_await commit(x, std::move(with), std::move(wanted), *condition);
}

task<> session_api::commit(http::exchange& x, call with, session::change wanted,
                           session_condition condition) {
    const session::route_options& rules = *with.way.rules;
    wanted.on_conflict = rules.on_conflict;
    wanted.readable = rules.read;
    wanted.writable = rules.write;
    wanted.made_by = with.mark;
    wanted.base_version = condition.version.value_or(with.right.version);
    if (with.right.reserved) wanted.under = with.right.holder;
    error_code why = make_error_code(session::errc::contended);
    for (int i = 0; i < tries_max && is(why, session::errc::contended); ++i) {
        result<std::optional<session::view>> found =
            co_await with.way.sessions->load(with.right.holder, with.deadline);
        if (found.has_error()) {
            why = found.error();
            break;
        }
        const std::uint64_t now = *found ? (*found)->data().version : 0;
        // A version from the future is of a session that a store has lost since.
        const bool fails = condition.version ? *condition.version > now : condition.any && !*found;
        if ((!*found && !with.right.reserved) || fails) {
            why = make_error_code(*found || with.right.reserved ? session::errc::version_changed
                                                                : session::errc::ended);
            break;
        }
        const result<session::committed> done =
            co_await with.way.sessions->commit(*std::move(found), wanted, with.deadline);
        if (done.has_value()) {
            changed_.add();
            x.response.status = 204;
            set_version(x, done->version);
            co_return result<>{};
        }
        why = done.error();
        if (!with.right.reserved) break;
    }
    refuse(x, why, condition.given);
    co_return result<>{};
}

// The service is told more than a client: it made the change.
void session_api::refuse(http::exchange& x, const error_code& error, bool conditional) {
    using namespace session;
    const auto answer = [&x](metrics::counter& count, const http::problem_type& type,
                             std::string_view detail = {}) {
        count.add();
        http::problem_options options{.detail = detail};
        if (type.status == 503 || type.status == 429) options.retry_after = soon;
        http::answer_problem(x, type, options);
    };
    if (is(error, errc::ended) || is(error, errc::not_opened) || is(error, errc::key_retired))
        return answer(gone_, session::problems::gone);
    if (is(error, errc::slot_forbidden))
        return answer(refused_, session::problems::slot_not_writable);
    if (is(error, errc::patch_unfit)) return answer(refused_, session::problems::change_unfit);
    if (error == condition::malformed) return answer(refused_, session::problems::change_malformed);
    if (error == condition::too_large) return answer(refused_, session::problems::too_large);
    if (is(error, errc::too_many_operations))
        return answer(refused_, session::problems::operations_full);
    if (error == condition::conflict)
        return answer(
            conflicts_,
            conditional ? session::problems::precondition_failed : session::problems::conflict,
            error.message());
    log::warn("gateway.session_api_failed", {{"error", describe(error)}});
    answer(failed_, error == condition::outcome_unknown ? session::problems::outcome_unknown
                                                        : session::problems::unavailable);
}

}  // namespace lethe::gateway
