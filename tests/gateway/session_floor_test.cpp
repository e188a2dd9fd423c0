// A real store that lost acknowledged changes: what gateways say to those whose changes they were.
#include "gateway/running_gateway.hpp"
#include "gateway/session_service.hpp"
#include "support/servers.hpp"

#include <gtest/gtest.h>

#include <filesystem>

namespace lethe::test {
namespace {

namespace fs = std::filesystem;

TEST(SessionFloor, ARedisThatCameBackWithAnOlderDumpIsNoticed) {
    redis_server redis;
    session_service service;
    const auto route = [&](const std::string& path, const std::string& stale) {
        return "  - match: {prefix: /" + path + "}\n    session: {read: [cart], write: [cart]" +
               stale + "}\n    upstream: app\n";
    };
    running_gateway gateway("store: \"" + redis.url() +
                            "\"\nupstreams:\n  - {name: app, replicas: [\"" + service.url() +
                            "\"]}\nroutes:\n" + route("show/accepting", ", stale: accept") +
                            route("show/refusing", ", stale: 503") + route("", ""));
    ASSERT_TRUE(gateway.start());
    client user(gateway.port);
    client other(gateway.port);
    EXPECT_EQ(user.post("/add", "").status, 200);
    EXPECT_EQ(other.post("/add", "").status, 200);

    const fs::path data = redis.folder() / "appendonlydir";
    const fs::path copy = redis.folder() / "copy";
    redis.stop();
    fs::copy(data, copy, fs::copy_options::recursive);
    redis.start();
    ASSERT_TRUE(
        wait_for([&] { return user.post("/add", "").status == 200; }, std::chrono::seconds{20}));
    EXPECT_EQ(user.get("/show").body, R"({"cart":{"count":2}})");
    redis.stop();
    fs::remove_all(data);
    fs::copy(copy, data, fs::copy_options::recursive);
    redis.start();

    // Who lost nothing goes on; who lost something is not shown the older cart as the present one.
    ASSERT_TRUE(
        wait_for([&] { return other.get("/show").status == 200; }, std::chrono::seconds{20}));
    EXPECT_EQ(other.get("/show").body, R"({"cart":{"count":1}})");
    for (const char* path : {"/show", "/show/refusing", "/add"}) {
        const http_answer stale = user.get(path);
        EXPECT_EQ(stale.status, 503) << path;
        EXPECT_NE(stale.body.find("session-stale"), std::string::npos) << stale.body;
    }
    EXPECT_EQ(user.get("/show/accepting").body, R"({"cart":{"count":1}}; stale)");
}

}  // namespace
}  // namespace lethe::test
