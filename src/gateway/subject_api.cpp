#include "gateway/subject_api.hpp"

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "gateway/problems.hpp"
#include "http/problem.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/url/pct_string_view.hpp>

#include <optional>
#include <utility>
#include <vector>

namespace lethe::gateway {
namespace {

namespace bj = boost::json;

constexpr std::string_view prefix = "/lethe/v1/subjects/";
constexpr std::chrono::seconds answer_time{30};

void answer_json(http::exchange& x, int status, const bj::value& what) {
    x.response.status = status;
    x.response.header.append_borrowed("Content-Type", "application/json");
    x.response.header.append_borrowed("Cache-Control", "no-store");
    x.response_body = http::make_owned_body(json::to_text(what) + "\n");
}

void answer_failure(http::exchange& x, const error_code& error) {
    log::warn("gateway.subject_call_failed", {{"error", describe(error)}});
    http::answer_problem(x, problems::api_unavailable,
                         {.detail = "Perhaps not all was done. The call may be repeated.",
                          .retry_after = std::chrono::seconds{2}});
}

void answer_not_found(http::exchange& x, std::string_view detail) {
    http::answer_problem(x, problems::no_route, {.detail = detail});
}

std::optional<std::string> decoded(std::string_view segment) {
    const auto parsed = boost::urls::make_pct_string_view(segment);
    if (parsed.has_error()) return std::nullopt;
    std::string out = parsed->decode();
    if (out.empty() || out.size() > store::subject_bytes_max) return std::nullopt;
    return out;
}

// The answer is in the exchange.
task<> answered() {
    co_return result<>{};
}

}  // namespace

bool subject_api::takes(std::string_view path) noexcept {
    return path.starts_with("/lethe/v1/");
}

bool subject_api::may_call(const http::exchange& x) const {
    constexpr std::string_view scheme = "bearer ";
    if (token_.empty() || x.request.header.count(http::field_id::authorization) != 1) return false;
    const std::string_view sent =
        x.request.header.first(http::field_id::authorization).value_or("");
    return starts_with_ignoring_case(sent, scheme) &&
           equal_constant_time(trim(sent.substr(scheme.size())), token_);
}

task<> subject_api::handle(http::exchange& x) {
    if (!may_call(x)) {
        http::answer_problem(x, problems::api_token_required);
        x.response.header.append_borrowed("WWW-Authenticate", "Bearer");
        return answered();
    }
    const std::string_view path = x.request.path;
    const auto refuse = [&](std::string_view detail) {
        answer_not_found(x, detail);
        return answered();
    };
    if (!path.starts_with(prefix)) return refuse("There is /lethe/v1/subjects/{subject}/….");
    std::vector<std::string_view> parts;
    std::string_view rest = path.substr(prefix.size());
    while (parts.size() < 4) {
        const std::size_t slash = rest.find('/');
        parts.push_back(rest.substr(0, slash));
        if (slash == std::string_view::npos) break;
        rest.remove_prefix(slash + 1);
    }
    std::optional<std::string> subject = decoded(parts.front());
    if (!subject) return refuse("The subject cannot be read.");
    const auto m = x.request.method;
    const bool sessions = parts.size() >= 2 && parts[1] == "sessions";
    if (sessions && parts.size() == 2 && m == http::method::get)
        return list(x, *std::move(subject));
    if (sessions && parts.size() == 2 && m == http::method::delete_)
        return end_all(x, *std::move(subject));
    if (sessions && parts.size() == 3 && m == http::method::delete_)
        return end_one(x, *std::move(subject), std::string(parts[2]));
    if (parts.size() == 2 && parts[1] == "erase" && m == http::method::post)
        return erase(x, *std::move(subject));
    return refuse("There are GET and DELETE …/sessions, DELETE …/sessions/{id}, POST …/erase.");
}

task<> subject_api::list(http::exchange& x, std::string subject) {
    const result<std::vector<subject_session>> found =
        co_await list_sessions(stores_(), subject, x.time().steady_now() + answer_time);
    if (found.has_error()) {
        answer_failure(x, found.error());
        co_return result<>{};
    }
    bj::array sessions;
    for (const subject_session& one : *found)
        sessions.push_back(bj::object{{"id", one.it.id},
                                      {"store", one.store},
                                      {"created", to_utc_text(one.it.created)},
                                      {"last_seen", to_utc_text(one.it.last_seen)},
                                      {"expires", to_utc_text(one.it.expires)}});
    answer_json(x, 200, bj::object{{"subject", subject}, {"sessions", std::move(sessions)}});
    co_return result<>{};
}

task<> subject_api::revoke(http::exchange& x, const std::string& subject) {
    const std::optional<std::chrono::milliseconds> life = life_();
    if (!life) co_return result<>{};
    co_return co_await revoke_cookies(stores_(), x.time(), subject, *life,
                                      x.time().steady_now() + answer_time);
}

task<> subject_api::end_all(http::exchange& x, std::string subject) {
    const result<> revoked = co_await revoke(x, subject);
    if (revoked.has_error()) {
        answer_failure(x, revoked.error());
        co_return result<>{};
    }
    const result<std::size_t> ended =
        co_await end_sessions(stores_(), subject, x.time().steady_now() + answer_time);
    if (ended.has_error()) {
        answer_failure(x, ended.error());
        co_return result<>{};
    }
    log::info("gateway.sessions_ended", {{"count", std::to_string(*ended)}});
    answer_json(x, 200, bj::object{{"subject", subject}, {"ended", *ended}});
    co_return result<>{};
}

task<> subject_api::end_one(http::exchange& x, std::string subject, std::string id) {
    const result<session::ending> ended =
        co_await end_session(stores_(), subject, id, x.time().steady_now() + answer_time);
    if (ended.has_error())
        answer_failure(x, ended.error());
    else if (*ended == session::ending::not_found)
        answer_not_found(x, "The subject has no such session.");
    else
        x.response.status = 204;
    co_return result<>{};
}

task<> subject_api::erase(http::exchange& x, std::string subject) {
    const result<> revoked = co_await revoke(x, subject);
    if (revoked.has_error()) {
        answer_failure(x, revoked.error());
        co_return result<>{};
    }
    const result<erasure> erased =
        co_await erase_subject(stores_(), x.time(), subject, x.time().steady_now() + answer_time);
    if (erased.has_error()) {
        answer_failure(x, erased.error());
        co_return result<>{};
    }
    bj::array stores;
    for (const std::string& name : erased->stores) stores.emplace_back(name);
    log::info("gateway.subject_erased", {{"sessions", std::to_string(erased->sessions)},
                                         {"idempotency", std::to_string(erased->idempotency)},
                                         {"other", std::to_string(erased->other)}});
    answer_json(x, 200,
                bj::object{{"subject", subject},
                           {"at", to_utc_text(x.time().system_now())},
                           {"erased", bj::object{{"sessions", erased->sessions},
                                                 {"idempotency", erased->idempotency},
                                                 {"other", erased->other}}},
                           {"stores", std::move(stores)}});
    co_return result<>{};
}

}  // namespace lethe::gateway
