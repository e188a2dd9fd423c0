// Tests of the share that retries have.
#include "upstream/retry_budget.hpp"

#include <gtest/gtest.h>

namespace lethe::upstream {
namespace {

using namespace std::chrono_literals;

int taken(retry_budget& from, steady_time now, int tries) {
    int out = 0;
    for (int i = 0; i < tries; ++i) out += from.take(now) ? 1 : 0;
    return out;
}

TEST(RetryBudget, IsAShareOfTheRequestsOfTenSeconds) {
    retry_budget of({.percent = 20, .per_second = 0});
    const steady_time start{1h};
    EXPECT_EQ(taken(of, start, 5), 0) << "no request, no retry";
    for (int i = 0; i < 100; ++i) of.note_request(start);
    EXPECT_EQ(taken(of, start, 100), 20);
    for (int i = 0; i < 50; ++i) of.note_request(start + 9s);
    EXPECT_EQ(taken(of, start + 9s, 100), 10);
    EXPECT_EQ(taken(of, start + 10s, 100), 0) << "what is over takes its retries along";
    for (int i = 0; i < 50; ++i) of.note_request(start + 10s);
    EXPECT_EQ(taken(of, start + 10s, 100), 10);
}

TEST(RetryBudget, GivesSomeHoweverFewRequestsThereAre) {
    retry_budget of({.percent = 0, .per_second = 3});
    const steady_time start{1h};
    EXPECT_EQ(taken(of, start, 100), 30);
    EXPECT_EQ(taken(of, start + 9s, 100), 0);
    EXPECT_EQ(taken(of, start + 10s, 100), 30);
    EXPECT_EQ(taken(of, start + 1h, 100), 30) << "nothing is saved up";
}

TEST(RetryBudget, CountsWhatOthersDecided) {
    retry_budget of({.percent = 0, .per_second = 1});
    const steady_time start{1h};
    for (int i = 0; i < 12; ++i) of.note_retry(start);
    EXPECT_EQ(taken(of, start, 5), 0);
}

TEST(RetryBudget, CanBeNone) {
    retry_budget of({.percent = 0, .per_second = 0});
    for (int i = 0; i < 1000; ++i) of.note_request(steady_time{1h});
    EXPECT_EQ(taken(of, steady_time{1h}, 5), 0);
}

}  // namespace
}  // namespace lethe::upstream
