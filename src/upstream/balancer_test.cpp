// Tests of choosing a replica.
#include "upstream/balancer.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace lethe::upstream {
namespace {

using namespace std::chrono_literals;

class Balancer : public ::testing::Test {
 protected:
    balancer make(balance_rule rule, std::size_t replicas) {
        what.balance = rule;
        what.connections_max = 4;
        what.ejection = {.consecutive_failures = 2, .for_how_long = 10s};
        for (std::size_t i = 0; i < replicas; ++i)
            what.replicas.push_back({"127.0.0.1", static_cast<std::uint16_t>(9000 + i)});
        none.assign(replicas, false);
        return balancer(what, [this] { return random(); });
    }

    options what;
    std::vector<bool> none;
    steady_time now{1h};
    std::mt19937_64 random{7};
};

TEST_F(Balancer, RoundRobinGivesEachItsTurn) {
    balancer of = make(balance_rule::round_robin, 3);
    std::map<std::size_t, int> picks;
    for (int i = 0; i < 300; ++i) ++picks[*of.pick(now, none)];
    for (const auto& [replica, count] : picks) EXPECT_EQ(count, 100);
}

TEST_F(Balancer, LeastRequestsAvoidsTheBusyOne) {
    balancer of = make(balance_rule::least_requests, 2);
    of.begin(0);
    for (int i = 0; i < 100; ++i)
        EXPECT_EQ(of.pick(now, none), 1U) << "both are looked at, the idle one wins";
    of.begin(1);
    of.begin(1);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(of.pick(now, none), 0U);
}

TEST_F(Balancer, LeastRequestsSpreadsOverManyReplicas) {
    balancer of = make(balance_rule::least_requests, 10);
    std::map<std::size_t, int> picks;
    for (int i = 0; i < 10'000; ++i) ++picks[*of.pick(now, none)];
    for (std::size_t i = 0; i < 10; ++i) EXPECT_NEAR(picks[i], 1000, 200) << i;
}

TEST_F(Balancer, ConsecutiveFailuresEjectForAWhileAndASuccessForgivesThem) {
    balancer of = make(balance_rule::round_robin, 2);
    EXPECT_FALSE(of.failed(0, now));
    of.succeeded(0);
    EXPECT_FALSE(of.failed(0, now));
    EXPECT_TRUE(of.failed(0, now));
    for (int i = 0; i < 10; ++i) EXPECT_EQ(of.pick(now + 9s, none), 1U);
    bool back = false;
    for (int i = 0; i < 10; ++i) back |= of.pick(now + 10s, none) == 0U;
    EXPECT_TRUE(back);
}

TEST_F(Balancer, WhenAllAreEjectedTheyAreTriedAllTheSame) {
    balancer of = make(balance_rule::round_robin, 2);
    for (const std::size_t i : {0U, 1U}) {
        EXPECT_FALSE(of.failed(i, now));
        EXPECT_TRUE(of.failed(i, now));
    }
    EXPECT_TRUE(of.pick(now, none).has_value());
}

TEST_F(Balancer, UnhealthyExcludedAndFullReplicasAreNotPicked) {
    balancer of = make(balance_rule::round_robin, 3);
    of.set_healthy(0, false);
    for (int i = 0; i < 4; ++i) of.begin(1);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(of.pick(now, none), 2U);
    const std::vector<bool> excluded = {false, false, true};
    EXPECT_FALSE(of.pick(now, excluded).has_value());
    EXPECT_TRUE(of.any_usable(excluded)) << "the full one will have room";
    of.set_healthy(1, false);
    EXPECT_FALSE(of.any_usable(excluded));
    of.set_healthy(0, true);
    EXPECT_EQ(of.pick(now, excluded), 0U);
}

}  // namespace
}  // namespace lethe::upstream
