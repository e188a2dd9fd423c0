// What tools ask of the engines that are part of lethe: scanning, purging, examining, migrating.
#include "store/sqlite/examine.hpp"
#include "store/sqlite/schema.hpp"
#include "store/sqlite/store.hpp"
#include "store/test_stores.hpp"
#include "support/run.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <linux/magic.h>

#include <set>

namespace lethe::store {
namespace {

using namespace std::chrono_literals;
using test::run;

class Tools : public ::testing::TestWithParam<const char*> {
 protected:
    Tools() : engine_(scene_.open(GetParam())), store_(engine_->make_store(scene_.clock())) {}

    [[nodiscard]] steady_time soon() { return scene_.clock().steady_now() + 10s; }
    void write(const std::string& key, std::chrono::milliseconds ttl = 1h) {
        const auto done = run(store_->run(put{key, "v", ttl, anything{}, "alice"}, soon()));
        EXPECT_TRUE(done.has_value());
    }

    test_scene scene_;
    std::unique_ptr<engine> engine_;
    std::unique_ptr<store> store_;
};

INSTANTIATE_TEST_SUITE_P(Embedded, Tools, ::testing::Values("memory:", "sqlite:"),
                         [](const auto& info) { return std::string(info.param).substr(0, 6); });

TEST_P(Tools, AScanSeesEachLiveKeyOnceInPages) {
    ASSERT_TRUE(store_->promises().scans);
    std::set<std::string> expected;
    for (int i = 0; i < 25; ++i) {
        std::string key("\0\xff:", 3);
        key += std::to_string(i);
        write(key);
        expected.insert(key);
    }
    write("short", 1ms);
    scene_.advance(1ms);
    for (const std::size_t size : {1U, 7U, 25U, 26U, 5000U}) {
        std::set<std::string> found;
        std::string cursor;
        bool more = true;
        while (more) {
            const result<scan_page> page = run(store_->scan(cursor, size, soon()));
            ASSERT_TRUE(page.has_value());
            EXPECT_LE(page->keys.size(), size);
            for (const std::string& key : page->keys) EXPECT_TRUE(found.insert(key).second);
            cursor = page->cursor;
            more = page->more;
        }
        EXPECT_EQ(found, expected) << size << " a page";
    }
    const result<scan_page> none = run(store_->scan("", 0, soon()));
    ASSERT_TRUE(none.has_error());
    EXPECT_EQ(none.error(), condition::malformed);
}

TEST_P(Tools, PurgingRemovesWhatIsExpiredAndNothingElse) {
    write("kept");
    for (int i = 0; i < 5; ++i) write(std::to_string(i), 1s);
    const result<std::size_t> early = run(store_->purge_expired(100, soon()));
    ASSERT_TRUE(early.has_value());
    EXPECT_EQ(*early, 0U);
    scene_.advance(1s);
    const result<std::size_t> some = run(store_->purge_expired(3, soon()));
    ASSERT_TRUE(some.has_value());
    EXPECT_EQ(*some, 3U);
    const result<std::size_t> rest = run(store_->purge_expired(100, soon()));
    ASSERT_TRUE(rest.has_value());
    EXPECT_EQ(*rest, 2U);
    const result<std::size_t> nothing = run(store_->purge_expired(100, soon()));
    ASSERT_TRUE(nothing.has_value());
    EXPECT_EQ(*nothing, 0U);
    const auto kept = run(store_->read("kept", soon()));
    EXPECT_TRUE(kept.has_value() && kept->has_value());
    const result<std::size_t> senseless = run(store_->purge_expired(0, soon()));
    ASSERT_TRUE(senseless.has_error());
    EXPECT_EQ(senseless.error(), condition::malformed);
}

TEST_P(Tools, AClosedEngineHasNoToolsEither) {
    engine_->close();
    EXPECT_EQ(run(store_->scan("", 10, soon())).error(), condition::unavailable);
    EXPECT_EQ(run(store_->purge_expired(10, soon())).error(), condition::unavailable);
    EXPECT_EQ(run(store_->examine(soon())).error(), condition::unavailable);
    EXPECT_EQ(run(store_->migrate(soon())).error(), condition::unavailable);
}

TEST(MemoryTools, AnExaminationSaysThatEverythingIsLost) {
    test_scene scene;
    const auto opened = scene.open("memory:");
    const auto to = opened->make_store(scene.clock());
    const result<examination> seen = run(to->examine(scene.clock().steady_now() + 10s));
    ASSERT_TRUE(seen.has_value());
    EXPECT_FALSE(seen->promises.durable);
    ASSERT_EQ(seen->findings.size(), 1U);
    EXPECT_EQ(seen->findings[0].how_bad, finding::weight::fault);
}

}  // namespace

namespace sqlite {
namespace {

const finding* find(const examination& in, std::string_view text) {
    for (const finding& one : in.findings)
        if (one.what.find(text) != std::string::npos) return &one;
    return nullptr;
}

TEST(SqliteTools, AnExaminationTellsTheLibraryTheSettingsAndTheSize) {
    test_scene scene;
    const auto opened = scene.open("sqlite:");
    const auto to = opened->make_store(scene.clock());
    const result<examination> seen = run(to->examine(scene.clock().steady_now() + 10s));
    ASSERT_TRUE(seen.has_value());
    EXPECT_EQ(seen->server, std::string("SQLite ") + sqlite3_libversion());
    EXPECT_TRUE(seen->promises.shared);
    EXPECT_FALSE(seen->survives_failover);
    EXPECT_NE(find(*seen, "journal_mode wal, synchronous full, the file has 0.0 MiB"), nullptr);

    const auto weak = scene.open("sqlite:" + scene.file() + "?synchronous=normal");
    const auto weaker = weak->make_store(scene.clock());
    const result<examination> warned = run(weaker->examine(scene.clock().steady_now() + 10s));
    ASSERT_TRUE(warned.has_value());
    EXPECT_FALSE(warned->promises.durable);
    const finding* power = find(*warned, "a power cut");
    ASSERT_NE(power, nullptr);
    EXPECT_EQ(power->how_bad, finding::weight::warning);
}

TEST(SqliteTools, AFileOnANetworkOrInMemoryIsAFaultAndPromisesLess) {
    const file_facts local{.version = "3", .journal_mode = "wal", .file_system = EXT4_SUPER_MAGIC};
    const engine_promises full = promises_of(synchronous::full);
    const examination good = judge(local, full);
    EXPECT_TRUE(good.promises.durable);
    for (const finding& one : good.findings) EXPECT_EQ(one.how_bad, finding::weight::note);
    for (const std::uint64_t type : {0x6969UL, 0xff534d42UL, 0xfe534d42UL, 0x01021997UL}) {
        file_facts remote = local;
        remote.file_system = type;
        const examination bad = judge(remote, full);
        const finding* told = find(bad, "network file system");
        ASSERT_NE(told, nullptr) << type;
        EXPECT_EQ(told->how_bad, finding::weight::fault);
        EXPECT_FALSE(bad.promises.durable || bad.promises.shared);
    }
    file_facts memory = local;
    memory.file_system = TMPFS_MAGIC;
    EXPECT_FALSE(judge(memory, full).promises.durable);
    EXPECT_NE(find(judge(memory, full), "restart of the machine"), nullptr);
    file_facts changed = local;
    changed.journal_mode = "delete";
    const finding* journal = find(judge(changed, full), "journal_mode is delete");
    EXPECT_NE(journal, nullptr);
}

TEST(SqliteTools, ADiskThatIsNearlyFullIsAWarning) {
    constexpr std::uint64_t gibibyte = std::uint64_t{1} << 30;
    file_facts facts{.journal_mode = "wal", .disk_bytes = 100 * gibibyte};
    const engine_promises full = promises_of(synchronous::full);
    facts.disk_free_bytes = 6 * gibibyte;
    EXPECT_EQ(find(judge(facts, full), "nearly full"), nullptr);
    facts.disk_free_bytes = 4 * gibibyte;
    EXPECT_NE(find(judge(facts, full), "nearly full: 4096.0 MiB of 102400.0 MiB"), nullptr);
    facts.disk_bytes = gibibyte;
    facts.disk_free_bytes = gibibyte / 8;
    EXPECT_NE(find(judge(facts, full), "nearly full"), nullptr);
}

TEST(SqliteTools, AFileThatIsMostlyFreeIsNoted) {
    file_facts facts{.journal_mode = "wal", .file_bytes = 200 << 20, .free_bytes = 150 << 20};
    const examination seen = judge(facts, promises_of(synchronous::full));
    EXPECT_NE(find(seen, "more than half of the file is free"), nullptr);
}

TEST(SqliteTools, AMigrationTellsWhatTheOpeningFound) {
    test_scene scene;
    const auto opened = scene.open("sqlite:");
    const auto to = opened->make_store(scene.clock());
    const steady_time soon = scene.clock().steady_now() + 10s;
    const result<migration> first = run(to->migrate(soon));
    ASSERT_TRUE(first.has_value());
    EXPECT_EQ(first->from, 0U);
    EXPECT_EQ(first->to, schema_version);
    const result<migration> again = run(to->migrate(soon));
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->from, schema_version);
}

}  // namespace
}  // namespace sqlite
}  // namespace lethe::store
