// The contract over a real Memcached server, and what is special to it: records above an item's
// size, its own expiry, the index of a subject. conformance_test.cpp asks the rest,
// memcached_faults_test.cpp what goes wrong.
#include "store/memcached/test_side.hpp"

#include <atomic>
#include <set>
#include <thread>

namespace lethe::store::memcached {
namespace {

TEST(Memcached, ExpectationsHoldAndThePresentRecordIsTold) {
    const memcached_server server;
    lethe_side side(server.url());
    EXPECT_FALSE(side.write("k", "x", record_version{1}).done);
    const answer first = side.write("k", "one", absent{});
    ASSERT_TRUE(first.done);
    const answer again = side.write("k", "two", absent{});
    EXPECT_FALSE(again.done);
    ASSERT_TRUE(again.present.has_value());
    EXPECT_EQ(again.present->value, "one");
    EXPECT_EQ(again.present->version, first.version);
    const answer second = side.write("k", "two", first.version);
    ASSERT_TRUE(second.done);
    EXPECT_NE(second.version, first.version);
    EXPECT_FALSE(side.write("k", "three", first.version).done);
    EXPECT_FALSE(side.must(erase{"k", first.version}).done);
    EXPECT_TRUE(side.must(erase{"k", second.version}).done);
    EXPECT_FALSE(side.must(erase{"k", second.version}).done);
    EXPECT_FALSE(side.read("k").has_value());
    EXPECT_TRUE(side.must(erase{"k", anything{}}).done);
}

TEST(Memcached, KeysAreAnyBytesUpToTheirLimit) {
    const memcached_server server;
    lethe_side side(server.url());
    std::vector<std::string> keys = {std::string("\0\xff\x80 'x'\n", 8),
                                     std::string("\0\xff\x80 'x'", 7),
                                     "schlüssel-☃",
                                     "a b",
                                     "s:plain",
                                     std::string(key_bytes_max, 'k'),
                                     std::string(key_bytes_max, '\xff'),
                                     std::string(200, '\n'),
                                     std::string(201, '\n')};
    for (const std::string& key : keys) EXPECT_TRUE(side.write(key, "of " + key, absent{}).done);
    for (const std::string& key : keys) EXPECT_EQ(side.read(key)->value, "of " + key);
    EXPECT_EQ(statistic_of(server, "curr_items"), keys.size());
}

TEST(Memcached, ExpiryIsExactAndTouchMovesItWithoutReviving) {
    const memcached_server server;
    lethe_side side(server.url());
    const answer made = side.write("k", "v", anything{}, 1s, "alice");
    EXPECT_EQ(side.read("k")->expires, side.now() + 1s);
    side.advance(500ms);
    EXPECT_TRUE(side.must(touch{"k", 1s}).done);
    side.advance(999ms);
    EXPECT_EQ(side.read("k")->version, made.version);
    EXPECT_EQ(side.keys_of("alice"), std::vector<std::string>{"k"});
    side.advance(1ms);
    EXPECT_FALSE(side.read("k").has_value());
    EXPECT_TRUE(side.keys_of("alice").empty());
    EXPECT_FALSE(side.must(touch{"k", 1h}).done);
    EXPECT_FALSE(side.write("k", "x", made.version).done);
    EXPECT_FALSE(side.must(erase{"k", made.version}).done);
    EXPECT_TRUE(side.write("k", "new", absent{}).done) << "the expired item is still there";
    EXPECT_EQ(side.read("k")->value, "new");
}

TEST(Memcached, TheServerDropsWhatHasExpiredByItself) {
    const memcached_server server;
    lethe_side side(server.url());
    side.write("hour", "v", anything{}, 1h);
    side.write("year", "v", anything{}, std::chrono::hours{24 * 365});
    side.write("ever", "v", anything{}, std::chrono::milliseconds::max());
    side.write("touched", "v", anything{}, 1h);
    side.must(touch{"touched", 2h});
    const auto left = [&](const std::string& key) {
        const std::string said = raw(server, "mg lethe:r:" + key + " t", "HD").back();
        return static_cast<double>(std::stoi(said.substr(said.find('t') + 1)));
    };
    EXPECT_NEAR(left("hour"), 3600 + 5, 10);
    EXPECT_NEAR(left("touched"), 7200 + 5, 10);
    EXPECT_NEAR(left("year"), 365 * 24 * 3600 + 24 * 3600, 60) << "beyond 30 days, by its clock";
    EXPECT_EQ(left("ever"), -1);
    EXPECT_EQ(side.read("ever")->expires, system_time::max());
}

TEST(Memcached, LargeRecordsAreSplitAndLeaveNothingBehind) {
    const memcached_server server({"-m", "256"});
    lethe_side side(server.url());
    record_version version;
    for (const std::size_t size : {std::size_t{500'000}, std::size_t{523'000}, std::size_t{524'000},
                                   std::size_t{1} << 20, std::size_t{8} << 20, value_bytes_max}) {
        const std::string value = some_value(size);
        const answer made =
            side.write("k", value, version.number == 0 ? expectation(absent{}) : version);
        ASSERT_TRUE(made.done);
        version = made.version;
        const auto present = side.read("k");
        ASSERT_TRUE(present.has_value());
        EXPECT_TRUE(present->value == value) << size;
    }
    const answer conflict = side.write("k", "x", absent{});
    EXPECT_TRUE(conflict.present && conflict.present->value.size() == value_bytes_max);
    const std::size_t pieces = items_of(server).size();
    EXPECT_EQ(pieces, 1 + value_bytes_max / (512 * 1024 - 1024 - 14) + 1);
    EXPECT_FALSE(side.write("k", some_value(1 << 20), record_version{1}).done);
    EXPECT_EQ(items_of(server).size(), pieces) << "a put that meets a conflict leaves no piece";
    EXPECT_TRUE(side.must(touch{"k", 2h}).done);
    EXPECT_TRUE(side.write("k", "small", version).done);
    EXPECT_EQ(items_of(server).size(), 1U);
    side.write("k", some_value(1 << 20));
    EXPECT_TRUE(side.must(erase{"k", anything{}}).done);
    EXPECT_TRUE(items_of(server).empty());
}

TEST(Memcached, ARecordWithAMissingPieceIsForgottenForEverybody) {
    const memcached_server server;
    lethe_side side(server.url());
    lethe_side other(server.url());
    const auto lose_a_piece = [&] {
        for (const std::string& name : items_of(server))
            if (name.starts_with("lethe:p:")) {
                EXPECT_EQ(raw(server, "md " + name, "").back(), "HD");
                return;
            }
        ADD_FAILURE() << "no piece";
    };
    const answer made = side.write("k", some_value(1 << 20), anything{}, 1h, "alice");
    lose_a_piece();
    EXPECT_FALSE(other.read("k").has_value());
    EXPECT_FALSE(side.write("k", "x", made.version).done) << "what was read as gone is gone";
    EXPECT_TRUE(side.keys_of("alice").empty());
    ASSERT_TRUE(side.write("k", some_value(1 << 20), absent{}).done);
    lose_a_piece();
    EXPECT_FALSE(side.must(touch{"k", 2h}).done);
    ASSERT_TRUE(side.write("k", some_value(1 << 20), absent{}).done);
    lose_a_piece();
    EXPECT_TRUE(side.write("k", "v", absent{}).done) << "a conflict has no record to show";
}

TEST(Memcached, TenThousandKeysOfASubjectAreListedInOrder) {
    const memcached_server server;
    lethe_side side(server.url());
    std::set<std::string> expected;
    std::vector<operation> many;
    for (int i = 0; i < 10'000; ++i) {
        std::string key = "s:" + std::to_string(i);
        expected.insert(key);
        many.push_back(put{std::move(key), "v", 1h, anything{}, "alice"});
        if (many.size() < operations_max && i < 9'999) continue;
        const auto stored =
            side.worker().run(side.in_store().batch(std::exchange(many, {}), side.in(60s)));
        ASSERT_TRUE(stored.has_value()) << describe(stored.error());
    }
    side.write("s:bob", "v", anything{}, 1h, "bob");
    side.write("s:5", "taken over", anything{}, 1h, "bob");
    side.must(erase{"s:7", anything{}});
    expected.erase("s:5");
    expected.erase("s:7");
    EXPECT_EQ(side.keys_of("alice"), std::vector<std::string>(expected.begin(), expected.end()));
    EXPECT_EQ(side.keys_of("bob"), (std::vector<std::string>{"s:5", "s:bob"}));
}

TEST(Memcached, AnIndexStaysSmallAndOutlivesTheRecordsItNames) {
    const memcached_server server;
    lethe_side side(server.url());
    for (int i = 0; i < 300; ++i) {
        side.write("s:1", std::to_string(i), anything{}, 10min, "alice");
        side.must(touch{"s:1", 20min});
    }
    const auto size_of_index = [&] {
        for (const std::string& name : items_of(server))
            if (name.starts_with("lethe:i:"))
                return std::stoul(raw(server, "mg " + name + " s", "").back().substr(4));
        return 0UL;
    };
    EXPECT_LT(size_of_index(), 300U);
    // Many that came and went: their entries go as well.
    for (int i = 0; i < 300; ++i) {
        side.write(
            "s:1" + std::string(static_cast<std::size_t>(i % 3 + 100), 'x') + std::to_string(i),
            "v", anything{}, 1min, "alice");
        if (i % 10 == 9) side.advance(10min);
    }
    std::size_t items = 0;
    for (const std::string& name : items_of(server))
        if (name.starts_with("lethe:i:")) ++items;
    EXPECT_LE(items, 64U);
    EXPECT_LT(size_of_index(), 4096U);
}

task<> add_one(store& to, const std::string key, steady_time deadline) {
    while (true) {
        const result<std::optional<record>> present = co_await to.read(key, deadline);
        if (present.has_error()) co_return present.error();
        const int value = *present ? std::stoi((*present)->value) : 0;
        const expectation expect =
            *present ? expectation((*present)->version) : expectation(absent{});
        const result<answer> written =
            co_await to.run(put{key, std::to_string(value + 1), 1h, expect, "alice"}, deadline);
        if (written.has_error()) co_return written.error();
        if (written->done) co_return result<>{};
    }
}

TEST(Memcached, ConcurrentCompareAndSwapLosesNoIncrement) {
    const memcached_server server;
    constexpr int threads = 3;
    constexpr int times = 100;
    std::atomic<int> failed{0};
    std::vector<std::thread> all;
    for (int t = 0; t < threads; ++t)
        all.emplace_back([&] {
            lethe_side side(server.url());
            for (int i = 0; i < times; ++i) {
                const auto added =
                    side.worker().run(add_one(side.in_store(), "counter", side.in(60s)));
                failed += added.has_error();
                side.must(touch{"counter", 2h});
            }
        });
    for (std::thread& one : all) one.join();
    EXPECT_EQ(failed, 0);
    lethe_side side(server.url());
    EXPECT_EQ(side.read("counter")->value, std::to_string(threads * times));
}

TEST(Memcached, ABatchDoesEachOperationInOrderForEqualKeys) {
    const memcached_server server;
    lethe_side side(server.url());
    const auto answers = side.worker().run(side.in_store().batch(
        {put{"a", "1", 1h, absent{}, ""}, put{"a", "2", 1h, absent{}, ""}, get{"a"},
         put{"b", "3", 1h, anything{}, ""}, erase{"a", anything{}}, get{"a"}, get{"b"}},
        side.in(20s)));
    ASSERT_TRUE(answers.has_value());
    EXPECT_TRUE((*answers)[0].done);
    EXPECT_FALSE((*answers)[1].done);
    EXPECT_EQ((*answers)[2].present->value, "1");
    EXPECT_FALSE((*answers)[5].present.has_value());
    EXPECT_EQ((*answers)[6].present->value, "3");
    const auto none = side.worker().run(side.in_store().batch({}, side.in(20s)));
    ASSERT_TRUE(none.has_value());
    EXPECT_TRUE(none->empty());
    EXPECT_FALSE(side.of().promises().transactions);
    const auto refused = side.worker().run(
        side.in_store().transact({put{"a", "1", 1h, absent{}, ""}}, side.in(20s)));
    ASSERT_TRUE(refused.has_error());
    EXPECT_EQ(refused.error(), condition::unavailable);
    EXPECT_FALSE(side.read("a").has_value());
}

TEST(Memcached, AClosedEngineAnswersUnavailable) {
    const memcached_server server;
    lethe_side side(server.url());
    EXPECT_TRUE(side.worker().run(side.in_store().ping(side.in(20s))).has_value());
    side.of().close();
    const result<answer> refused = side.ask(put{"k", "v", 1h, anything{}, ""});
    ASSERT_TRUE(refused.has_error());
    EXPECT_EQ(refused.error(), condition::unavailable);
    EXPECT_TRUE(side.worker().run(side.in_store().ping(side.in(20s))).has_error());
    EXPECT_TRUE(side.worker()
                    .run(side.in_store().list_subject("alice", "", "", 10, side.in(20s)))
                    .has_error());
}

}  // namespace
}  // namespace lethe::store::memcached
