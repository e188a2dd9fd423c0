// Tests of choosing a replica.
#include "upstream/balancer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
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
        return make_of(what);
    }
    balancer make_of(const options& of) {
        balancer out(of, [this] { return random(); });
        for (const replica& one : of.replicas) static_cast<void>(out.join(one));
        return out;
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
    of.set_healthy(0, false, now);
    for (int i = 0; i < 4; ++i) of.begin(1);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(of.pick(now, none), 2U);
    const std::vector<bool> excluded = {false, false, true};
    EXPECT_FALSE(of.pick(now, excluded).has_value());
    EXPECT_TRUE(of.any_usable(excluded)) << "the full one will have room";
    of.set_healthy(1, false, now);
    EXPECT_FALSE(of.any_usable(excluded));
    of.set_healthy(0, true, now);
    EXPECT_EQ(of.pick(now, excluded), 0U);
}

TEST_F(Balancer, RoundRobinGivesEachItsWeight) {
    balancer of = make(balance_rule::round_robin, 3);
    of.set_weight(1, 4);
    std::map<std::size_t, int> picks;
    int in_a_row = 0;
    int longest = 0;
    for (int i = 0; i < 600; ++i) {
        const std::size_t picked = *of.pick(now, none);
        ++picks[picked];
        in_a_row = picked == 1 ? in_a_row + 1 : 0;
        longest = std::max(longest, in_a_row);
    }
    EXPECT_EQ(picks[0], 100);
    EXPECT_EQ(picks[1], 400);
    EXPECT_EQ(picks[2], 100);
    EXPECT_LE(longest, 4) << "not all of its requests at once";
}

TEST_F(Balancer, LeastRequestsGivesEachItsWeight) {
    balancer of = make(balance_rule::least_requests, 3);
    of.set_weight(1, 4);
    std::map<std::size_t, int> picks;
    for (int i = 0; i < 6000; ++i) ++picks[*of.pick(now, none)];
    EXPECT_NEAR(picks[0], 1000, 150);
    EXPECT_NEAR(picks[1], 4000, 200);
    EXPECT_NEAR(picks[2], 1000, 150);
    // Three requests on a replica of weight 4 are fewer than one on a replica of weight 1.
    for (const std::size_t busy : {0U, 1U, 1U, 2U}) of.begin(busy);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(of.pick(now, {true, false, false}), 1U);
}

TEST_F(Balancer, WhoComesBackGetsItsPartByAndBy) {
    balancer of = make(balance_rule::round_robin, 2);
    what.slow_start = 10s;
    const auto part_of_first = [&](steady_time at) {
        int out = 0;
        for (int i = 0; i < 1100; ++i) out += of.pick(at, none) == 0U ? 1 : 0;
        return out;
    };
    EXPECT_EQ(part_of_first(now), 550) << "those of the start begin at once";
    of.set_healthy(0, false, now);
    EXPECT_EQ(part_of_first(now), 0);
    of.set_healthy(0, true, now);
    EXPECT_NEAR(part_of_first(now), 100, 2) << "one to ten";
    EXPECT_NEAR(part_of_first(now + 5s), 366, 2) << "one to two";
    EXPECT_EQ(part_of_first(now + 10s), 550);
    for (int i = 0; i < 2; ++i) static_cast<void>(of.failed(0, now + 20s));
    EXPECT_EQ(part_of_first(now + 29s), 0);
    EXPECT_NEAR(part_of_first(now + 30s), 100, 2) << "after an ejection likewise";
}

TEST_F(Balancer, HashSendsEqualKeysToOneReplicaAndMovesOnlyThoseOfWhoIsGone) {
    balancer of = make(balance_rule::hash, 5);
    of.set_weight(4, 2);
    std::map<std::size_t, int> picks;
    std::vector<std::size_t> before;
    for (std::uint64_t key = 0; key < 6000; ++key) {
        before.push_back(*of.pick(now, none, key));
        EXPECT_EQ(of.pick(now, none, key), before.back());
        ++picks[before.back()];
    }
    for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(picks[i], 1000, 150) << i;
    EXPECT_NEAR(picks[4], 2000, 200);
    of.set_healthy(2, false, now);
    for (std::uint64_t key = 0; key < 6000; ++key) {
        const std::size_t after = *of.pick(now, none, key);
        if (before[key] != 2)
            EXPECT_EQ(after, before[key]);
        else
            EXPECT_NE(after, 2U);
    }
    of.set_healthy(2, true, now);
    for (std::uint64_t key = 0; key < 6000; ++key) EXPECT_EQ(of.pick(now, none, key), before[key]);
}

TEST_F(Balancer, HashGoesByTheReplicasNamesNotTheirOrder) {
    balancer of = make(balance_rule::hash, 3);
    options other = what;
    std::reverse(other.replicas.begin(), other.replicas.end());
    balancer reversed = make_of(other);
    for (std::uint64_t key = 0; key < 100; ++key)
        EXPECT_EQ(what.replicas[*of.pick(now, none, key)],
                  other.replicas[*reversed.pick(now, none, key)]);
}

TEST_F(Balancer, HashLeavesOutTheFullOneAndSpreadsWhatHasNoKey) {
    balancer of = make(balance_rule::hash, 3);
    const std::size_t home = *of.pick(now, none, 7);
    for (int i = 0; i < 4; ++i) of.begin(home);
    EXPECT_NE(of.pick(now, none, 7), home);
    of.end(home);
    EXPECT_EQ(of.pick(now, none, 7), home);
    for (int i = 0; i < 100; ++i) EXPECT_NE(of.pick(now, none), home) << "it is the busiest";
}

TEST_F(Balancer, WhoLeavesGetsNothingAndItsNumberIsGivenAwayOnceItsRequestsHaveEnded) {
    balancer of = make(balance_rule::round_robin, 2);
    of.begin(0);
    of.leave(0);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(of.pick(now, none), 1U);
    EXPECT_FALSE(of.any_usable({false, true}));
    EXPECT_EQ(of.join({"127.0.0.1", 9100}), 2U) << "a request is still under way";
    of.end(0);
    EXPECT_EQ(of.join({"127.0.0.1", 9101}), 0U);
    std::map<std::size_t, int> picks;
    for (int i = 0; i < 300; ++i) ++picks[*of.pick(now, none)];
    for (const std::size_t i : {0U, 1U, 2U}) EXPECT_EQ(picks[i], 100) << i;
}

TEST_F(Balancer, WhoJoinsLaterGetsItsPartByAndByAndWhoIsBackIsForgiven) {
    balancer of = make(balance_rule::round_robin, 1);
    what.slow_start = 10s;
    static_cast<void>(of.join({"127.0.0.1", 9100}, now));
    int picks = 0;
    for (int i = 0; i < 1100; ++i) picks += of.pick(now, none) == 1U ? 1 : 0;
    EXPECT_NEAR(picks, 100, 2);
    of.set_healthy(1, false, now);
    of.leave(1);
    of.join_again(1, now);
    EXPECT_EQ(of.pick(now, {true}), 1U);
}

}  // namespace
}  // namespace lethe::upstream
