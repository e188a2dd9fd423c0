#include "store/sqlite/database.hpp"

#include "base/log.hpp"
#include "store/rules.hpp"
#include "store/sqlite/records.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <utility>

namespace lethe::store::sqlite {
namespace {

constexpr std::size_t reader_count = 2;
// One commit takes at most so much: what waits longer gets its own.
constexpr std::size_t group_calls_max = 1024;
constexpr std::size_t group_bytes_max = std::size_t{8} * 1024 * 1024;
constexpr std::int64_t purged_at_once = 200;
constexpr std::chrono::seconds purge_interval{5};
// How long the writer leaves the lock alone after a commit while another process wants it, too.
constexpr std::chrono::microseconds turn_for_others{700};

system_time real_now() {
    // lint: allow(clock) because it is the seam: what is asked when nobody gave another clock
    const auto now = std::chrono::system_clock::now();
    return std::chrono::time_point_cast<std::chrono::milliseconds>(now);
}

}  // namespace

database::database(database_options what, const open_options& how)
    : what_(std::move(what)),
      how_(how),
      now_(how.now ? how.now : std::function<system_time()>(real_now)),
      commits_(registry_.make_counter("lethe_store_commits_total", "Commits to the store's file.",
                                      {{"store", how.name}})),
      committed_calls_(registry_.make_counter("lethe_store_committed_calls_total",
                                              "Calls that shared those commits.",
                                              {{"store", how.name}})),
      failed_commits_(registry_.make_counter("lethe_store_failed_commits_total",
                                             "Commits that failed.", {{"store", how.name}})),
      queued_(registry_.make_gauge("lethe_store_queued_calls", "Calls that wait for the writer.",
                                   {{"store", how.name}})) {}

database::~database() {
    close();
}

result<> database::check_path(std::string& why) const {
    namespace fs = std::filesystem;
    std::error_code ignored;
    const fs::path path(what_.path);
    if (fs::is_directory(path, ignored)) {
        why = what_.path + " is a folder. Name a file in it, such as " +
              (path / "lethe.db").string() + ".";
        return LETHE_ERR(errc::unavailable);
    }
    const fs::path folder = path.parent_path().empty() ? fs::path(".") : path.parent_path();
    if (!fs::is_directory(folder, ignored)) {
        why = fmt::format("{}: the folder {} does not exist. Make it first.", what_.path,
                          folder.string());
        return LETHE_ERR(errc::unavailable);
    }
    // Made here rather than by SQLite, so that nobody but its owner can read it. A file that is
    // there is not opened: closing it again would drop the locks that this process may hold on it
    // (POSIX).
    const int made = ::open(what_.path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (made < 0 && (errno != EEXIST || ::access(what_.path.c_str(), R_OK | W_OK) != 0)) {
        why = fmt::format(
            "{} cannot be opened for writing: {}. May this user write the file and its folder?",
            what_.path, std::generic_category().message(errno));
        return LETHE_ERR(errc::unavailable);
    }
    if (made >= 0) ::close(made);
    return {};
}

result<> database::start(std::string& why) {
    const result<> usable = check_path(why);
    if (usable.has_error()) return usable;
    std::string message;
    const int opened = writer_.open(what_.path, what_.mode, message);
    if ((opened & 0xff) == SQLITE_NOTADB) {
        why = what_.path + " is not a database. It was left as it is; choose another path.";
        return LETHE_ERR(errc::corrupt);
    }
    if (opened != SQLITE_OK || writer_.read_only()) {
        why = fmt::format("{} cannot be used as a database: {}.", what_.path,
                          message.empty() ? "it is read-only" : message);
        return to_error(opened);
    }
    const result<> ours = check_owner(writer_, what_.path, why);
    if (ours.has_error()) return ours;
    if (writer_.ask_text("PRAGMA journal_mode=WAL") != "wal") {
        why = what_.path +
              " cannot have a write-ahead log. Put it on a local disk: network file systems do "
              "not do.";
        return LETHE_ERR(errc::unavailable);
    }
    const result<> prepared = prepare_schema(writer_, what_.path, why);
    if (prepared.has_error()) return prepared;
    if (what_.pages_max > 0) writer_.limit_pages(what_.pages_max);
    for (std::size_t i = 0; i < reader_count; ++i) {
        auto& reader = readers_.emplace_back(std::make_unique<connection>());
        const int code = reader->open(what_.path, what_.mode, message);
        if (code != SQLITE_OK) {
            why = fmt::format("{}: {}.", what_.path, message);
            return to_error(code);
        }
    }
    threads_.emplace_back([this] { write_all(); });
    for (const auto& reader : readers_)
        threads_.emplace_back([this, &reader] { read_all(*reader); });
    return {};
}

void database::close() {
    for (queue* one : {&writes_, &reads_}) {
        const std::scoped_lock lock(one->mutex);
        one->closed = true;
        one->wake.notify_all();
    }
    for (std::thread& one : threads_) one.join();
    threads_.clear();
}

result<> database::submit(queue& to, call_ptr one) {
    const std::size_t bytes = bytes_of(one->operations);
    const std::scoped_lock lock(to.mutex);
    if (to.closed) return LETHE_ERR(errc::unavailable);
    if (to.calls.size() >= how_.queue_operations_max || to.bytes + bytes > how_.queue_bytes_max)
        return LETHE_ERR(errc::overloaded);
    to.bytes += bytes;
    to.calls.push_back(std::move(one));
    to.wake.notify_one();
    return {};
}

result<> database::submit_write(call_ptr one) {
    return submit(writes_, std::move(one));
}
result<> database::submit_read(call_ptr one) {
    return submit(reads_, std::move(one));
}

// Everything that waits, up to the bounds of a group; empty: closed, or nothing for a while.
std::vector<call_ptr> database::take_group() {
    std::unique_lock lock(writes_.mutex);
    writes_.wake.wait_for(lock, purge_interval,
                          [this] { return writes_.closed || !writes_.calls.empty(); });
    std::vector<call_ptr> group;
    std::size_t bytes = 0;
    while (!writes_.calls.empty() && group.size() < group_calls_max && bytes < group_bytes_max) {
        const std::size_t size = bytes_of(writes_.calls.front()->operations);
        bytes += size;
        writes_.bytes -= size;
        group.push_back(std::move(writes_.calls.front()));
        writes_.calls.pop_front();
    }
    queued_.set(static_cast<std::int64_t>(writes_.calls.size()));
    return group;
}

void database::write_all() {
    records tables(writer_);
    auto last_purge = real_now();
    while (true) {
        std::vector<call_ptr> group = take_group();
        const bool idle = group.empty();
        if (idle) {
            const std::scoped_lock lock(writes_.mutex);
            if (writes_.closed && writes_.calls.empty()) break;
        } else {
            commit(std::move(group), writer_, tables);
        }
        if (idle || real_now() - last_purge >= purge_interval) {
            purge_some(writer_, tables);
            last_purge = real_now();
        }
    }
    static_cast<void>(writer_.run("PRAGMA wal_checkpoint(TRUNCATE)"));
}

void database::fail(const std::vector<call_ptr>& group, const error_code& why) {
    failed_commits_.add();
    log::error("store.commit_failed",
               {{"store", how_.name}, {"error", describe(why)}, {"sqlite", writer_.message()}});
    for (const call_ptr& one : group) {
        one->outcome = why;
        one->wake();
    }
}

void database::commit(std::vector<call_ptr> group, connection& on, records& tables) {
    // lint: allow(sleep) because it is the writer's own thread, never a worker
    if (contended_) std::this_thread::sleep_for(turn_for_others);
    const int begun = on.run("BEGIN IMMEDIATE");
    // Only now: while the lock was another process's, a caller could still give up with nothing
    // done.
    std::erase_if(group, [](const call_ptr& one) { return !one->begin(); });
    if (begun != SQLITE_OK) {
        fail(group, to_error(begun));
        return;
    }
    const std::int64_t data_version = on.ask("PRAGMA data_version");
    contended_ = std::exchange(data_version_, data_version) != data_version;

    const result<> ran = run_group(group, tables, now_());
    if (ran.has_error()) {
        static_cast<void>(on.run("ROLLBACK"));
        fail(group, ran.error());
        return;
    }
    const int committed = on.run("COMMIT");
    if (committed != SQLITE_OK) {
        // A full disk stops it before the log's last frame. After an I/O error the frame may be
        // there all the same, and a recovery would bring it back.
        const bool unknown = (committed & 0xff) == SQLITE_IOERR;
        if (on.in_transaction()) static_cast<void>(on.run("ROLLBACK"));
        fail(group, unknown ? LETHE_ERR(errc::outcome_unknown) : to_error(committed));
        return;
    }
    commits_.add();
    committed_calls_.add(group.size());
    for (const call_ptr& one : group) one->wake();
}

result<> database::run_group(const std::vector<call_ptr>& group, records& tables, system_time now) {
    const result<> begun = tables.begin();
    if (begun.has_error()) return begun;
    for (const call_ptr& one : group) {
        const result<> ran = run_call(*one, writer_, tables, now);
        if (ran.has_error()) return ran;
    }
    return tables.end();
}

// An error concerns the whole group: its transaction cannot be trusted any more.
result<> database::run_call(call& one, connection& on, records& tables, system_time now) {
    std::vector<answer> answers;
    answers.reserve(one.operations.size());
    if (one.all_or_nothing && on.run("SAVEPOINT one") != SQLITE_OK)
        return LETHE_ERR(errc::unavailable);
    bool all_done = true;
    for (const operation& any : one.operations) {
        result<answer> got = tables.apply(any, now);
        if (got.has_error()) return got.error();
        all_done &= got->done;
        answers.push_back(*std::move(got));
    }
    if (one.all_or_nothing) {
        // Versions that were drawn inside stay drawn: none is given twice.
        if (!all_done) {
            if (on.run("ROLLBACK TO one") != SQLITE_OK) return LETHE_ERR(errc::unavailable);
            for (answer& each : answers) each.version = {};
        }
        if (on.run("RELEASE one") != SQLITE_OK) return LETHE_ERR(errc::unavailable);
    }
    one.outcome = std::move(answers);
    return {};
}

// A few at a time, so that nobody waits long behind it.
void database::purge_some(connection& on, records& tables) {
    if (on.run("BEGIN IMMEDIATE") != SQLITE_OK) return;
    const result<std::int64_t> removed = tables.purge(now_(), purged_at_once);
    const bool kept = removed.has_value() && on.run("COMMIT") == SQLITE_OK;
    if (!kept) static_cast<void>(on.run("ROLLBACK"));
}

void database::read_all(connection& on) {
    records tables(on);
    while (true) {
        std::unique_lock lock(reads_.mutex);
        reads_.wake.wait(lock, [this] { return reads_.closed || !reads_.calls.empty(); });
        if (reads_.calls.empty()) return;
        const call_ptr one = std::move(reads_.calls.front());
        reads_.calls.pop_front();
        reads_.bytes -= bytes_of(one->operations);
        lock.unlock();
        if (!one->begin()) continue;
        const error_code failed = one->read(tables, now_());
        if (failed) one->outcome = failed;
        one->wake();
    }
}

}  // namespace lethe::store::sqlite
