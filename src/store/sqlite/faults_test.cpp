// What SQLite's engine says and does when disks, files and other processes are in its way.
#include "store/sqlite/database.hpp"
#include "store/sqlite/store.hpp"
#include "store/sqlite/test_log_faults.hpp"
#include "store/test_stores.hpp"
#include "support/run.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <thread>

namespace lethe::store::sqlite {
namespace {

using namespace std::chrono_literals;
using test::run;

class SqliteFaults : public ::testing::Test {
 protected:
    // Starts with an empty log.
    void open(database_options how = {}, const open_options& options = {}) {
        engine_.reset();
        how.path = scene_.file();
        how.file_layer = log_faults::name;
        const auto made = std::make_shared<database>(how, options);
        std::string why;
        ASSERT_TRUE(made->start(why).has_value()) << why;
        engine_ = std::make_unique<sqlite_engine>(made, synchronous::full, "default");
        store_ = engine_->make_store(scene_.clock());
    }
    [[nodiscard]] steady_time in(std::chrono::milliseconds wait) {
        return scene_.clock().steady_now() + wait;
    }
    result<answer> write(const std::string& key, std::string value,
                         std::chrono::milliseconds wait = 20s) {
        return run(store_->run(put{key, std::move(value), 1h, anything{}, ""}, in(wait)));
    }
    std::string read(const std::string& key) {
        const auto got = run(store_->read(key, in(20s)));
        if (got.has_error()) return describe(got.error());
        return *got ? (*got)->value : "nothing";
    }
    double metric(const std::string& name) {
        const std::string text = metrics::to_prometheus(engine_->metrics());
        const auto at = text.find("\n" + name + "{");
        return at == std::string::npos ? -1 : std::stod(text.substr(text.find("} ", at) + 2));
    }
    // What a recovery after a crash at this moment would find of the key.
    std::string read_from_copy(const std::string& key) {
        const test_scene other;
        std::filesystem::copy_file(scene_.file(), other.file());
        std::filesystem::copy_file(scene_.file() + "-wal", other.file() + "-wal");
        sqlite3* copy = nullptr;
        EXPECT_EQ(sqlite3_open(other.file().c_str(), &copy), SQLITE_OK);
        sqlite3_stmt* find = nullptr;
        sqlite3_prepare_v2(copy, "SELECT value FROM record WHERE key = CAST(?1 AS BLOB)", -1, &find,
                           nullptr);
        sqlite3_bind_text(find, 1, key.c_str(), -1, SQLITE_TRANSIENT);
        std::string out = "nothing";
        if (sqlite3_step(find) == SQLITE_ROW)
            out.assign(static_cast<const char*>(sqlite3_column_blob(find, 0)),
                       static_cast<std::size_t>(sqlite3_column_bytes(find, 0)));
        sqlite3_finalize(find);
        sqlite3_close(copy);
        return out;
    }

    test_scene scene_;
    log_faults faults_;
    std::unique_ptr<sqlite_engine> engine_;
    std::unique_ptr<store> store_;
};

// Another program on the same file.
class intruder {
 public:
    explicit intruder(const std::string& file) {
        EXPECT_EQ(sqlite3_open(file.c_str(), &database_), SQLITE_OK);
        sqlite3_busy_timeout(database_, 30'000);  // the engine may be at work of its own
    }
    ~intruder() { sqlite3_close(database_); }
    intruder(const intruder&) = delete;
    intruder& operator=(const intruder&) = delete;
    void run(const char* sql) {
        EXPECT_EQ(sqlite3_exec(database_, sql, nullptr, nullptr, nullptr), SQLITE_OK)
            << sqlite3_errmsg(database_);
    }

 private:
    sqlite3* database_ = nullptr;
};

TEST_F(SqliteFaults, ADeadlineDuringACommitIsUnknownAndBeforeItATimeout) {
    open();
    faults_.hold_syncs();
    const result<answer> under_way = write("a", "v", 100ms);
    ASSERT_TRUE(under_way.has_error());
    EXPECT_EQ(under_way.error(), condition::outcome_unknown);
    faults_.wait_until_one_is_held();
    const result<answer> waiting = write("b", "v", 50ms);
    ASSERT_TRUE(waiting.has_error());
    EXPECT_EQ(waiting.error(), condition::timeout);
    faults_.release_syncs();
    EXPECT_TRUE(write("c", "v").has_value());
    EXPECT_EQ(read("a"), "v") << "unknown it was, and done it is";
    EXPECT_EQ(read("b"), "nothing") << "a timeout is never executed";
}

TEST_F(SqliteFaults, AReaderNeverWaitsForACommit) {
    open();
    ASSERT_TRUE(write("k", "before").has_value());
    faults_.hold_syncs();
    std::thread writing([&] {
        const auto mine = engine_->make_store(scene_.clock());
        EXPECT_TRUE(run(mine->run(put{"k", std::string(1 << 20, 'x'), 1h, anything{}, ""}, in(30s)))
                        .has_value());
    });
    faults_.wait_until_one_is_held();
    for (int i = 0; i < 100; ++i) EXPECT_EQ(read("k"), "before");
    faults_.release_syncs();
    writing.join();
    EXPECT_EQ(read("k").size(), std::size_t{1} << 20);
}

TEST_F(SqliteFaults, AnIoErrorAtACommitIsSettledByACommitOverIt) {
    open();
    ASSERT_TRUE(write("kept", "v").has_value());
    std::string after_crash;
    faults_.in_failed_sync = [&] { after_crash = read_from_copy("k"); };
    faults_.syncs_that_fail = 1;
    const result<answer> failed = write("k", "v");
    ASSERT_TRUE(failed.has_error());
    EXPECT_EQ(after_crash, "v") << "the doubt is real: a crash there would have brought it back";
    EXPECT_EQ(failed.error(), condition::unavailable) << "and is settled: nothing was changed";
    EXPECT_EQ(read("k"), "nothing");
    EXPECT_EQ(read_from_copy("k"), "nothing") << "no recovery can bring it back any more";
    EXPECT_EQ(read_from_copy("kept"), "v");
    EXPECT_TRUE(write("k", "again").has_value());
    EXPECT_EQ(read_from_copy("k"), "again");
}

TEST_F(SqliteFaults, AnIoErrorThatCannotBeSettledIsUnknown) {
    open();
    ASSERT_TRUE(write("kept", "v").has_value());
    faults_.syncs_that_fail = 1000;
    const result<answer> failed = write("k", "v");
    ASSERT_TRUE(failed.has_error());
    EXPECT_EQ(failed.error(), condition::outcome_unknown);
    EXPECT_TRUE(run(store_->ping(in(20s))).has_error());
    faults_.syncs_that_fail = 0;
    EXPECT_TRUE(run(store_->ping(in(20s))).has_value());
    EXPECT_EQ(read("kept"), "v");
}

boost::asio::awaitable<void> put_one(store& to, const std::string key, std::size_t bytes,
                                     steady_time deadline, result<answer>& out) {
    const result<answer> done =
        co_await to.run(put{key, std::string(bytes, 'x'), 1h, anything{}, ""}, deadline);
    out = done;
}

TEST_F(SqliteFaults, OfAGroupThatMeetsAFullDiskOnlyTheLargeCallFails) {
    open();
    faults_.hold_syncs();
    // While the first commit stands still, a group forms behind it.
    std::vector<result<answer>> done(8, result<answer>(error_code{errc::timeout}));
    std::thread first([&] {
        const auto mine = engine_->make_store(scene_.clock());
        EXPECT_TRUE(run(mine->run(put{"first", "v", 1h, anything{}, ""}, in(30s))).has_value());
    });
    faults_.wait_until_one_is_held();
    faults_.log_bytes_max = 1 << 20;
    std::thread group([&] {
        const auto mine = engine_->make_store(scene_.clock());
        std::vector<boost::asio::awaitable<void>> all;
        for (std::size_t i = 0; i < done.size(); ++i)
            all.push_back(
                put_one(*mine, std::to_string(i), i == 3 ? 4 << 20 : 100, in(30s), done[i]));
        test::run_loop(std::move(all));
    });
    while (metric("lethe_store_queued_calls") < static_cast<double>(done.size()))
        std::this_thread::yield();
    faults_.release_syncs();
    first.join();
    group.join();
    EXPECT_EQ(metric("lethe_store_committed_calls_total"), 8);
    for (std::size_t i = 0; i < done.size(); ++i) {
        if (i == 3) {
            ASSERT_TRUE(done[i].has_error());
            EXPECT_EQ(done[i].error(), condition::unavailable);
            EXPECT_EQ(read("3"), "nothing");
            continue;
        }
        EXPECT_TRUE(done[i].has_value()) << i << describe(done[i].error());
        EXPECT_EQ(read(std::to_string(i)).size(), 100U);
    }
}

TEST_F(SqliteFaults, ReadinessIsFalseWhileNothingCanBeWrittenAndHeals) {
    open();
    EXPECT_TRUE(run(store_->ping(in(20s))).has_value());
    {
        intruder other(scene_.file());
        other.run("BEGIN IMMEDIATE");
        const result<> blocked = run(store_->ping(in(200ms)));
        ASSERT_TRUE(blocked.has_error());
        EXPECT_EQ(blocked.error(), condition::timeout);
        EXPECT_EQ(read("k"), "nothing") << "reads go on";
        other.run("ROLLBACK");
    }
    EXPECT_TRUE(run(store_->ping(in(20s))).has_value());
    faults_.log_bytes_max = 1;
    EXPECT_TRUE(write("k", "v").has_error());
    const result<> full = run(store_->ping(in(20s)));
    ASSERT_TRUE(full.has_error());
    EXPECT_EQ(full.error(), condition::unavailable);
    faults_.log_bytes_max = 0;
    EXPECT_TRUE(run(store_->ping(in(20s))).has_value()) << "without a write in between";
    EXPECT_TRUE(write("k", "v").has_value());
}

TEST_F(SqliteFaults, AskingForReadinessWritesNothing) {
    open();
    ASSERT_TRUE(write("k", "v").has_value());
    const double commits = metric("lethe_store_commits_total");
    const auto size = std::filesystem::file_size(scene_.file() + "-wal");
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(run(store_->ping(in(20s))).has_value());
    EXPECT_EQ(metric("lethe_store_commits_total"), commits);
    EXPECT_EQ(std::filesystem::file_size(scene_.file() + "-wal"), size);
}

TEST_F(SqliteFaults, TheQueueCountsOperationsNotCalls) {
    open_options small;
    small.queue_operations_max = 4;
    open({}, small);
    std::vector<operation> five;
    for (int i = 0; i < 5; ++i) five.push_back(put{std::to_string(i), "v", 1h, anything{}, ""});
    const auto refused = run(store_->batch(five, in(20s)));
    ASSERT_TRUE(refused.has_error());
    EXPECT_EQ(refused.error(), condition::overloaded);
    five.pop_back();
    EXPECT_TRUE(run(store_->batch(five, in(20s))).has_value());
    std::vector<operation> gets(5, get{"0"});
    EXPECT_EQ(run(store_->batch(gets, in(20s))).error(), condition::overloaded);
}

TEST_F(SqliteFaults, WhoHoldsTheTurnAndStandsStillDoesNotStopTheOthers) {
    open();
    const int file = ::open((scene_.file() + "-turn").c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_GE(file, 0);
    ASSERT_EQ(::flock(file, LOCK_EX), 0);
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(write("k" + std::to_string(i), "v").has_value());
    ::close(file);
    EXPECT_TRUE(write("k", "v").has_value());
}

boost::asio::awaitable<void> read_on(store& from, const std::atomic<bool>& until,
                                     std::atomic<int>& reads, steady_time deadline) {
    while (!until.load()) {
        const auto got = co_await from.read("0", deadline);
        if (got.has_error()) co_return;
        ++reads;
    }
}

// Values of one page each, so that the log grows by about as many pages.
void write_pages(store& to, int count, steady_time deadline) {
    for (int i = 0; i < count; ++i) {
        const auto done = run(to.run(
            put{std::to_string(i % 8), std::string(3500, 'x'), 1h, anything{}, ""}, deadline));
        ASSERT_TRUE(done.has_value());
    }
}

TEST_F(SqliteFaults, TheLogStaysBoundedWhileReadersRead) {
    open({.path = {}, .log_pages_soft = 64, .log_pages_hard = 256});
    std::atomic<bool> stop = false;
    std::atomic<int> reads = 0;
    std::thread reading([&] {
        const auto mine = engine_->make_store(scene_.clock());
        std::vector<boost::asio::awaitable<void>> all;
        for (int i = 0; i < 8; ++i) all.push_back(read_on(*mine, stop, reads, in(120s)));
        test::run_loop(std::move(all));
    });
    write_pages(*store_, 2000, in(120s));
    const auto bytes = std::filesystem::file_size(scene_.file() + "-wal");
    stop = true;
    reading.join();
    EXPECT_GT(reads.load(), 0);
    EXPECT_LT(bytes, 2 * 256 * 4120U) << "of some 10,000 pages that were written";
}

TEST_F(SqliteFaults, ALongReaderOfAnotherProgramDelaysNobodyAndTheLogBeginsAnewAfterIt) {
    open({.path = {}, .log_pages_soft = 16, .log_pages_hard = 64});
    ASSERT_TRUE(write("0", "v").has_value());
    intruder backup(scene_.file());
    backup.run("BEGIN; SELECT count(*) FROM record");
    write_pages(*store_, 100, in(60s));
    EXPECT_GT(metric("lethe_store_log_bytes"), 64 * 4096) << "its snapshot is kept";
    backup.run("COMMIT");
    // Once the pause after a wait in vain is over.
    const auto until = std::chrono::steady_clock::now() + 30s;
    while (metric("lethe_store_log_bytes") > 64 * 4096 && std::chrono::steady_clock::now() < until)
        write_pages(*store_, 1, in(60s));
    EXPECT_LE(metric("lethe_store_log_bytes"), 64 * 4096);
}

TEST_F(SqliteFaults, ADamagedFileIsCorruptAndNoRecordOfItIsTakenForMissing) {
    constexpr int count = 400;
    open();
    for (int i = 0; i < count; ++i)
        ASSERT_TRUE(write("k" + std::to_string(i), std::string(500, 'v')).has_value());
    engine_.reset();
    {
        // Every third page but the first, which says whose file it is and where its tables are.
        std::fstream file(scene_.file(), std::ios::in | std::ios::out | std::ios::binary);
        const auto pages = std::filesystem::file_size(scene_.file()) / 4096;
        ASSERT_GT(pages, 30U);
        for (std::uintmax_t page = 10; page < pages; page += 3) {
            file.seekp(static_cast<std::streamoff>(page * 4096));
            file << std::string(4096, '\xa5');
        }
    }
    open();
    int corrupt = 0;
    for (int i = 0; i < count; ++i) {
        const auto got = run(store_->read("k" + std::to_string(i), in(20s)));
        if (got.has_error()) {
            EXPECT_EQ(got.error(), condition::corrupt) << describe(got.error());
            ++corrupt;
        } else {
            ASSERT_TRUE(got->has_value()) << i << " is missing";
            EXPECT_EQ((*got)->value, std::string(500, 'v'));
        }
    }
    EXPECT_GT(corrupt, 0);
    EXPECT_LT(corrupt, count);
}

}  // namespace
}  // namespace lethe::store::sqlite
