#include "store/sqlite/database.hpp"

#include "store/rules.hpp"
#include "store/sqlite/records.hpp"
#include "store/sqlite/schema.hpp"
#include "store/sqlite/writer.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <utility>

namespace lethe::store::sqlite {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t reader_count = 2;
constexpr int writer_cache_kibibytes = 16 * 1024;
constexpr int reader_cache_kibibytes = 2 * 1024;
constexpr int checkpointer_cache_kibibytes = 64;
// One commit takes at most so much: what waits longer gets its own.
constexpr std::size_t group_calls_max = 1024;
constexpr std::size_t group_bytes_max = std::size_t{8} * 1024 * 1024;
// Reads that share a snapshot and a wake-up.
constexpr std::size_t read_operations_max = 64;
// The writer waits for as many calls as its last group had, but not longer than this.
constexpr std::chrono::microseconds gather_max = 1ms;

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
      queued_(registry_.make_gauge("lethe_store_queued_calls", "Calls that wait for the writer.",
                                   {{"store", how.name}})),
      checkpointer_(registry_.make_counter("lethe_store_checkpoints_total",
                                           "Times the write-ahead log was moved to the database.",
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

connection_options database::with_cache(int kibibytes) const {
    return {.path = what_.path,
            .mode = what_.mode,
            .cache_kibibytes = kibibytes,
            .file_layer = what_.file_layer};
}

result<> database::open_writer(std::string& why) {
    std::string message;
    connection_options how = with_cache(writer_cache_kibibytes);
    how.collects_log = true;
    const int opened = writer_.open(how, message);
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
    LETHE_TRY(const std::int64_t found, prepare_schema(writer_, what_.path, why));
    schema_found_ = found;
    if (what_.pages_max > 0) writer_.limit_pages(what_.pages_max);
    return {};
}

result<> database::open_readers(std::string& why) {
    for (std::size_t i = 0; i < reader_count; ++i) {
        auto& reader = readers_.emplace_back(std::make_unique<connection>());
        std::string message;
        const int code = reader->open(with_cache(reader_cache_kibibytes), message);
        if (code == SQLITE_OK) continue;
        why = fmt::format("{}: {}.", what_.path, message);
        return to_error(code);
    }
    return {};
}

result<> database::start(std::string& why) {
    const result<> usable = check_path(why);
    if (usable.has_error()) return usable;
    const result<> writes = open_writer(why);
    if (writes.has_error()) return writes;
    const result<> reads = open_readers(why);
    if (reads.has_error()) return reads;
    std::string message;
    const int moves = checkpointer_.start(with_cache(checkpointer_cache_kibibytes), message);
    if (moves != SQLITE_OK) {
        why = fmt::format("{}: {}.", what_.path, message);
        return to_error(moves);
    }
    turn_.open(what_.path);
    threads_.emplace_back([this] { write_all(); });
    for (const auto& reader : readers_)
        threads_.emplace_back([this, &reader] { read_all(*reader); });
    return {};
}

std::int64_t database::take_schema_found() noexcept {
    return schema_found_.exchange(schema_version);
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
    const std::size_t operations = one->operations_count();
    const std::size_t bytes = bytes_of(one->operations);
    bool wake = false;
    {
        const std::scoped_lock lock(to.mutex);
        if (to.closed) return LETHE_ERR(errc::unavailable);
        if (to.operations + operations > how_.queue_operations_max ||
            to.bytes + bytes > how_.queue_bytes_max)
            return LETHE_ERR(errc::overloaded);
        to.operations += operations;
        to.bytes += bytes;
        to.calls.push_back(std::move(one));
        if (&to == &writes_) queued_.set(static_cast<std::int64_t>(to.calls.size()));
        wake = to.calls.size() >= to.wanted_calls || to.bytes >= group_bytes_max;
    }
    if (wake) to.wake.notify_one();
    return {};
}

result<> database::submit_write(call_ptr one) {
    return submit(writes_, std::move(one));
}
result<> database::submit_read(call_ptr one) {
    return submit(reads_, std::move(one));
}

// Under the queue's lock; there is one.
call_ptr database::take(queue& from) {
    call_ptr out = std::move(from.calls.front());
    from.calls.pop_front();
    from.operations -= out->operations_count();
    from.bytes -= bytes_of(out->operations);
    return out;
}

bool database::wait_for_calls(std::chrono::microseconds at_most) {
    std::unique_lock lock(writes_.mutex);
    writes_.wake.wait_for(lock, at_most,
                          [this] { return writes_.closed || !writes_.calls.empty(); });
    return !writes_.calls.empty();
}

// Right after a commit its callers ask again, one after the other: who begins with the first of
// them makes the others wait for a commit of one.
void database::gather(std::size_t calls, std::chrono::microseconds at_most) {
    std::unique_lock lock(writes_.mutex);
    writes_.wanted_calls = calls;
    writes_.wake.wait_for(lock, std::min(at_most, gather_max), [this] {
        return writes_.closed || writes_.calls.size() >= writes_.wanted_calls ||
               writes_.bytes >= group_bytes_max;
    });
    writes_.wanted_calls = 1;
}

// Everything that waits, up to the bounds of a group.
std::vector<call_ptr> database::take_group() {
    const std::scoped_lock lock(writes_.mutex);
    std::vector<call_ptr> group;
    group.reserve(std::min(writes_.calls.size(), group_calls_max));
    const std::size_t bytes = writes_.bytes;
    while (!writes_.calls.empty() && group.size() < group_calls_max &&
           bytes - writes_.bytes < group_bytes_max)
        group.push_back(take(writes_));
    queued_.set(static_cast<std::int64_t>(writes_.calls.size()));
    return group;
}

bool database::finished() {
    const std::scoped_lock lock(writes_.mutex);
    return writes_.closed && writes_.calls.empty();
}

void database::write_all() {
    // So that short waits are short; the default adds 50 us to each.
    static_cast<void>(::prctl(PR_SET_TIMERSLACK, 1000));
    writer out(writer_, turn_, checkpointer_,
               {.store = how_.name,
                .now = now_,
                .log_pages_soft = what_.log_pages_soft,
                .log_pages_hard = what_.log_pages_hard},
               registry_);
    std::size_t last_calls = 1;
    while (true) {
        const bool waiting = wait_for_calls(out.rest());
        if (!waiting && finished()) break;
        if (waiting) {
            gather(last_calls, out.commit_time() / 2);
            out.begin();
            std::vector<call_ptr> group = take_group();
            last_calls = group.size();
            out.serve(std::move(group));
        }
        out.tidy(!waiting);
    }
    checkpointer_.close();
    out.finish();
}

// A share of what waits: the other reader gets some, too.
std::vector<call_ptr> database::take_reads() {
    std::unique_lock lock(reads_.mutex);
    reads_.wake.wait(lock, [this] { return reads_.closed || !reads_.calls.empty(); });
    std::vector<call_ptr> taken;
    const std::size_t share = (reads_.calls.size() + reader_count - 1) / reader_count;
    for (std::size_t operations = 0; taken.size() < share && operations < read_operations_max;) {
        taken.push_back(take(reads_));
        operations += taken.back()->operations_count();
    }
    return taken;
}

void database::read_all(connection& on) {
    records tables(on);
    for (std::vector<call_ptr> taken = take_reads(); !taken.empty(); taken = take_reads()) {
        std::erase_if(taken, [](const call_ptr& one) { return !one->begin(); });
        // All were asked before this snapshot is taken.
        const bool together = taken.size() > 1 && on.begin_read() == SQLITE_OK;
        const system_time now = now_();
        for (const call_ptr& one : taken) {
            const error_code failed = one->work(on, tables, now);
            if (failed) one->outcome = failed;
        }
        if (together && on.commit() != SQLITE_OK) on.rollback();
        deliver(taken);
    }
}

}  // namespace lethe::store::sqlite
