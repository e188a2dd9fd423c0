// What SQLite's engine promises beyond the contract: files that are not ours, several processes,
// kills, full disks, groups of commits.
#include "store/sqlite/database.hpp"
#include "store/sqlite/store.hpp"
#include "store/test_stores.hpp"
#include "support/run.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <thread>

namespace lethe::store::sqlite {
namespace {

using namespace std::chrono_literals;
using test::run;

std::string why_not(const std::string& url) {
    std::string why;
    const auto opened = open(url, {}, why);
    EXPECT_TRUE(opened.has_error());
    return why;
}

bool contains(const std::string& text, std::string_view what) {
    return text.find(what) != std::string::npos;
}

std::string content(const std::string& file) {
    std::stringstream out;
    out << std::ifstream(file, std::ios::binary).rdbuf();
    return out.str();
}

TEST(Sqlite, FilesThatAreNotOursAreLeftAloneAndSaidPlainly) {
    const test_scene scene;
    const std::string diary(5000, 'd');
    std::ofstream(scene.file()) << diary;
    EXPECT_TRUE(contains(why_not("sqlite:" + scene.file()), "is not a database"));
    EXPECT_EQ(content(scene.file()), diary);

    const std::string other = scene.folder() / "other.db";
    sqlite3* made = nullptr;
    ASSERT_EQ(sqlite3_open(other.c_str(), &made), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(made, "CREATE TABLE theirs(x); INSERT INTO theirs VALUES (42)", nullptr,
                           nullptr, nullptr),
              SQLITE_OK);
    sqlite3_close(made);
    const std::string theirs = content(other);
    EXPECT_TRUE(contains(why_not("sqlite:" + other), "another program"));
    EXPECT_EQ(content(other), theirs) << "not even its journal mode";

    EXPECT_TRUE(contains(why_not("sqlite:" + scene.folder().string()), "is a folder"));
    EXPECT_TRUE(contains(why_not("sqlite:" + (scene.folder() / "no/such/store.db").string()),
                         "does not exist"));
    EXPECT_TRUE(contains(why_not("sqlite:/proc/lethe.db"), "cannot be opened for writing"));
    EXPECT_TRUE(contains(why_not("sqlite:"), "needs a file"));
    EXPECT_TRUE(contains(why_not("sqlite:a?synchronous=off"), "synchronous=normal"));
    EXPECT_TRUE(contains(why_not("redsi://u:secret@h"), "not a store's URL"));
    EXPECT_FALSE(contains(why_not("redsi://u:secret@h"), "secret"));
    EXPECT_FALSE(contains(why_not("redis://u:secret@h:port"), "secret"));
}

TEST(Sqlite, AFileOfANewerLetheIsRefused) {
    test_scene scene;
    scene.open("sqlite:").reset();
    sqlite3* made = nullptr;
    ASSERT_EQ(sqlite3_open(scene.file().c_str(), &made), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(made, "PRAGMA user_version=9", nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(made);
    EXPECT_TRUE(contains(why_not("sqlite:" + scene.file()), "newer lethe"));
}

TEST(Sqlite, ARestoredBackupNeverGivesAVersionAgain) {
    test_scene scene;
    const auto put_one = [&](engine& in) {
        const auto to = in.make_store(scene.clock());
        const result<answer> done =
            run(to->run(put{"k", "v", 1h, anything{}, ""}, scene.clock().steady_now() + 10s));
        return done.has_value() ? done->version.number : 0;
    };
    scene.open("sqlite:").reset();
    const std::string backup = content(scene.file());
    const std::uint64_t before = put_one(*scene.open("sqlite:"));
    std::ofstream(scene.file(), std::ios::binary) << backup;
    std::this_thread::sleep_for(1100ms);  // versions start at the second of the opening
    EXPECT_GT(put_one(*scene.open("sqlite:")), before);
}

TEST(Sqlite, TheFileIsItsOwnersAlone) {
    test_scene scene;
    const auto kept = scene.open("sqlite:");
    struct stat about{};
    ASSERT_EQ(::stat(scene.file().c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0077, 0U);
}

TEST(Sqlite, AFullDiskRefusesWritesChangesNothingAndHeals) {
    test_scene scene;
    auto small = std::make_shared<database>(database_options{.path = scene.file(), .pages_max = 40},
                                            open_options{});
    std::string why;
    ASSERT_TRUE(small->start(why).has_value()) << why;
    sqlite_engine engine(small, synchronous::full, "default");
    const auto to = engine.make_store(scene.clock());
    const steady_time soon = scene.clock().steady_now() + 10s;
    ASSERT_TRUE(run(to->run(put{"kept", "v", 1h, anything{}, ""}, soon)).has_value());
    const result<answer> refused =
        run(to->run(put{"big", std::string(1 << 20, 'x'), 1h, anything{}, ""}, soon));
    ASSERT_TRUE(refused.has_error());
    EXPECT_EQ(refused.error(), condition::unavailable);
    EXPECT_FALSE((*run(to->read("big", soon))).has_value());
    EXPECT_EQ((*run(to->read("kept", soon)))->value, "v");
    EXPECT_TRUE(run(to->run(put{"small", "v", 1h, anything{}, ""}, soon)).has_value());
}

boost::asio::awaitable<void> put_many(store& to, const std::string prefix, int times,
                                      steady_time deadline, int& failed) {
    for (int i = 0; i < times; ++i) {
        const result<answer> done =
            co_await to.run(put{prefix + std::to_string(i), "v", 1h, anything{}, ""}, deadline);
        failed += done.has_error();
    }
}

TEST(Sqlite, ConcurrentWritersShareCommits) {
    test_scene scene;
    const auto engine = scene.open("sqlite:");
    const auto to = engine->make_store(scene.clock());
    int failed = 0;
    std::vector<boost::asio::awaitable<void>> all;
    for (int i = 0; i < 64; ++i)
        all.push_back(
            put_many(*to, std::to_string(i) + ".", 20, scene.clock().steady_now() + 60s, failed));
    test::run_loop(std::move(all));
    EXPECT_EQ(failed, 0);
    const std::string text = metrics::to_prometheus(engine->metrics());
    const auto number = [&](const std::string& name) {
        const auto at = text.find("\n" + name + "{");
        return std::stod(text.substr(text.find("} ", at) + 2));
    };
    EXPECT_EQ(number("lethe_store_committed_calls_total"), 1280);
    EXPECT_LT(number("lethe_store_commits_total"), 1280 / 8)
        << "groups are formed while a commit is under way";
}

TEST(Sqlite, AReaderDoesNotWaitForAWriterOfAnotherProcess) {
    test_scene scene;
    const auto engine = scene.open("sqlite:");
    const auto to = engine->make_store(scene.clock());
    const steady_time soon = scene.clock().steady_now() + 10s;
    ASSERT_TRUE(run(to->run(put{"k", "v", 1h, anything{}, ""}, soon)).has_value());
    sqlite3* other = nullptr;
    ASSERT_EQ(sqlite3_open(scene.file().c_str(), &other), SQLITE_OK);
    sqlite3_busy_timeout(other, 30'000);
    ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
    EXPECT_EQ((*run(to->read("k", soon)))->value, "v");
    // Never begun while the lock is held: given up means not done.
    const result<answer> waited =
        run(to->run(put{"k", "late", 1h, anything{}, ""}, scene.clock().steady_now() + 100ms));
    ASSERT_TRUE(waited.has_error());
    EXPECT_EQ(waited.error(), condition::timeout);
    ASSERT_EQ(sqlite3_exec(other, "COMMIT", nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(other);
    const result<answer> after = run(to->run(put{"after", "v", 1h, anything{}, ""}, soon));
    EXPECT_TRUE(after.has_value()) << describe(after.error());
    EXPECT_EQ((*run(to->read("k", soon)))->value, "v");
}

TEST(Sqlite, AFullQueueRefusesAtOnce) {
    test_scene scene;
    std::string why;
    const auto engine = open("sqlite:" + scene.file(),
                             {.name = "default", .now = {}, .queue_operations_max = 4}, why);
    ASSERT_TRUE(engine.has_value()) << why;
    const auto to = (*engine)->make_store(scene.clock());
    sqlite3* other = nullptr;
    ASSERT_EQ(sqlite3_open(scene.file().c_str(), &other), SQLITE_OK);
    sqlite3_busy_timeout(other, 30'000);  // the engine may still be at what it does when it opens
    ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
    int failed = 0;
    std::vector<boost::asio::awaitable<void>> all;
    for (int i = 0; i < 32; ++i)
        all.push_back(
            put_many(*to, std::to_string(i), 1, scene.clock().steady_now() + 300ms, failed));
    test::run_loop(std::move(all));
    EXPECT_EQ(failed, 32);
    const std::string text = metrics::to_prometheus((*engine)->metrics());
    EXPECT_TRUE(contains(text, "outcome=\"overloaded\"} 2")) << "more than twenty were refused";
    sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr);
    sqlite3_close(other);
}

}  // namespace
}  // namespace lethe::store::sqlite
