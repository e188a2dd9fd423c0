// A real cluster of six nodes: moved slots, a node that dies, and the index that is on other nodes.
#include "store/redis/far_index.hpp"
#include "store/redis/slots.hpp"
#include "store/redis/test_store.hpp"
#include "support/redis_replication.hpp"
#include "support/servers.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

namespace lethe::store::redis {
namespace {

using namespace std::chrono_literals;
using test::redis_cluster;
using test::wait_for;

TEST(RedisSlots, AreThoseOfTheServers) {
    // From the cluster specification.
    EXPECT_EQ(slot_of("123456789"), 0x31c3 % 16384);
    EXPECT_EQ(slot_of("foo"), 12182);
    EXPECT_EQ(slot_of("{user1000}.following"), slot_of("{user1000}.followers"));
    EXPECT_EQ(slot_of("foo{}{bar}"), slot_of("foo{}{bar}"));
    EXPECT_NE(slot_of("foo{}{bar}"), slot_of("bar")) << "an empty tag is none";
    EXPECT_EQ(slot_of("foo{{bar}}zap"), slot_of("{bar"));
    EXPECT_EQ(slot_of("foo{bar}{zap}"), slot_of("bar"));
}

TEST(RedisSlots, BothSetsOfASubjectAreInOneSlot) {
    using namespace std::string_literals;
    for (const std::string& subject :
         {"alice"s, "}"s, "{"s, "a}b"s, "{}"s, "}m"s, std::string(1, '\0')}) {
        const key_names names{"lethe:"};
        const index_keys keys = far_keys_of(subject, names);
        EXPECT_EQ(slot_of(keys.names), slot_of(keys.moments)) << subject;
        EXPECT_EQ(subject_of_set(keys.names, names), subject);
    }
}

TEST(RedisSlots, TheTableIsReadAndNothingElseIs) {
    const net::address asked{"10.0.0.9", 1};
    const result<slot_table> table =
        read_slots(*resp::parse("*2\r\n*3\r\n:0\r\n:99\r\n*3\r\n$3\r\na.b\r\n:7001\r\n$2\r\nid\r\n"
                                "*3\r\n:100\r\n:16383\r\n*3\r\n$0\r\n\r\n:7002\r\n$2\r\nid\r\n"),
                   asked);
    ASSERT_TRUE(table.has_value());
    EXPECT_EQ(*table->owner_of(99), (net::address{"a.b", 7001}));
    EXPECT_EQ(*table->owner_of(100), (net::address{"10.0.0.9", 7002}));
    EXPECT_TRUE(table->complete());
    slot_table other = *table;
    EXPECT_TRUE(other == *table);
    EXPECT_EQ(other.fingerprint(), table->fingerprint());
    other.assign(5, 5, {"c", 1});
    EXPECT_FALSE(other == *table);
    EXPECT_NE(other.fingerprint(), table->fingerprint());
    for (const char* bytes : {"+OK\r\n", "*1\r\n:1\r\n", "*1\r\n*2\r\n:0\r\n:1\r\n",
                              "*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n",
                              "*1\r\n*3\r\n:2\r\n:1\r\n*2\r\n$1\r\na\r\n:1\r\n",
                              "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\na\r\n:70000\r\n"})
        EXPECT_TRUE(read_slots(*resp::parse(bytes), asked).has_error()) << bytes;
}

TEST(RedisSlots, RedirectionsAreRead) {
    const net::address asked{"h", 1};
    const auto moved = read_redirection("MOVED 3999 127.0.0.1:6381", asked);
    ASSERT_TRUE(moved.has_value());
    EXPECT_EQ(moved->slot, 3999);
    EXPECT_EQ(moved->to, (net::address{"127.0.0.1", 6381}));
    EXPECT_EQ(read_redirection("ASK 1 ::1:6381", asked)->to, (net::address{"::1", 6381}));
    EXPECT_EQ(read_redirection("MOVED 1 :6381", asked)->to, (net::address{"h", 6381}));
    for (const char* text : {"MOVED", "MOVED 1", "MOVED x h:1", "MOVED 16384 h:1", "MOVED 1 h",
                             "MOVED 1 h:0", "MOVED 1 h:70000"})
        EXPECT_FALSE(read_redirection(text, asked).has_value()) << text;
}

// One cluster for all tests of this file: it takes seconds to form.
redis_cluster& the_cluster() {
    static redis_cluster one;
    return one;
}

void must(test::redis_server& server, const std::vector<std::string>& words) {
    const test::redis_reply reply = server.ask(words);
    EXPECT_NE(reply.kind, '-') << words.front() << ": " << reply.text;
}

TEST(RedisCluster, ABatchGoesToAllNodesAndKeepsItsOrder) {
    used_store store(the_cluster().url());
    std::vector<operation> all;
    for (int i = 0; i < 300; ++i) {
        const std::string key = "batch" + std::to_string(i);
        all.push_back(put{key, "1", 1h, anything{}, "batch"});
        all.push_back(put{key, "2", 1h, absent{}, "batch"});
        all.push_back(get{key});
    }
    const result<std::vector<answer>> got =
        store.worker().run(store->batch(all, used_store::soon()));
    ASSERT_TRUE(got.has_value()) << describe(got.error());
    for (std::size_t i = 0; i < 300; ++i) {
        EXPECT_TRUE((*got)[3 * i].done);
        EXPECT_FALSE((*got)[3 * i + 1].done);
        EXPECT_EQ((*got)[3 * i + 2].present->version, (*got)[3 * i].version);
    }
    for (std::size_t i = 0; i < redis_cluster::primaries; ++i)
        EXPECT_NE(the_cluster().node(i).ask({"DBSIZE"}).text, "0");
    EXPECT_EQ(store.list("batch").size(), 300U);
}

TEST(RedisCluster, AMovedSlotIsFollowedInEveryStep) {
    redis_cluster& all = the_cluster();
    used_store store(all.url());
    // Two keys of one slot: one goes over, the other not yet.
    const std::string here = "{moving}a";
    const std::string there = "{moving}b";
    ASSERT_TRUE(store.put_in(here, "1", "mover").has_value());
    const unsigned slot = all.slot_of("lethe:r:" + here);
    const std::size_t from = all.primary_of(slot);
    const std::size_t to = (from + 1) % redis_cluster::primaries;
    all.begin_move(slot, to);
    EXPECT_EQ(store.read(here), "1") << "still where it was";
    const result<answer> first = store.put_in(there, "1", "mover", absent{});
    ASSERT_TRUE(first.has_value()) << describe(first.error());
    EXPECT_TRUE(first->done) << "a new one is made where it will live: ASK";
    EXPECT_EQ(store.read(there), "1");
    EXPECT_TRUE(store.put_in(there, "2", "mover", first->version)->done);
    EXPECT_FALSE(store.put_in(there, "3", "mover", first->version)->done);
    EXPECT_TRUE(store.run(touch{there, 2h})->done);
    all.move_keys(slot, to);
    EXPECT_EQ(store.read(here), "1") << "gone over: ASK";
    all.end_move(slot, to);
    EXPECT_EQ(store.read(here) + store.read(there), "12") << "MOVED";
    EXPECT_TRUE(store.put_in(here, "4", "mover").has_value());
    EXPECT_EQ(store.list("mover"), (std::vector<std::string>{here, there}));
    // The slot of the index, too; halfway its two sets are on two nodes.
    const index_keys keys = far_keys_of("mover", key_names{"lethe:"});
    const unsigned index_slot = all.slot_of(keys.names);
    const std::size_t index_from = all.primary_of(index_slot);
    const std::size_t index_to = (index_from + 1) % redis_cluster::primaries;
    all.begin_move(index_slot, index_to);
    all.move_keys(index_slot, index_to, 1);
    std::thread finishing([&] {
        const auto met = [&] {
            return !all.node(index_from).info({"INFO", "errorstats"}, "errorstat_TRYAGAIN").empty();
        };
        EXPECT_TRUE(wait_for(met, 900ms));
        all.end_move(index_slot, index_to);
    });
    const result<answer> named = store.put_in("{moving}c", "1", "mover");
    finishing.join();
    EXPECT_TRUE(named.has_value())
        << "TRYAGAIN until they are together: " << describe(named.error());
    EXPECT_EQ(store.list("mover"), (std::vector<std::string>{here, there, "{moving}c"}));
    all.wait_until_ok();
}

TEST(RedisCluster, NoIncrementIsLostWhileSlotsMove) {
    redis_cluster& all = the_cluster();
    constexpr int counters = 12;
    constexpr int times = 60;
    std::vector<std::string> keys;
    std::vector<unsigned> slots_of_keys;
    for (int i = 0; i < counters; ++i) {
        keys.push_back("counter" + std::to_string(i));
        slots_of_keys.push_back(all.slot_of("lethe:r:" + keys.back()));
    }
    std::atomic<bool> done{false};
    std::thread moving([&] {
        for (std::size_t round = 0; !done; ++round) {
            const unsigned slot = slots_of_keys[round % slots_of_keys.size()];
            all.move_slot(slot, (all.primary_of(slot) + 1) % redis_cluster::primaries);
        }
    });
    std::vector<std::thread> adding;
    std::atomic<int> added{0};
    for (int t = 0; t < 3; ++t)
        adding.emplace_back([&] {
            used_store store(all.url());
            for (int i = 0; i < times; ++i)
                for (const std::string& key : keys) {
                    while (true) {
                        const auto present =
                            store.worker().run(store->read(key, used_store::soon()));
                        ASSERT_TRUE(present.has_value()) << describe(present.error());
                        const int value = *present ? std::stoi((*present)->value) : 0;
                        const expectation expect =
                            *present ? expectation((*present)->version) : expectation(absent{});
                        const result<answer> put_answer =
                            store.put_in(key, std::to_string(value + 1), "counting", expect);
                        ASSERT_TRUE(put_answer.has_value()) << describe(put_answer.error());
                        if (put_answer->done) break;
                    }
                    ++added;
                }
        });
    for (std::thread& one : adding) one.join();
    done = true;
    moving.join();
    EXPECT_EQ(added, 3 * times * counters);
    used_store store(all.url());
    for (const std::string& key : keys) EXPECT_EQ(store.read(key), std::to_string(3 * times));
    EXPECT_EQ(store.list("counting").size(), static_cast<std::size_t>(counters));
    all.wait_until_ok();
}

TEST(RedisCluster, NamesOfRecordsThatAreGoneLeaveTheIndexAndThoseOfLiveOnesStay) {
    redis_cluster& all = the_cluster();
    used_store store(all.url());
    ASSERT_TRUE(store.put_in("live", "v", "carol").has_value());
    ASSERT_TRUE(store.put_in("gone", "v", "carol").has_value());
    ASSERT_TRUE(store.put_in("taken", "v", "carol").has_value());
    ASSERT_TRUE(store.run(erase{"gone", anything{}})->done);
    ASSERT_TRUE(store.put_in("taken", "v", "dave").has_value());
    EXPECT_EQ(store.list("carol"), std::vector<std::string>{"live"});
    const index_keys keys = far_keys_of("carol", key_names{"lethe:"});
    test::redis_server& node = all.node(all.primary_of(all.slot_of(keys.names)));
    EXPECT_EQ(node.ask({"ZCARD", keys.names}).text, "3") << "for ten minutes";
    EXPECT_EQ(*store.worker().run(store->purge_expired(100, used_store::soon())), 0U);
    // Eleven minutes later.
    for (const char* name : {"live", "gone", "taken"})
        must(node, {"ZADD", keys.moments, "1", name});
    EXPECT_EQ(*store.worker().run(store->purge_expired(100, used_store::soon())), 2U);
    EXPECT_EQ(node.ask({"ZCARD", keys.names}).text, "1");
    EXPECT_GT(std::stod(node.ask({"ZSCORE", keys.moments, "live"}).text), 1e12)
        << "looked after again when it may have expired";
    EXPECT_EQ(store.list("carol"), std::vector<std::string>{"live"});
    // Whoever adds a name looks after others.
    must(node, {"ZADD", keys.names, "0", "never"});
    must(node, {"ZADD", keys.moments, "1", "never"});
    ASSERT_TRUE(store.put_in("live", "w", "carol").has_value());
    EXPECT_TRUE(wait_for([&] { return node.ask({"ZCARD", keys.names}).text == "1"; }, 5s));
}

TEST(RedisCluster, ANameThatWasAddedMeanwhileIsNotRemoved) {
    redis_cluster& all = the_cluster();
    used_store store(all.url());
    ASSERT_TRUE(store.put_in("k", "v", "erin").has_value());
    const index_keys keys = far_keys_of("erin", key_names{"lethe:"});
    test::redis_server& node = all.node(all.primary_of(all.slot_of(keys.names)));
    const std::string before = node.ask({"ZSCORE", keys.moments, "k"}).text;
    must(node, {"ZADD", keys.moments, "1", "k"});
    // Found gone at its old moment, by somebody slow.
    EXPECT_EQ(
        node.ask({"FCALL", "lethe_1_index_settle", "2", keys.names, keys.moments, "k", before, ""})
            .text,
        "0");
    EXPECT_EQ(node.ask({"ZCARD", keys.names}).text, "1");
    // And a put that comes too late for its name is refused.
    const std::string key = "lethe:r:k";
    test::redis_server& home = all.node(all.primary_of(all.slot_of(key)));
    const test::redis_reply late = home.ask(
        {"FCALL", "lethe_1_put", "1", key, "", "", "60000", "ABCDEFGH", "erin", "late", "1"});
    EXPECT_EQ(late.kind, '-');
    EXPECT_TRUE(late.text.starts_with("LETHELATE")) << late.text;
    EXPECT_EQ(store.read("k"), "v");
}

TEST(RedisCluster, TheIndexOutlivesATouchedRecord) {
    redis_cluster& all = the_cluster();
    used_store store(all.url());
    ASSERT_TRUE(store.put_in("prolonged", "v", "frank", anything{}, 5s).has_value());
    ASSERT_TRUE(store.run(touch{"prolonged", 10h})->done);
    const index_keys keys = far_keys_of("frank", key_names{"lethe:"});
    test::redis_server& node = all.node(all.primary_of(all.slot_of(keys.names)));
    const std::string key = "lethe:r:prolonged";
    test::redis_server& home = all.node(all.primary_of(all.slot_of(key)));
    const long long expires = std::stoll(home.ask({"PEXPIRETIME", key}).text);
    EXPECT_GT(std::stoll(node.ask({"PEXPIRETIME", keys.names}).text), expires);
    EXPECT_GT(std::stoll(node.ask({"PEXPIRETIME", keys.moments}).text), expires);
    // In one batch with the put that makes it another's.
    const result<std::vector<answer>> both = store.worker().run(store->batch(
        {put{"prolonged", "w", 5s, anything{}, "grace"}, touch{"prolonged", 20h}, get{"prolonged"}},
        used_store::soon()));
    ASSERT_TRUE(both.has_value()) << describe(both.error());
    EXPECT_TRUE((*both)[1].done);
    EXPECT_EQ((*both)[2].present->value, "w");
    EXPECT_EQ(store.list("grace"), std::vector<std::string>{"prolonged"});
    EXPECT_TRUE(store.list("frank").empty());
}

TEST(RedisCluster, FunctionsAreLoadedAgainOnEachNode) {
    redis_cluster& all = the_cluster();
    used_store store(all.url());
    ASSERT_TRUE(store.put_in("f0", "v").has_value());
    for (std::size_t i = 0; i < redis_cluster::nodes; ++i)
        if (all.node(i).ask({"ROLE"}).parts.at(0).text == "master")
            must(all.node(i), {"FUNCTION", "FLUSH"});
    std::vector<operation> many;
    for (int i = 0; i < 50; ++i)
        many.push_back(put{"f" + std::to_string(i), "w", 1h, anything{}, "heidi"});
    const auto got = store.worker().run(store->batch(many, used_store::soon()));
    ASSERT_TRUE(got.has_value()) << describe(got.error());
    EXPECT_EQ(store.list("heidi").size(), 50U);
}

TEST(RedisCluster, AScanSeesEveryNodeAndSaysNothingTwiceWhileNothingMoves) {
    used_store store(the_cluster().url() + "?prefix=scan:");
    std::vector<operation> many;
    std::set<std::string> expected;
    for (int i = 0; i < 500; ++i) {
        expected.insert("k" + std::to_string(i));
        many.push_back(put{"k" + std::to_string(i), "v", 1h, anything{}, ""});
    }
    ASSERT_TRUE(store.worker().run(store->batch(many, used_store::soon())).has_value());
    std::set<std::string> seen;
    std::string cursor;
    for (bool more = true; more;) {
        const auto page = store.worker().run(store->scan(cursor, 50, used_store::soon()));
        ASSERT_TRUE(page.has_value()) << describe(page.error());
        EXPECT_LE(page->keys.size(), 50U);
        for (const std::string& key : page->keys) EXPECT_TRUE(seen.insert(key).second) << key;
        cursor = page->cursor;
        more = page->more;
    }
    EXPECT_EQ(seen, expected);
}

TEST(RedisCluster, AUserNeedsOnlyTheCommandsThatTheDocsName) {
    redis_cluster& all = the_cluster();
    for (std::size_t i = 0; i < redis_cluster::nodes; ++i)
        must(all.node(i), {"ACL",
                           "SETUSER",
                           "lethe",
                           "on",
                           ">pw",
                           "~lethe:*",
                           "resetchannels",
                           "-@all",
                           "+hello",
                           "+client|setname",
                           "+select",
                           "+ping",
                           "+role",
                           "+function|load",
                           "+function|list",
                           "+fcall",
                           "+get",
                           "+getrange",
                           "+set",
                           "+setrange",
                           "+del",
                           "+pexpireat",
                           "+pexpiretime",
                           "+time",
                           "+zadd",
                           "+zrem",
                           "+zrange",
                           "+zrandmember",
                           "+zcard",
                           "+scan",
                           "+info",
                           "+config|get",
                           "+cluster|slots",
                           "+asking",
                           "+zscore"});
    used_store store("redis+cluster://lethe:pw@127.0.0.1:" + std::to_string(all.node(0).port()));
    ASSERT_TRUE(store.put_in("u", "v", "judy").has_value());
    EXPECT_TRUE(store.run(touch{"u", 2h})->done);
    EXPECT_EQ(store.list("judy"), std::vector<std::string>{"u"});
    EXPECT_TRUE(store.worker().run(store->examine(used_store::soon())).has_value());
    const index_keys keys = far_keys_of("judy", key_names{"lethe:"});
    must(all.node(all.primary_of(all.slot_of(keys.names))), {"ZADD", keys.moments, "1", "u"});
    EXPECT_TRUE(store.worker().run(store->purge_expired(10, used_store::soon())).has_value());
    EXPECT_TRUE(store.run(erase{"u", anything{}})->done);
}

TEST(RedisCluster, AllNodesAreExamined) {
    used_store store(the_cluster().url());
    const auto found = store.worker().run(store->examine(used_store::soon()));
    ASSERT_TRUE(found.has_value()) << describe(found.error());
    EXPECT_TRUE(found->server.ends_with("cluster")) << found->server;
    EXPECT_TRUE(found->promises.durable);
    EXPECT_FALSE(found->promises.transactions);
    for (const finding& one : found->findings)
        EXPECT_NE(one.how_bad, finding::weight::fault) << one.what;
}

// Last: it leaves the cluster with a node less.
TEST(RedisClusterFailover, ANodeThatDiesIsReplacedAndNothingAnsweredIsLost) {
    redis_cluster all;
    used_store store(all.url());
    std::vector<operation> many;
    for (int i = 0; i < 100; ++i)
        many.push_back(put{"k" + std::to_string(i), "v", 1h, anything{}, "ivan"});
    ASSERT_TRUE(store.worker().run(store->batch(many, used_store::soon())).has_value());
    for (std::size_t i = 0; i < redis_cluster::primaries; ++i)
        ASSERT_TRUE(test::wait_until_replicated(all.node(i)));
    const std::size_t dead = all.primary_of(all.slot_of("lethe:r:k0"));
    all.node(dead).kill_now();
    ASSERT_TRUE(wait_for(
        [&] {
            const result<answer> one = store.put_in("k0", "w", "ivan");
            if (one.has_value()) return true;
            EXPECT_TRUE(one.error() == condition::unavailable ||
                        one.error() == condition::outcome_unknown ||
                        one.error() == condition::timeout)
                << describe(one.error());
            return false;
        },
        30s));
    all.wait_until_ok();
    for (int i = 1; i < 100; ++i) EXPECT_EQ(store.read("k" + std::to_string(i)), "v") << i;
    EXPECT_EQ(store.list("ivan").size(), 100U);
    // A frozen one keeps its connections: the others say who has taken over. First the dead one
    // comes back, as a replica.
    all.node(dead).start();
    all.wait_until_ok();
    const std::size_t frozen = all.primary_of(all.slot_of("lethe:r:k1"));
    all.node(frozen).freeze();
    EXPECT_TRUE(wait_for(
        [&] { return store.run(put{"k1", "w", 1h, anything{}, ""}, 500ms).has_value(); }, 30s));
    all.node(frozen).thaw();
}

}  // namespace
}  // namespace lethe::store::redis
