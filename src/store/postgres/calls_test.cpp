// What leaves together, and what a refusal means.
#include "store/postgres/calls.hpp"

#include <gtest/gtest.h>

#include <deque>

namespace lethe::store::postgres {
namespace {

class Calls : public ::testing::Test {
 protected:
    call& add(std::vector<std::string_view> keys, purpose what = purpose::write,
              std::string_view value = {}) {
        std::vector<statement> statements;
        for (const std::string_view key : keys)
            statements.push_back({.id = statement_id::put_anything, .key = key, .value = value});
        call& one = all_.emplace_back(std::move(statements), what);
        queue_.push_back(one);
        return one;
    }
    static std::vector<call*> those(std::initializer_list<call*> some) { return some; }

    std::deque<call> all_;
    call_queue queue_;
};

TEST_F(Calls, WritesThatWaitLeaveTogetherInTheOrderOfTheirKeys) {
    call& first = add({"m", "a"});
    call& second = add({"z", "a"});
    const flight one = make_flight(queue_);
    EXPECT_EQ(one.members, those({&first, &second}));
    EXPECT_EQ(keys_of(one), (std::vector<std::string_view>{"a", "a", "m", "z"}));
    EXPECT_EQ(one.steps[0].member, 0U) << "equal keys stay in the order they came";
    EXPECT_EQ(one.steps[1].member, 1U);
    EXPECT_TRUE(queue_.empty());
    EXPECT_EQ(queue_.operations(), 0U);
    EXPECT_EQ(queue_.bytes(), 0U);
}

TEST_F(Calls, WhatSharesWithNobodyLeavesByItself) {
    call& first = add({"a"});
    call& alone = add({"b"}, purpose::alone);
    call& last = add({"c"});
    EXPECT_EQ(make_flight(queue_).members, those({&first, &last}));
    EXPECT_EQ(make_flight(queue_).members, those({&alone}));
    call& refused_once = add({"d"});
    refused_once.shares = false;
    add({"e"});
    EXPECT_EQ(make_flight(queue_).members, those({&refused_once}));
}

TEST_F(Calls, WhatHasSeveralKeysGoesBehindALockOfAll) {
    const std::vector<statement> parts = {{.id = statement_id::put_anything, .key = "b"},
                                          {.id = statement_id::touch, .key = "y"}};
    add({"x"});
    std::vector<statement> statements = {transact_statement(parts)};
    call& one = all_.emplace_back(std::move(statements), purpose::write);
    queue_.push_back(one);
    EXPECT_EQ(queue_.operations(), 3U);
    flight made = make_flight(queue_);
    ASSERT_EQ(made.steps.size(), 3U);
    EXPECT_EQ(made.steps[0].member, flight::nobody);
    EXPECT_EQ(keys_of(made), (std::vector<std::string_view>{"b", "x", "y"}));
    // The answer of the lock is nobody's.
    made.take(rows());
    ++made.answered;
    EXPECT_EQ(made.members[made.steps[1].member], &one);
    EXPECT_TRUE(made.changes());
}

TEST_F(Calls, WhatWaitsCanBeDividedAmongConnections) {
    for (int i = 0; i < 40; ++i) add({"k"});
    EXPECT_EQ(make_flight(queue_, 20).steps.size(), 20U);
    EXPECT_EQ(make_flight(queue_, 20).steps.size(), 20U);
    EXPECT_TRUE(queue_.empty());
}

TEST_F(Calls, AFlightHasABoundButTakesOneCallOfAnySize) {
    const std::string large(3 * 1024 * 1024, 'v');
    call& first = add({"a"}, purpose::write, large);
    call& second = add({"b"}, purpose::write, large);
    EXPECT_EQ(make_flight(queue_).members, those({&first}));
    EXPECT_EQ(make_flight(queue_).members, those({&second}));
    for (int i = 0; i < 1000; ++i) add({"k"});
    EXPECT_LE(make_flight(queue_).steps.size(), 256U);
}

TEST_F(Calls, ATransactionKeepsItsBeginInFront) {
    std::vector<statement> statements = {{.id = statement_id::begin},
                                         {.id = statement_id::put_anything, .key = "a"},
                                         {.id = statement_id::put_anything, .key = "b"}};
    call& one = all_.emplace_back(std::move(statements), purpose::transaction);
    queue_.push_back(one);
    const flight made = make_flight(queue_);
    EXPECT_EQ(one.statements[made.steps[0].statement].id, statement_id::begin);
    EXPECT_FALSE(made.changes()) << "nothing holds before its commit";
}

TEST_F(Calls, AQueueLosesACallThatLeaves) {
    call& first = add({"a"});
    call& second = add({"b"});
    call& third = add({"c"});
    queue_.remove(second);
    queue_.push_front(second);
    EXPECT_EQ(queue_.front(), &second);
    queue_.remove(first);
    EXPECT_EQ(make_flight(queue_).members, those({&second, &third}));
}

TEST_F(Calls, ARefusalBeforeTheEndProvesThatNothingHolds) {
    add({"a"});
    add({"b"});
    flight one = make_flight(queue_);
    EXPECT_FALSE(one.refused_early());
    one.refused = true;
    one.answered = 1;
    EXPECT_TRUE(one.refused_early());
    one.answered = 2;
    EXPECT_FALSE(one.refused_early()) << "it came at the commit";
}

TEST_F(Calls, ACallThatLeftIsForgottenByItsFlight) {
    call& first = add({"a"});
    call& second = add({"b"});
    flight one = make_flight(queue_);
    one.forget(first);
    EXPECT_EQ(one.members, those({nullptr, &second}));
    one.take(rows());
    EXPECT_EQ(second.answers.size(), 1U);
}

TEST(Remedy, EachStateOfTheServerHasOne) {
    const auto of = [](const char* state, bool fatal = false) {
        return remedy_for({.sqlstate = state, .message = {}, .fatal = fatal});
    };
    for (const char* const again : {"40001", "40P01", "55P03", "57014", "23505", "22012"})
        EXPECT_EQ(of(again), remedy::again) << again;
    // Read-only, going down, coming up, statements or tables that are gone, an aborted transaction.
    for (const char* const anew : {"25006", "57P01", "57P02", "57P03", "08006", "26000", "0A000",
                                   "42P01", "3F000", "25P02", ""})
        EXPECT_EQ(of(anew), remedy::reconnect) << anew;
    EXPECT_EQ(of("53300", true), remedy::reconnect) << "the connection ends";
    // Disk full, out of memory, no right, an I/O error.
    for (const char* const up : {"53100", "53200", "42501", "58030", "54000", "22021"})
        EXPECT_EQ(of(up), remedy::give_up) << up;
    EXPECT_EQ(of("XX001"), remedy::corrupt);
    EXPECT_EQ(of("XX002"), remedy::corrupt);
}

}  // namespace
}  // namespace lethe::store::postgres
