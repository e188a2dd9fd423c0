// Stores with a second server that takes over when the first one dies, under load.
#include "stores/rig.hpp"
#include "support/servers.hpp"

#include <atomic>
#include <functional>
#include <random>
#include <set>
#include <thread>
#include <vector>

namespace lethe::store {
namespace {

using namespace std::chrono_literals;

// Keys that were put once each, and what was answered.
struct claims {
    std::atomic<std::size_t> count{0};  // of `done`, for other threads
    std::set<std::string> done;
    std::set<std::string> not_done;
};

// Puts one new key after the other until told to stop.
task<> claim_many(store& to, net::worker& on, std::string prefix, const std::atomic<bool>& stopping,
                  claims& out) {
    for (int i = 0; !stopping; ++i) {
        const std::string key = prefix + std::to_string(i);
        const result<answer> made =
            co_await to.run(put{key, key, 24h, absent{}, prefix}, on.time().steady_now() + 400ms);
        if (made.has_value())
            (made->done ? out.done : out.not_done).insert(key);
        else if (made.error() != condition::outcome_unknown)
            out.not_done.insert(key);
        out.count = out.done.size();
        const result<> slept =
            co_await on.time().sleep_until(on.time().steady_now() + (made.has_value() ? 1ms : 5ms));
        if (slept.has_error()) break;
    }
    co_return result<>{};
}

// What was answered as done is there, what was answered as not done is not.
void expect_claims(rig& of, const claims& made) {
    const auto read = [&](const std::string& key) {
        std::optional<record> out;
        EXPECT_TRUE(test::wait_for(
            [&] {
                const auto got =
                    of.run(of.first().read(key, std::chrono::steady_clock::now() + 5s));
                if (got.has_value()) out = *got;
                return got.has_value();
            },
            30s));
        return out;
    };
    for (const std::string& key : made.done)
        EXPECT_TRUE(read(key).has_value()) << key << " is lost";
    for (const std::string& key : made.not_done)
        EXPECT_FALSE(read(key).has_value()) << key << " was done after all";
}

// Clients claim keys while `fail_over` happens.
void claim_during(rig& load, const std::function<void()>& fail_over, claims& made) {
    std::atomic<bool> stopping{false};
    auto claiming = test::begin_on_worker(
        load.worker(), claim_many(load.first(), load.worker(), "claim/", stopping, made));
    EXPECT_TRUE(test::wait_for([&] { return made.count > 50; }, 60s));
    fail_over();
    load.expect_progress("a failover");
    stopping = true;
    EXPECT_TRUE(claiming.get().has_value());
    load.stop_load();
}

TEST(SentinelFailover, CallsEndInTimeAndAllGoesOnWithTheReplica) {
    test::redis_sentinels servers;
    // Replication is asynchronous: what was answered may be lost. That calls end in time and that
    // all goes on is promised.
    rig load(servers.url(), {.seed = seed_of_this_run()});
    claims made;
    claim_during(
        load,
        [&] {
            servers.first().kill_now();
            servers.wait_until_primary(servers.second());
        },
        made);
    load.expect_sound("redis_sentinel");
}

// A change counts as done once a replica has it: none that was answered is lost.
TEST(SentinelFailover, NothingThatAReplicaHadIsLost) {
    test::redis_sentinels servers;
    rig load(servers.url() + "?wait=1&wait_ms=300", {.seed = seed_of_this_run()});
    claims made;
    claim_during(
        load,
        [&] {
            servers.first().kill_now();
            servers.wait_until_primary(servers.second());
            // Without a replica nothing is done; with one again it goes on.
            servers.first().start();
        },
        made);
    expect_claims(load, made);
    load.expect_sound("redis_sentinel with wait");
}

TEST(PostgresFailover, CallsEndInTimeAndAllGoesOnWithTheReplica) {
    test::postgres_pair servers;
    rig load(servers.url(), {.seed = seed_of_this_run()});
    claims made;
    claim_during(
        load,
        [&] {
            servers.primary().kill_now();
            servers.promote();
        },
        made);
    load.expect_sound("postgres");
}

TEST(PostgresFailover, NothingThatASynchronousReplicaHadIsLost) {
    test::postgres_pair servers({.synchronous = true});
    rig load(servers.url(), {.seed = seed_of_this_run()});
    claims made;
    claim_during(
        load,
        [&] {
            servers.primary().kill_now();
            servers.promote();
        },
        made);
    expect_claims(load, made);
    // Nobody sees a commit before the replica has it.
    load.expect_explained("postgres with a synchronous replica");
}

// ---- a Redis cluster

// The slots that the load uses: of its records, and of its subjects' sets.
std::vector<unsigned> slots_of(test::redis_cluster& servers, const load_options& options) {
    std::vector<unsigned> out;
    for (std::size_t i = 0; i < options.keys; ++i)
        out.push_back(servers.slot_of("lethe:r:" + key_of(options, i)));
    for (std::size_t i = 0; i < subjects_of_load; ++i)
        out.push_back(servers.slot_of("lethe:{s:" + subject_of(options, i) + "}"));
    return out;
}

// Nothing is lost or done twice while records and indexes go from node to node.
TEST(ClusterResharding, OneOrderExplainsAllWhileSlotsMove) {
    test::redis_cluster servers;
    rig load(servers.url(), {.seed = seed_of_this_run()});
    const std::vector<unsigned> slots = slots_of(servers, load.options());
    const auto until = std::chrono::steady_clock::now() + fault_time(5);
    for (std::size_t i = 0; std::chrono::steady_clock::now() < until; ++i) {
        const unsigned slot = slots[i % slots.size()];
        servers.move_slot(slot, (servers.primary_of(slot) + 1) % test::redis_cluster::primaries);
    }
    load.expect_progress("moves of slots");
    load.expect_explained("redis_cluster");
}

TEST(ClusterFailover, CallsEndInTimeAndAllGoesOnWithTheReplica) {
    test::redis_cluster servers;
    rig load(servers.url(), {.seed = seed_of_this_run()});
    claims made;
    claim_during(
        load,
        [&] {
            servers.node(servers.primary_of(slots_of(servers, load.options())[0])).kill_now();
            servers.wait_until_ok();
        },
        made);
    load.expect_sound("redis_cluster");
}

TEST(ClusterFailover, NothingThatAReplicaHadIsLost) {
    test::redis_cluster servers;
    rig load(servers.url() + "?wait=1&wait_ms=300", {.seed = seed_of_this_run()});
    claims made;
    claim_during(
        load,
        [&] {
            const std::size_t dead = servers.primary_of(slots_of(servers, load.options())[0]);
            servers.node(dead).kill_now();
            servers.wait_until_ok();
            // As above: it follows the one that took over.
            servers.node(dead).start();
            servers.wait_until_ok();
        },
        made);
    expect_claims(load, made);
    load.expect_sound("redis_cluster with wait");
}

// Nodes that come back before anybody takes over, and slots that move: no promise is weakened.
TEST(ClusterFaults, DeadAndFrozenNodesAndMovingSlotsChangeNoPromise) {
    // Nobody is replaced, however slow this machine is.
    test::redis_cluster servers({.node_timeout = 60s});
    std::mt19937_64 random(seed_of_this_run());
    rig load(servers.url(), {.seed = random(), .keys = 6});
    const std::vector<unsigned> slots = slots_of(servers, load.options());
    const auto until = std::chrono::steady_clock::now() + fault_time(8);
    for (int round = 0; round < 6 || std::chrono::steady_clock::now() < until; ++round) {
        test::redis_server& node = servers.node(random() % test::redis_cluster::primaries);
        const std::chrono::milliseconds time(random() % 500);
        if (round % 3 == 0) {
            node.kill_now();
            std::this_thread::sleep_for(time / 4);
            node.start();
            // A node that is not yet one of them again takes no slot.
            servers.wait_until_ok();
        } else if (round % 3 == 1) {
            node.freeze();
            std::this_thread::sleep_for(time);
            node.thaw();
        } else {
            for (const unsigned slot : slots)
                servers.move_slot(slot,
                                  (servers.primary_of(slot) + 1) % test::redis_cluster::primaries);
        }
        load.expect_progress("a fault of the cluster");
        if (::testing::Test::HasFailure()) break;
    }
    load.expect_explained("redis_cluster");
}

}  // namespace
}  // namespace lethe::store
