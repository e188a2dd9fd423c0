// `lethe doctor` and `lethe store` with real servers: what their settings mean, and copies between
// them.
#include "base/json.hpp"
#include "store/tools/workbench.hpp"
#include "support/servers.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <gtest/gtest.h>

#include <fstream>

namespace lethe::test {
namespace {

using namespace std::chrono_literals;

class StoreServers : public ::testing::Test {
 protected:
    std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

    // A configuration with a route whose session and keys are in the store `default`.
    std::string configure(const std::string& store, const std::string& more = "") const {
        std::ofstream(path("lethe.yaml"))
            << "listen: [{address: \"127.0.0.1:0\"}]\n"
               "upstreams: [{name: shop, replicas: [\"http://127.0.0.1:9\"]}]\n"
               "store: "
            << store
            << "\nroutes:\n  - match: {path: /orders, methods: [POST]}\n"
               "    session: {read: [cart]"
            << more << "}\n    idempotency: {mode: required" << more << "}\n    upstream: shop\n";
        return path("lethe.yaml");
    }
    struct examined {
        int exit = -1;
        boost::json::object said;
        std::string text;

        [[nodiscard]] const boost::json::object& store(std::size_t index = 0) const {
            return said.at("stores").as_array().at(index).as_object();
        }
        [[nodiscard]] std::string level() const {
            return std::string(
                said.at("routes").as_array().at(0).at("idempotency").at("level").as_string());
        }
        // Of the findings that say that: "fault", …; "" when none does.
        [[nodiscard]] std::string weight_of(std::string_view what) const {
            for (const boost::json::value& one : store().at("findings").as_array())
                if (one.at("what").as_string().find(what) != std::string_view::npos)
                    return std::string(one.at("weight").as_string());
            return "";
        }
    };
    examined examine(const std::string& store, const std::string& more = "",
                     std::vector<std::string> options = {}) const {
        std::vector<std::string> command{LETHE_BINARY, "doctor", "--json", "-c",
                                         configure("\"" + store + "\"", more)};
        command.insert(command.end(), options.begin(), options.end());
        return take(run_command(command, 60s));
    }
    static examined take(const finished_command& done) {
        examined out{.exit = done.exit, .said = {}, .text = done.output};
        // What the engines log stands before and behind it.
        const std::size_t begin = std::min(done.output.find("{\"ok\":"), done.output.size());
        auto parsed =
            json::parse_object(done.output.substr(begin, done.output.find('\n', begin) - begin));
        EXPECT_TRUE(parsed.has_value()) << done.output;
        if (parsed.has_value()) out.said = *std::move(parsed);
        return out;
    }
    void fill(const std::string& url, std::size_t count) const {
        store::tools::workbench bench;
        std::string why;
        store::store* const to = bench.open(url, "", "test", why).value();
        for (std::size_t at = 0; at < count; at += 100) {
            std::vector<store::operation> some;
            for (std::size_t i = at; i < at + 100; ++i)
                some.emplace_back(store::put{"s:" + std::to_string(i), std::string(i % 500, 'v'),
                                             1h, store::anything{}, "alice"});
            const auto done = bench.run<std::vector<store::answer>>(
                [&] { return to->batch(some, bench.worker().time().steady_now() + 30s); });
            ASSERT_TRUE(done.has_value()) << describe(done.error());
        }
    }
    finished_command lethe(std::vector<std::string> words) const {
        words.insert(words.begin(), LETHE_BINARY);
        return run_command(words, 120s);
    }

    temporary_folder folder_{"lethe-store-servers-"};
};

TEST_F(StoreServers, ARedisThatKeepsEachChangeGivesG2) {
    redis_server server({.password = "hunter2"});
    const examined seen = examine(server.url());
    EXPECT_EQ(seen.exit, 0) << seen.text;
    EXPECT_EQ(seen.level(), "G2") << seen.text;
    EXPECT_EQ(seen.store().at("state"), "answers");
    EXPECT_TRUE(seen.store().at("server").as_string().starts_with("Redis ")) << seen.text;
    EXPECT_EQ(seen.store().at("promises").at("durable"), true);
    EXPECT_EQ(seen.text.find("hunter2"), std::string::npos);
}

TEST_F(StoreServers, ARedisWithoutItsAppendOnlyFileIsAFaultAndGivesG1) {
    redis_server server({.lines = {"appendonly no"}});
    const examined seen = examine(server.url());
    EXPECT_EQ(seen.exit, 1) << seen.text;
    EXPECT_EQ(seen.level(), "G1");
    EXPECT_EQ(seen.weight_of("appendonly"), "fault") << seen.text;
    const examined allowed = examine(server.url(), ", allow_lossy: true");
    EXPECT_EQ(allowed.exit, 0) << allowed.text;
    EXPECT_EQ(allowed.weight_of("appendonly"), "warning") << allowed.text;
    EXPECT_EQ(examine(server.url(), ", allow_lossy: true", {"--strict"}).exit, 1);
}

// The server's setting is but a warning; that a route needs more than it keeps is the fault.
TEST_F(StoreServers, ARedisThatWritesEverySecondIsAFaultUnlessThatIsAllowed) {
    redis_server server({.lines = {"appendfsync everysec"}});
    const examined seen = examine(server.url());
    EXPECT_EQ(seen.exit, 1) << seen.text;
    EXPECT_EQ(seen.level(), "G1");
    EXPECT_EQ(seen.weight_of("appendfsync"), "warning") << seen.text;
    EXPECT_EQ(seen.weight_of("may lose what was acknowledged"), "fault") << seen.text;
    EXPECT_EQ(examine(server.url(), ", allow_lossy: true").exit, 0);
}

TEST_F(StoreServers, ARedisThatEvictsIsAFaultAndGivesG1) {
    redis_server server({.lines = {"maxmemory 100mb", "maxmemory-policy allkeys-lru"}});
    const examined seen = examine(server.url());
    EXPECT_EQ(seen.exit, 1) << seen.text;
    EXPECT_EQ(seen.level(), "G1");
    EXPECT_EQ(seen.weight_of("maxmemory-policy"), "fault") << seen.text;
    EXPECT_EQ(seen.store().at("promises").at("may_evict"), true);
}

TEST_F(StoreServers, MemcachedMayForgetAndSaysSo) {
    memcached_server server;
    const examined seen = examine(server.url(), ", allow_lossy: true");
    EXPECT_EQ(seen.exit, 0) << seen.text;
    EXPECT_EQ(seen.level(), "G1");
    EXPECT_EQ(seen.store().at("promises").at("scans"), false);
    const finished_command counted = lethe({"store", "count", "--url", server.url()});
    EXPECT_EQ(counted.exit, 1);
    EXPECT_NE(counted.output.find("cannot list its keys"), std::string::npos) << counted.output;
}

// All are asked at once, each for so long at most.
TEST_F(StoreServers, ServersThatDoNotAnswerAreFaultsAndHoldNobodyUp) {
    redis_server first, second;
    first.freeze();
    second.freeze();
    std::ofstream(path("two.yaml"))
        << "listen: [{address: \"127.0.0.1:0\"}]\n"
           "upstreams: [{name: shop, replicas: [\"http://127.0.0.1:9\"]}]\n"
           "store: {default: \""
        << first.url() << "\", carts: \"" << second.url() << "\"}\n"
        << "routes:\n  - match: {prefix: /}\n    session: {read: [cart], store: carts}\n"
           "    idempotency: {}\n    upstream: shop\n";
    const auto begin = std::chrono::steady_clock::now();
    const finished_command done = lethe({"doctor", "-c", path("two.yaml"), "--json"});
    // Two times 3 s would be one after the other.
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 5500ms);
    const examined seen = take(done);
    EXPECT_EQ(seen.exit, 1) << seen.text;
    EXPECT_EQ(seen.said.at("faults"), 2) << seen.text;
    for (const std::size_t i : {0U, 1U}) EXPECT_EQ(seen.store(i).at("state"), "silent");
}

TEST_F(StoreServers, RecordsAreCopiedFromAFileToRedisAndBack) {
    redis_server server;
    const std::string a = "sqlite:" + path("a.db") + "?synchronous=normal";
    const std::string b = "sqlite:" + path("b.db") + "?synchronous=normal";
    fill(a, 2000);
    const finished_command there =
        lethe({"store", "copy", "--from", a, "--to", server.url(), "--state", path("state")});
    EXPECT_EQ(there.exit, 0) << there.output;
    EXPECT_NE(there.output.find("copied: 2,000 records"), std::string::npos) << there.output;
    const finished_command counted = lethe({"store", "count", "--url", server.url(), "--json"});
    EXPECT_EQ(counted.output, "{\"total\":2000,\"kinds\":{\"session\":2000}}\n");
    const finished_command back = lethe(
        {"store", "copy", "--from", server.url(), "--to", b, "--move", "--state", path("state")});
    EXPECT_EQ(back.exit, 0) << back.output;
    EXPECT_NE(back.output.find("moved: 2,000 records"), std::string::npos) << back.output;
    EXPECT_NE(lethe({"store", "count", "--url", server.url(), "--json"}).output.find("\"total\":0"),
              std::string::npos);
    EXPECT_EQ(lethe({"store", "verify", "--from", a, "--to", b}).exit, 0);
}

// A server that is away for a moment is waited for.
TEST_F(StoreServers, ACopyOutlivesARestartOfTheServer) {
    redis_server server;
    const std::string a = "sqlite:" + path("a.db") + "?synchronous=normal";
    fill(a, 20'000);
    process copying({.command = {LETHE_BINARY, "store", "copy", "--from", a, "--to", server.url(),
                                 "--state", path("state"), "--batches", "1"},
                     .output = path("out")});
    ASSERT_TRUE(wait_for(
        [&] { return std::filesystem::exists(path("state")) || !copying.running(); }, 30s));
    server.kill_now();
    server.start();
    EXPECT_EQ(copying.wait(120s), 0);
    std::ifstream in(path("out"));
    const std::string output{std::istreambuf_iterator<char>(in), {}};
    EXPECT_NE(output.find("20,000 equal"), std::string::npos) << output;
}

TEST_F(StoreServers, PostgreSqlIsDurableUnlessSynchronousCommitIsOff) {
    postgres_server good({.syncs = true});
    const examined seen = examine(good.url());
    EXPECT_EQ(seen.exit, 0) << seen.text;
    EXPECT_EQ(seen.level(), "G2") << seen.text;
    EXPECT_TRUE(seen.store().at("server").as_string().starts_with("PostgreSQL ")) << seen.text;
    postgres_server bad({.lines = {"synchronous_commit = off"}, .syncs = true});
    const examined weak = examine(bad.url());
    EXPECT_EQ(weak.exit, 1) << weak.text;
    EXPECT_EQ(weak.level(), "G1");
    EXPECT_EQ(weak.weight_of("synchronous_commit"), "fault") << weak.text;
}

}  // namespace
}  // namespace lethe::test
