// The servers that tests start: each does what the tests of the stores rely on.
#include "support/servers.hpp"

#include "support/plain_socket.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace lethe::test {
namespace {

using namespace std::chrono_literals;

bool answers(redis_server& server) {
    try {
        plain_socket asked = plain_socket::to_port(server.port(), 300ms);
        asked.send("PING\r\n");
        return asked.receive_line() == "+PONG";
    } catch (const std::runtime_error&) {
        return false;
    }
}

TEST(Servers, AMissingProgramNamesTheSetup) {
    try {
        static_cast<void>(server_program("no-such-server"));
        FAIL();
    } catch (const std::runtime_error& error) {
        EXPECT_NE(std::string(error.what()).find("./dev setup"), std::string::npos);
    }
    EXPECT_FALSE(has_program("no-such-server"));
}

TEST(Servers, RedisKeepsWhatItAnsweredOverAKill) {
    redis_server server;
    EXPECT_TRUE(answers(server));
    EXPECT_EQ(server.ask({"SET", "k", "v"}).text, "OK");
    const std::uint16_t port = server.port();
    server.kill_now();
    EXPECT_FALSE(server.running());
    EXPECT_FALSE(answers(server));
    server.start();
    EXPECT_EQ(server.port(), port);
    EXPECT_EQ(server.ask({"GET", "k"}).text, "v");
    EXPECT_EQ(server.info({"INFO", "persistence"}, "aof_enabled"), "1");
}

TEST(Servers, AFrozenRedisAnswersOnceItIsThawed) {
    redis_server server;
    plain_socket asked = plain_socket::to_port(server.port());
    server.freeze();
    asked.send("PING\r\n");
    EXPECT_FALSE(answers(server));
    server.thaw();
    EXPECT_EQ(asked.receive_line(), "+PONG");
}

TEST(Servers, RedisAsksForItsPasswordAndGoesWithItsOwner) {
    std::uint16_t port = 0;
    std::filesystem::path folder;
    {
        redis_server server({.password = "secret"});
        port = server.port();
        folder = server.folder();
        plain_socket asked = plain_socket::to_port(port);
        asked.send("GET k\r\n");
        EXPECT_TRUE(asked.receive_line().starts_with("-NOAUTH"));
        EXPECT_EQ(server.url(), "redis://:secret@127.0.0.1:" + std::to_string(port) + "/0");
        EXPECT_EQ(server.ask({"GET", "k"}).kind, '_');
    }
    EXPECT_THROW(static_cast<void>(plain_socket::to_port(port)), std::runtime_error);
    EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST(Servers, RedisSpeaksTlsWithACertificateThatItsAuthoritySigned) {
    redis_server server({.tls = true});
    EXPECT_TRUE(server.url().starts_with("rediss://"));
    const finished_command asked =
        run_command({server_program("redis-cli"), "-p", std::to_string(server.port()), "--tls",
                     "--cacert", server.authority(), "ping"},
                    10s);
    EXPECT_EQ(asked.output, "PONG\n");
}

TEST(Servers, ARedisThatCannotStartSaysWhy) {
    try {
        redis_server server({.lines = {"no-such-directive yes"}});
        FAIL();
    } catch (const std::runtime_error& error) {
        EXPECT_NE(std::string(error.what()).find("no-such-directive"), std::string::npos);
    }
}

TEST(Servers, ARedisClusterReplacesADeadPrimaryAndMovesSlots) {
    redis_cluster cluster;
    const unsigned slot = cluster.slot_of("a key");
    const std::size_t primary = cluster.primary_of(slot);
    ASSERT_LT(primary, redis_cluster::primaries);
    EXPECT_EQ(cluster.node(primary).ask({"SET", "a key", "v"}).text, "OK");
    const std::size_t other = (primary + 1) % redis_cluster::primaries;
    EXPECT_EQ(cluster.node(other).ask({"GET", "a key"}).text,
              "MOVED " + std::to_string(slot) +
                  " 127.0.0.1:" + std::to_string(cluster.node(primary).port()));
    cluster.begin_move(slot, other);
    EXPECT_EQ(cluster.node(primary).ask({"GET", "a key"}).text, "v");
    cluster.move_keys(slot, other);
    EXPECT_TRUE(cluster.node(primary).ask({"GET", "a key"}).text.starts_with("ASK "));
    cluster.end_move(slot, other);
    EXPECT_EQ(cluster.node(other).ask({"GET", "a key"}).text, "v");
    cluster.node(primary).kill_now();
    cluster.wait_until_ok();
    cluster.node(primary).start();
    cluster.wait_until_ok();
    EXPECT_EQ(cluster.primary_of(slot), other);
}

TEST(Servers, SentinelsNameTheNewPrimary) {
    redis_sentinels all;
    EXPECT_EQ(all.primary_port(), all.first().port());
    all.first().kill_now();
    all.wait_until_primary(all.second());
    EXPECT_EQ(all.second().ask({"SET", "k", "v"}).text, "OK");
}

TEST(Servers, PostgresKeepsWhatItCommittedOverAKillOfAllItsProcesses) {
    postgres_server server;
    server.sql("CREATE TABLE t (x int); INSERT INTO t VALUES (42)");
    server.kill_now();
    EXPECT_FALSE(server.running());
    server.start();
    EXPECT_EQ(server.sql("SELECT x FROM t"), "42");
    server.stop_immediate();
    server.start();
    server.stop();
    server.start();
    EXPECT_EQ(server.sql("SELECT x FROM t"), "42");
}

TEST(Servers, AFrozenPostgresAcceptsNobodyUntilItIsThawed) {
    postgres_server server;
    server.freeze();
    plain_socket asked = plain_socket::to_port(server.port(), 300ms);
    asked.send(std::string("\0\0\0\x08\x04\xd2\x16\x2f", 8));  // is there TLS?
    EXPECT_EQ(asked.receive(1), std::nullopt);
    server.thaw();
    EXPECT_EQ(server.sql("SELECT 1"), "1");
}

TEST(Servers, PostgresAsksForItsPasswordAndForTls) {
    postgres_server server({.password = "secret", .tls = true});
    EXPECT_EQ(server.sql("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"), "t");
    const std::string place = server.host() + "/lethe";
    const auto tried = [&](const std::string& url) {
        return run_command({server_program("psql"), "-X", "-d", url, "-c", "SELECT 1"}, 10s);
    };
    EXPECT_NE(tried("postgres://lethe:wrong@" + place).exit, 0);
    EXPECT_NE(tried(server.url() + "?sslmode=disable").exit, 0);
    EXPECT_EQ(
        tried(server.url() + "?sslmode=verify-full&sslrootcert=" + server.authority().string())
            .exit,
        0);
}

TEST(Servers, APostgresReplicaIsPromoted) {
    postgres_pair pair({.synchronous = true});
    pair.primary().sql("CREATE TABLE t (x int); INSERT INTO t VALUES (42)");
    EXPECT_EQ(pair.replica().sql("SHOW transaction_read_only"), "on");
    pair.primary().kill_now();
    pair.promote();
    EXPECT_EQ(pair.replica().sql("INSERT INTO t VALUES (43); SELECT sum(x) FROM t"), "85");
    EXPECT_NE(pair.url().find("target_session_attrs=read-write"), std::string::npos);
}

TEST(Servers, MemcachedForgetsWhenItIsRestarted) {
    memcached_server server;
    const auto ask = [&](const std::string& request) {
        plain_socket asked = plain_socket::to_port(server.port());
        asked.send(request);
        return asked.receive_line();
    };
    EXPECT_EQ(ask("ms k 1\r\nv\r\n"), "HD");
    EXPECT_EQ(ask("mg k v\r\n"), "VA 1");
    server.restart();
    EXPECT_EQ(ask("mg k v\r\n"), "EN");
}

}  // namespace
}  // namespace lethe::test
