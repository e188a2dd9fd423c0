// Guarantee level G3 with real processes and real kills: of an idempotent handler's effect and its
// outcome there are both or neither, and one effect per key in the end.
#include "gateway/running_gateway.hpp"
#include "library/orders_stage.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <random>
#include <set>
#include <thread>

namespace lethe::test {
namespace {

using namespace std::chrono_literals;

class Kill : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(On, Kill, testing::Values("sqlite", "postgres"),
                         [](const auto& info) { return std::string(info.param); });

http_answer post(std::uint16_t port, const std::string& key, const std::string& die = {}) {
    field_list fields = {{"Idempotency-Key", key}};
    if (!die.empty()) fields.emplace_back("X-Die", die);
    client c(port, 20s);
    return c.post("/orders", "{}", fields);
}

// Both or neither at every moment, and once in the end.
TEST_P(Kill, AtEveryStepLeavesEffectAndOutcomeOrNeither) {
    orders_stage stage(GetParam(), 1);
    std::vector<std::string> moments = {"before", "after"};
    for (int micros = 0; micros < 3000; micros += 150) moments.push_back(std::to_string(micros));
    moments.insert(moments.end(), {"5000", "10000", "20000", "200000"});
    int nothing = 0;
    int both = 0;
    unsigned number = 0;
    ASSERT_EQ(post(stage.port(0), uuid_of(number)).status, 201);
    for (const std::string& moment : moments) {
        const std::string key = uuid_of(++number);
        const http_answer first = post(stage.port(0), key, moment);
        ASSERT_TRUE(stage.has_died(0)) << moment;
        const orders_stage::row_counts rows = stage.count_rows();
        EXPECT_EQ(rows.orders, rows.outcomes) << moment;
        const bool done = rows.orders == static_cast<int>(number) + 1;
        ++(done ? both : nothing);
        if (first.complete()) {
            EXPECT_TRUE(done) << moment << ": answered before it was on disk";
        }
        stage.start(0);
        const http_answer again = post(stage.port(0), key);
        EXPECT_EQ(again.status, 201) << moment;
        EXPECT_EQ(again.field_or_empty("Idempotent-Replayed"), done ? "true" : "") << moment;
        if (first.complete()) EXPECT_EQ(again.body, first.body);
    }
    std::cout << nothing << " kills left neither, " << both << " left both\n";
    EXPECT_GE(nothing, 2);
    EXPECT_GE(both, 1);
    for (const auto& [key, numbers] : stage.orders()) EXPECT_EQ(numbers.size(), 1U) << key;
}

// Clients repeat each key until they have its answer, several for the same key.
class customers {
 public:
    customers(unsigned keys, std::vector<std::uint16_t> ports, std::uint64_t seed)
        : keys_(keys), ports_(std::move(ports)) {
        for (unsigned i = 0; i < 6; ++i)
            threads_.emplace_back([this, i, seed] { buy(i, std::mt19937_64(seed + i)); });
    }
    void join() {
        for (std::thread& one : threads_) one.join();
    }
    [[nodiscard]] unsigned finished() const { return finished_; }

    // What was answered for each key.
    std::map<std::string, std::set<std::string>> answers;
    std::set<std::string> oddities;

 private:
    void buy(unsigned me, std::mt19937_64 random) {
        // Two customers for each key, which work on them in different orders.
        for (unsigned i = me / 2; i < keys_; i += 3) {
            const std::string key = uuid_of(me % 2 == 0 ? i : keys_ - 1 - i);
            const auto give_up = std::chrono::steady_clock::now() + 120s;
            while (!try_once(key, ports_[random() % ports_.size()])) {
                if (std::chrono::steady_clock::now() > give_up) return;
                std::this_thread::sleep_for(std::chrono::milliseconds(5 + random() % 40));
            }
            ++finished_;
        }
    }
    bool try_once(const std::string& key, std::uint16_t port) {
        const http_answer got = post(port, key);
        const std::lock_guard lock(mutex_);
        if (got.complete() && got.status == 201) {
            answers[key].insert(got.body);
            return true;
        }
        const bool may_be = !got.complete() || got.status == 409 || got.status >= 502;
        if (!may_be) oddities.insert(std::to_string(got.status) + " " + got.body);
        return false;
    }

    const unsigned keys_;
    const std::vector<std::uint16_t> ports_;
    std::mutex mutex_;
    std::atomic<unsigned> finished_{0};
    std::vector<std::thread> threads_;
};

std::uint64_t seed_of_run() {
    const char* const wanted = std::getenv("LETHE_SEED");
    const std::uint64_t seed =
        wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : std::random_device{}();
    std::cout << "LETHE_SEED=" << seed << "\n";
    return seed;
}

void expect_one_effect_per_key(const orders_stage& stage, const customers& all, unsigned keys) {
    EXPECT_TRUE(all.oddities.empty()) << *all.oddities.begin();
    const auto orders = stage.orders();
    EXPECT_EQ(orders.size(), keys);
    for (const auto& [key, numbers] : orders) {
        ASSERT_EQ(numbers.size(), 1U) << key;
        const auto told = all.answers.find(key);
        ASSERT_NE(told, all.answers.end()) << key;
        EXPECT_EQ(told->second, std::set<std::string>{"{\"number\":" + numbers.front() + "}\n"})
            << key;
    }
}

constexpr unsigned keys_count = 600;

TEST_P(Kill, AtRandomMomentsLeavesOneEffectPerKey) {
    const std::uint64_t seed = seed_of_run();
    orders_stage stage(GetParam(), 2);
    customers all(keys_count, {stage.port(0), stage.port(1)}, seed);
    std::mt19937_64 random(seed);
    int kills = 0;
    for (; all.finished() < 2 * keys_count - 20 && kills < 60; ++kills) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5 + random() % 80));
        const std::size_t victim = random() % 2;
        stage.kill_now(victim);
        stage.start(victim);
    }
    all.join();
    std::cout << kills << " kills\n";
    EXPECT_GE(kills, 3);
    expect_one_effect_per_key(stage, all, keys_count);
}

std::string configuration(const orders_stage& stage, const std::string& rules) {
    const auto replica = [&](std::size_t i) {
        return "\"http://127.0.0.1:" + std::to_string(stage.port(i)) + "\"";
    };
    return "store: \"sqlite:${DIR}/state.db\"\nupstreams:\n  - {name: orders, replicas: [" +
           replica(0) + ", " + replica(1) +
           "]}\nroutes:\n"
           "  - match: {prefix: /}\n"
           "    idempotency: {mode: required, scope: public, lease: 1s, " +
           rules + "}\n    upstream: orders\n";
}

class KillWithGateway : public testing::TestWithParam<std::tuple<const char*, const char*>> {};
INSTANTIATE_TEST_SUITE_P(
    On, KillWithGateway,
    testing::Combine(testing::Values("sqlite", "postgres"),
                     testing::Values("on_unknown: reconcile, reconcile: \"/orders/by-key/{key}\"",
                                     "backend: dedups, on_unknown: resend")),
    [](const auto& info) {
        const bool asks =
            std::string(std::get<1>(info.param)).find("reconcile") != std::string::npos;
        return std::string(std::get<0>(info.param)) + (asks ? "Reconcile" : "Resend");
    });

TEST_P(KillWithGateway, OfServicesAndGatewayLeavesOneEffectPerKey) {
    const std::uint64_t seed = seed_of_run();
    orders_stage stage(std::get<0>(GetParam()), 2);
    running_gateway gateway(configuration(stage, std::get<1>(GetParam())));
    ASSERT_TRUE(gateway.start());
    customers all(keys_count, {gateway.port}, seed);
    std::mt19937_64 random(seed);
    int kills = 0;
    for (; all.finished() < 2 * keys_count - 20 && kills < 40; ++kills) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5 + random() % 80));
        const std::size_t victim = random() % 3;
        if (victim < 2) {
            stage.kill_now(victim);
            stage.start(victim);
        } else {
            gateway.running().kill_now();
            EXPECT_TRUE(gateway.start());
        }
    }
    all.join();
    std::cout << kills << " kills\n";
    EXPECT_GE(kills, 3);
    expect_one_effect_per_key(stage, all, keys_count);
}

}  // namespace
}  // namespace lethe::test
