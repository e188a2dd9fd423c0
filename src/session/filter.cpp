#include "session/filter.hpp"

#include "base/log.hpp"
#include "session/cookie.hpp"
#include "session/problems.hpp"
#include "session/wire.hpp"

#include <algorithm>

namespace lethe::session {
namespace {

constexpr std::chrono::seconds soon{1};
// When the oldest of many remembered operations is forgotten is not worth a promise.
constexpr std::chrono::seconds later{3600};

bool is(const error_code& error, errc e) {
    return error == make_error_code(e);
}

std::string_view reason_of(const error_code& error) {
    if (is(error, errc::ended)) return "the session ended in the meantime";
    if (is(error, errc::version_changed)) return "the session has a new version";
    if (is(error, errc::test_failed)) return "a condition of the change does not hold";
    if (is(error, errc::bound_left)) return "a number would leave its bounds";
    if (is(error, errc::slot_changed)) return "the same part of it was changed in the meantime";
    if (is(error, errc::slot_forbidden)) return "the route does not allow it";
    if (is(error, errc::too_many_operations)) return "it took too many keyed changes lately";
    if (error == condition::malformed) return "the change is malformed";
    if (error == condition::too_large) return "it would be too large";
    return "it cannot be reached";
}

const http::problem_type& problem_of(const error_code& error) {
    if (is(error, errc::slot_forbidden)) return problems::slot_forbidden;
    if (is(error, errc::too_many_operations)) return problems::operations_full;
    if (error == condition::conflict) return problems::conflict;
    if (error == condition::malformed) return problems::patch_malformed;
    if (error == condition::too_large) return problems::too_large;
    if (error == condition::outcome_unknown) return problems::outcome_unknown;
    return problems::unavailable;
}

// The service did its work: a client that reads only "conflict" would do it again.
void answer_failure(http::exchange& x, const error_code& error) {
    const std::string status = std::to_string(x.response.status);
    const http::problem_type& type = problem_of(error);
    const std::string_view detail =
        &type == &problems::outcome_unknown
            ? x.memory().concat({"The service answered with status ", status,
                                 ". Whether its change of the session was made is not known."})
            : x.memory().concat({"The service answered with status ", status,
                                 ". The session was not changed: ", reason_of(error), "."});
    http::problem_options options{.detail = detail};
    if (type.status == 429) options.retry_after = later;
    if (type.status == 503) options.retry_after = soon;
    answer_problem(x, type, options);
}

// Whether an outcome made for the session of that pseudonym is for this one: it is the same, or it
// was that one before a login.
bool is_origin(const std::optional<view>& session, std::string_view service,
               std::string_view name) {
    if (!session) return false;
    if (pseudonym(session->data.identity, service) == name) return true;
    return std::any_of(
        session->data.earlier.begin(), session->data.earlier.end(),
        [&](const std::string& identity) { return pseudonym(identity, service) == name; });
}

}  // namespace

// What is known about the caller's session before the upstream is asked.
struct filter::loaded {
    std::optional<view> session;
    bool cookie_sent = false;
    bool store_down = false;
    bool refused = false;  // the answer is there already
};

filter::filter(engine& work, route_options route, metrics& counts)
    : engine_(work), route_(std::move(route)), metrics_(counts) {
    LETHE_ASSERT(!find_mistake(route_));
}

steady_time filter::store_deadline(http::exchange& x) const {
    return std::min(x.deadline, x.time().steady_now() + engine_.options().store_timeout);
}

task<filter::loaded> filter::load(http::exchange& x) {
    loaded out;
    const std::string_view name = engine_.options().cookie_name;
    const std::optional<std::string_view> cookie = http::find_cookie(x.request.header, name);
    std::optional<ticket> shown = cookie ? ticket::parse(*cookie) : std::nullopt;
    out.cookie_sent = cookie.has_value();
    detail::remove_cookie(x.request.header, name);
    if (!cookie)
        metrics_.loads_none.add();
    else if (!shown)
        metrics_.loads_malformed.add();
    if (!shown) co_return out;

    result<std::optional<view>> found = co_await engine_.load(std::move(*shown), store_deadline(x));
    if (found.has_error() && found.error() == make_error_code(errc::not_opened)) {
        metrics_.loads_not_opened.add();
        co_return out;
    }
    if (found.has_error()) {
        metrics_.loads_failed.add();
        log::warn("session.load_failed",
                  {{"route", x.route_name}, {"error", describe(found.error())}});
        out.store_down = true;
        out.refused = route_.when_store_down == store_down_rule::refuse;
        if (out.refused) {
            metrics_.refused_unavailable.add();
            answer_problem(x, problems::unavailable, {.retry_after = soon});
        }
        co_return out;
    }
    out.session = std::move(*found);
    if (out.session)
        metrics_.loads_found.add();
    else
        metrics_.loads_missing.add();
    if (out.session && out.session->touched) metrics_.touches.add();
    co_return out;
}

task<> filter::handle(http::exchange& x, http::next rest) {
    detail::strip_request(x.request.header);
    result<loaded> found = co_await load(x);
    if (found.has_error()) co_return found.error();
    if (found->refused) co_return result<>{};
    if (route_.required && !found->session) {
        metrics_.refused_required.add();
        answer_problem(x, problems::required);
        co_return result<>{};
    }
    if (found->session) {
        const state& data = found->session->data;
        x.session = http::session_reference{pseudonym(data.identity, route_.service), data.subject};
        detail::show_session(x, data, x.session->pseudonym, route_.read);
    }
    const result<> answered = co_await rest(x);
    if (answered.has_error()) co_return answered;
    co_return co_await commit(x, std::move(*found));
}

// The answer goes out only when what it asks for is done.
task<> filter::commit(http::exchange& x, loaded found) {
    const settings& options = engine_.options();
    result<detail::asked> asked = detail::take_asked(x.response.header, options.patch_bytes_max);
    detail::drop_set_cookie(x.response.header, options.cookie_name);
    if (asked.has_error()) {
        metrics_.count_failure(asked.error());
        log::warn("session.change_malformed",
                  {{"route", x.route_name}, {"upstream", x.upstream_name}});
        answer_failure(x, asked.error());
        co_return result<>{};
    }
    change& wanted = asked->wanted;
    if (wanted.empty() && !(found.session && found.session->moved)) co_return result<>{};

    const bool ends = wanted.destroy;
    wanted.base_version = found.session ? found.session->data.version : 0;
    const bool placed =
        !x.operation_id.empty() && asked->made_for && !asked->made_for->pseudonym.empty();
    if (placed) {
        // An outcome changes the session it was made for, or none.
        if (!is_origin(found.session, route_.service, asked->made_for->pseudonym)) {
            metrics_.replays_of_another_session.add();
            if (ends && !found.session && found.cookie_sent) detail::expire_cookie(x, options);
            co_return result<>{};
        }
        wanted.base_version = asked->made_for->version;
    }
    wanted.operation = x.operation_id;
    wanted.on_conflict = route_.on_conflict;
    wanted.writable = route_.write;
    wanted.readable = route_.read;

    result<committed> done = LETHE_ERR(store::errc::unavailable);
    if (!found.store_down || wanted.empty())
        done =
            co_await engine_.commit(std::move(found.session), std::move(wanted), store_deadline(x));
    if (done.has_error()) {
        metrics_.count_failure(done.error());
        // Conflicts belong to the daily business of concurrent requests.
        const bool usual = done.error() == condition::conflict;
        log::write(usual ? log::level::debug : log::level::warn, "session.commit_failed",
                   {{"route", x.route_name}, {"error", describe(done.error())}});
        answer_failure(x, done.error());
        co_return result<>{};
    }
    metrics_.count(*done);
    if (done->hand_out)
        detail::set_cookie(x, options, *done->hand_out);
    else if (ends && found.cookie_sent)
        detail::expire_cookie(x, options);
    co_return result<>{};
}

task<> origin_stamp::handle(http::exchange& x, http::next rest) {
    const result<> answered = co_await rest(x);
    if (answered.has_value() && x.attempt > 0) detail::stamp_origin(x);
    co_return answered;
}

}  // namespace lethe::session
