// The transaction of a keyed request:
//
//     BEGIN, the key's lock, what is known of it
//         -> an outcome: it is the answer
//     SAVEPOINT, the handler with its own statements
//         -> an answer: the outcome beside it, COMMIT
//         -> none: back to the savepoint; the attempt is remembered where one came before it
//
// A process that dies anywhere in it leaves nothing, and the key's lock is gone with its
// connection. Of a COMMIT whose answer is lost, the lock tells: while the server works on it, the
// lock is held; once it is free, the outcome is there or will never be.
#include "library/keyed_work.hpp"

#include "base/log.hpp"
#include "base/random.hpp"
#include "idempotency/answer_rules.hpp"
#include "idempotency/replay.hpp"
#include "library/outcome_table.hpp"
#include "library/service_handler.hpp"
#include "library/transaction_state.hpp"

#include <exception>
#include <utility>

namespace lethe::library {
namespace {

using idempotency::answer_rule;
using idempotency::record_state;

constexpr std::int64_t forgotten_at_once = 500;

bool is(const error_code& why, sql_errc what) {
    return why == make_error_code(what);
}

// What an error before COMMIT means: nothing was done.
ending ending_of(const error_code& why) {
    if (is(why, sql_errc::conflict) || is(why, sql_errc::connection_lost)) return ending::again;
    for (const sql_errc one :
         {sql_errc::unavailable, sql_errc::busy, sql_errc::timeout, sql_errc::outcome_unknown})
        if (is(why, one)) return ending::away;
    return ending::failed;
}

idempotency::route_options options_for_judging(const idempotent_options& from) {
    idempotency::route_options out;
    out.on_500 = answer_rule::release;
    out.not_replayed = from.not_replayed;
    return out;
}

// Nothing that a user's handler throws goes further than this.
std::optional<response> call(const transaction_handler& work, request& r, transaction& tx) {
    std::string what;
    try {
        response answer = work(r, tx);
        if (are_sendable(answer)) return answer;
        what = "an answer that HTTP does not allow";
    } catch (const std::exception& e) {
        what = e.what();
    } catch (...) {
        what = "not a std::exception";
    }
    log::error("library.handler_threw", {{"what", what}});
    return std::nullopt;
}

// The gateway's rules for answers, on the handler's.
struct judged {
    answer_rule rule = answer_rule::release;
    idempotency::outcome outcome;
};
judged judge(const keyed_rules& rules, const asked& what, const response& answer, request& r) {
    arena memory;
    http::exchange scratch(memory, internal::request_access::exchange(r).time());
    scratch.outcome = http::upstream_outcome::answered;
    scratch.response.status = answer.status();
    for (const auto& [name, value] : answer.fields()) scratch.response.header.add(name, value);
    // A session change that is answered again was made from the session as it was now.
    const bool has_change = scratch.response.header.count("Lethe-Session-Patch") > 0;
    const auto version = r.header("Lethe-Session-Version");
    if (has_change && version && scratch.response.header.count("Lethe-Session-Version") == 0)
        scratch.response.header.add("Lethe-Session-Version", *version);
    scratch.request.header.add("Origin", r.header("Origin").value_or(""));
    judged out;
    out.rule = idempotency::judge_answer(scratch, rules.judging);
    // The handler's own 502 or 503: its effect is taken back, so it is known what was done.
    if (answer.status() >= 500 && scratch.response.header.count("Lethe-Idempotency") == 0)
        out.rule = answer_rule::release;
    out.outcome = idempotency::make_outcome(scratch, rules.judging, what.now);
    out.outcome.body = answer.body();
    return out;
}

kept_outcome to_keep(const keyed_rules& rules, const asked& what, record_state state,
                     std::uint64_t epoch_known) {
    kept_outcome out;
    out.id = what.id;
    out.subject = what.subject;
    out.record.state = state;
    out.record.epoch = std::max({epoch_known, what.attempt, std::uint64_t{1}});
    out.record.nonce = make_secure_random()->bytes(idempotency::nonce_bytes);
    out.record.execution = out.record.nonce;
    out.record.fingerprint = what.fingerprint;
    out.record.created = what.now;
    out.record.lease_until = what.now;
    out.record.expires = what.now + rules.options.ttl;
    out.forget_at = out.record.expires;
    if (state != record_state::released) out.forget_at += rules.options.tombstone;
    return out;
}

// Nullopt: the handler may run.
std::optional<end_of_try> settled_before(const keyed_rules& rules, const asked& what,
                                         const std::optional<kept_outcome>& found) {
    if (!found) return std::nullopt;
    const idempotency::key_record& record = found->record;
    const bool is_outcome = record.state != record_state::released;
    if (is_outcome && what.now < record.expires) {
        if (record.fingerprint != what.fingerprint) return end_of_try(ending::mismatch);
        if (record.state != record_state::done) return end_of_try(ending::unknown);
        end_of_try out(ending::replayed);
        out.kept = record.result;
        return out;
    }
    if (is_outcome && rules.options.tombstone.count() > 0 && what.now < found->forget_at)
        return end_of_try(ending::expired);
    if (what.attempt > 0 && what.attempt < record.epoch) return end_of_try(ending::fenced);
    return std::nullopt;
}

// One try, from the savepoint on.
class keyed_try {
 public:
    keyed_try(const keyed_rules& rules, const asked& what, sql_connection& on, std::uint64_t epoch)
        : rules_(rules), what_(what), on_(on), epoch_(epoch) {}

    end_of_try run(request& r);

 private:
    [[nodiscard]] result<> simple(std::string_view sql) {
        const auto done = on_.run(sql, {});
        if (done.has_error()) return done.error();
        return {};
    }
    end_of_try end_without_effect(end_of_try how);
    end_of_try end_with(judged verdict, response answer);

    const keyed_rules& rules_;
    const asked& what_;
    sql_connection& on_;
    std::uint64_t epoch_;
};

// Behind this attempt others may still be on their way, from a gateway that gave them up: they must
// not have an effect once the client has read that this one had none.
end_of_try keyed_try::end_without_effect(end_of_try how) {
    if (what_.attempt <= 1) {
        how.fenced_off = true;
        return how;
    }
    result<> done = simple("ROLLBACK TO SAVEPOINT lethe_handler");
    if (done.has_value()) done = keep(on_, to_keep(rules_, what_, record_state::released, epoch_));
    if (done.has_value()) done = on_.commit();
    how.fenced_off = done.has_value();
    return how;
}

end_of_try keyed_try::end_with(judged verdict, response answer) {
    const bool done = verdict.rule == answer_rule::store;
    kept_outcome kept =
        to_keep(rules_, what_, done ? record_state::done : record_state::unknown, epoch_);
    if (done) kept.record.result = std::move(verdict.outcome);
    result<> written = keep(on_, kept);
    if (written.has_value()) written = on_.commit();
    end_of_try out(ending::answered);
    if (written.has_error())
        out.what = is(written.error(), sql_errc::outcome_unknown) ? ending::lost
                                                                  : ending_of(written.error());
    out.nonce = std::move(kept.record.nonce);
    if (out.what == ending::answered || out.what == ending::lost) out.answer = std::move(answer);
    return out;
}

end_of_try keyed_try::run(request& r) {
    const result<> begun = simple("SAVEPOINT lethe_handler");
    if (begun.has_error()) return end_of_try(ending_of(begun.error()));
    internal::transaction_state state{on_};
    transaction tx(state);
    std::optional<response> answer = call(rules_.work, r, tx);
    const ending why = state.failure ? ending_of(state.failure) : ending::failed;
    if (why == ending::again) return end_of_try(why);
    if (!answer || why == ending::away) return end_without_effect(end_of_try(why));

    judged verdict = judge(rules_, what_, *answer, r);
    if (state.failure) {
        // A refusal by the handler because of what a statement said is an outcome without effect.
        const bool refusal = answer->status() >= 400 && answer->status() < 500;
        if (!refusal) return end_without_effect(end_of_try(ending::failed));
        const result<> back = simple("ROLLBACK TO SAVEPOINT lethe_handler");
        if (back.has_error()) return end_of_try(ending_of(back.error()));
    }
    if (verdict.rule == answer_rule::release) {
        end_of_try out(ending::released);
        out.answer = *std::move(answer);
        return end_without_effect(std::move(out));
    }
    return end_with(std::move(verdict), *std::move(answer));
}

}  // namespace

keyed_rules::keyed_rules(internal::database_parts& in_, transaction_handler work_,
                         idempotent_options options_)
    : in(in_),
      work(std::move(work_)),
      options(std::move(options_)),
      judging(options_for_judging(options)) {}

end_of_try run_once(const keyed_rules& rules, const asked& what, request& r) {
    const result<> table = make_outcome_table(rules.in);
    if (table.has_error()) return end_of_try(ending::away);
    result<open_transaction> open = rules.in.begin(transaction_kind::writing);
    if (open.has_error()) return end_of_try(ending_of(open.error()));
    const result<looked_up> seen = look_up(open->on(), what.id);
    if (seen.has_error()) {
        const bool corrupt = seen.error() == condition::corrupt;
        if (corrupt) log::error("library.outcome_corrupt");
        return end_of_try(corrupt ? ending::away : ending_of(seen.error()));
    }
    if (seen->lock == lock_state::held_by_another) return end_of_try(ending::in_flight);
    if (auto settled = settled_before(rules, what, seen->found)) return *std::move(settled);
    keyed_try one(rules, what, open->on(), seen->found ? seen->found->record.epoch : 0);
    return one.run(r);
}

end_of_try look_after_loss(const keyed_rules& rules, const asked& what, end_of_try lost) {
    result<open_transaction> open = rules.in.begin(transaction_kind::writing);
    if (open.has_error()) return lost;
    const result<looked_up> seen = look_up(open->on(), what.id);
    if (seen.has_error() || seen->lock == lock_state::held_by_another) return lost;
    if (!seen->found || seen->found->record.nonce != lost.nonce) return end_of_try(ending::again);
    lost.what = ending::answered;
    return lost;
}

end_of_try ask_about(const keyed_rules& rules, const asked& what) {
    const result<> table = make_outcome_table(rules.in);
    if (table.has_error()) return end_of_try(ending::away);
    result<open_transaction> open = rules.in.begin(transaction_kind::writing);
    if (open.has_error()) return end_of_try(ending::away);
    const result<looked_up> seen = look_up(open->on(), what.id);
    if (seen.has_error()) return end_of_try(ending::away);
    if (seen->lock == lock_state::held_by_another) return end_of_try(ending::in_flight);
    const auto& found = seen->found;
    if (found && found->record.state != record_state::released &&
        what.now < found->record.expires) {
        if (found->record.state != record_state::done) return end_of_try(ending::unknown);
        end_of_try out(ending::replayed);
        out.kept = found->record.result;
        return out;
    }
    // Without an attempt nothing can be fenced off, so nothing can be promised.
    const std::uint64_t epoch = found ? found->record.epoch : 0;
    if (what.attempt == 0) return end_of_try(ending::unknown);
    if (what.attempt < epoch) return end_of_try(ending::fenced);
    const result<> fenced = keep(open->on(), to_keep(rules, what, record_state::released, epoch));
    if (fenced.has_error()) return end_of_try(ending::away);
    const result<> done = open->on().commit();
    return end_of_try(done.has_value() ? ending::not_used : ending::away);
}

end_of_try run_unkeyed(internal::database_parts& in, const transaction_handler& work,
                       transaction_kind kind, request& r) {
    result<open_transaction> open = in.begin(kind);
    if (open.has_error()) return end_of_try(ending_of(open.error()));
    internal::transaction_state state{open->on()};
    transaction tx(state);
    std::optional<response> answer = call(work, r, tx);
    if (state.failure) {
        const ending why = ending_of(state.failure);
        const bool refusal = answer && answer->status() >= 400;
        if (why != ending::failed || !refusal) return end_of_try(why);
    }
    if (!answer) return end_of_try(ending::failed);
    end_of_try out(ending::released);
    if (answer->status() < 400) {
        const result<> done = open->on().commit();
        out.what = ending::answered;
        if (done.has_error())
            out.what = is(done.error(), sql_errc::outcome_unknown) ? ending::lost
                                                                   : ending_of(done.error());
    }
    out.answer = std::move(answer);
    return out;
}

void forget_some(internal::database_parts& in, system_time now) {
    if (!in.may_purge(now)) return;
    result<open_transaction> open = in.begin(transaction_kind::writing);
    if (open.has_error()) return;
    // The next minute is another chance.
    result<> done;
    const auto forgotten = forget_old(open->on(), now, forgotten_at_once);
    if (forgotten.has_value() && *forgotten > 0) done = open->on().commit();
    if (forgotten.has_error() || done.has_error()) log::debug("library.outcomes_not_forgotten");
}

}  // namespace lethe::library
