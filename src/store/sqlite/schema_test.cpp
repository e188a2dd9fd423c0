// Files of older schemas become files of the present one, whole or not at all.
#include "store/sqlite/schema.hpp"

#include "store/sqlite/store.hpp"
#include "store/test_stores.hpp"
#include "support/run.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

namespace lethe::store::sqlite {
namespace {

using namespace std::chrono_literals;
using test::run;

// As lethe made them with schema 1.
constexpr const char* tables_of_schema_1 =
    "PRAGMA journal_mode=WAL;"
    "CREATE TABLE record("
    " key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL, version INTEGER NOT NULL,"
    " expires INTEGER NOT NULL, subject BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX record_subject ON record(subject, key) WHERE subject <> x'';"
    "CREATE INDEX record_expires ON record(expires);"
    "CREATE TABLE state(one INTEGER PRIMARY KEY CHECK (one = 1), last_version INTEGER NOT NULL);"
    "INSERT INTO state VALUES (1, 9000000000000000);"
    "PRAGMA application_id=0x4c455448; PRAGMA user_version=1;";

class file {
 public:
    explicit file(const std::string& path) {
        EXPECT_EQ(sqlite3_open(path.c_str(), &database_), SQLITE_OK);
    }
    ~file() { sqlite3_close(database_); }
    file(const file&) = delete;
    file& operator=(const file&) = delete;

    void run(const std::string& sql) {
        EXPECT_EQ(sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
            << sqlite3_errmsg(database_);
    }
    std::string ask(const std::string& sql) {
        sqlite3_stmt* one = nullptr;
        EXPECT_EQ(sqlite3_prepare_v2(database_, sql.c_str(), -1, &one, nullptr), SQLITE_OK)
            << sqlite3_errmsg(database_);
        std::string out;
        if (sqlite3_step(one) == SQLITE_ROW)
            out = reinterpret_cast<const char*>(sqlite3_column_text(one, 0));
        sqlite3_finalize(one);
        return out;
    }

 private:
    sqlite3* database_ = nullptr;
};

// Records 1 to `count`, of 100 to some 20,000 bytes; one of ten belongs to alice.
void fill_schema_1(const std::string& path, int count) {
    file old(path);
    old.run(tables_of_schema_1);
    old.run("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " +
            std::to_string(count) +
            ") INSERT INTO record SELECT CAST('k' || i AS BLOB), zeroblob(100 + i * 37 % 20000),"
            " 1000 + i, 1700000000000 + i * 60000,"
            " CASE i % 10 WHEN 0 THEN CAST('alice' AS BLOB) ELSE x'' END FROM n");
}

TEST(SqliteSchema, AFileOfSchema1IsMigratedWithAllItsRecords) {
    test_scene scene;
    constexpr int count = 500;
    fill_schema_1(scene.file(), count);
    const auto opened = scene.open("sqlite:");
    ASSERT_NE(opened, nullptr);
    const auto to = opened->make_store(scene.clock());
    const steady_time soon = scene.clock().steady_now() + 10s;
    const result<migration> told = run(to->migrate(soon));
    ASSERT_TRUE(told.has_value());
    EXPECT_EQ(told->from, 1U);
    EXPECT_EQ(told->to, schema_version);
    for (int i = 1; i <= count; ++i) {
        const auto got = run(to->read("k" + std::to_string(i), soon));
        ASSERT_TRUE(got.has_value() && got->has_value()) << i;
        EXPECT_EQ((*got)->value, std::string(static_cast<std::size_t>(100 + i * 37 % 20000), '\0'));
        EXPECT_EQ((*got)->version.number, static_cast<std::uint64_t>(1000 + i));
        EXPECT_EQ((*got)->expires, scene.now() + i * 1min);
        EXPECT_EQ((*got)->subject, i % 10 == 0 ? "alice" : "");
    }
    const auto alices = run(to->list_subject("alice", "", "", 1000, soon));
    ASSERT_TRUE(alices.has_value());
    EXPECT_EQ(alices->keys.size(), count / 10);
    const result<answer> next = run(to->run(put{"k1", "v", 1h, record_version{1001}, ""}, soon));
    ASSERT_TRUE(next.has_value() && next->done);
    EXPECT_GT(next->version.number, 9'000'000'000'000'000U) << "no version is given twice";
    opened->close();
    file after(scene.file());
    EXPECT_EQ(after.ask("PRAGMA integrity_check"), "ok");
    EXPECT_EQ(after.ask("PRAGMA user_version"), std::to_string(schema_version));
    EXPECT_EQ(after.ask("SELECT count(*) FROM sqlite_schema WHERE name = 'record_1'"), "0");
}

pid_t open_in_child(test_scene& scene) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    std::string why;
    const auto opened = lethe::store::open("sqlite:" + scene.file(), {}, why);
    std::_Exit(opened.has_value() ? 0 : 1);
}

TEST(SqliteSchema, SeveralProcessesMigrateOneFileOnce) {
    test_scene scene;
    fill_schema_1(scene.file(), 2000);
    std::vector<pid_t> children;
    for (int i = 0; i < 4; ++i) children.push_back(open_in_child(scene));
    for (const pid_t child : children) {
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_EQ(status, 0);
    }
    file after(scene.file());
    EXPECT_EQ(after.ask("SELECT count(*) FROM record"), "2000");
    EXPECT_EQ(after.ask("PRAGMA integrity_check"), "ok");
}

TEST(SqliteSchema, AKillDuringTheMigrationLeavesTheOldTablesOrTheNew) {
    test_scene scene;
    fill_schema_1(scene.file(), 2000);
    bool migrated = false;
    for (int round = 0; round < 20 && !migrated; ++round) {
        const pid_t child = open_in_child(scene);
        std::this_thread::sleep_for(std::chrono::milliseconds(3 * (round + 1)));
        ::kill(child, SIGKILL);
        ASSERT_EQ(::waitpid(child, nullptr, 0), child);
        file after(scene.file());
        EXPECT_EQ(after.ask("SELECT count(*) FROM record"), "2000");
        migrated = after.ask("PRAGMA user_version") != "1";
        EXPECT_EQ(after.ask("SELECT count(*) FROM pragma_table_info('record') WHERE name = 'id'"),
                  migrated ? "1" : "0");
        EXPECT_EQ(after.ask("PRAGMA integrity_check"), "ok");
    }
    const auto opened = scene.open("sqlite:");
    EXPECT_NE(opened, nullptr);
}

}  // namespace
}  // namespace lethe::store::sqlite
