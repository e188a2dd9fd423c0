#include "session/filter.hpp"

#include "base/log.hpp"
#include "http/cookies.hpp"
#include "http/problems.hpp"
#include "session/answers.hpp"
#include "session/cookie.hpp"
#include "session/problems.hpp"
#include "session/rules.hpp"
#include "session/wire.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace lethe::session {
namespace {

using detail::is;

// Between two readings of a session that may catch up.
constexpr std::chrono::milliseconds stale_step{50};
// How often a request whose change met a conflict is sent again, and the largest body that is kept
// for it.
constexpr unsigned repeats_max = 3;
constexpr std::uint64_t repeated_body_bytes_max = 64UL * 1024;

// With a key the answer is an outcome by now, which only some routes let another replace.
bool may_repeat(const http::exchange& x) {
    return x.operation_id.empty() ? http::is_idempotent(x.request.method) : x.outcome_epoch != 0;
}

// What was made from an old version of the session is refused for ever; what does not fit may fit
// again, and a replay make the change of the outcome that another attempt is about to replace.
bool may_repeat_after(const error_code& why, bool keyed) {
    return is(why, errc::slot_changed) || is(why, errc::version_changed) ||
           (is(why, errc::no_longer_fits) && !keyed);
}

bool may_have_run(const http::exchange& x) {
    using enum http::upstream_outcome;
    return !x.replayed && (x.outcome == answered || x.outcome == unknown);
}

}  // namespace

// What is known about the caller's session before the upstream is asked.
struct filter::loaded {
    std::optional<view> session;
    std::uint64_t floor = 0;  // what the cookie says of its version
    bool stale = false;       // it has lost changes, and the route takes it all the same
    bool cookie_sent = false;
    bool store_down = false;
    bool refused = false;  // the answer is there already
    // What was handed to the upstream.
    std::uint64_t shown_version = 0;
    std::uint32_t mark = 0;          // of the handle; 0 for none
    std::optional<ticket> reserved;  // of a session that the upstream may make by URL
    bool made_by_url = false;        // it did
    std::unique_ptr<turn> held;
    // Of the answer whose change met a conflict, while the request is sent again.
    error_code conflict;
    int status = 0;
};

filter::filter(engine& work, route_options route, metrics& counts, url_source urls, turns* queue)
    : engine_(work),
      route_(std::move(route)),
      presenter_(route_),
      metrics_(counts),
      urls_(std::move(urls)),
      turns_(queue) {
    LETHE_ASSERT(!route_.serialize || turns_ != nullptr);
    LETHE_ASSERT(!find_mistake(route_));
    LETHE_ASSERT(!urls_.keys || (urls_.random != nullptr && !urls_.route.empty()));
}

steady_time filter::store_deadline(http::exchange& x) const {
    return std::min(x.deadline, x.time().steady_now() + engine_.options().store_timeout);
}

task<filter::loaded> filter::load(http::exchange& x) {
    loaded out;
    const std::string_view name = engine_.options().cookie_name;
    const std::optional<std::string_view> cookie = http::find_cookie(x.request.header, name);
    std::shared_ptr<caller> by = cookie ? engine_.recognize(*cookie) : nullptr;
    out.cookie_sent = cookie.has_value();
    detail::remove_cookie(x.request.header, name);
    if (!cookie)
        metrics_.loads_none.add();
    else if (by == nullptr)
        metrics_.loads_malformed.add();
    if (by == nullptr) co_return out;

    const std::uint64_t floor = by->shown.floor;
    result<std::optional<view>> found = co_await engine_.load(std::move(by), store_deadline(x));
    if (found.has_error() && found.error() == make_error_code(errc::not_opened)) {
        metrics_.loads_not_opened.add();
        co_return out;
    }
    if (found.has_error() && is(found.error(), errc::key_retired)) {
        metrics_.loads_key_retired.add();
        co_return out;
    }
    if (found.has_error()) {
        if (is(found.error(), errc::key_missing))
            metrics_.loads_key_missing.add();
        else
            metrics_.loads_failed.add();
        log::warn("session.load_failed",
                  {{"route", x.route_name}, {"error", describe(found.error())}});
        out.store_down = true;
        out.refused = route_.when_store_down == store_down_rule::refuse;
        if (out.refused) {
            metrics_.refused_unavailable.add();
            answer_problem(x, problems::unavailable, {.retry_after = detail::soon});
        }
        co_return out;
    }
    out.floor = floor;
    out.session = std::move(*found);
    if (out.session)
        metrics_.loads_found.add();
    else
        metrics_.loads_missing.add();
    if (out.session && out.session->touched) metrics_.touches.add();
    if (out.session && out.session->old_key) metrics_.old_key_reads.add();
    if (out.session && out.session->data().version < out.floor) {
        const result<> checked = co_await check_floor(x, out);
        if (checked.has_error()) co_return checked.error();
    }
    co_return out;
}

task<> filter::check_floor(http::exchange& x, loaded& found) {
    const auto is_behind = [&found] {
        return found.session && found.session->data().version < found.floor;
    };
    const steady_time until =
        std::min(store_deadline(x), x.time().steady_now() + std::chrono::milliseconds(stale_wait));
    const ticket holder = found.session->holder;
    const bool moved = found.session->moved;
    while (route_.stale == stale_rule::retry && is_behind() && x.time().steady_now() < until) {
        const result<> waited =
            co_await x.time().sleep_until(std::min(until, x.time().steady_now() + stale_step));
        if (waited.has_error()) co_return waited.error();
        result<std::optional<view>> again = co_await engine_.load(holder, store_deadline(x));
        // What the store cannot tell now leaves the session as it was read.
        if (again.has_value() && *again) {
            found.session = std::move(*again);
            found.session->moved |= moved;
        }
    }
    if (!is_behind()) {
        metrics_.stale_caught_up.add();
        co_return result<>{};
    }
    log::warn("session.stale", {{"route", x.route_name},
                                {"version", found.session->data().version},
                                {"floor", found.floor}});
    found.stale = route_.stale == stale_rule::accept;
    found.refused = !found.stale;
    if (found.stale) {
        metrics_.stale_accepted.add();
    } else {
        metrics_.stale_refused.add();
        answer_problem(x, problems::stale, {.retry_after = detail::soon});
    }
    co_return result<>{};
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
    if (route_.serialize && found->session) {
        const result<kept> taken = co_await take_turn(x, *found);
        if (taken.has_error()) co_return taken.error();
        if (*taken == kept::refused) co_return result<>{};
    }
    const bool repeats_at_all = route_.on_conflict == conflict_rule::retry && found->session;
    if (repeats_at_all && http::is_idempotent(x.request.method)) {
        const result<kept> held = co_await hold_body(x);
        if (held.has_error()) co_return held.error();
        if (*held == kept::refused) co_return result<>{};
    }
    show(x, *found);
    for (unsigned repeats = 0;; ++repeats) {
        const result<> answered = co_await rest(x);
        if (answered.has_error()) co_return answered;
        if (x.replaces_outcome != 0) {
            stay(x, *found);
            co_return result<>{};
        }
        const bool repeatable = repeats_at_all && repeats < repeats_max && may_repeat(x);
        const result<verdict> done = co_await commit(x, *found, repeatable);
        if (done.has_error()) co_return done.error();
        if (*done == verdict::done) co_return result<>{};
        metrics_.repeats.add();
        show_again(x, *found);
    }
}

// One after the other, each seeing what the one before it changed.
task<filter::kept> filter::take_turn(http::exchange& x, loaded& found) {
    result<std::unique_ptr<turn>> mine =
        co_await turns_->take(found.session->data().identity,
                              {.wait = route_.serialize->wait, .lease = route_.serialize->lease},
                              x.deadline, x.client_gone);
    error_code why;
    if (mine.has_error()) {
        why = mine.error();
    } else {
        found.held = *std::move(mine);
        const result<> loaded = co_await load_in_turn(found, store_deadline(x));
        if (loaded.has_error()) why = loaded.error();
    }
    if (!why) {
        metrics_.turns_taken.add();
        co_return kept::yes;
    }
    if (is(why, errc::turn_refused)) {
        metrics_.turns_refused.add();
        answer_problem(x, problems::busy,
                       {.detail = "Nothing was done.", .retry_after = detail::soon});
    } else {
        metrics_.refused_unavailable.add();
        log::warn("session.turn_failed", {{"route", x.route_name}, {"error", describe(why)}});
        answer_problem(x, problems::unavailable,
                       {.detail = "Nothing was done.", .retry_after = detail::soon});
    }
    co_return kept::refused;
}

// A holder that was dropped may still write what it prepared: not behind the fence.
task<> filter::load_in_turn(loaded& found, steady_time deadline) {
    ticket holder = found.session->holder;
    const bool moved = found.session->moved;
    for (bool fence = found.held->unclean();; fence = false) {
        result<std::optional<view>> now = co_await engine_.load(holder, deadline);
        if (now.has_error()) co_return now.error();
        found.session = *std::move(now);
        if (!found.session) co_return result<>{};
        found.session->moved |= moved;
        if (!fence) co_return result<>{};
        const result<> fenced = co_await engine_.fence(found.session->holder, deadline);
        if (fenced.has_error()) co_return fenced.error();
        found.held->fenced();
    }
}

// What is sent again must be there again. A longer body streams: then a conflict stays one.
task<filter::kept> filter::hold_body(http::exchange& x) {
    if (!x.request_body) co_return kept::yes;
    const std::optional<std::uint64_t> length = x.request_body->length();
    if (!length || *length > repeated_body_bytes_max) co_return kept::yes;
    result<std::string> body = co_await http::read_whole(x.request_body.get(), *length);
    if (body.has_value()) {
        x.request_body = http::make_owned_body(*std::move(body));
        co_return kept::yes;
    }
    if (body.error() == condition::timeout)
        answer_problem(x, http::problems::request_timeout);
    else if (body.error() == condition::malformed)
        answer_problem(x, http::problems::malformed_request);
    else
        co_return body.error();
    co_return kept::refused;
}

// Nothing came of another attempt: the outcome is what it was, and so is the session.
void filter::stay(http::exchange& x, const loaded& found) const {
    x.response.status = found.status;
    x.outcome = http::upstream_outcome::answered;
    x.response.header.clear();
    x.response_body.reset();
    metrics_.count_failure(found.conflict);
    fail(x, found, found.conflict);
}

// Whether the request can be sent once more; then the session is as it is now.
task<filter::verdict> filter::look_again(http::exchange& x, loaded& found, ticket holder,
                                         bool moved) {
    if (x.client_gone || x.time().steady_now() >= x.deadline) co_return verdict::done;
    if (x.request_body && !x.request_body->rewind()) co_return verdict::done;
    result<std::optional<view>> now = co_await engine_.load(std::move(holder), store_deadline(x));
    if (now.has_error() || !*now || (*now)->superseded()) co_return verdict::done;
    // Its name may be whose the key is.
    const bool keyed = !x.operation_id.empty();
    if (keyed && pseudonym((*now)->data().identity, route_.service) != x.session->pseudonym)
        co_return verdict::done;
    found.session = *std::move(*now);
    found.session->moved |= moved;
    co_return verdict::again;
}

void filter::show_again(http::exchange& x, loaded& found) {
    x.replaces_outcome = std::exchange(x.outcome_epoch, 0);
    x.outcome = http::upstream_outcome::not_asked;
    x.replayed = false;
    x.response.header.clear();
    x.response.status = 0;
    x.response_body.reset();
    x.problem = {};
    detail::strip_request(x.request.header);
    found.mark = 0;
    show(x, found);
}

void filter::show(http::exchange& x, loaded& found) {
    if (!found.session) {
        // Only the first change makes a session: until then its ticket is a promise to nobody.
        if (!urls_.keys || found.store_down || route_.url != url_rule::always ||
            route_.write.empty())
            return;
        found.reserved = ticket::make(*urls_.random);
        return show_url(x, found);
    }
    const state& data = found.session->data();
    found.shown_version = data.version;
    shown_text made;
    caller* const by = found.session->by.get();
    const bool kept = by != nullptr && by->opened == found.session->opened;
    const shown_text& text = presenter_.show(data, kept ? &by->texts : nullptr, made);
    x.session = http::session_reference{text.pseudonym, data.subject};
    detail::show_identity(x, data, text.pseudonym);
    if (found.stale) detail::show_stale(x);
    // Without URLs the limit is not above that of a field; what is larger was made before the limit
    // was lowered, and its service should be able to make it smaller.
    const bool fits = text.slots.size() <= field_slots_bytes_max || !urls_.keys;
    if (fits && !text.slots.empty()) detail::show_slots(x, text.slots);
    if (urls_.keys && (!fits || route_.url == url_rule::always)) show_url(x, found);
}

void filter::show_url(http::exchange& x, loaded& found) {
    // The service may use it while its answer is waited for, and a little longer: clocks differ.
    constexpr std::chrono::milliseconds margin{10'000};
    constexpr std::chrono::milliseconds life_max{3'600'000};
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(x.deadline - x.time().steady_now());
    const std::string text = urls_.keys->seal(
        {.holder = found.reserved ? *found.reserved : found.session->holder,
         .reserved = found.reserved.has_value(),
         .route = urls_.route,
         .version = found.shown_version,
         .expires = x.time().system_now() + std::min(left, life_max - margin) + margin},
        *urls_.random);
    found.mark = write_mark(text);
    detail::show_url(x, urls_.prefix, text);
}

// A session that the upstream made by URL: its caller must get the cookie.
task<filter::kept> filter::look_for_made_by_url(http::exchange& x, loaded& found) {
    result<std::optional<view>> made = co_await engine_.load(*found.reserved, store_deadline(x));
    if (made.has_error()) {
        metrics_.count_failure(make_error_code(errc::outcome_unknown));
        log::warn("session.load_failed",
                  {{"route", x.route_name}, {"error", describe(made.error())}});
        detail::answer_failure(x, make_error_code(errc::outcome_unknown));
        co_return kept::refused;
    }
    if (*made) {
        found.session = *std::move(*made);
        found.session->moved = true;  // the caller does not have its cookie yet
        found.made_by_url = true;
    }
    co_return kept::yes;
}

// To the route's rules and the exchange's circumstances.
void filter::bind(change& wanted, const http::exchange& x, const loaded& found) const {
    wanted.guard = found.held.get();
    wanted.operation = x.operation_id;
    wanted.on_conflict = route_.on_conflict;
    wanted.writable = route_.write;
    wanted.readable = route_.read;
    if (!found.stale) wanted.floor = found.floor;
}

// The answer goes out only when what it asks for is done.
task<filter::verdict> filter::commit(http::exchange& x, loaded& found, bool repeatable) {
    const settings& options = engine_.options();
    result<detail::asked> asked = detail::take_asked(x.response.header, options.patch_bytes_max);
    detail::drop_set_cookie(x.response.header, options.cookie_name);
    if (found.reserved && !found.session && may_have_run(x)) {
        const result<kept> looked = co_await look_for_made_by_url(x, found);
        if (looked.has_error()) co_return looked.error();
        if (*looked == kept::refused) co_return verdict::done;
    }
    if (asked.has_error()) {
        metrics_.count_failure(asked.error());
        log::warn("session.change_malformed",
                  {{"route", x.route_name}, {"upstream", x.upstream_name}});
        fail(x, found, asked.error());
        co_return verdict::done;
    }
    change& wanted = asked->wanted;
    if (wanted.empty() && !(found.session && found.session->moved)) co_return verdict::done;

    const bool ends = wanted.destroy;
    wanted.base_version = asked->read_version.value_or(found.shown_version);
    wanted.made_by = found.mark;
    if (!x.operation_id.empty() && asked->made_for && !asked->made_for->pseudonym.empty()) {
        // An outcome changes the session it was made for, or none.
        const bool of_this_session =
            found.session &&
            detail::is_origin(found.session->data(), route_.service, asked->made_for->pseudonym);
        if (!of_this_session) {
            metrics_.replays_of_another_session.add();
            if (ends && !found.session && found.cookie_sent) detail::expire_cookie(x, options);
            co_return verdict::done;
        }
        wanted.base_version = asked->read_version.value_or(asked->made_for->version);
        wanted.made_by = asked->made_for->made_by;
    }
    bind(wanted, x, found);
    std::optional<ticket> holder;
    if (found.session) holder = found.session->holder;

    const bool moved = found.session && found.session->moved;
    result<committed> done = LETHE_ERR(store::errc::unavailable);
    if (!found.store_down || wanted.empty())
        done =
            co_await engine_.commit(std::move(found.session), std::move(wanted), store_deadline(x));
    if (repeatable && done.has_error() && may_repeat_after(done.error(), !x.operation_id.empty())) {
        found.conflict = done.error();
        found.status = x.response.status;
        const result<verdict> again = co_await look_again(x, found, *holder, moved);
        if (again.has_error()) co_return again.error();
        if (*again == verdict::again) co_return verdict::again;
    }
    if (done.has_error()) {
        metrics_.count_failure(done.error());
        // Conflicts belong to the daily business of concurrent requests.
        const bool usual = done.error() == condition::conflict;
        log::write(usual ? log::level::debug : log::level::warn, "session.commit_failed",
                   {{"route", x.route_name}, {"error", describe(done.error())}});
        fail(x, found, done.error());
        co_return verdict::done;
    }
    metrics_.count(*done);
    hand_out(x, found, *done, holder);
    if (ends && !done->hand_out && found.cookie_sent) detail::expire_cookie(x, options);
    co_return verdict::done;
}

// A new ticket, or the one that the caller has with a new floor.
void filter::hand_out(http::exchange& x, const loaded& found, const committed& done,
                      const std::optional<ticket>& holder) const {
    const bool written = done.what == effect::changed || done.what == effect::replayed;
    if (done.hand_out)
        detail::set_cookie(x, engine_.options(), *done.hand_out, done.version);
    else if (written && holder && done.version != found.floor)
        detail::set_cookie(x, engine_.options(), *holder, done.version);
}

// What was changed by URL stays: its caller gets the cookie though the answer's change failed.
void filter::fail(http::exchange& x, const loaded& found, const error_code& why) const {
    detail::answer_failure(x, why);
    if (found.made_by_url) detail::set_cookie(x, engine_.options(), *found.reserved, 0);
}

task<> origin_stamp::handle(http::exchange& x, http::next rest) {
    const result<> answered = co_await rest(x);
    if (answered.has_value() && x.attempt > 0) detail::stamp_origin(x);
    co_return answered;
}

}  // namespace lethe::session
