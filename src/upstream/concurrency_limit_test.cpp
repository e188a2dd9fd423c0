// The limit against a simulated service: so many requests at once, the rest in its own queue.
#include "upstream/concurrency_limit.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <queue>
#include <random>
#include <vector>

namespace lethe::upstream {
namespace {

using namespace std::chrono_literals;

struct load {
    double per_second = 0;
    std::size_t capacity = 0;  // requests that the service works on at once
    duration takes{};          // each
    duration how_long{};
};

struct outcome {
    std::vector<duration> latencies;
    std::size_t refused = 0;

    [[nodiscard]] duration percentile(double part) const {
        std::vector<duration> all = latencies;
        std::ranges::sort(all);
        return all.empty() ? duration(0)
                           : all[static_cast<std::size_t>(part * double(all.size() - 1))];
    }
    [[nodiscard]] double per_second(duration of) const {
        return double(latencies.size()) / std::chrono::duration<double>(of).count();
    }
};

// What is beyond the limit is refused. Requests come and take their time as at random.
class simulated_service {
 public:
    explicit simulated_service(const concurrency_options& how) : limit_(how, now_, 0) {}

    outcome run(const load& with) {
        outcome out;
        std::exponential_distribution<double> pause(with.per_second);
        std::uniform_real_distribution<double> work(0.5, 1.5);
        workers_.resize(with.capacity, now_);
        for (steady_time& one : workers_) one = std::max(one, now_);
        const steady_time end = now_ + with.how_long;
        while (now_ < end) {
            const steady_time next = now_ + std::chrono::duration_cast<duration>(
                                                std::chrono::duration<double>(pause(random_)));
            while (!under_way_.empty() && under_way_.top().ends <= next) end_one(out);
            now_ = next;
            if (under_way_.size() >= limit_.limit()) {
                ++out.refused;
                continue;
            }
            steady_time& free = *std::ranges::min_element(workers_);
            free = std::max(free, now_) +
                   std::chrono::duration_cast<duration>(with.takes * work(random_));
            under_way_.push({free, now_});
            limit_.began(static_cast<std::uint32_t>(under_way_.size()));
        }
        return out;
    }
    [[nodiscard]] std::uint32_t limit() const { return limit_.limit(); }

 private:
    struct request {
        steady_time ends;
        steady_time began;
        bool operator<(const request& other) const { return ends > other.ends; }
    };

    void end_one(outcome& out) {
        const request one = under_way_.top();
        under_way_.pop();
        now_ = std::max(now_, one.ends);
        out.latencies.push_back(one.ends - one.began);
        limit_.ended(one.began, one.ends, static_cast<std::uint32_t>(under_way_.size() + 1));
    }

    steady_time now_{1h};
    std::mt19937 random_{11};
    concurrency_limit limit_;
    std::vector<steady_time> workers_;
    std::priority_queue<request> under_way_;
};

TEST(ConcurrencyLimit, TenTimesTheLoadIsAnsweredInTimeAtFullCapacity) {
    simulated_service service({});
    // 20 at once, 10 ms each: 2,000 a second.
    const load with{.per_second = 20'000, .capacity = 20, .takes = 10ms, .how_long = 10s};
    (void)service.run(with);
    const outcome after = service.run({20'000, 20, 10ms, 40s});
    EXPECT_GT(after.per_second(40s), 0.9 * 2'000);
    EXPECT_LT(after.percentile(0.5), 25ms);
    EXPECT_LT(after.percentile(0.99), 40ms);
    EXPECT_GT(after.refused, 10U * 40'000);
}

TEST(ConcurrencyLimit, ALightLoadIsNeverRefused) {
    simulated_service service({});
    (void)service.run({200, 20, 10ms, 5s});
    const outcome after = service.run({200, 20, 10ms, 120s});
    EXPECT_LT(double(after.refused), 0.002 * double(after.latencies.size()));
}

TEST(ConcurrencyLimit, FollowsAServiceThatBecomesSlowAndRecovers) {
    simulated_service service({});
    (void)service.run({20'000, 20, 10ms, 20s});
    const std::uint32_t before = service.limit();
    // Ten times as slow: in time the new latency is the baseline, at no time is there a long queue.
    (void)service.run({20'000, 20, 100ms, 5s});
    const outcome slow = service.run({20'000, 20, 100ms, 60s});
    EXPECT_GT(slow.per_second(60s), 0.6 * 200);
    EXPECT_LT(slow.percentile(0.99), 500ms);
    (void)service.run({20'000, 20, 10ms, 60s});
    const outcome again = service.run({20'000, 20, 10ms, 30s});
    EXPECT_GT(again.per_second(30s), 0.9 * 2'000);
    EXPECT_LT(again.percentile(0.99), 60ms);
    EXPECT_GT(service.limit() * 3, before);
}

TEST(ConcurrencyLimit, StaysWithinItsBounds) {
    simulated_service service({.min = 8, .max = 12});
    for (int i = 0; i < 20; ++i) {
        (void)service.run({5'000, 100, 10ms, 200ms});
        EXPECT_GE(service.limit(), 8U);
        EXPECT_LE(service.limit(), 12U);
    }
    EXPECT_EQ(service.limit(), 12U);
}

TEST(ConcurrencyLimit, AFixedLimitIsTheMaximum) {
    simulated_service service({.adaptive = false, .max = 7});
    (void)service.run({20'000, 2, 10ms, 5s});
    EXPECT_EQ(service.limit(), 7U);
}

TEST(ConcurrencyLimit, ALimitThatNobodyNeedsDoesNotGrow) {
    simulated_service service({});
    (void)service.run({100, 50, 10ms, 30s});
    EXPECT_LT(service.limit(), 20U);
}

}  // namespace
}  // namespace lethe::upstream
