// Records, settings, refusals and pages without a server.
#include "store/redis/commands.hpp"

#include "store/redis/examine.hpp"
#include "store/redis/functions.hpp"
#include "store/redis/greeting.hpp"
#include "store/redis/scan.hpp"
#include "store/redis/sentinel.hpp"
#include "store/redis/settings.hpp"

#include <gtest/gtest.h>

#include <set>

namespace lethe::store::redis {
namespace {

using namespace std::string_literals;
using namespace std::chrono_literals;

const std::string stored =
    "\x01"
    "ABCDEFGH"
    "\0\0\1\x8b\xcf\xe5\x68\0"
    "\0\5"
    "alice"
    "value"s;

TEST(RedisRecord, IsReadAsItWasWrittenAndNothingElseIs) {
    const result<record> read = decode_record(stored);
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->value, "value");
    EXPECT_EQ(read->subject, "alice");
    const std::array<char, 8> version = to_bytes(read->version);
    EXPECT_EQ(std::string_view(version.data(), version.size()), "ABCDEFGH");
    EXPECT_EQ(read->expires, system_time{1'700'000'000'000ms});
    EXPECT_EQ(decode_record_front(stored)->value, "");
    for (std::size_t size = 0; size < record_head_bytes + 5; ++size)
        EXPECT_TRUE(decode_record(stored.substr(0, size)).has_error()) << size;
    EXPECT_TRUE(decode_record("\x02" + stored.substr(1)).has_error());
    EXPECT_TRUE(decode_record("\x01" + std::string(8, '\0') + stored.substr(9)).has_error())
        << "version 0";
    EXPECT_TRUE(decode_record(stored.substr(0, 9) + "\xff" + stored.substr(10)).has_error());
}

TEST(RedisRecord, VersionsAreNeverTheSame) {
    version_source from;
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 10'000; ++i) {
        const record_version one = from.next();
        EXPECT_NE(one.number, 0U);
        EXPECT_TRUE(seen.insert(one.number).second);
    }
}

TEST(RedisRecord, APrefixIsNoPattern) {
    EXPECT_EQ(key_names{"a*[b]?\\:"}.pattern("r:"), "a\\*\\[b\\]\\?\\\\:r:*");
    EXPECT_EQ(key_names{"p:"}.of_record("k"), "p:r:k");
    EXPECT_EQ(key_names{"p:"}.of_subject("k"), "p:s:k");
}

TEST(RedisUrl, SaysWhatItSays) {
    std::string why;
    const result<settings> one =
        parse_settings("redis://bob:p%40ss@host:1/3?prefix=x:&proto=2&wait=1&wait_ms=50", why);
    ASSERT_TRUE(one.has_value()) << why;
    EXPECT_EQ(one->how, topology::single);
    EXPECT_EQ(one->server.user, "bob");
    EXPECT_EQ(one->server.password.reveal(), "p@ss");
    EXPECT_EQ(one->database, 3U);
    EXPECT_EQ(one->names.prefix, "x:");
    EXPECT_EQ(one->protocol, 2U);
    EXPECT_EQ(one->wait_replicas, 1U);
    EXPECT_EQ(one->wait_time, 50ms);
    EXPECT_EQ(parse_settings("redis://h", why)->names.prefix, "lethe:");
    const result<settings> watched =
        parse_settings("rediss+sentinel://a,b:2/mymaster/4?sentinel_password=x&ca=f", why);
    ASSERT_TRUE(watched.has_value()) << why;
    EXPECT_TRUE(watched->tls);
    EXPECT_EQ(watched->primary, "mymaster");
    EXPECT_EQ(watched->database, 4U);
    EXPECT_EQ(watched->hosts.front().port, 26379);
    EXPECT_EQ(watched->sentinel.password.reveal(), "x");
    EXPECT_EQ(parse_settings("redis+cluster://a,b", why)->how, topology::cluster);
}

TEST(RedisUrl, AMistakeIsToldWithoutThePassword) {
    for (const char* url :
         {"redis://h/x", "redis://h/-1", "redis://a,b", "redis://bob@h", "redis://h?prfix=a",
          "redis://h?proto=4", "redis://h?wait=-1", "redis://h?wait_ms=0", "redis://h?ca=f",
          "redis+sentinel://:hunter2@h", "redis+sentinel://h/m/x", "redis+cluster://:hunter2@h/1",
          "rediss://:hunter2@h?cert=f", "redis://h?sentinel_password=hunter2"}) {
        std::string why;
        const result<settings> read = parse_settings(url, why);
        ASSERT_TRUE(read.has_error()) << url;
        EXPECT_EQ(read.error(), condition::malformed);
        EXPECT_FALSE(why.empty());
        EXPECT_EQ(why.find("hunter2"), why.npos);
    }
}

TEST(RedisRefusal, OnlyWhatIsKnownToHaveChangedNothingIsCalledThat) {
    for (const char* text :
         {"READONLY You can't write", "LOADING Redis is loading", "MASTERDOWN Link", "CLUSTERDOWN",
          "OOM command not allowed", "NOREPLICAS Not enough", "MISCONF Redis", "NOAUTH", "NOPERM x",
          "WRONGPASS x", "EXECABORT x", "BUSY Redis is busy", "MOVED 1 h:1", "ASK 1 h:1",
          "TRYAGAIN x", "ERR Function not found", "ERR unknown command 'FCALL'",
          "ERR The user executing the script can't run this command or subcommand script: f",
          "ERR Error running script: Script killed by user with FUNCTION KILL."}) {
        EXPECT_TRUE(judge_error(text).nothing_ran) << text;
        EXPECT_EQ(judge_error(text).code, errc::unavailable) << text;
    }
    EXPECT_EQ(judge_error("WRONGTYPE Operation").code, errc::corrupt);
    EXPECT_EQ(judge_error("READONLY x").helps, remedy::reconnect);
    EXPECT_EQ(judge_error("ERR Function not found").helps, remedy::load_functions);
    const refusal unheard_of = judge_error("ERR something that nobody has seen yet");
    EXPECT_EQ(unheard_of.code, errc::outcome_unknown);
    EXPECT_FALSE(unheard_of.nothing_ran);
}

TEST(RedisRefusal, NothingThatWasSentIsLogged) {
    EXPECT_EQ(reason_of("ERR unknown command 'x', with args beginning with: 'secret'"),
              "ERR unknown command ");
    EXPECT_EQ(reason_of("OOM command not allowed when used memory > 'maxmemory'."),
              "OOM command not allowed when used memory > ");
}

TEST(RedisAnswers, AnErrorOfOneOperationConcernsTheBatch) {
    const std::vector<operation> both = {put{"a", "1", 1h, anything{}, ""},
                                         put{"b", "1", 1h, anything{}, ""}};
    const std::vector<record_version> fresh = {{1}, {2}};
    const auto judge = [&](const std::string& replies) {
        return read_batch(both, fresh, *resp::parse_all(replies, 2));
    };
    EXPECT_EQ(judge(":1\r\n:1\r\n").answers[1].version, record_version{2});
    EXPECT_EQ(judge("-OOM x\r\n-OOM x\r\n").error, condition::unavailable);
    EXPECT_EQ(judge("_\r\n-OOM x\r\n").error, condition::unavailable) << "a conflict is no change";
    EXPECT_EQ(judge(":1\r\n-OOM x\r\n").error, condition::outcome_unknown);
    EXPECT_EQ(judge("-OOM x\r\n-ERR odd\r\n").error, condition::outcome_unknown);
    EXPECT_EQ(judge("+odd\r\n:1\r\n").error, condition::outcome_unknown);
    const outcome missing = judge("-ERR Function not found\r\n-ERR Function not found\r\n");
    EXPECT_EQ(missing.helps, remedy::load_functions);
    EXPECT_TRUE(missing.nothing_changed);
    EXPECT_FALSE(judge("-ERR Function not found\r\n:1\r\n").nothing_changed)
        << "somebody loaded them in between: not to be done again";
}

TEST(RedisAnswers, ATransactionThatFailedCarriesNoVersion) {
    const std::vector<operation> both = {put{"a", "1", 1h, anything{}, ""}, touch{"b", 1h}};
    const std::vector<record_version> fresh = {{1}, {}};
    const outcome failed = read_transaction(both, fresh, *resp::parse("*2\r\n:1\r\n_\r\n"));
    EXPECT_TRUE(failed.answers[0].done);
    EXPECT_EQ(failed.answers[0].version, record_version{});
    EXPECT_FALSE(failed.answers[1].done);
    EXPECT_TRUE(failed.nothing_changed);
    EXPECT_EQ(read_transaction(both, fresh, *resp::parse("*1\r\n:1\r\n")).error,
              condition::outcome_unknown);
}

TEST(RedisScan, KeysBeyondAPageAreKeptInTheCursor) {
    scan_cursor at;
    const std::string reply = "*2\r\n$1\r\n7\r\n*3\r\n$3\r\np:a\r\n$3\r\np:b\r\n$5\r\np:\r\nx\r\n";
    ASSERT_TRUE(at.take(*resp::parse(reply), 2).has_value());
    const scan_page first = at.make_page(2);
    EXPECT_EQ(first.keys, (std::vector<std::string>{"a", "b"}));
    EXPECT_TRUE(first.more);
    result<scan_cursor> next = parse_scan_cursor(first.cursor);
    ASSERT_TRUE(next.has_value());
    EXPECT_EQ(next->server, "7");
    EXPECT_EQ(next->make_page(2).keys, std::vector<std::string>{"\r\nx"});
    EXPECT_TRUE(next->make_page(2).more) << "the server has more";
    ASSERT_TRUE(next->take(*resp::parse("*2\r\n$1\r\n0\r\n*0\r\n"), 2).has_value());
    EXPECT_FALSE(next->make_page(2).more);
    for (const char* text :
         {"7", "*0\r\n", "*1\r\n:7\r\n", "*1\r\n$1\r\nx\r\n", "*1\r\n$0\r\n\r\n"})
        EXPECT_TRUE(parse_scan_cursor(text).has_error()) << text;
}

TEST(RedisSentinelReply, NamesThePrimaryOrNone) {
    const result<net::address> named = read_primary("*2\r\n$4\r\n10.0\r\n$4\r\n6379\r\n");
    ASSERT_TRUE(named.has_value());
    EXPECT_EQ(*named, (net::address{"10.0", 6379}));
    EXPECT_EQ(read_primary("*-1\r\n").error(), condition::unavailable);
    EXPECT_TRUE(read_primary("*2\r\n$4\r\n10.0\r\n$5\r\n66379\r\n").has_error());
    EXPECT_TRUE(read_primary("-ERR\r\n").has_error());
}

// Whether one of the findings is of that weight and says that.
bool found(const examination& in, finding::weight how_bad, std::string_view words) {
    for (const finding& one : in.findings)
        if (one.how_bad == how_bad && one.what.find(words) != one.what.npos) return true;
    return false;
}

examination judge(const std::string& info, const std::string& fsync, const std::string& url) {
    std::string why;
    server_report report;
    report.add_info(info);
    std::string reply;
    resp::command(reply, 2).word("appendfsync").word(fsync);
    if (!fsync.empty()) report.add_settings(*resp::parse(reply));
    return judge_report(report, *parse_settings(url, why), engine_promises{});
}

TEST(RedisExamination, SaysWhatTheSettingsMean) {
    using weight = finding::weight;
    const examination good =
        judge("# Server\r\nredis_version:7.0.15\r\naof_enabled:1\r\nmaxmemory:0\r\n", "always",
              "redis://h");
    EXPECT_EQ(good.server, "Redis 7.0.15");
    EXPECT_TRUE(good.promises.durable);
    EXPECT_FALSE(good.promises.may_evict);
    EXPECT_TRUE(good.findings.empty());
    const examination off =
        judge("aof_enabled:0\nmaxmemory:9\nmaxmemory_policy:allkeys-lru", "everysec", "redis://h");
    EXPECT_FALSE(off.promises.durable);
    EXPECT_TRUE(off.promises.may_evict);
    EXPECT_TRUE(found(off, weight::fault, "appendonly is off"));
    EXPECT_TRUE(found(off, weight::fault, "allkeys-lru"));
    const examination second =
        judge("aof_enabled:1\nconnected_slaves:1\n", "everysec", "redis://h");
    EXPECT_FALSE(second.promises.durable);
    EXPECT_TRUE(found(second, weight::warning, "everysec"));
    EXPECT_TRUE(found(second, weight::warning, "asynchronous"));
    EXPECT_FALSE(second.survives_failover);
    EXPECT_TRUE(judge("aof_enabled:1\nconnected_slaves:1\n", "always", "redis://h?wait=1")
                    .survives_failover);
    EXPECT_TRUE(found(judge("aof_enabled:1\n", "always", "redis://h?wait=1"), weight::fault,
                      "outcome unknown"));
    EXPECT_TRUE(found(judge("aof_enabled:1\n", "", "redis://h"), weight::warning, "forbidden"));
    EXPECT_TRUE(found(judge("aof_enabled:1\nrdb_last_bgsave_status:err\n", "always", "redis://h"),
                      weight::fault, "snapshot"));
}

TEST(RedisGreeting, KnowsWhatToBearAndWhatNot) {
    std::string why;
    const greeting one(*parse_settings("redis://bob:pw@h/1", why), "test");
    ASSERT_EQ(one.replies(), 6U);  // AUTH, HELLO, CLIENT SETNAME, SELECT, FUNCTION LOAD, ROLE
    EXPECT_TRUE(one.judge(0, "-WRONGPASS x\r\n").has_error());
    EXPECT_TRUE(one.judge(1, "-NOPROTO x\r\n").has_value()) << "RESP2 will do";
    EXPECT_TRUE(one.judge(1, "-NOAUTH x\r\n").has_error());
    EXPECT_TRUE(one.judge(3, "-ERR DB index is out of range\r\n").has_error());
    EXPECT_TRUE(one.judge(4, "-ERR Library 'lethe_1' already exists\r\n").has_value());
    EXPECT_TRUE(one.judge(4, "-NOPERM x\r\n").has_value()) << "somebody else may have loaded them";
    EXPECT_TRUE(one.judge(4, "-READONLY x\r\n").has_error());
    EXPECT_TRUE(one.judge(4, "-LOADING x\r\n").has_error());
    EXPECT_TRUE(one.judge(4, "-ERR unknown command 'FUNCTION'\r\n").has_error());
    EXPECT_TRUE(one.judge(5, "*1\r\n$6\r\nmaster\r\n").has_value());
    EXPECT_TRUE(one.judge(5, "*1\r\n$5\r\nslave\r\n").has_error());
    EXPECT_FALSE(one.take_first_load());
    EXPECT_TRUE(one.judge(4, "$7\r\nlethe_1\r\n").has_value());
    EXPECT_TRUE(one.take_first_load());
    EXPECT_FALSE(one.take_first_load());
}

TEST(RedisFunctions, AreCalledAsTheTextCallsThem) {
    EXPECT_TRUE(functions_text.starts_with("#!lua name=" + std::string(functions_library) + "\n"));
    EXPECT_TRUE(functions_library.ends_with("_" + std::to_string(functions_version)));
    for (const std::string_view name :
         {function::put, function::erase, function::touch, function::transact, function::list,
          function::trim, function::index_add, function::index_prolong, function::index_due,
          function::index_settle}) {
        EXPECT_TRUE(name.starts_with(functions_library));
        EXPECT_NE(functions_text.find("'" + std::string(name) + "'"), functions_text.npos) << name;
    }
}

}  // namespace
}  // namespace lethe::store::redis
