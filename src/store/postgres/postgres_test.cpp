// What is special to PostgreSQL: URLs, tables and their migration, expiry by the server's clock,
// concurrency. conformance_test.cpp asks the contract, postgres_faults_test.cpp what goes wrong.
#include "store/postgres/schema.hpp"
#include "store/postgres/test_side.hpp"
#include "store/postgres/url.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <thread>

namespace lethe::store::postgres {
namespace {

// ---- URLs

TEST(PostgresUrl, ALibpqUrlIsTakenAndLethesOwnOptionsAreTakenOff) {
    std::string why;
    const result<settings> got = parse_url(
        "postgresql://me:p%40ss@db1:5433,[::1]/shop?schema=state&sslmode=require&migrate=manual&"
        "connections=5&application_name=x",
        why);
    ASSERT_TRUE(got.has_value()) << why;
    EXPECT_EQ(got->schema, "state");
    EXPECT_FALSE(got->migrates);
    EXPECT_EQ(got->connections, 5U);
    ASSERT_EQ(got->endpoints.size(), 2U);
    EXPECT_EQ(to_text(got->endpoints[0]), "db1:5433");
    EXPECT_EQ(to_text(got->endpoints[1]), "[::1]");
    std::map<std::string, std::string> parameters;
    for (const auto& [name, value] : got->parameters) parameters[name] = value.reveal();
    EXPECT_EQ(parameters["password"], "p@ss");
    EXPECT_EQ(parameters["user"], "me");
    EXPECT_EQ(parameters["dbname"], "shop");
    EXPECT_EQ(parameters["sslmode"], "require");
    EXPECT_EQ(parameters["target_session_attrs"], "read-write") << "the default of several hosts";
    EXPECT_FALSE(parameters.contains("schema"));
}

TEST(PostgresUrl, OneHostNeedNotBeWritable) {
    std::string why;
    const result<settings> got = parse_url("postgres://db1/shop", why);
    ASSERT_TRUE(got.has_value()) << why;
    for (const auto& [name, value] : got->parameters) EXPECT_NE(name, "target_session_attrs");
    EXPECT_TRUE(parse_url("postgres:///shop?host=/run/postgresql", why).has_value()) << why;
    EXPECT_TRUE(parse_url("postgres://", why).has_value()) << why;
}

TEST(PostgresUrl, WhatIsWrongIsSaidWithoutShowingTheUrl) {
    for (const char* const url :
         {"postgres://me:s3cret%zz@db/shop", "postgres://me:s3cret@db/shop?sslmode=maybe",
          "postgres://me:s3cret@db/shop?schema=Robert%27);", "postgres://me:s3cret@db/x?schema=",
          "postgres://me:s3cret@db/shop?connections=0", "postgres://me:s3cret@db/x?connections=99",
          "postgres://me:s3cret@db/shop?migrate=maybe", "postgres://me:s3cret@db/shop?colour=red",
          "postgres://me:s3cret@db/shop?password", "postgres://me:s3cret@db:0/shop",
          "postgres://me:s3cret@db:99999/shop", "postgres://me:s3cret@a,,b/shop",
          "postgres://me:s3cret@db/shop?target_session_attrs=standby",
          "postgres://me:s3cret@[::1/shop", "postgres:me:s3cret@db",
          "postgres://me:s3cret@a,b/shop?hostaddr=127.0.0.1"}) {
        std::string why;
        EXPECT_TRUE(parse_url(url, why).has_error()) << url;
        EXPECT_FALSE(why.empty()) << url;
        EXPECT_EQ(why.find("s3cret"), std::string::npos) << why;
        EXPECT_EQ(why.find("zz"), std::string::npos) << why;
        EXPECT_TRUE(validate_url(url, why).has_error()) << url;
    }
}

// ---- records

TEST(Postgres, ARecordIsReadAsItWasPutAndConflictsTellThePresentOne) {
    postgres_server server;
    lethe_side side(server.url());
    EXPECT_FALSE(side.read("k").has_value());
    EXPECT_FALSE(side.write("k", "x", record_version{1}).done);
    const answer first = side.write("k", "one", absent{}, 1h, "alice");
    ASSERT_TRUE(first.done);
    const auto present = side.read("k");
    ASSERT_TRUE(present.has_value());
    EXPECT_EQ(present->value, "one");
    EXPECT_EQ(present->subject, "alice");
    EXPECT_EQ(present->version, first.version);
    const answer again = side.write("k", "two", absent{});
    EXPECT_FALSE(again.done);
    ASSERT_TRUE(again.present.has_value());
    EXPECT_EQ(again.present->version, first.version);
    const answer second = side.write("k", "two", first.version);
    ASSERT_TRUE(second.done);
    const answer stale = side.write("k", "three", first.version);
    EXPECT_FALSE(stale.done);
    ASSERT_TRUE(stale.present.has_value());
    EXPECT_EQ(stale.present->value, "two");
    EXPECT_FALSE(side.must(erase{"k", first.version}).done);
    EXPECT_TRUE(side.must(erase{"k", second.version}).done);
    EXPECT_FALSE(side.read("k").has_value());
    EXPECT_TRUE(side.must(erase{"k", anything{}}).done);
}

TEST(Postgres, ValuesAndKeysAreAnyBytes) {
    postgres_server server;
    lethe_side side(server.url());
    const std::string key("\0\xff\x80 'x'\\\n", 9);
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, std::size_t{100'000}, value_bytes_max}) {
        std::string value(size, '\0');
        for (std::size_t i = 0; i < size; ++i) value[i] = static_cast<char>(i * 7 + i / 251);
        EXPECT_TRUE(side.write(key, value, anything{}, 1h, std::string("\0s", 2)).done);
        const auto present = side.read(key);
        ASSERT_TRUE(present.has_value());
        EXPECT_TRUE(present->value == value) << size;
        EXPECT_EQ(present->subject, std::string("\0s", 2));
    }
}

TEST(Postgres, TheServersClockJudgesExpiry) {
    postgres_server server;
    lethe_side side(server.url());
    const auto before = std::chrono::milliseconds(std::stoll(
        server.sql("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint")));
    side.write("k", "v", anything{}, 1h);
    const auto expires = side.read("k")->expires.time_since_epoch();
    EXPECT_GE(expires, before + 1h);
    EXPECT_LE(expires, before + 1h + 60s);
    // As if an hour had passed on the server.
    server.sql("UPDATE lethe.lethe_records SET expires = expires - 3600000");
    EXPECT_FALSE(side.read("k").has_value());
}

void expire(postgres_server& at, const std::string& key) {
    at.sql("UPDATE lethe.lethe_records SET expires = 1 WHERE key = '" + key + "'");
}

TEST(Postgres, AnExpiredRecordCountsAsAbsentAndIsReplaced) {
    postgres_server server;
    lethe_side side(server.url());
    const answer made = side.write("k", "old", anything{}, 1h, "alice");
    expire(server, "k");
    EXPECT_FALSE(side.write("k", "x", made.version).done);
    EXPECT_FALSE(side.must(erase{"k", made.version}).done);
    EXPECT_FALSE(side.must(touch{"k", 1h}).done);
    EXPECT_FALSE(side.write("k", "x", made.version).present.has_value());
    EXPECT_TRUE(side.write("k", "new", absent{}, 1h, "bob").done);
    EXPECT_EQ(side.read("k")->value, "new");
    EXPECT_EQ(server.sql("SELECT count(*) FROM lethe.lethe_records"), "1");
    expire(server, "k");
    const auto failed = side.transact({put{"a", "1", 1h, anything{}, ""}, touch{"k", 1h}});
    ASSERT_TRUE(failed.has_value());
    EXPECT_FALSE((*failed)[1].done);
    EXPECT_FALSE(side.read("a").has_value());
}

TEST(Postgres, AConflictCostsTheServerNoWrite) {
    postgres_server server;
    lethe_side side(server.url());
    side.write("k", "v", absent{});
    const std::string xid = "SELECT txid_snapshot_xmax(txid_current_snapshot())";
    const std::string xid_before = server.sql(xid);
    EXPECT_FALSE(side.write("k", "v", absent{}).done);
    EXPECT_FALSE(side.write("k", "v", record_version{7}).done);
    EXPECT_EQ(server.sql(xid), xid_before) << "no transaction took a number";
}

TEST(Postgres, ABatchAsksForEqualKeysInOrder) {
    postgres_server server;
    lethe_side side(server.url());
    const auto got =
        side.batch({put{"b", "1", 1h, absent{}, ""}, put{"b", "2", 1h, absent{}, ""}, get{"b"},
                    put{"a", "3", 1h, anything{}, ""}, erase{"b", anything{}}, get{"b"},
                    put{"b", "4", 1h, absent{}, ""}});
    ASSERT_TRUE(got.has_value()) << describe(got.error());
    EXPECT_TRUE((*got)[0].done);
    EXPECT_FALSE((*got)[1].done);
    EXPECT_EQ((*got)[1].present->value, "1");
    EXPECT_EQ((*got)[2].present->value, "1");
    EXPECT_FALSE((*got)[5].present.has_value());
    EXPECT_TRUE((*got)[6].done);
    EXPECT_EQ(side.read("b")->value, "4");
}

TEST(Postgres, ATransactionIsAllOrNothingAndSeesItself) {
    postgres_server server;
    lethe_side side(server.url());
    const answer taken = side.write("taken", "x");
    const auto failed =
        side.transact({put{"z", "1", 1h, absent{}, ""}, erase{"taken", taken.version},
                       put{"b", "1", 1h, record_version{99}, ""}, get{"taken"}});
    ASSERT_TRUE(failed.has_value()) << describe(failed.error());
    EXPECT_FALSE((*failed)[2].done);
    EXPECT_TRUE((*failed)[0].done);
    EXPECT_EQ((*failed)[0].version.number, 0U);
    EXPECT_FALSE((*failed)[3].present.has_value()) << "it saw the erase";
    EXPECT_FALSE(side.read("z").has_value());
    EXPECT_TRUE(side.read("taken").has_value());
    const auto done = side.transact(
        {put{"z", "1", 1h, absent{}, ""}, touch{"z", 2h}, erase{"taken", taken.version}, get{"z"}});
    ASSERT_TRUE(done.has_value());
    EXPECT_EQ((*done)[3].present->value, "1");
    EXPECT_EQ(side.read("z")->version, (*done)[0].version);
    EXPECT_FALSE(side.read("taken").has_value());
    // Housekeeping's pass.
    EXPECT_TRUE(wait_for(
        [&] {
            return server.sql(
                       "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'") == "0";
        },
        8s))
        << "left open";
}

TEST(Postgres, ATransactionOverDifferentKeysIsAllOrNothing) {
    postgres_server server;
    lethe_side side(server.url());
    const answer live = side.write("live", "x", anything{}, 1h, "alice");
    const answer old = side.write("old", "x");
    expire(server, "old");
    const std::vector<operation> wanted = {put{"z", "1", 1h, absent{}, "bob"},
                                           erase{"live", live.version},
                                           touch{"b", 2h},
                                           put{"old", "2", 1h, absent{}, ""},
                                           get{"live2"},
                                           put{"c", std::string("\0\xff", 2), 1h, anything{}, ""}};
    // One touches what is not there.
    const auto failed = side.transact(wanted);
    ASSERT_TRUE(failed.has_value()) << describe(failed.error());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        EXPECT_EQ((*failed)[i].done, i != 2) << i;
        EXPECT_EQ((*failed)[i].version.number, 0U);
    }
    EXPECT_FALSE(side.read("z").has_value());
    EXPECT_TRUE(side.read("live").has_value());
    side.write("b", "b");
    side.write("live2", "seen");
    const auto done = side.transact(wanted);
    ASSERT_TRUE(done.has_value()) << describe(done.error());
    for (const answer& one : *done) EXPECT_TRUE(one.done);
    EXPECT_EQ((*done)[4].present->value, "seen");
    EXPECT_EQ(side.read("z")->version, (*done)[0].version);
    EXPECT_EQ(side.read("z")->subject, "bob");
    EXPECT_FALSE(side.read("live").has_value());
    EXPECT_GT(side.read("b")->expires, side.read("z")->expires);
    EXPECT_EQ(side.read("old")->value, "2");
    EXPECT_EQ(side.read("c")->value, std::string("\0\xff", 2));
    // A conflict tells the record that is there, and changes nothing.
    const auto again =
        side.transact({put{"z", "x", 1h, absent{}, ""}, put{"c", "x", 1h, record_version{5}, ""},
                       erase{"b", anything{}}});
    ASSERT_TRUE(again.has_value());
    EXPECT_FALSE((*again)[0].done);
    EXPECT_EQ((*again)[0].present->value, "1");
    EXPECT_FALSE((*again)[1].done);
    EXPECT_EQ((*again)[1].present->version, (*done)[5].version);
    EXPECT_TRUE((*again)[2].done);
    EXPECT_TRUE(side.read("b").has_value());
    EXPECT_NE(old.version, (*done)[3].version);
}

// ---- concurrency

TEST(Postgres, OfTransactionsThatWantTheSameNewRecordsOneIsDone) {
    postgres_server server;
    lethe_side one(server.url());
    lethe_side two(server.url());
    for (int round = 0; round < 15; ++round) {
        const std::string a = "a" + std::to_string(round);
        const std::string z = "z" + std::to_string(round);
        std::vector<std::future<result<std::vector<answer>>>> coming;
        std::vector<std::future<result<answer>>> single;
        for (int i = 0; i < 8; ++i)
            for (lethe_side* side : {&one, &two}) {
                coming.push_back(lethe::test::begin_on_worker(
                    side->worker().get(),
                    side->in_store().transact({put{a, std::to_string(i), 1h, absent{}, ""},
                                               put{z, std::to_string(i), 1h, absent{}, ""}},
                                              side->in(20s))));
                single.push_back(side->begin(put{z + "s", "x", 1h, absent{}, ""}));
            }
        int done = 0;
        for (auto& each : coming) {
            const auto got = each.get();
            ASSERT_TRUE(got.has_value()) << describe(got.error());
            EXPECT_EQ((*got)[0].done, (*got)[1].done);
            done += (*got)[0].done;
            if (!(*got)[0].done) EXPECT_TRUE((*got)[0].present.has_value());
        }
        EXPECT_EQ(done, 1);
        for (auto& each : single) EXPECT_TRUE(each.get().has_value());
        EXPECT_EQ(one.read(a)->value, one.read(z)->value);
    }
    EXPECT_LT(one.metric("lethe_store_commits_total"),
              one.metric("lethe_store_committed_calls_total"))
        << "transactions share commits, too";
}

task<> add_one(store& to, std::string key, steady_time deadline) {
    while (true) {
        const result<std::optional<record>> present = co_await to.read(key, deadline);
        if (present.has_error()) co_return present.error();
        const int value = *present ? std::stoi((*present)->value) : 0;
        const expectation expect =
            *present ? expectation((*present)->version) : expectation(absent{});
        const result<answer> put_answer =
            co_await to.run(put{key, std::to_string(value + 1), 1h, expect, ""}, deadline);
        if (put_answer.has_error()) co_return put_answer.error();
        if (put_answer->done) co_return result<>{};
        // A conflict tells what is there; nothing there is told for one that was erased alone.
        if (!put_answer->present) co_return LETHE_ERR(errc::corrupt);
    }
}

TEST(Postgres, ConcurrentCompareAndSwapLosesNoIncrementAndSharesCommits) {
    postgres_server server;
    lethe_side one(server.url());
    lethe_side two(server.url());
    constexpr int times = 60;
    std::vector<std::future<result<>>> coming;
    for (int i = 0; i < times; ++i)
        for (lethe_side* side : {&one, &two})
            coming.push_back(lethe::test::begin_on_worker(
                side->worker().get(), add_one(side->in_store(), "counter", side->in(60s))));
    for (auto& each : coming) {
        const result<> done = each.get();
        EXPECT_TRUE(done.has_value()) << describe(done.error());
    }
    EXPECT_EQ(one.read("counter")->value, std::to_string(2 * times));
    EXPECT_LT(one.metric("lethe_store_commits_total"),
              one.metric("lethe_store_committed_calls_total"));
}

TEST(Postgres, OneOfManyClaimsOfAKeyIsDoneAndAllOthersSeeIt) {
    postgres_server server;
    lethe_side one(server.url());
    lethe_side two(server.url());
    for (int round = 0; round < 20; ++round) {
        const std::string key = "claim" + std::to_string(round);
        if (round % 2 == 1) {
            one.write(key, "expired");
            expire(server, key);
        }
        std::vector<std::future<result<answer>>> coming;
        for (int i = 0; i < 10; ++i)
            for (lethe_side* side : {&one, &two})
                coming.push_back(side->begin(put{key, std::to_string(i), 1h, absent{}, ""}));
        int done = 0;
        std::set<record_version> seen;
        for (auto& each : coming) {
            const result<answer> got = each.get();
            ASSERT_TRUE(got.has_value()) << describe(got.error());
            done += got->done;
            if (got->done) seen.insert(got->version);
            if (!got->done) {
                ASSERT_TRUE(got->present.has_value());
                EXPECT_NE(got->present->value, "expired");
                seen.insert(got->present->version);
            }
        }
        EXPECT_EQ(done, 1);
        EXPECT_EQ(seen.size(), 1U) << "all told the same record";
    }
}

TEST(Postgres, TransactionsOverTheSameKeysInAnyOrderNeverDeadlock) {
    postgres_server server;
    lethe_side one(server.url());
    lethe_side two(server.url());
    for (const char* key : {"a", "b", "c"}) one.write(key, "0");
    std::vector<std::future<result<std::vector<answer>>>> coming;
    for (int i = 0; i < 100; ++i) {
        lethe_side& side = i % 2 == 0 ? one : two;
        std::vector<operation> all = {put{"a", std::to_string(i), 1h, anything{}, ""},
                                      put{"new" + std::to_string(i / 4), "v", 1h, anything{}, ""},
                                      put{"c", std::to_string(i), 1h, anything{}, ""}};
        // A batch is not all or nothing: this pair is the transactions' alone.
        if (i % 5 != 4) all.push_back(put{"b", std::to_string(i), 1h, anything{}, ""});
        if (i % 5 != 4) all.push_back(put{"d", std::to_string(i), 1h, anything{}, ""});
        if (i % 3 == 0) std::reverse(all.begin(), all.end());
        coming.push_back(lethe::test::begin_on_worker(
            side.worker().get(), i % 5 == 4
                                     ? side.in_store().batch(std::move(all), side.in(60s))
                                     : side.in_store().transact(std::move(all), side.in(60s))));
    }
    for (auto& each : coming) {
        const auto got = each.get();
        ASSERT_TRUE(got.has_value()) << describe(got.error());
        for (const answer& single : *got) EXPECT_TRUE(single.done);
    }
    EXPECT_EQ(one.read("b")->value, one.read("d")->value) << "both of one transaction";
    EXPECT_EQ(server.sql("SELECT deadlocks FROM pg_stat_database WHERE datname = 'lethe'"), "0");
}

TEST(Postgres, ADeadlockWithSomebodyElseIsUndoneAndTriedAgain) {
    postgres_server server({.lines = {"deadlock_timeout = 50ms"}});
    lethe_side side(server.url());
    side.write("a", "0");
    side.write("b", "0");
    // Holds b, and wants a once the transaction holds it.
    std::thread other([&] {
        server.sql(
            "BEGIN; SELECT 1 FROM lethe.lethe_records WHERE key = 'b' FOR UPDATE; "
            "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE "
            "wait_event_type = 'Lock' AND query LIKE '%lethe_records%' AND pid <> "
            "pg_backend_pid()) LOOP PERFORM pg_sleep(0.01); PERFORM pg_stat_clear_snapshot(); "
            "END LOOP; END $$; SET deadlock_timeout = '30s'; "
            "SELECT 1 FROM lethe.lethe_records WHERE key = 'a' FOR UPDATE; COMMIT");
    });
    ASSERT_TRUE(wait_for(
        [&] {
            return server.sql(
                       "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%DO $$%' "
                       "AND wait_event = 'PgSleep'") != "0";
        },
        10s));
    const auto got =
        side.transact({put{"a", "1", 1h, anything{}, ""}, put{"b", "1", 1h, anything{}, ""}});
    other.join();
    ASSERT_TRUE(got.has_value()) << describe(got.error());
    EXPECT_EQ(side.read("a")->value, "1");
    EXPECT_EQ(side.read("b")->value, "1");
    EXPECT_GE(side.metric("lethe_store_retries_total"), 1);
}

// ---- purging and scanning

TEST(Postgres, PurgingPassesByWhatOthersHoldAndDisturbsNoReader) {
    postgres_server server;
    lethe_side side(server.url());
    for (int i = 0; i < 30; ++i) side.write("old" + std::to_string(i), "v");
    side.write("live", "v");
    // In this slot, which housekeeping leaves alone however long this takes.
    server.sql("UPDATE lethe.lethe_records SET expires = expires - 3600001 WHERE key <> 'live'");
    std::thread other([&] {
        EXPECT_THROW(
            server.sql("BEGIN; SELECT 1 FROM lethe.lethe_records WHERE key IN ('old1', 'old2') "
                       "FOR UPDATE; SELECT pg_sleep(600)"),
            std::runtime_error);
    });
    ASSERT_TRUE(wait_for(
        [&] {
            return server.sql(
                       "SELECT count(*) FROM pg_stat_activity WHERE wait_event = "
                       "'PgSleep'") == "1";
        },
        10s));
    std::size_t removed = 0;
    while (true) {
        const result<std::size_t> some =
            side.worker().run(side.in_store().purge_expired(10, side.in(20s)));
        ASSERT_TRUE(some.has_value()) << describe(some.error());
        if (*some == 0) break;
        EXPECT_LE(*some, 10U);
        removed += *some;
        EXPECT_TRUE(side.read("live").has_value());
    }
    EXPECT_EQ(removed, 28U);
    server.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = "
        "'PgSleep'");
    other.join();
    const result<std::size_t> rest =
        side.worker().run(side.in_store().purge_expired(10, side.in(20s)));
    EXPECT_EQ(*rest, 2U);
    EXPECT_EQ(server.sql("SELECT count(*) FROM lethe.lethe_records"), "1");
}

TEST(Postgres, ExpiredRowsAreRemovedByThemselves) {
    postgres_server server;
    lethe_side side(server.url());
    side.write("live", "v");
    for (int i = 0; i < 700; ++i) side.begin(put{"k" + std::to_string(i), "v", 1h, anything{}, ""});
    ASSERT_TRUE(wait_for(
        [&] { return server.sql("SELECT count(*) FROM lethe.lethe_records") == "701"; }, 20s));
    server.sql("UPDATE lethe.lethe_records SET expires = 1 WHERE key <> 'live'");
    EXPECT_TRUE(wait_for(
        [&] { return server.sql("SELECT count(*) FROM lethe.lethe_records") == "1"; }, 30s));
    EXPECT_TRUE(side.read("live").has_value());
}

// ---- tables

TEST(PostgresSchema, ManyGatewaysAtOnceMakeTheTablesOnce) {
    postgres_server server;
    std::vector<std::unique_ptr<lethe_side>> sides;
    for (int i = 0; i < 4; ++i) sides.push_back(std::make_unique<lethe_side>(server.url()));
    std::vector<std::future<result<answer>>> coming;
    for (auto& side : sides) coming.push_back(side->begin(put{"k", "v", 1h, anything{}, ""}));
    for (auto& each : coming) {
        const result<answer> got = each.get();
        ASSERT_TRUE(got.has_value()) << describe(got.error());
    }
    EXPECT_EQ(server.sql("SELECT schema_version FROM lethe.lethe_meta"),
              std::to_string(schema_version));
}

TEST(PostgresSchema, MigrateTellsWhatItFoundAndTwiceIsOnce) {
    postgres_server server;
    lethe_side side(with_option(server.url(), "migrate=manual&schema=elsewhere"));
    const result<> before = side.ping(5s);
    ASSERT_TRUE(before.has_error());
    EXPECT_EQ(before.error(), condition::unavailable);
    EXPECT_EQ(server.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'elsewhere'"), "0");
    const result<examination> seen = side.examine();
    ASSERT_TRUE(seen.has_value()) << describe(seen.error());
    EXPECT_TRUE(std::ranges::any_of(seen->findings, [](const finding& one) {
        return one.how_bad == finding::weight::fault &&
               one.advice.find("lethe store migrate") != std::string::npos;
    }));
    const result<migration> first = side.migrate();
    ASSERT_TRUE(first.has_value()) << describe(first.error());
    EXPECT_EQ(first->from, 0U);
    EXPECT_EQ(first->to, schema_version);
    const result<migration> second = side.migrate();
    ASSERT_TRUE(second.has_value());
    EXPECT_EQ(second->from, schema_version);
    EXPECT_TRUE(wait_for([&] { return side.ping().has_value(); }, 10s));
    EXPECT_TRUE(side.write("k", "v", absent{}).done);
    EXPECT_EQ(server.sql("SELECT count(*) FROM elsewhere.lethe_records"), "1");
}

TEST(PostgresSchema, TablesOfANewerLetheAreLeftAlone) {
    postgres_server server;
    {
        lethe_side side(server.url());
        side.write("k", "v");
    }
    server.sql("UPDATE lethe.lethe_meta SET schema_version = 99");
    lethe_side side(server.url());
    const result<answer> refused = side.ask(put{"k", "w", 1h, anything{}, ""}, 5s);
    ASSERT_TRUE(refused.has_error());
    EXPECT_EQ(refused.error(), condition::unavailable);
    EXPECT_TRUE(side.migrate().has_error());
    EXPECT_EQ(server.sql("SELECT encode(value, 'escape') FROM lethe.lethe_records"), "v");
    EXPECT_EQ(server.sql("SELECT schema_version FROM lethe.lethe_meta"), "99");
}

TEST(PostgresSchema, AUserWithoutTheRightToMakeTablesUsesThoseThatAreThere) {
    postgres_server server;
    server.sql("CREATE USER guest; REVOKE CREATE ON DATABASE lethe FROM PUBLIC");
    std::string url = server.url();
    url.replace(url.find("lethe@"), 6, "guest@");
    lethe_side guest(url);
    const result<answer> refused = guest.ask(put{"k", "v", 1h, anything{}, ""}, 5s);
    ASSERT_TRUE(refused.has_error());
    EXPECT_EQ(refused.error(), condition::unavailable);
    EXPECT_EQ(server.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'lethe'"), "0");
    lethe_side owner(server.url());
    ASSERT_TRUE(owner.migrate().has_value());
    server.sql(
        "GRANT USAGE ON SCHEMA lethe TO guest; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL "
        "TABLES IN SCHEMA lethe TO guest");
    EXPECT_TRUE(wait_for([&] { return guest.ping().has_value(); }, 10s));
    EXPECT_TRUE(guest.write("k", "v", absent{}).done);
}

// ---- the examination

bool has(const examination& seen, finding::weight weight, const std::string& text) {
    return std::ranges::any_of(seen.findings, [&](const finding& one) {
        return one.how_bad == weight && one.what.find(text) != std::string::npos;
    });
}

TEST(PostgresExamine, SettingsThatLoseStateAreFaults) {
    postgres_server server({.lines = {"synchronous_commit = off", "full_page_writes = off"}});
    lethe_side side(server.url());
    const result<examination> seen = side.examine();
    ASSERT_TRUE(seen.has_value()) << describe(seen.error());
    EXPECT_TRUE(seen->server.starts_with("PostgreSQL 1")) << seen->server;
    EXPECT_TRUE(has(*seen, finding::weight::fault, "synchronous_commit is off"));
    EXPECT_TRUE(has(*seen, finding::weight::fault, "fsync is off"));
    EXPECT_TRUE(has(*seen, finding::weight::warning, "full_page_writes is off"));
    EXPECT_FALSE(seen->promises.durable);
    EXPECT_FALSE(seen->survives_failover);
}

TEST(PostgresExamine, AServerAsItShouldBeHasNoFaults) {
    postgres_server server({.syncs = true});
    lethe_side side(server.url());
    side.write("k", "v");
    const result<examination> seen = side.examine();
    ASSERT_TRUE(seen.has_value()) << describe(seen.error());
    EXPECT_TRUE(seen->promises.durable);
    for (const finding& one : seen->findings) EXPECT_EQ(one.how_bad, finding::weight::note);
    EXPECT_TRUE(has(*seen, finding::weight::note, "on this server alone"));
}

TEST(PostgresExamine, ASynchronousReplicaMakesChangesSurviveAFailover) {
    postgres_pair pair({.server = {.syncs = true}, .synchronous = true});
    lethe_side side(pair.url());
    const result<examination> seen = side.examine();
    ASSERT_TRUE(seen.has_value()) << describe(seen.error());
    EXPECT_TRUE(seen->survives_failover);
    lethe_side standby(pair.replica().url());
    const result<examination> other = standby.examine();
    ASSERT_TRUE(other.has_value()) << describe(other.error());
    EXPECT_TRUE(has(*other, finding::weight::fault, "standby"));
    EXPECT_TRUE(standby.ping(5s).has_error());
}

}  // namespace
}  // namespace lethe::store::postgres
