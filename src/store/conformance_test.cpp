// The contract, asked of every engine.
#include "store/open.hpp"
#include "store/test_stores.hpp"
#include "support/run.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <thread>

namespace lethe::store {
namespace {

using namespace std::chrono_literals;
using test::run;

class Conformance : public ::testing::TestWithParam<const char*> {
 protected:
    Conformance() : engine_(scene_.open(GetParam())), store_(engine_->make_store(scene_.clock())) {}

    [[nodiscard]] steady_time soon() { return scene_.clock().steady_now() + 10s; }
    answer ask(operation one) {
        const result<answer> got = run(store_->run(std::move(one), soon()));
        EXPECT_TRUE(got.has_value()) << describe(got.error());
        return got.has_value() ? *got : answer{};
    }
    std::optional<record> read(const std::string& key) { return ask(get{key}).present; }
    answer write(const std::string& key, std::string value, expectation expect = anything{},
                 std::chrono::milliseconds ttl = 1h, std::string subject = {}) {
        return ask(put{key, std::move(value), ttl, expect, std::move(subject)});
    }

    test_scene scene_;
    std::unique_ptr<engine> engine_;
    std::unique_ptr<store> store_;
};

INSTANTIATE_TEST_SUITE_P(Engines, Conformance, ::testing::Values("memory:", "sqlite:"),
                         [](const auto& info) { return std::string(info.param).substr(0, 6); });

TEST_P(Conformance, ARecordIsReadAsItWasPut) {
    EXPECT_FALSE(read("k").has_value());
    const answer put_answer = write("k", "v", anything{}, 1h, "alice");
    EXPECT_TRUE(put_answer.done);
    const auto present = read("k");
    ASSERT_TRUE(present.has_value());
    EXPECT_EQ(present->value, "v");
    EXPECT_EQ(present->subject, "alice");
    EXPECT_EQ(present->version, put_answer.version);
    EXPECT_EQ(present->expires, scene_.now() + 1h);
}

TEST_P(Conformance, KeysAndValuesAreAnyBytesOfAnySize) {
    const std::string binary("\0\xff\x80 'x'\n", 8);
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, std::size_t{100'000}, std::size_t{8} << 20}) {
        const std::string value(size, '\xfe');
        EXPECT_TRUE(write(binary, value).done);
        EXPECT_EQ(read(binary)->value, value);
    }
    EXPECT_TRUE(write("schlüssel-☃", "wert").done);
    EXPECT_EQ(read("schlüssel-☃")->value, "wert");
    EXPECT_FALSE(read(std::string("\0\xff\x80 'x'", 7)).has_value()) << "a prefix is another key";
}

TEST_P(Conformance, ExpectationsHoldOrNothingChangesAndThePresentRecordIsTold) {
    EXPECT_FALSE(write("k", "x", record_version{1}).done) << "a version of a missing record";
    const answer first = write("k", "one", absent{});
    ASSERT_TRUE(first.done);
    const answer again = write("k", "two", absent{});
    EXPECT_FALSE(again.done);
    ASSERT_TRUE(again.present.has_value());
    EXPECT_EQ(again.present->value, "one");
    EXPECT_EQ(again.present->version, first.version);
    const answer second = write("k", "two", first.version);
    ASSERT_TRUE(second.done);
    EXPECT_NE(second.version, first.version);
    EXPECT_FALSE(write("k", "three", first.version).done);
    EXPECT_EQ(read("k")->value, "two");
    EXPECT_FALSE(ask(erase{"k", first.version}).done);
    EXPECT_TRUE(ask(erase{"k", second.version}).done);
    EXPECT_FALSE(read("k").has_value());
    EXPECT_TRUE(ask(erase{"k", anything{}}).done) << "erasing what is not there is done";
}

TEST_P(Conformance, AVersionIsNeverGivenTwice) {
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 20; ++i) {
        const answer made = write("k", "v", absent{});
        ASSERT_TRUE(made.done);
        EXPECT_NE(made.version.number, 0U);
        EXPECT_TRUE(seen.insert(made.version.number).second);
        EXPECT_TRUE(ask(erase{"k", made.version}).done);
    }
}

TEST_P(Conformance, ARecordEndsExactlyAtItsExpiry) {
    const answer made = write("k", "v", anything{}, 1s);
    scene_.advance(999ms);
    EXPECT_TRUE(read("k").has_value());
    scene_.advance(1ms);
    EXPECT_FALSE(read("k").has_value());
    EXPECT_FALSE(write("k", "x", made.version).done) << "an expired record has no version";
    EXPECT_TRUE(write("k", "new", absent{}).done) << "and is absent";
}

TEST_P(Conformance, TouchProlongsButNeverRevivesAndNeverChangesTheVersion) {
    const answer made = write("k", "v", anything{}, 1s);
    scene_.advance(500ms);
    EXPECT_TRUE(ask(touch{"k", 1s}).done);
    scene_.advance(900ms);
    const auto present = read("k");
    ASSERT_TRUE(present.has_value());
    EXPECT_EQ(present->version, made.version);
    scene_.advance(100ms);
    EXPECT_FALSE(ask(touch{"k", 1h}).done);
    EXPECT_FALSE(read("k").has_value());
    EXPECT_FALSE(ask(touch{"never", 1h}).done);
}

TEST_P(Conformance, ABatchDoesEachOperationByItselfInOrder) {
    const result<std::vector<answer>> answers = run(
        store_->batch({put{"a", "1", 1h, absent{}, ""}, put{"a", "2", 1h, absent{}, ""}, get{"a"},
                       put{"b", "3", 1h, anything{}, ""}, erase{"a", anything{}}, get{"a"}},
                      soon()));
    ASSERT_TRUE(answers.has_value());
    EXPECT_TRUE((*answers)[0].done);
    EXPECT_FALSE((*answers)[1].done);
    EXPECT_EQ((*answers)[2].present->value, "1");
    EXPECT_TRUE((*answers)[4].done);
    EXPECT_FALSE((*answers)[5].present.has_value());
    EXPECT_EQ(read("b")->value, "3");
}

TEST_P(Conformance, ATransactionIsAllOrNothing) {
    ASSERT_TRUE(store_->promises().transactions);
    write("taken", "x");
    const result<std::vector<answer>> failed =
        run(store_->transact({put{"a", "1", 1h, absent{}, ""}, erase{"taken", anything{}},
                              put{"b", "1", 1h, record_version{99}, ""}},
                             soon()));
    ASSERT_TRUE(failed.has_value());
    EXPECT_FALSE((*failed)[2].done);
    EXPECT_FALSE(read("a").has_value());
    EXPECT_TRUE(read("taken").has_value());
    const result<std::vector<answer>> touched =
        run(store_->transact({put{"a", "1", 1h, absent{}, ""}, touch{"missing", 1h}}, soon()));
    ASSERT_TRUE(touched.has_value());
    EXPECT_FALSE(read("a").has_value());
    const result<std::vector<answer>> done = run(
        store_->transact({put{"a", "1", 1h, absent{}, ""}, erase{"taken", anything{}}}, soon()));
    ASSERT_TRUE(done.has_value());
    EXPECT_EQ(read("a")->version, (*done)[0].version);
    EXPECT_FALSE(read("taken").has_value());
}

TEST_P(Conformance, ASubjectsKeysAreListedInPagesByPrefix) {
    std::vector<operation> many;
    std::set<std::string> expected;
    for (int i = 0; i < 10'000; ++i) {
        std::string key = (i % 2 == 0 ? "s:" : "i:") + std::to_string(i);
        expected.insert(key);
        many.push_back(put{std::move(key), "v", 1h, anything{}, "alice"});
        if (many.size() == operations_max || i == 9'999) {
            const result<std::vector<answer>> stored =
                run(store_->batch(std::exchange(many, {}), soon()));
            ASSERT_TRUE(stored.has_value());
        }
    }
    write("s:other", "v", anything{}, 1h, "bob");
    write("s:nobody", "v");
    write("s:short", "v", anything{}, 1ms, "alice");
    scene_.advance(1ms);
    for (const std::string prefix : {"", "s:"}) {
        std::set<std::string> found;
        std::string after;
        while (true) {
            const result<subject_page> page =
                run(store_->list_subject("alice", prefix, after, 777, soon()));
            ASSERT_TRUE(page.has_value());
            EXPECT_LE(page->keys.size(), 777U);
            EXPECT_TRUE(std::is_sorted(page->keys.begin(), page->keys.end()));
            for (const std::string& key : page->keys) EXPECT_TRUE(found.insert(key).second) << key;
            if (!page->more) break;
            after = page->keys.back();
        }
        EXPECT_EQ(found.size(), prefix.empty() ? 10'000U : 5'000U);
    }
    EXPECT_TRUE(run(store_->list_subject("nobody-here", "", "", 10, soon()))->keys.empty());
}

TEST_P(Conformance, AnErasedOrTakenOverRecordLeavesTheSubjectsIndex) {
    write("a", "v", anything{}, 1h, "alice");
    write("b", "v", anything{}, 1h, "alice");
    write("b", "v", anything{}, 1h, "bob");
    ask(erase{"a", anything{}});
    EXPECT_TRUE(run(store_->list_subject("alice", "", "", 10, soon()))->keys.empty());
    EXPECT_EQ(run(store_->list_subject("bob", "", "", 10, soon()))->keys,
              std::vector<std::string>{"b"});
}

TEST_P(Conformance, WhatMakesNoSenseOrIsTooLargeIsRefused) {
    const std::vector<std::pair<operation, condition>> cases = {
        {get{""}, condition::malformed},
        {put{"k", "v", 0ms, anything{}, ""}, condition::malformed},
        {erase{"k", absent{}}, condition::malformed},
        {touch{"k", -1ms}, condition::malformed},
        {get{std::string(key_bytes_max + 1, 'k')}, condition::too_large},
        {put{"k", std::string(value_bytes_max + 1, 'v'), 1h, anything{}, ""}, condition::too_large},
        {put{"k", "v", 1h, anything{}, std::string(subject_bytes_max + 1, 's')},
         condition::too_large},
    };
    for (const auto& [one, expected] : cases) {
        const result<answer> got = run(store_->run(one, soon()));
        ASSERT_TRUE(got.has_error());
        EXPECT_EQ(got.error(), expected) << describe(got.error());
    }
    EXPECT_TRUE(write(std::string(key_bytes_max, 'k'), "v").done);
}

TEST_P(Conformance, AfterItsDeadlineAnOperationIsNotBegun) {
    const steady_time past = scene_.clock().steady_now();
    const result<answer> late = run(store_->run(put{"k", "v", 1h, anything{}, ""}, past));
    ASSERT_TRUE(late.has_error());
    EXPECT_EQ(late.error(), condition::timeout);
    EXPECT_FALSE(read("k").has_value());
}

TEST_P(Conformance, AClosedEngineAnswersUnavailable) {
    EXPECT_TRUE(run(store_->ping(soon())).has_value());
    engine_->close();
    const result<answer> refused = run(store_->run(put{"k", "v", 1h, anything{}, ""}, soon()));
    ASSERT_TRUE(refused.has_error());
    EXPECT_EQ(refused.error(), condition::unavailable);
    EXPECT_TRUE(run(store_->ping(soon())).has_error());
}

task<> add_one(store& to, const std::string key, steady_time deadline) {
    while (true) {
        const result<std::optional<record>> present = co_await to.read(key, deadline);
        if (present.has_error()) co_return present.error();
        const int value = *present ? std::stoi((*present)->value) : 0;
        const expectation expect =
            *present ? expectation((*present)->version) : expectation(absent{});
        const result<answer> put_answer =
            co_await to.run(put{key, std::to_string(value + 1), 1h, expect, ""}, deadline);
        if (put_answer.has_error()) co_return put_answer.error();
        if (put_answer->done) co_return result<>{};
    }
}

boost::asio::awaitable<void> add_some(store& to, const std::string key, int times,
                                      steady_time deadline, int& failed) {
    for (int i = 0; i < times; ++i) {
        const result<> added = co_await add_one(to, key, deadline);
        failed += added.has_error();
    }
}

TEST_P(Conformance, ConcurrentCompareAndSwapLosesNoIncrement) {
    constexpr int threads = 3;
    constexpr int coroutines = 8;
    constexpr int times = 10;
    int failed[threads] = {};
    std::vector<std::thread> workers;
    for (int t = 0; t < threads; ++t)
        workers.emplace_back([&, t] {
            const auto mine = engine_->make_store(scene_.clock());
            std::vector<boost::asio::awaitable<void>> all;
            for (int i = 0; i < coroutines; ++i)
                all.push_back(add_some(*mine, "counter", times, soon() + 60s, failed[t]));
            test::run_loop(std::move(all));
        });
    for (std::thread& one : workers) one.join();
    for (const int one : failed) EXPECT_EQ(one, 0);
    EXPECT_EQ(read("counter")->value, std::to_string(threads * coroutines * times));
}

}  // namespace
}  // namespace lethe::store
