// The log in one piece: what is collected is written before it counts, and never afterwards.
#include "store/sqlite/log_buffer.hpp"

#include "store/sqlite/connection.hpp"
#include "store/sqlite/test_log_faults.hpp"
#include "store/test_stores.hpp"

#include <gtest/gtest.h>

namespace lethe::store::sqlite {
namespace {

class SqliteLogBuffer : public ::testing::Test {
 protected:
    void SetUp() override {
        open(collects_, true);
        ASSERT_EQ(collects_.ask_text("PRAGMA journal_mode=WAL"), "wal");
        ASSERT_EQ(collects_.run("CREATE TABLE t(id INTEGER PRIMARY KEY, v BLOB NOT NULL)"),
                  SQLITE_OK);
        open(other_, false);
    }
    void open(connection& one, bool collects, synchronous mode = synchronous::full) {
        std::string message;
        // Hardly a cache: pages leave it before their commit.
        ASSERT_EQ(one.open({.path = scene_.file(),
                            .mode = mode,
                            .cache_kibibytes = 16,
                            .collects_log = collects,
                            .file_layer = log_faults::name},
                           message),
                  SQLITE_OK)
            << message;
    }
    // Rows of 3,000 random bytes, a page each.
    static int add(connection& to, int rows) {
        const std::string sql =
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " +
            std::to_string(rows) + ") INSERT INTO t(v) SELECT randomblob(3000) FROM n";
        return to.run(sql.c_str());
    }
    static std::int64_t count(connection& in) {
        return in.ask("SELECT count(*) FROM t WHERE length(v) = 3000");
    }
    static std::string check(connection& in) { return in.ask_text("PRAGMA integrity_check"); }
    [[nodiscard]] std::uintmax_t log_bytes() const {
        return std::filesystem::file_size(scene_.file() + "-wal");
    }
    // What a recovery after a crash at this moment would find.
    std::int64_t count_after_crash() {
        const test_scene other;
        std::filesystem::copy_file(scene_.file(), other.file());
        std::filesystem::copy_file(scene_.file() + "-wal", other.file() + "-wal");
        connection copy;
        std::string message;
        EXPECT_EQ(copy.open({.path = other.file()}, message), SQLITE_OK) << message;
        EXPECT_EQ(check(copy), "ok");
        return count(copy);
    }

    test_scene scene_;
    log_faults faults_;
    connection collects_;
    connection other_;
};

TEST_F(SqliteLogBuffer, ACommitOfAnySizeIsWholeOnceItIsAnswered) {
    std::int64_t rows = 0;
    for (const int more : {1, 3, 28, 29, 30, 31, 32, 60, 200}) {
        ASSERT_EQ(collects_.begin_write(), SQLITE_OK);
        ASSERT_EQ(add(collects_, more), SQLITE_OK);
        ASSERT_EQ(collects_.commit(), SQLITE_OK);
        rows += more;
        EXPECT_EQ(count(other_), rows);
        EXPECT_EQ(count_after_crash(), rows);
    }
    EXPECT_EQ(check(other_), "ok");
}

TEST_F(SqliteLogBuffer, ATransactionReadsWhatLeftItsCacheAndNobodyElseDoes) {
    ASSERT_EQ(collects_.begin_write(), SQLITE_OK);
    ASSERT_EQ(add(collects_, 100), SQLITE_OK);
    EXPECT_EQ(count(collects_), 100);
    EXPECT_EQ(count(other_), 0);
    // Frames that are written a second time.
    ASSERT_EQ(collects_.run("UPDATE t SET v = zeroblob(3000) WHERE id % 3 = 0"), SQLITE_OK);
    ASSERT_EQ(collects_.run("SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; RELEASE s"), SQLITE_OK);
    EXPECT_EQ(collects_.ask("SELECT count(*) FROM t WHERE v = zeroblob(3000)"), 33);
    ASSERT_EQ(collects_.commit(), SQLITE_OK);
    EXPECT_EQ(count(other_), 100);
    EXPECT_EQ(other_.ask("SELECT count(*) FROM t WHERE v = zeroblob(3000)"), 33);
    EXPECT_EQ(count_after_crash(), 100);
}

TEST_F(SqliteLogBuffer, WhatWasTakenBackIsNeverWrittenOverAnothersCommit) {
    const std::uintmax_t before = log_bytes();
    ASSERT_EQ(collects_.begin_write(), SQLITE_OK);
    ASSERT_EQ(add(collects_, 100), SQLITE_OK);
    const std::uintmax_t written = log_bytes() - before;
    EXPECT_GT(written, 0U) << "some frames left the cache";
    collects_.rollback();
    EXPECT_EQ(log_bytes() - before, written) << "what was still collected is forgotten";
    // Of the same places in the log.
    for (int i = 0; i < 40; ++i) {
        ASSERT_EQ(other_.begin_write(), SQLITE_OK);
        ASSERT_EQ(add(other_, 5), SQLITE_OK);
        ASSERT_EQ(other_.commit(), SQLITE_OK);
    }
    ASSERT_EQ(collects_.begin_write(), SQLITE_OK);
    ASSERT_EQ(add(collects_, 1), SQLITE_OK);
    ASSERT_EQ(collects_.commit(), SQLITE_OK);
    connection third;
    open(third, false);
    EXPECT_EQ(count(third), 201);
    EXPECT_EQ(check(third), "ok");
    EXPECT_EQ(count_after_crash(), 201);
}

TEST_F(SqliteLogBuffer, AFullDiskFailsTheCommitWhereverItCutsIt) {
    ASSERT_EQ(add(collects_, 1), SQLITE_OK);
    constexpr std::uintmax_t frame = 4096 + 24;
    const std::uintmax_t from = log_bytes();
    // Within a frame's header, within a page, between two, in what does not fit into one write.
    for (const std::uintmax_t room :
         {std::uintmax_t{10}, frame / 2, frame, 7 * frame + 23, 29 * frame, 31 * frame + 100}) {
        faults_.log_bytes_max = static_cast<std::int64_t>(from + room);
        ASSERT_EQ(collects_.begin_write(), SQLITE_OK);
        const int added = add(collects_, 50);
        const int committed = added == SQLITE_OK ? collects_.commit() : added;
        EXPECT_EQ(committed & 0xff, SQLITE_FULL) << room;
        collects_.rollback();
        EXPECT_EQ(count(collects_), 1) << room;
        EXPECT_EQ(count(other_), 1) << room;
        EXPECT_EQ(count_after_crash(), 1) << room;
    }
    faults_.log_bytes_max = 0;
    ASSERT_EQ(add(collects_, 50), SQLITE_OK);
    EXPECT_EQ(count(other_), 51);
    EXPECT_EQ(count_after_crash(), 51);
}

TEST_F(SqliteLogBuffer, WithoutASyncAtCommitsNothingIsCollected) {
    connection normal;
    open(normal, true, synchronous::normal);
    ASSERT_EQ(add(normal, 2), SQLITE_OK);
    EXPECT_EQ(count(other_), 2);
    EXPECT_EQ(count_after_crash(), 2) << "the process may die, the machine may not";
}

}  // namespace
}  // namespace lethe::store::sqlite
