#include "store/sqlite/writer.hpp"

#include "base/log.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <utility>

namespace lethe::store::sqlite {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t purged_at_once = 200;
constexpr std::chrono::seconds purge_interval{5};
// While there is more to purge: at most one part in so many of the writer's time.
constexpr int purge_share = 10;
// How long a commit may have to wait for readers, so that the log begins anew; and when nobody lets
// it (a backup is being made, say), how long it is not tried again.
constexpr std::chrono::milliseconds restart_wait{50};
constexpr std::chrono::seconds restart_pause{2};
constexpr std::int64_t page_bytes = 4096;

steady_time steady_now() {
    // lint: allow(clock) because it is a thread of the database that measures itself
    return std::chrono::steady_clock::now();
}

std::chrono::microseconds micros_since(steady_time from) {
    return std::chrono::duration_cast<std::chrono::microseconds>(steady_now() - from);
}

}  // namespace

writer::writer(connection& on, turn& among, checkpointer& beside, writer_options how,
               metrics::registry& registry)
    : on_(on),
      turn_(among),
      checkpointer_(beside),
      how_(std::move(how)),
      tables_(on),
      savepoint_(on.prepare("SAVEPOINT one")),
      release_(on.prepare("RELEASE one")),
      roll_back_to_(on.prepare("ROLLBACK TO one")),
      commits_(registry.make_counter("lethe_store_commits_total", "Commits to the store's file.",
                                     {{"store", how_.store}})),
      committed_calls_(registry.make_counter("lethe_store_committed_calls_total",
                                             "Calls that shared those commits.",
                                             {{"store", how_.store}})),
      failed_commits_(registry.make_counter("lethe_store_failed_commits_total",
                                            "Commits that failed.", {{"store", how_.store}})),
      log_bytes_(registry.make_gauge("lethe_store_log_bytes",
                                     "The write-ahead log after the last commit.",
                                     {{"store", how_.store}})) {}

int writer::begin_transaction() {
    turn_.take();
    const int begun = on_.begin_write();
    turn_.pass_on();
    if (begun == SQLITE_OK) data_version_ = on_.data_version();
    return begun;
}

void writer::begin() {
    begun_ = begin_transaction();
}

void writer::serve(std::vector<call_ptr> group) {
    // Only now: while the lock was another process's, a caller could still give up with nothing
    // done.
    std::erase_if(group, [](const call_ptr& one) { return !one->begin(); });
    if (begun_ != SQLITE_OK) {
        end(group, {.error = to_error(begun_), .doubtful = false, .detail = on_.message()});
        return;
    }
    const ending how = run(group);
    // After an I/O error at the commit nothing speaks for a better end of the next one.
    if (how.error && group.size() > 1 && !how.doubtful)
        serve_each(group);
    else
        end(group, how);
}

// One call that cannot be done must not fail the others.
void writer::serve_each(std::span<call_ptr> group) {
    for (std::size_t i = 0; i < group.size(); ++i) {
        const std::span<call_ptr> one = group.subspan(i, 1);
        begin();
        if (begun_ != SQLITE_OK) {
            end(group.subspan(i),
                {.error = to_error(begun_), .doubtful = false, .detail = on_.message()});
            return;
        }
        end(one, run(one));
    }
}

// Executes and commits, or rolls back.
writer::ending writer::run(std::span<const call_ptr> group) {
    const steady_time from = steady_now();
    const result<> ran = run_calls(group);
    if (ran.has_error()) {
        ending out{.error = ran.error(), .doubtful = false, .detail = on_.message()};
        on_.rollback();
        return out;
    }
    const int committed = on_.commit();
    if (committed != SQLITE_OK) return fail_commit(committed);
    commit_time_ = micros_since(from);
    return {};
}

writer::ending writer::fail_commit(int code) {
    // A full disk stops it before the log's last frame. After an I/O error the frame may be there
    // all the same, and a recovery would bring it back.
    ending out{.error = to_error(code),
               .doubtful = (code & 0xff) == SQLITE_IOERR,
               .detail = on_.message()};
    on_.rollback();
    if (out.doubtful && !overwrite_failed_commit()) out.error = LETHE_ERR(errc::outcome_unknown);
    return out;
}

// True: nothing of the failed commit is there, and no recovery can bring it back. Its frames stand
// behind the last commit's in the log and are not in the log's index, else its version would be
// seen. No other connection has committed since, so that a commit now writes where they stand (or
// begins a new log): once that is on the disk, their checksums no longer follow on what is before
// them.
bool writer::overwrite_failed_commit() {
    const std::int64_t data_version = data_version_;
    const std::int64_t version = tables_.first_version();
    if (begin_transaction() != SQLITE_OK) return false;
    const bool absent = data_version_ == data_version && tables_.begin().has_value() &&
                        tables_.first_version() == version;
    if (absent) tables_.note_change();
    if (absent && tables_.end().has_value() && on_.commit() == SQLITE_OK) return true;
    on_.rollback();
    return false;
}

result<> writer::run_calls(std::span<const call_ptr> group) {
    const result<> begun = tables_.begin();
    if (begun.has_error()) return begun;
    const system_time now = how_.now();
    for (const call_ptr& one : group) {
        const result<> ran = run_call(*one, now);
        if (ran.has_error()) return ran;
    }
    return tables_.end();
}

// An error concerns the whole group: its transaction cannot be trusted any more.
result<> writer::run_call(call& one, system_time now) {
    one.outcome = std::vector<answer>{};
    // Writing is only tried where there is a doubt.
    if (one.probes_writer && last_failed_) tables_.note_change();
    if (one.work) {
        const error_code failed = one.work(on_, tables_, now);
        return failed ? result<>(failed) : result<>{};
    }
    if (one.all_or_nothing) return run_transaction(one, now);
    std::vector<answer>& answers = *one.outcome;
    answers.reserve(one.operations.size());
    for (const operation& any : one.operations) {
        LETHE_TRY(answer got, tables_.apply(any, now));
        answers.push_back(std::move(got));
    }
    return {};
}

result<> writer::run_transaction(call& one, system_time now) {
    const auto must = [](int code) {
        return code == SQLITE_DONE ? result<>{} : result<>(to_error(code));
    };
    const result<> opened = must(savepoint_.run());
    if (opened.has_error()) return opened;
    std::vector<answer>& answers = *one.outcome;
    bool all_done = true;
    for (const operation& any : one.operations) {
        LETHE_TRY(answer got, tables_.apply(any, now));
        all_done &= got.done;
        answers.push_back(std::move(got));
    }
    // Versions that were drawn inside stay drawn: none is given twice.
    if (!all_done) {
        const result<> undone = must(roll_back_to_.run());
        if (undone.has_error()) return undone;
        for (answer& each : answers) each.version = {};
    }
    return must(release_.run());
}

void writer::end(std::span<call_ptr> group, const ending& how) {
    if (how.error) {
        failed_commits_.add();
        last_failed_ = true;
        log::error("store.commit_failed",
                   {{"store", how_.store}, {"error", describe(how.error)}, {"sqlite", how.detail}});
        for (const call_ptr& one : group) one->outcome = how.error;
    } else if (tables_.changed()) {
        last_failed_ = false;
        commits_.add();
        committed_calls_.add(group.size());
        log_bytes_.set(on_.log_pages() * page_bytes);
    }
    deliver(group);
}

void writer::tidy(bool idle) {
    checkpoint(idle);
    if (steady_now() >= next_purge_) purge();
}

// A few at a time, so that nobody waits long behind it.
void writer::purge() {
    const steady_time from = steady_now();
    std::int64_t removed = 0;
    if (begin_transaction() == SQLITE_OK) {
        const result<> begun = tables_.begin();
        result<std::int64_t> purged =
            begun.has_error() ? begun.error() : tables_.purge(how_.now(), purged_at_once);
        if (purged.has_value() && tables_.end().has_value() && on_.commit() == SQLITE_OK)
            removed = *purged;
        else
            on_.rollback();
    }
    next_purge_ = removed < purged_at_once ? from + purge_interval
                                           : steady_now() + micros_since(from) * purge_share;
}

std::chrono::microseconds writer::rest() const {
    return std::max(
        std::chrono::duration_cast<std::chrono::microseconds>(next_purge_ - steady_now()),
        std::chrono::microseconds{0});
}

void writer::checkpoint(bool idle) {
    const std::int64_t pages = on_.log_pages();
    // It began anew.
    if (pages < asked_pages_) asked_pages_ = 0;
    if (pages >= how_.log_pages_hard && steady_now() >= no_restart_before_) {
        const steady_time from = steady_now();
        on_.wait_for_locks(restart_wait);
        const int done = on_.checkpoint(connection::checkpoint_kind::restart);
        on_.wait_for_locks(lock_wait);
        // Refused at once: a checkpoint is under way, here or in another process. After the next
        // commit, then.
        if (done != SQLITE_OK && micros_since(from) >= restart_wait)
            no_restart_before_ = steady_now() + restart_pause;
        return;
    }
    // While it does not begin anew: a quarter at a time.
    const std::int64_t next = std::max(how_.log_pages_soft, asked_pages_ + how_.log_pages_soft / 4);
    if (pages < next && !(idle && pages != asked_pages_)) return;
    checkpointer_.ask();
    asked_pages_ = pages;
}

void writer::finish() {
    on_.wait_for_locks(restart_wait);
    static_cast<void>(on_.checkpoint(connection::checkpoint_kind::truncate));
}

}  // namespace lethe::store::sqlite
