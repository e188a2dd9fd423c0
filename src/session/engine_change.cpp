// Changing a session that exists: read, decide, write on condition, and again if another was
// faster.
#include "session/attempt.hpp"
#include "session/rules.hpp"

#include <algorithm>

namespace lethe::session {
namespace {

constexpr unsigned hops_max = 4;

task<std::vector<store::answer>> send(store::store& to, std::vector<store::operation> operations,
                                      steady_time deadline) {
    if (operations.size() == 1) return to.batch(std::move(operations), deadline);
    return to.transact(std::move(operations), deadline);
}

}  // namespace

bool detail::made_by(const opened_record& found, std::uint64_t nonce) noexcept {
    if (found.kind == record_kind::rotated) return found.made_by == nonce;
    if (found.kind == record_kind::superseded && found.made_by == nonce) return true;
    return std::find(found.data.writes.begin(), found.data.writes.end(), nonce) !=
           found.data.writes.end();
}

committed engine::attempt::done(effect what, std::uint64_t version) const {
    committed out{.what = what, .version = version, .tries = writes};
    if (moved && what != effect::destroyed) out.hand_out = holder;
    return out;
}

task<committed> engine::change_existing(view seen, change wanted, steady_time deadline) {
    const std::uint64_t nonce = make_nonce(wanted.made_by);
    attempt at{.wanted = std::move(wanted),
               .deadline = deadline,
               .nonce = nonce,
               .holder = std::move(seen.holder),
               .moved = seen.moved};
    at.current.version = seen.stored;
    at.current.found = std::move(seen.opened);

    result<committed> out = co_await try_until_done(at);
    const bool used =
        out.has_value() && (out->what == effect::rotated || out->what == effect::logged_in);
    if (at.successor_written && !used && !at.unsure) {
        // Nobody can open it; it only shows among its subject's sessions until it expires.
        const result<store::answer> erased = co_await store_.run(
            store::erase{at.successor->record_key(), store::anything{}}, deadline);
        static_cast<void>(erased);
    }
    co_return out;
}

task<committed> engine::try_until_done(attempt& at) {
    for (unsigned tries = 0; tries < detail::tries_max; ++tries) {
        if (tries > 0) {
            const result<> waited = co_await back_off(tries, at.deadline);
            if (waited.has_error()) co_return at.give_up(waited.error());
        }
        if (at.stale) {
            result<present> there = co_await read(at.holder, at.deadline);
            if (there.has_error() && there.error() == condition::outcome_unknown) continue;
            if (there.has_error()) co_return at.give_up(there.error());
            at.current = std::move(*there);
            at.stale = false;
        }
        result<step_result> step = co_await try_once(at);
        if (step.has_error()) co_return at.give_up(step.error());
        if (*step) co_return std::move(**step);
    }
    co_return at.give_up(LETHE_ERR(errc::contended));
}

task<engine::step_result> engine::try_once(attempt& at) {
    if (!at.current.found) {
        if (at.wanted.destroy) co_return at.done(effect::destroyed, 0);
        co_return LETHE_ERR(errc::ended);
    }
    const opened_record& found = *at.current.found;
    if (detail::made_by(found, at.nonce)) {
        const bool by_alias = found.kind != record_kind::session && found.made_by == at.nonce;
        if (!by_alias) co_return at.done(effect::changed, found.data.version);
        committed out =
            at.done(found.kind == record_kind::rotated ? effect::rotated : effect::logged_in, 0);
        out.version = at.unsure_from + 1;
        out.hand_out = at.successor;
        co_return out;
    }
    if (at.unsure && at.current.version != *at.unsure && found.kind != record_kind::rotated) {
        // The record changed and does not name the write: it was refused, unless its name was
        // pushed out.
        if (found.data.version >= at.unsure_from + writes_kept)
            co_return LETHE_ERR(errc::outcome_unknown);
        at.unsure.reset();
    }
    // What is over may still be ended, and leads there.
    if (at.current.over && !at.wanted.destroy) co_return LETHE_ERR(errc::ended);
    switch (found.kind) {
        case record_kind::rotated: {
            if (++at.hops > hops_max) co_return LETHE_ERR(errc::ended);
            at.holder = *ticket::from_bytes(found.target);
            at.moved = true;
            at.stale = true;
            at.successor_base.reset();  // versions are comparable within one key only
            co_return std::nullopt;
        }
        case record_kind::superseded: co_return co_await change_superseded(at);
        case record_kind::session: co_return co_await change_session(at);
        case record_kind::tombstone: break;
    }
    // Whether an unsure write took place before the end no longer matters: its effect is gone.
    at.unsure.reset();
    if (at.wanted.destroy) co_return at.done(effect::destroyed, 0);
    co_return LETHE_ERR(errc::ended);
}

task<engine::step_result> engine::change_session(attempt& at) {
    if (at.wanted.destroy) co_return co_await end(at);
    const state& now = at.current.found->data;
    if (now.version < at.wanted.floor) co_return LETHE_ERR(errc::stale);
    if (detail::remembers(now, at.wanted.operation))
        co_return at.done(effect::replayed, now.version);
    const bool login = detail::is_login(at.wanted, now);
    // Who comes by an alias was given a new ticket seconds ago.
    if (at.moved && !login) at.wanted.regenerate = false;
    const bool new_ticket = login || at.wanted.regenerate;

    result<std::optional<state>> next = detail::next_state(
        now, at.wanted, {.now = clock_.system_now(), .nonce = at.nonce, .options = options_});
    if (next.has_error()) co_return next.error();
    if (!*next) co_return at.done(effect::none, now.version);
    if (new_ticket) co_return co_await regenerate(at, std::move(**next));

    std::vector<store::operation> operations;
    operations.emplace_back(put_session(**next, at.holder, at.current.version));
    co_return co_await write(at, std::move(operations), at.done(effect::changed, (*next)->version));
}

// Before the login only: it may be left or logged in from, not changed.
task<engine::step_result> engine::change_superseded(attempt& at) {
    if (at.wanted.destroy) co_return co_await end(at);
    if (at.wanted.subject.empty()) co_return LETHE_ERR(errc::ended);
    state snapshot = at.current.found->data;
    detail::begin_again(snapshot, fresh());
    snapshot.subject.clear();
    snapshot.writes.clear();
    result<committed> made =
        co_await create(std::move(snapshot), std::move(at.wanted), effect::logged_in, at.deadline);
    if (made.has_error()) co_return made.error();
    co_return std::move(*made);
}

task<engine::step_result> engine::end(attempt& at) {
    opened_record content;
    content.kind = record_kind::tombstone;
    std::vector<store::operation> operations;
    operations.emplace_back(store::put{.key = at.holder.record_key(),
                                       .value = seal(content, at.holder, random_),
                                       .ttl = tombstone_ttl,
                                       .expect = at.current.version,
                                       .subject = {}});
    co_return co_await write(at, std::move(operations), at.done(effect::destroyed, 0));
}

// The new record first, then the alias in place of the old one: a crash between leaves the session
// as it was and a record that nobody can open. Where the store can, both at once.
task<engine::step_result> engine::regenerate(attempt& at, state next) {
    const bool login = detail::is_login(at.wanted, at.current.found->data);
    if (!at.successor) at.successor = ticket::make(random_);
    opened_record alias;
    alias.valid_until = clock_.system_now() + alias_ttl;
    alias.made_by = at.nonce;
    alias.kind = login ? record_kind::superseded : record_kind::rotated;
    if (login)
        alias.data = at.current.found->data;
    else
        alias.target = std::string(at.successor->to_bytes());
    std::string alias_subject = at.current.found->data.subject;
    if (login) detail::begin_again(next, fresh());

    std::vector<store::operation> operations;
    operations.emplace_back(store::put{.key = at.holder.record_key(),
                                       .value = seal(alias, at.holder, random_, sealing_ring()),
                                       .ttl = tombstone_ttl,
                                       .expect = at.current.version,
                                       .subject = std::move(alias_subject)});
    store::put record = put_session(next, *at.successor, store::absent{});
    if (store_.promises().transactions) {
        operations.emplace_back(std::move(record));
    } else {
        const result<successor_state> there = co_await put_successor(at, std::move(record));
        if (there.has_error()) co_return there.error();
        if (*there == successor_state::unsure) {
            at.stale = true;
            co_return std::nullopt;
        }
    }
    committed then = at.done(login ? effect::logged_in : effect::rotated, next.version);
    then.hand_out = at.successor;
    co_return co_await write(at, std::move(operations), std::move(then));
}

// Once the alias for this state of the session is on its way, others may come by it: the
// successor's record is then left alone. For another state an alias of ours can no longer take
// place.
task<engine::successor_state> engine::put_successor(attempt& at, store::put record) {
    if (at.successor_base == at.current.version) co_return successor_state::ready;
    if (at.successor_written) {
        result<std::optional<store::record>> there = co_await store_.read(record.key, at.deadline);
        if (there.has_error() && there.error() == condition::outcome_unknown)
            co_return successor_state::unsure;
        if (there.has_error()) co_return there.error();
        if (*there) record.expect = (*there)->version;
    }
    at.successor_written = true;
    const result<store::answer> answer = co_await store_.run(std::move(record), at.deadline);
    if (answer.has_error() && answer.error() == condition::outcome_unknown)
        co_return successor_state::unsure;
    if (answer.has_error()) co_return answer.error();
    if (!answer->done) co_return successor_state::unsure;
    at.successor_base = at.current.version;
    co_return successor_state::ready;
}

task<engine::step_result> engine::write(attempt& at, std::vector<store::operation> operations,
                                        committed then) {
    const std::uint64_t session_version = at.current.found->data.version;
    if (at.writes > 0 && at.wanted.guard != nullptr) {
        const result<> ours = co_await at.wanted.guard->confirm(at.deadline);
        if (ours.has_error()) co_return ours.error();
    }
    ++at.writes;
    then.tries = at.writes;
    result<std::vector<store::answer>> answers =
        co_await send(store_, std::move(operations), at.deadline);
    if (answers.has_error()) {
        if (answers.error() != condition::outcome_unknown) co_return answers.error();
        at.unsure = at.current.version;
        at.unsure_from = session_version;
        at.stale = true;
        co_return std::nullopt;
    }
    const bool done = std::all_of(answers->begin(), answers->end(),
                                  [](const store::answer& a) { return a.done; });
    if (done) co_return std::move(then);
    at.stale = true;
    if (!answers->front().done) {
        // The conflict shows what is there now: no need to read again.
        result<present> there = interpret(answers->front().present, at.holder);
        if (there.has_error()) co_return there.error();
        at.current = std::move(*there);
        at.stale = false;
    }
    co_return std::nullopt;
}

task<> engine::fence(ticket holder, steady_time deadline) {
    for (unsigned tries = 0; tries < detail::tries_max; ++tries) {
        if (tries > 0) {
            const result<> waited = co_await back_off(tries, deadline);
            if (waited.has_error()) co_return waited.error();
        }
        result<std::optional<store::record>> there =
            co_await store_.read(holder.record_key(), deadline);
        if (there.has_error()) co_return there.error();
        if (!*there) co_return result<>{};
        const std::chrono::milliseconds left = (*there)->expires - clock_.system_now();
        const result<store::answer> done =
            co_await store_.run(store::put{.key = holder.record_key(),
                                           .value = std::move((*there)->value),
                                           .ttl = std::max(left, std::chrono::milliseconds{1}),
                                           .expect = (*there)->version,
                                           .subject = std::move((*there)->subject)},
                                deadline);
        if (done.has_value() && done->done) co_return result<>{};
        if (done.has_error() && done.error() != condition::outcome_unknown) co_return done.error();
    }
    co_return LETHE_ERR(errc::contended);
}

}  // namespace lethe::session
