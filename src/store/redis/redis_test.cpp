// What the conformance suite does not ask: Redis' own ways to fail, against real servers.
#include "store/open.hpp"
#include "store/redis/test_store.hpp"
#include "support/fault_proxy.hpp"
#include "support/redis_replication.hpp"
#include "support/servers.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace lethe::store::redis {
namespace {

using namespace std::chrono_literals;
using test::redis_server;
using test::wait_for;

std::string url_of(const redis_server& server, const std::string& who, const std::string& options) {
    return "redis://" + who + "127.0.0.1:" + std::to_string(server.port()) + options;
}

void must(redis_server& server, const std::vector<std::string>& words) {
    const test::redis_reply reply = server.ask(words);
    EXPECT_NE(reply.kind, '-') << words.front() << ": " << reply.text;
}

TEST(Redis, FunctionsAreLoadedAgainAfterTheyWereFlushed) {
    redis_server server;
    used_store store(server.url());
    ASSERT_TRUE(store.put_in("k", "1", "alice").has_value());
    must(server, {"FUNCTION", "FLUSH"});
    const result<answer> put_answer = store.put_in("k", "2", "alice");
    ASSERT_TRUE(put_answer.has_value()) << describe(put_answer.error());
    EXPECT_EQ(store.read("k"), "2");
    must(server, {"FUNCTION", "FLUSH"});
    EXPECT_EQ(store.list("alice"), std::vector<std::string>{"k"});
    must(server, {"FUNCTION", "FLUSH"});
    const result<std::vector<answer>> both = store.worker().run(store->transact(
        {put{"a", "1", 1h, absent{}, ""}, erase{"k", anything{}}}, used_store::soon()));
    ASSERT_TRUE(both.has_value());
    EXPECT_EQ(store.read("a") + store.read("k"), "1");
}

TEST(Redis, MigrationLoadsTheFunctionsOnce) {
    redis_server server;
    used_store store(server.url());
    const result<migration> first = store.worker().run(store->migrate(used_store::soon()));
    ASSERT_TRUE(first.has_value());
    EXPECT_EQ(first->from, 0U);
    EXPECT_EQ(first->to, 1U);
    const result<migration> again = store.worker().run(store->migrate(used_store::soon()));
    EXPECT_EQ(again->from, 1U);
    used_store other(server.url());
    EXPECT_EQ(other.worker().run(other->migrate(used_store::soon()))->from, 1U);
}

TEST(Redis, AWrongPasswordIsUnavailable) {
    redis_server server({.password = "right"});
    used_store wrong(url_of(server, ":wrong@", ""));
    const result<answer> refused = wrong.put_in("k", "v");
    ASSERT_TRUE(refused.has_error());
    EXPECT_EQ(refused.error(), condition::unavailable);
    used_store none(url_of(server, "", ""));
    EXPECT_EQ(none.put_in("k", "v").error(), condition::unavailable);
    used_store right(server.url());
    EXPECT_TRUE(right.put_in("k", "v").has_value());
}

TEST(Redis, AUserNeedsOnlyTheCommandsThatTheDocsName) {
    redis_server server;
    // As docs/stores.md has it.
    must(server, {"ACL",    "SETUSER",         "lethe",          "on",
                  ">pw",    "~lethe:*",        "resetchannels",  "-@all",
                  "+hello", "+client|setname", "+select",        "+ping",
                  "+role",  "+function|load",  "+function|list", "+fcall",
                  "+get",   "+getrange",       "+set",           "+setrange",
                  "+del",   "+pexpireat",      "+pexpiretime",   "+time",
                  "+zadd",  "+zrem",           "+zrange",        "+zrandmember",
                  "+zcard", "+scan",           "+info",          "+config|get"});
    used_store store(url_of(server, "lethe:pw@", ""));
    EXPECT_TRUE(store.put_in("k", "v", "alice").has_value());
    EXPECT_TRUE(store.run(touch{"k", 2h})->done);
    EXPECT_EQ(store.list("alice"), std::vector<std::string>{"k"});
    const result<std::vector<answer>> all = store.worker().run(store->transact(
        {put{"a", "1", 1h, absent{}, "bob"}, touch{"k", 1h}, erase{"k", anything{}}},
        used_store::soon()));
    ASSERT_TRUE(all.has_value()) << describe(all.error());
    EXPECT_TRUE(store.worker().run(store->examine(used_store::soon())).has_value());
    EXPECT_TRUE(store.worker().run(store->purge_expired(10, used_store::soon())).has_value());
    EXPECT_EQ(store.worker().run(store->scan("", 10, used_store::soon()))->keys,
              std::vector<std::string>{"a"});
}

TEST(Redis, WhatIsForbiddenChangesNothing) {
    redis_server server;
    used_store all(server.url());
    ASSERT_TRUE(all.put_in("k", "v").has_value());
    const auto before = all.worker().run(all->read("k", used_store::soon()));
    must(server, {"ACL", "SETUSER", "bob", "on", ">pw", "~*", "+@all", "-del", "-pexpireat"});
    used_store some(url_of(server, "bob:pw@", ""));
    EXPECT_EQ(some.run(erase{"k", anything{}}).error(), condition::unavailable);
    EXPECT_EQ(some.run(touch{"k", 9h}).error(), condition::unavailable);
    const result<std::vector<answer>> refused = some.worker().run(some->transact(
        {put{"k", "other", 1h, anything{}, ""}, erase{"k", anything{}}}, used_store::soon()));
    ASSERT_TRUE(refused.has_error());
    EXPECT_EQ(refused.error(), condition::unavailable);
    const auto after = all.worker().run(all->read("k", used_store::soon()));
    EXPECT_EQ((*after)->version, (*before)->version);
    EXPECT_EQ((*after)->expires, (*before)->expires);
    EXPECT_EQ(server.ask({"PEXPIRETIME", "lethe:r:k"}).text,
              std::to_string((*before)->expires.time_since_epoch().count() - 1));
}

TEST(Redis, SpeaksResp2WhereItIsWantedOrNothingElseIsKnown) {
    redis_server server;
    used_store forced(url_of(server, "", "/0?proto=2"));
    EXPECT_TRUE(forced.put_in("k", "v", "alice").has_value());
    EXPECT_FALSE(forced.put_in("k", "v", "alice", absent{})->done);
    EXPECT_EQ(forced.read("k"), "v");
    EXPECT_EQ(forced.read("missing"), "");
    EXPECT_EQ(forced.list("alice"), std::vector<std::string>{"k"});
    EXPECT_TRUE(forced.worker().run(forced->examine(used_store::soon()))->promises.durable);
    EXPECT_NE(server.ask({"CLIENT", "LIST"}).text.find("name=lethe"), std::string::npos);
    // As a server that has never heard of RESP3.
    redis_server old({.lines = {"rename-command HELLO \"\""}});
    used_store fallen_back(old.url());
    EXPECT_TRUE(fallen_back.put_in("k", "v").has_value());
    EXPECT_EQ(fallen_back.read("k"), "v");
}

TEST(Redis, DatabasesAndPrefixesKeepRecordsApart) {
    redis_server server;
    used_store here(url_of(server, "", "/0"));
    used_store there(url_of(server, "", "/3"));
    used_store beside(url_of(server, "", "/0?prefix=b*:"));
    ASSERT_TRUE(here.put_in("k", "here", "alice").has_value());
    ASSERT_TRUE(there.put_in("k", "there", "alice").has_value());
    ASSERT_TRUE(beside.put_in("l", "beside", "alice").has_value());
    must(server, {"SET", "bx:r:x", "foreign"});
    EXPECT_EQ(here.read("k"), "here");
    EXPECT_EQ(there.read("k"), "there");
    EXPECT_EQ(beside.read("k"), "");
    EXPECT_EQ(beside.list("alice"), std::vector<std::string>{"l"});
    EXPECT_EQ(beside.worker().run(beside->scan("", 10, used_store::soon()))->keys,
              std::vector<std::string>{"l"});
}

TEST(Redis, AnAnsweredChangeSurvivesAKilledServer) {
    redis_server server;
    used_store store(server.url());
    std::vector<record_version> versions;
    for (int i = 0; i < 50; ++i)
        versions.push_back(store.put_in("k" + std::to_string(i), "v", "alice")->version);
    server.kill_now();
    EXPECT_EQ(store.put_in("k0", "w").error(), condition::unavailable) << "nobody listens";
    server.start();
    ASSERT_TRUE(wait_for([&] { return store.answers(); }, 10s));
    for (int i = 0; i < 50; ++i) {
        const auto got =
            store.worker().run(store->read("k" + std::to_string(i), used_store::soon()));
        ASSERT_TRUE(got.has_value() && got->has_value()) << i;
        EXPECT_EQ((*got)->version, versions[static_cast<std::size_t>(i)]);
    }
    EXPECT_EQ(store.list("alice").size(), 50U);
    EXPECT_TRUE(store.put_in("k0", "w", "", versions[0])->done) << "the functions are there, too";
}

TEST(Redis, AFrozenServerLeavesWritesUnknownAndReadsTimedOut) {
    redis_server server;
    used_store store(server.url());
    ASSERT_TRUE(store.put_in("k", "v").has_value());
    server.freeze();
    const result<answer> written = store.run(put{"k", "w", 1h, anything{}, ""}, 200ms);
    ASSERT_TRUE(written.has_error());
    EXPECT_EQ(written.error(), condition::outcome_unknown);
    const result<answer> read = store.run(get{"k"}, 200ms);
    ASSERT_TRUE(read.has_error());
    EXPECT_EQ(read.error(), condition::timeout);
    server.thaw();
    // It was sent, and is done now.
    EXPECT_TRUE(wait_for([&] { return store.read("k") == "w"; }, 5s));
}

TEST(Redis, AnAnswerThatIsCutOffLeavesAWriteUnknown) {
    redis_server server;
    test::fault_proxy proxy(server.port());
    used_store store("redis://127.0.0.1:" + std::to_string(proxy.port()));
    ASSERT_TRUE(store.put_in("k", "v").has_value());
    proxy.cut_after(1);
    EXPECT_EQ(store.put_in("k", "w").error(), condition::outcome_unknown);
    ASSERT_TRUE(wait_for([&] { return store.answers(); }, 5s));
    EXPECT_EQ(store.read("k"), "w");
    proxy.cut_after(1);
    EXPECT_EQ(store.run(get{"k"}).error(), condition::unavailable) << "a read changes nothing";
}

TEST(Redis, AFullServerRefusesChangesAndNothingElse) {
    redis_server server;
    used_store store(server.url());
    ASSERT_TRUE(store.put_in("k", "v", "alice").has_value());
    must(server, {"CONFIG", "SET", "maxmemory", "1"});
    EXPECT_EQ(store.put_in("k", "w").error(), condition::unavailable);
    EXPECT_EQ(store.run(touch{"k", 9h}).error(), condition::unavailable);
    EXPECT_EQ(store.read("k"), "v");
    EXPECT_EQ(store.list("alice"), std::vector<std::string>{"k"});
    EXPECT_TRUE(store.run(erase{"k", anything{}})->done) << "what helps is not refused";
    must(server, {"CONFIG", "SET", "maxmemory", "0"});
    EXPECT_TRUE(store.put_in("k", "w").has_value());
}

TEST(Redis, AServerWithoutEnoughReplicasRefusesChangesAndNothingElse) {
    redis_server server;
    used_store store(server.url());
    ASSERT_TRUE(store.put_in("k", "v", "alice").has_value());
    must(server, {"CONFIG", "SET", "min-replicas-to-write", "1"});
    EXPECT_EQ(store.put_in("k", "w").error(), condition::unavailable);
    EXPECT_EQ(store.run(erase{"k", anything{}}).error(), condition::unavailable);
    EXPECT_EQ(store.read("k"), "v");
    EXPECT_EQ(store.list("alice"), std::vector<std::string>{"k"});
    // A new connection finds the functions though it may not load them.
    used_store late(server.url());
    EXPECT_EQ(late.read("k"), "v");
    EXPECT_EQ(late.put_in("k", "w").error(), condition::unavailable);
    must(server, {"CONFIG", "SET", "min-replicas-to-write", "0"});
    EXPECT_TRUE(late.put_in("k", "w").has_value());
}

TEST(Redis, AServerThatIsHeldUpByAnothersScriptHasChangedNothing) {
    redis_server server({.lines = {"busy-reply-threshold 10"}});
    used_store store(server.url());
    ASSERT_TRUE(store.put_in("k", "v").has_value());
    std::thread other([&] {
        const auto killed = server.ask({"EVAL", "while true do end", "0"});
        EXPECT_EQ(killed.kind, '-');
    });
    // Sent before the server notices that it is busy: it waits, and is refused then.
    EXPECT_TRUE(
        wait_for([&] { return store.put_in("k", "w").error() == condition::unavailable; }, 5s));
    EXPECT_EQ(store.run(get{"k"}).error(), condition::unavailable);
    EXPECT_TRUE(wait_for([&] { return server.ask({"SCRIPT", "KILL"}).kind == '+'; }, 5s));
    other.join();
    EXPECT_TRUE(wait_for([&] { return store.answers(); }, 5s));
    EXPECT_TRUE(store.put_in("k", "x").has_value());
}

TEST(Redis, AForeignValueIsCorruptAndLeftAsItIs) {
    redis_server server;
    used_store store(server.url());
    must(server, {"SET", "lethe:r:text", "not a record"});
    must(server, {"RPUSH", "lethe:r:list", "not a string"});
    for (const std::string key : {"text", "list"}) {
        EXPECT_EQ(store.run(get{key}).error(), condition::corrupt);
        EXPECT_EQ(store.put_in(key, "v").error(), condition::corrupt);
        EXPECT_EQ(store.run(erase{key, anything{}}).error(), condition::corrupt);
        EXPECT_EQ(store.run(touch{key, 1h}).error(), condition::corrupt);
    }
    EXPECT_EQ(server.ask({"GET", "lethe:r:text"}).text, "not a record");
    EXPECT_EQ(server.ask({"LLEN", "lethe:r:list"}).text, "1");
}

TEST(Redis, ARecordEndsAtTheSameMillisecondForEverybody) {
    redis_server server;
    used_store store(server.url());
    ASSERT_TRUE(store.put_in("k", "v", "", anything{}, 1500ms).has_value());
    const auto there = store.worker().run(store->read("k", used_store::soon()));
    const std::int64_t expires = (*there)->expires.time_since_epoch().count();
    // Redis keeps a string through the millisecond it is given.
    EXPECT_EQ(server.ask({"PEXPIRETIME", "lethe:r:k"}).text, std::to_string(expires - 1));
    ASSERT_TRUE(store.run(touch{"k", 3s})->done);
    const auto touched = store.worker().run(store->read("k", used_store::soon()));
    EXPECT_GE((*touched)->expires, (*there)->expires + 1s);
    EXPECT_EQ(server.ask({"PEXPIRETIME", "lethe:r:k"}).text,
              std::to_string((*touched)->expires.time_since_epoch().count() - 1));
    // The shortest life there is.
    ASSERT_TRUE(store.put_in("short", "v", "", anything{}, 1ms)->done);
    EXPECT_TRUE(wait_for([&] { return store.read("short").empty(); }, 5s));
    // The longest.
    ASSERT_TRUE(
        store.put_in("long", "v", "alice", anything{}, std::chrono::milliseconds::max())->done);
    EXPECT_EQ(store.read("long"), "v");
    EXPECT_EQ(store.list("alice"), std::vector<std::string>{"long"});
}

TEST(Redis, TheIndexOutlivesItsRecordsAndNoLonger) {
    redis_server server;
    used_store store(server.url());
    ASSERT_TRUE(store.put_in("a", "v", "alice", anything{}, 1s).has_value());
    ASSERT_TRUE(store.put_in("b", "v", "alice", anything{}, 10s).has_value());
    const auto expiry = [&](const std::string& key) {
        return std::stoll(server.ask({"PEXPIRETIME", key}).text);
    };
    EXPECT_GT(expiry("lethe:s:alice"), expiry("lethe:r:b"));
    ASSERT_TRUE(store.run(touch{"a", 1h})->done);
    EXPECT_GT(expiry("lethe:s:alice"), expiry("lethe:r:a"));
    EXPECT_LT(expiry("lethe:s:alice"), expiry("lethe:r:a") + 3'600'000 / 4);
}

TEST(Redis, NamesOfRecordsThatAreGoneLeaveTheIndex) {
    redis_server server;
    used_store store(server.url());
    const auto named = [&] { return std::stoll(server.ask({"ZCARD", "lethe:s:alice"}).text); };
    ASSERT_TRUE(store.put_in("lasting", "v", "alice").has_value());
    for (int i = 0; i < 300; ++i)
        ASSERT_TRUE(
            store.put_in("gone" + std::to_string(i), "v", "alice", anything{}, 2ms).has_value());
    EXPECT_TRUE(wait_for([&] { return store.read("gone299").empty(); }, 5s));
    // A few were looked at with each that came.
    EXPECT_LT(named(), 250);
    // A listing that meets many removes them.
    for (int i = 0; i < 200; ++i)
        must(server, {"ZADD", "lethe:s:alice", "0", "never" + std::to_string(i)});
    EXPECT_EQ(store.list("alice"), std::vector<std::string>{"lasting"});
    EXPECT_EQ(named(), 1);
    // And so does a purge, of every subject.
    for (int i = 0; i < 600; ++i)
        must(server, {"ZADD", "lethe:s:alice", "0", "never" + std::to_string(i)});
    must(server, {"ZADD", "lethe:s:bob", "0", "never"});
    const result<std::size_t> purged =
        store.worker().run(store->purge_expired(10'000, used_store::soon()));
    ASSERT_TRUE(purged.has_value());
    EXPECT_EQ(*purged, 601U);
    EXPECT_EQ(*store.worker().run(store->purge_expired(10'000, used_store::soon())), 0U);
    EXPECT_EQ(store.list("alice"), std::vector<std::string>{"lasting"});
}

TEST(Redis, AListingIsWholeHoweverManyNamesAreOfRecordsGone) {
    redis_server server;
    used_store store(server.url());
    for (int i = 0; i < 2000; ++i)
        must(server, {"ZADD", "lethe:s:alice", "0", "b" + std::to_string(i)});
    ASSERT_TRUE(store.put_in("a", "v", "alice").has_value());
    ASSERT_TRUE(store.put_in("c", "v", "alice").has_value());
    const result<subject_page> first =
        store.worker().run(store->list_subject("alice", "", "", 1, used_store::soon()));
    EXPECT_EQ(first->keys, std::vector<std::string>{"a"});
    EXPECT_TRUE(first->more);
    const result<subject_page> second =
        store.worker().run(store->list_subject("alice", "", "a", 1, used_store::soon()));
    EXPECT_EQ(second->keys, std::vector<std::string>{"c"});
    EXPECT_FALSE(second->more);
}

TEST(Redis, ExaminationReadsARealServersSettings) {
    redis_server server;
    used_store store(server.url());
    const result<examination> good = store.worker().run(store->examine(used_store::soon()));
    ASSERT_TRUE(good.has_value());
    EXPECT_TRUE(good->server.starts_with("Redis 7.")) << good->server;
    EXPECT_TRUE(good->promises.durable);
    EXPECT_FALSE(good->promises.may_evict);
    EXPECT_TRUE(good->findings.empty()) << good->findings.front().what;
    must(server, {"CONFIG", "SET", "appendfsync", "everysec"});
    must(server, {"CONFIG", "SET", "maxmemory", "100mb"});
    must(server, {"CONFIG", "SET", "maxmemory-policy", "volatile-lru"});
    const result<examination> bad = store.worker().run(store->examine(used_store::soon()));
    EXPECT_FALSE(bad->promises.durable);
    EXPECT_TRUE(bad->promises.may_evict);
    must(server, {"CONFIG", "SET", "appendonly", "no"});
    const result<examination> worse = store.worker().run(store->examine(used_store::soon()));
    EXPECT_EQ(worse->findings.front().how_bad, finding::weight::fault);
}

TEST(Redis, TalksOverTls) {
    redis_server server({.password = "pw", .tls = true});
    used_store store(server.url() + "?ca=" + server.authority().string());
    const result<answer> put_answer = store.put_in("k", std::string(300'000, 'x'));
    ASSERT_TRUE(put_answer.has_value()) << describe(put_answer.error());
    EXPECT_EQ(store.read("k").size(), 300'000U);
    // Whom the system trusts did not sign this server's certificate.
    used_store stranger(server.url());
    EXPECT_EQ(stranger.put_in("k", "v").error(), condition::unavailable);
    std::string why;
    EXPECT_TRUE(lethe::store::open(server.url() + "?ca=/nowhere", {}, why).has_error());
    EXPECT_FALSE(why.empty());
}

TEST(Redis, WithWaitAChangeThatIsOnNoReplicaIsUnknown) {
    redis_server server;
    used_store store(url_of(server, "", "?wait=1&wait_ms=50"));
    const result<answer> alone = store.put_in("k", "v");
    ASSERT_TRUE(alone.has_error());
    EXPECT_EQ(alone.error(), condition::outcome_unknown);
    EXPECT_EQ(store.read("k"), "v") << "done here";
    redis_server replica({.lines = {"replicaof 127.0.0.1 " + std::to_string(server.port())}});
    ASSERT_TRUE(wait_for([&] { return store.put_in("k", "w").has_value(); }, 20s));
    EXPECT_FALSE(store.put_in("k", "x", "", absent{})->done) << "a conflict waits for nobody";
}

TEST(Redis, AReplicaIsNotTakenForThePrimary) {
    redis_server server;
    redis_server replica({.lines = {"replicaof 127.0.0.1 " + std::to_string(server.port())}});
    used_store store(replica.url());
    EXPECT_EQ(store.put_in("k", "v").error(), condition::unavailable);
    must(replica, {"REPLICAOF", "NO", "ONE"});
    ASSERT_TRUE(wait_for([&] { return store.answers(); }, 10s));
    EXPECT_TRUE(store.put_in("k", "v").has_value());
    // The other way round, with a connection that is open: it leads nowhere any more.
    must(replica, {"REPLICAOF", "127.0.0.1", std::to_string(server.port())});
    EXPECT_EQ(store.put_in("k", "w").error(), condition::unavailable);
    must(replica, {"REPLICAOF", "NO", "ONE"});
    EXPECT_TRUE(wait_for([&] { return store.put_in("k", "w").has_value(); }, 10s));
}

TEST(RedisSentinel, AFailoverIsFollowed) {
    test::redis_sentinels all;
    used_store store(all.url());
    const result<answer> first = store.put_in("k", "v", "alice");
    ASSERT_TRUE(first.has_value()) << describe(first.error());
    ASSERT_TRUE(test::wait_until_replicated(all.first()));
    all.first().kill_now();
    // Unavailable or unknown until the other has taken over, then as if nothing had been.
    ASSERT_TRUE(wait_for(
        [&] {
            const result<answer> put_answer = store.put_in("other", "v");
            if (put_answer.has_value()) return true;
            EXPECT_TRUE(put_answer.error() == condition::unavailable ||
                        put_answer.error() == condition::outcome_unknown ||
                        put_answer.error() == condition::timeout)
                << describe(put_answer.error());
            return false;
        },
        30s));
    EXPECT_EQ(all.primary_port(), all.second().port());
    EXPECT_EQ(store.read("k"), "v");
    EXPECT_TRUE(store.put_in("k", "w", "alice", first->version)->done);
    EXPECT_EQ(store.list("alice"), std::vector<std::string>{"k"});
}

TEST(RedisSentinel, AFrozenPrimaryIsLeftForTheOneThatTookOver) {
    test::redis_sentinels all;
    used_store store(all.url());
    ASSERT_TRUE(store.put_in("k", "v").has_value());
    ASSERT_TRUE(test::wait_until_replicated(all.first()));
    all.first().freeze();
    // Its connection stays open and silent: the sentinels tell.
    EXPECT_TRUE(wait_for(
        [&] { return store.run(put{"k", "w", 1h, anything{}, ""}, 300ms).has_value(); }, 30s));
    EXPECT_EQ(store.read("k"), "w");
    EXPECT_EQ(all.primary_port(), all.second().port());
    all.first().thaw();
}

TEST(RedisSentinel, SentinelsThatAreGoneAreAskedPast) {
    test::redis_sentinels all;
    all.sentinel(0).kill_now();
    used_store store(all.url());
    const result<answer> put_answer = store.put_in("k", "v");
    EXPECT_TRUE(put_answer.has_value()) << describe(put_answer.error());
    std::string unknown = all.url();
    unknown.replace(unknown.rfind('/') + 1, std::string::npos, "nobody");
    used_store nobody(unknown);
    EXPECT_EQ(nobody.put_in("k", "v").error(), condition::unavailable);
}

}  // namespace
}  // namespace lethe::store::redis
