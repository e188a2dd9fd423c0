#include "base/log.hpp"
#include "store/postgres/pool_impl.hpp"

#include <algorithm>
#include <utility>

namespace lethe::store::postgres {
namespace {

// Under way at once on a connection: reads hide their round trips, writes wait so that those which
// come meanwhile share the next commit.
constexpr std::size_t reads_under_way_max = 4;

}  // namespace

void lane::expired() {
    if (now != state::open) return;
    log::warn("store.server_silent", {{"store", in.options.store_name}});
    lost();
    in.dispatch_soon();
}

void lane::expect_bytes() {
    if (flights.empty())
        clear();
    else
        set(in.owner.timers(), in.owner.time().steady_now() + in.options.stuck_after);
}

bool lane::may_take(bool writes) const noexcept {
    if (now != state::open || held || doomed || writing) return false;
    if (flights.size() >= reads_under_way_max) return false;
    // What is sent behind a transaction that is still open runs in it: a read would see what may be
    // undone.
    return std::ranges::none_of(flights, [&](const flight& one) {
        return one.what == purpose::transaction || (writes && one.what != purpose::read);
    });
}

bool lane::send(flight one) {
    result<> sent = {};
    for (const flight::step& at : one.steps) {
        if (at.member == flight::nobody)
            sent = send_lock(*with, keys_of(one));
        else
            sent = postgres::send(*with, one.members[at.member]->statements[at.statement]);
        if (sent.has_error()) break;
    }
    if (sent.has_value()) sent = with->sync();
    flights.push_back(std::move(one));
    if (sent.has_error()) {
        lost();
        return false;
    }
    if (flights.size() == 1) expect_bytes();
    flush();
    return now == state::open;
}

// Nobody waits for it.
void lane::send_rollback() {
    flight out;
    out.what = purpose::rollback;
    out.members = {nullptr};
    out.steps = {{0, 0}};
    result<> sent = postgres::send(*with, statement{.id = statement_id::rollback});
    if (sent.has_value()) sent = with->sync();
    flights.push_back(std::move(out));
    if (sent.has_error()) {
        lost();
        return;
    }
    if (flights.size() == 1) expect_bytes();
    flush();
}

void lane::flush() {
    if (writing) return;
    const result<connection::sent> left = with->flush();
    if (left.has_error()) {
        lost();
        return;
    }
    if (*left == connection::sent::all) return;
    writing = true;
    in.owner.spawn(write(in.shared_from_this(), *this, with));
}

task<> lane::write(std::shared_ptr<pool::impl> in, lane& self, std::shared_ptr<connection> with) {
    while (true) {
        const result<> waited = co_await with->writable();
        if (self.with != with) co_return result<>{};
        result<connection::sent> left = connection::sent::part;
        if (waited.has_error())
            left = waited.error();
        else
            left = with->flush();
        if (left.has_error()) {
            self.writing = false;
            self.lost();
            in->dispatch_soon();
            co_return result<>{};
        }
        self.expect_bytes();
        if (*left == connection::sent::all) break;
    }
    self.writing = false;
    in->dispatch_soon();
    co_return result<>{};
}

task<> lane::run(std::shared_ptr<pool::impl> in, lane& self, std::shared_ptr<connection> with) {
    while (true) {
        const result<> waited = co_await with->readable();
        if (self.with != with) co_return result<>{};
        result<> got = waited;
        // What TLS keeps from the last record is taken by the second.
        for (int round = with->over_tls() ? 2 : 1; round > 0 && got.has_value(); --round) {
            got = with->receive();
            if (!self.take_news()) got = LETHE_ERR(errc::unavailable);
            if (self.with != with) co_return result<>{};
        }
        self.expect_bytes();
        if (got.has_error() || (self.doomed && self.flights.empty())) {
            self.lost();
            in->dispatch_soon();
            in->wake();
            co_return result<>{};
        }
        // Who goes on now may ask for more, which shares the next commit.
        in->wake();
        in->dispatch();
        if (self.with != with) co_return result<>{};
    }
}

bool lane::take_news() {
    while (!flights.empty()) {
        flight& current = flights.front();
        rows got;
        failure why;
        switch (with->next(got, why)) {
            case connection::news::nothing: return true;
            case connection::news::rows: current.take(std::move(got)); break;
            case connection::news::failed:
                // libpq's own word that the connection is gone says nothing about what was done.
                if (why.sqlstate.empty()) return false;
                if (!current.refused) current.why = std::move(why);
                current.refused = true;
                // It ends the connection; nothing more comes.
                if (current.why.fatal) return false;
                break;
            case connection::news::skipped: break;
            case connection::news::statement:
                if (!current.refused) ++current.answered;
                break;
            case connection::news::sync: {
                answered = true;
                flight done = std::move(flights.front());
                flights.pop_front();
                finish(done);
                if (now != state::open) return true;
                break;
            }
        }
    }
    return true;
}

void lane::finish(flight& done) {
    if (done.what == purpose::rollback) held = false;
    if (done.refused) {
        settle_refused(done);
        return;
    }
    if (done.what == purpose::commit) held = false;
    if (done.what == purpose::transaction) {
        held = true;
        hold = ++in.holds;
        // Whoever began it has gone.
        call* const holder = done.members.front();
        if (holder == nullptr) {
            send_rollback();
        } else {
            holder->lane_index = index;
            holder->hold = hold;
        }
    }
    if (done.changes()) {
        in.counts.commits.add();
        in.counts.committed.add(done.members.size());
    }
    for (call* one : done.members)
        if (one != nullptr) in.end(*one, {});
}

// The server answered an error: nothing of this flight holds.
void lane::settle_refused(flight& one) {
    if (one.what == purpose::transaction || one.what == purpose::commit) {
        held = true;
        send_rollback();
    }
    const bool together = one.members.size() > 1;
    const remedy what = remedy_for(one.why);
    if (what == remedy::reconnect) doomed = true;
    if (what == remedy::give_up || what == remedy::corrupt || what == remedy::reconnect)
        log::warn("store.refused", {{"store", in.options.store_name},
                                    {"sqlstate", one.why.sqlstate},
                                    {"error", one.why.message}});
    // Back to the front in their old order.
    for (auto at = one.members.rbegin(); at != one.members.rend(); ++at) {
        call* const each = *at;
        if (each == nullptr) continue;
        if (each->what == purpose::commit)
            in.end(*each, LETHE_ERR(errc::unavailable));
        else if (together && what != remedy::reconnect) {
            each->shares = false;
            in.counts.retries.add();
            in.queue_of(*each).push_front(*each);
        } else if (what == remedy::again || what == remedy::reconnect)
            in.ask_again(*each);
        else
            in.end(*each, what == remedy::corrupt ? LETHE_ERR(errc::corrupt)
                                                  : LETHE_ERR(errc::unavailable));
    }
    in.dispatch_soon();
}

void lane::lost() {
    if (now != state::open) return;
    now = state::idle;
    with->cancel();
    with = nullptr;
    writing = held = false;
    clear();
    in.counts.lost.add();
    in.counts.open.add(-1);
    if (!doomed && !in.closed) {
        const bool told = !flights.empty() && flights.front().refused;
        log::warn("store.connection_lost",
                  {{"store", in.options.store_name},
                   {"error", told ? flights.front().why.message : "the server went away"}});
    }
    doomed = false;
    // A server that answered may be asked again at once; one that let us in and fell silent, not.
    if (answered) {
        in.last_pause = {};
        in.not_before = steady_time::min();
    } else {
        in.pause();
    }
    std::deque<flight> gone = std::move(flights);
    flights.clear();
    // FATAL in a statement's place: the server had not come to the end of that transaction, nor to
    // any behind it.
    const bool nothing_done =
        !gone.empty() && gone.front().refused_early() && gone.front().what != purpose::commit;
    for (auto at = gone.rbegin(); at != gone.rend(); ++at)
        for (auto each = at->members.rbegin(); each != at->members.rend(); ++each) {
            if (*each == nullptr) continue;
            if (at->changes() && !nothing_done)
                in.end(**each, LETHE_ERR(errc::outcome_unknown));
            else if (at->what == purpose::commit)
                in.end(**each, LETHE_ERR(errc::unavailable));
            else
                in.ask_again(**each);
        }
    in.wake_soon();
}

}  // namespace lethe::store::postgres
