// The arithmetic, against rules that are slow and plain.
#include "limits/gcra.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <random>

namespace lethe::limits {
namespace {

using namespace std::chrono_literals;

TEST(Gcra, AdmitsABurstAndThenTheRate) {
    const pace by{.interval = 100ms, .burst = 3};
    nanoseconds tat{};
    const nanoseconds now = 10s;
    for (std::uint32_t left = 3; left-- > 0;) {
        const verdict one = decide(by, tat, now);
        ASSERT_TRUE(one.admitted);
        EXPECT_EQ(one.remaining, left);
        tat = one.tat;
    }
    const verdict refused = decide(by, tat, now);
    EXPECT_FALSE(refused.admitted);
    EXPECT_EQ(refused.remaining, 0U);
    EXPECT_EQ(refused.retry_after, 100ms);
    EXPECT_EQ(refused.full_in, 300ms);
    EXPECT_EQ(refused.tat, tat);
    EXPECT_FALSE(decide(by, tat, now + 100ms - 1ns).admitted);
    EXPECT_TRUE(decide(by, tat, now + 100ms).admitted);
    // A long pause brings the burst back, and no more than that.
    EXPECT_EQ(decide(by, tat, now + 24h).remaining, 2U);
}

TEST(Gcra, WhatIsGivenBackIsAdmittedAgain) {
    const pace by{.interval = 1s, .burst = 1};
    const verdict first = decide(by, 0s, 5s);
    ASSERT_TRUE(first.admitted);
    EXPECT_FALSE(decide(by, first.tat, 5s).admitted);
    EXPECT_TRUE(decide(by, without_one(by, first.tat), 5s).admitted);
}

TEST(Gcra, TheIntervalIsRoundedUpAndTheBurstIsASecondsWorth) {
    EXPECT_EQ(make_pace({.pace = {3, 1s}}).interval, 333'333'334ns);
    EXPECT_EQ(make_pace({.pace = {100, 1s}}).burst, 100U);
    EXPECT_EQ(make_pace({.pace = {10, 1min}}).burst, 1U);
    EXPECT_EQ(make_pace({.pace = {10, 1min}, .burst = 4}).burst, 4U);
}

TEST(Gcra, WaitsAreToldInWholeSecondsRoundedUp) {
    EXPECT_EQ(whole_seconds(1ns), 1s);
    EXPECT_EQ(whole_seconds(1s), 1s);
    EXPECT_EQ(whole_seconds(1s + 1ns), 2s);
    EXPECT_EQ(whole_seconds(0s), 1s);
}

// A bucket that leaks one unit of debt a nanosecond; slow, and plainly right.
class bucket {
 public:
    explicit bucket(const pace& by) : by_(by) {}
    bool admit(nanoseconds now) {
        for (; at_ < now; ++at_)
            if (debt_ > 0) --debt_;
        if (debt_ + by_.interval.count() > by_.depth().count()) return false;
        debt_ += by_.interval.count();
        return true;
    }

 private:
    pace by_;
    std::int64_t debt_ = 0;
    nanoseconds at_{};
};

TEST(Gcra, DecidesAsALeakingBucketDoes) {
    const auto seed = std::random_device{}();
    RecordProperty("seed", std::to_string(seed));
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto below = [&random](std::uint32_t bound) {
        return static_cast<std::uint32_t>(random() % bound);
    };
    for (int round = 0; round < 200; ++round) {
        const pace by{.interval = nanoseconds(1 + below(50)), .burst = 1 + below(8)};
        bucket slow(by);
        nanoseconds tat{};
        nanoseconds now{below(1000)};
        for (int i = 0; i < 200; ++i) {
            now += nanoseconds(below(2) == 0 ? 0 : below(80));
            const verdict got = decide(by, tat, now);
            ASSERT_EQ(got.admitted, slow.admit(now)) << "round " << round << " step " << i;
            if (got.admitted) {
                tat = got.tat;
            } else {
                // Retry-After is exact: not a moment earlier.
                ASSERT_TRUE(decide(by, tat, now + got.retry_after).admitted);
                ASSERT_FALSE(decide(by, tat, now + got.retry_after - 1ns).admitted);
            }
        }
    }
}

// In no window does a client get more than the burst and what the rate brings meanwhile.
TEST(Gcra, NoWindowHoldsMoreThanBurstAndRate) {
    const auto seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const pace by{.interval = 10ms, .burst = 5};
    std::deque<nanoseconds> admitted;
    nanoseconds tat{};
    nanoseconds now{};
    for (int i = 0; i < 3000; ++i) {
        now += nanoseconds(random() % 9'000'000);
        const verdict got = decide(by, tat, now);
        if (!got.admitted) continue;
        tat = got.tat;
        admitted.push_back(now);
    }
    for (std::size_t i = 0; i < admitted.size(); ++i)
        for (std::size_t k = i; k < std::min(admitted.size(), i + 60); ++k)
            ASSERT_LE(static_cast<std::int64_t>(k - i + 1),
                      5 + (admitted[k] - admitted[i]) / by.interval);
}

}  // namespace
}  // namespace lethe::limits
