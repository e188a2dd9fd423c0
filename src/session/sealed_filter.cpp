#include "session/sealed_filter.hpp"

#include "base/log.hpp"
#include "session/answers.hpp"
#include "session/problems.hpp"
#include "session/rules.hpp"
#include "session/wire.hpp"

#include <algorithm>

namespace lethe::session {
namespace {

using detail::is;

bool is_over(const sealed_session& of, const settings& options, system_time now) {
    // A shorter absolute_ttl holds at once: what revoked a session is kept for so long.
    const system_time end =
        std::min(of.data.absolute_expiry, of.data.created + options.absolute_ttl);
    return now >= end || now >= of.seen + of.data.idle_ttl;
}

}  // namespace

result<sealed_change> change_sealed(const sealed_session* seen, change wanted,
                                    const settings& options, system_time now,
                                    random_source& random) {
    if (wanted.edit && wanted.edit->type() == patch_type::ops && !wanted.destroy)
        return LETHE_ERR(errc::operations_refused);
    if (!seen && (wanted.destroy || (!wanted.edit && wanted.subject.empty())))
        return sealed_change{};
    if (wanted.destroy) return sealed_change{effect::destroyed, std::nullopt};
    if (seen && detail::remembers(seen->data, wanted.operation))
        return sealed_change{effect::replayed, std::nullopt};
    if (!seen) wanted.regenerate = false;
    const state before = seen ? seen->data : detail::fresh_state(options, now, random);
    const bool login = detail::is_login(wanted, before);
    LETHE_TRY(std::optional<state> next,
              detail::next_state(before, wanted, {.now = now, .nonce = 1, .options = options}));
    if (!next) return sealed_change{};
    next->writes.clear();
    if (!seen) {
        if (next->subject.empty() && detail::slots_bytes(*next) <= 2) return sealed_change{};
        return sealed_change{login ? effect::logged_in : effect::created, std::move(next)};
    }
    if (login) detail::begin_again(*next, detail::fresh_state(options, now, random));
    const effect what = login               ? effect::logged_in
                        : wanted.regenerate ? effect::rotated
                                            : effect::changed;
    return sealed_change{what, std::move(next)};
}

struct sealed_filter::loaded {
    detail::found_cookies sent;
    std::shared_ptr<opened_cookie> session;
    bool clear = false;    // what was sent is no session: the browser shall forget it
    bool refused = false;  // the answer is there already
};

sealed_filter::sealed_filter(sealed_parts parts, route_options route, metrics& counts)
    : parts_(std::move(parts)), route_(std::move(route)), presenter_(route_), metrics_(counts) {
    LETHE_ASSERT(!find_mistake(route_));
    LETHE_ASSERT(parts_.keys != nullptr);
    LETHE_ASSERT((parts_.stored == nullptr) == (parts_.revoked == nullptr));
    if (parts_.stored != nullptr)
        stored_ = std::make_unique<session::filter>(*parts_.stored, route_, metrics_);
}

void sealed_filter::refuse_unavailable(http::exchange& x, loaded& out, const error_code& because) {
    log::warn("session.load_failed", {{"route", x.route_name}, {"error", describe(because)}});
    out.session.reset();
    out.refused = route_.when_store_down == store_down_rule::refuse;
    if (!out.refused) return;
    metrics_.refused_unavailable.add();
    answer_problem(x, problems::unavailable, {.retry_after = detail::soon});
}

result<std::shared_ptr<opened_cookie>> sealed_filter::open(
    const detail::found_cookies& sent) const {
    const bool kept = sent[0] && !sent[1] && sent[0]->size() <= kept_cookie_bytes_max;
    if (kept)
        if (const std::shared_ptr<opened_cookie>* const known = parts_.known.find(*sent[0]))
            return *known;
    LETHE_TRY(sealed_session opened, open_cookies(sent, parts_.options.cookie_name, *parts_.keys));
    auto out = std::make_shared<opened_cookie>(opened_cookie{.session = std::move(opened)});
    if (kept) parts_.known.keep(*sent[0], out);
    return out;
}

task<> sealed_filter::load(http::exchange& x, loaded& out) {
    const bool any =
        std::any_of(out.sent.begin(), out.sent.end(), [](const auto& one) { return !!one; });
    if (!any) {
        metrics_.loads_none.add();
        co_return result<>{};
    }
    result<std::shared_ptr<opened_cookie>> opened = open(out.sent);
    if (opened.has_error() && is(opened.error(), errc::key_missing)) {
        metrics_.loads_key_missing.add();
        refuse_unavailable(x, out, opened.error());
        co_return result<>{};
    }
    if (opened.has_error()) {
        const bool retired = is(opened.error(), errc::key_retired);
        const bool foreign = is(opened.error(), errc::not_opened);
        (retired   ? metrics_.loads_key_retired
         : foreign ? metrics_.loads_not_opened
                   : metrics_.loads_malformed)
            .add();
        out.clear = true;
        co_return result<>{};
    }
    if (is_over((*opened)->session, parts_.options, x.time().system_now())) {
        metrics_.loads_missing.add();
        out.clear = true;
        co_return result<>{};
    }
    out.session = std::move(*opened);
    if (parts_.revoked != nullptr && !out.session->session.data.subject.empty())
        co_return co_await judge(x, out);
    metrics_.loads_found.add();
    co_return result<>{};
}

task<> sealed_filter::judge(http::exchange& x, loaded& out) {
    const steady_time deadline =
        std::min(x.deadline, x.time().steady_now() + parts_.options.store_timeout);
    const result<revocations::standing> judged = co_await parts_.revoked->judge(
        out.session->session.data.subject, out.session->session.data.created, deadline);
    if (judged.has_error()) {
        metrics_.loads_failed.add();
        refuse_unavailable(x, out, judged.error());
        co_return result<>{};
    }
    if (*judged == revocations::standing::revoked) {
        metrics_.loads_revoked.add();
        out.session.reset();
        out.clear = true;
        co_return result<>{};
    }
    metrics_.loads_found.add();
    co_return result<>{};
}

task<> sealed_filter::handle(http::exchange& x, http::next rest) {
    loaded found;
    found.sent = detail::find_cookies(x.request.header, parts_.options.cookie_name);
    if (stored_ && found.sent[0] && !looks_sealed(*found.sent[0]))
        co_return co_await stored_->handle(x, rest);
    detail::strip_request(x.request.header);
    const result<> read = co_await load(x, found);
    if (read.has_error()) co_return read;
    detail::remove_cookie(x.request.header, parts_.options.cookie_name);
    if (found.refused) co_return result<>{};
    if (route_.required && !found.session) {
        metrics_.refused_required.add();
        answer_problem(x, problems::required);
        co_return result<>{};
    }
    if (found.session) {
        const state& data = found.session->session.data;
        shown_text made;
        const shown_text& text = presenter_.show(data, &found.session->texts, made);
        x.session = http::session_reference{text.pseudonym, data.subject};
        detail::show_identity(x, data, text.pseudonym);
        if (!text.slots.empty()) detail::show_slots(x, text.slots);
    }
    const result<> answered = co_await rest(x);
    if (answered.has_error()) co_return answered;
    co_return co_await commit(x, found);
}

void sealed_filter::refuse(http::exchange& x, const error_code& because) {
    metrics_.count_failure(because);
    const bool usual = because == condition::conflict;
    log::write(usual ? log::level::debug : log::level::warn, "session.commit_failed",
               {{"route", x.route_name}, {"error", describe(because)}});
    detail::answer_failure(x, because);
}

bool sealed_filter::place(http::exchange& x, const loaded& found,
                          const std::string& made_for_pseudonym) {
    if (x.operation_id.empty() || made_for_pseudonym.empty()) return true;
    if (found.session &&
        detail::is_origin(found.session->session.data, route_.service, made_for_pseudonym))
        return true;
    metrics_.replays_of_another_session.add();
    return false;
}

task<> sealed_filter::commit(http::exchange& x, loaded& found) {
    const settings& options = parts_.options;
    result<detail::asked> asked = detail::take_asked(x.response.header, options.patch_bytes_max);
    detail::drop_set_cookie(x.response.header, options.cookie_name);
    if (asked.has_error()) {
        refuse(x, asked.error());
        co_return result<>{};
    }
    change& wanted = asked->wanted;
    const std::string made_for = asked->made_for ? asked->made_for->pseudonym : "";
    if (wanted.empty() || !place(x, found, made_for)) {
        keep(x, found);
        co_return result<>{};
    }
    wanted.base_version = found.session ? found.session->session.data.version : 0;
    if (!x.operation_id.empty() && !made_for.empty())
        wanted.base_version = asked->made_for->version;
    wanted.operation = x.operation_id;
    wanted.on_conflict = route_.on_conflict;
    wanted.writable = route_.write;
    wanted.readable = route_.read;
    result<sealed_change> done =
        change_sealed(found.session ? &found.session->session : nullptr, std::move(wanted), options,
                      x.time().system_now(), parts_.random);
    if (done.has_error()) {
        refuse(x, done.error());
        co_return result<>{};
    }
    if (done->next) co_return co_await hand_out(x, found, *std::move(done->next), done->what);
    metrics_.count(committed{.what = done->what});
    if (done->what == effect::destroyed)
        detail::set_cookies(x, options, {}, found.sent);
    else
        keep(x, found);
    co_return result<>{};
}

task<> sealed_filter::hand_out(http::exchange& x, const loaded& found, state next, effect what) {
    sealed_session content{std::move(next), x.time().system_now()};
    result<std::vector<std::string>> cookies =
        seal_cookies(content, parts_.options.cookie_name, *parts_.keys, parts_.random);
    if (cookies.has_error() && parts_.stored == nullptr) {
        refuse(x, LETHE_ERR(errc::cookies_full));
        co_return result<>{};
    }
    if (cookies.has_error()) {
        const steady_time deadline =
            std::min(x.deadline, x.time().steady_now() + parts_.options.store_timeout);
        const result<committed> moved =
            co_await parts_.stored->adopt(std::move(content.data), what, deadline);
        if (moved.has_error()) {
            refuse(x, moved.error());
            co_return result<>{};
        }
        metrics_.moves_to_store.add();
        cookies = std::vector<std::string>{moved->hand_out->to_cookie_value(moved->version)};
    }
    metrics_.count(committed{.what = what});
    detail::set_cookies(x, parts_.options, *cookies, found.sent);
    co_return result<>{};
}

void sealed_filter::keep(http::exchange& x, const loaded& found) {
    if (found.clear) {
        metrics_.cookies_cleared.add();
        return detail::set_cookies(x, parts_.options, {}, found.sent);
    }
    if (!found.session) return;
    const system_time now = x.time().system_now();
    const sealed_session& session = found.session->session;
    if (now - session.seen < detail::touch_step(session.data.idle_ttl)) return;
    const result<std::vector<std::string>> cookies =
        seal_cookies({session.data, now}, parts_.options.cookie_name, *parts_.keys, parts_.random);
    // What fitted once may not with a longer key id: it then lives until it is idle.
    if (cookies.has_error()) return;
    metrics_.touches.add();
    detail::set_cookies(x, parts_.options, *cookies, found.sent);
}

}  // namespace lethe::session
