// Overload as clients and operators meet it: the whole binary.
#include "gateway/running_gateway.hpp"
#include "gateway/session_service.hpp"
#include "wire/peers.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <mutex>
#include <thread>
#include <vector>

namespace lethe::test {
namespace {

using namespace std::chrono_literals;

bool contains(const std::string& text, std::string_view what) {
    return text.find(what) != std::string::npos;
}

// Answers all with 200, and counts.
class backend {
 public:
    [[nodiscard]] std::string upstreams() const {
        return "upstreams:\n  - {name: app, replicas: [\"http://127.0.0.1:" +
               std::to_string(origin_.port()) + "\"]}\n";
    }
    [[nodiscard]] int requests() const { return requests_; }

 private:
    std::atomic<int> requests_{0};
    scripted_origin origin_{[this](raw_socket& connection) {
        while (!connection.read_message().empty()) {
            const std::string body = "answer " + std::to_string(++requests_);
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) +
                            "\r\n\r\n" + body);
        }
    }};
};

std::string with_limits(const backend& behind, const std::string& limits,
                        const std::string& more = {}) {
    return "store: \"sqlite:${DIR}/state.db\"\n" + behind.upstreams() +
           "routes:\n  - name: all\n    match: {prefix: /}\n    limits: " + limits + "\n" + more +
           "    upstream: app\n";
}

// How many of so many requests were admitted, each on a connection of its own: so that they reach
// all workers.
int admitted(const running_gateway& gateway, int requests) {
    int out = 0;
    for (int i = 0; i < requests; ++i) {
        client user(gateway.port);
        const http_answer answer = user.get("/");
        if (answer.status == 200) {
            ++out;
        } else {
            EXPECT_EQ(answer.status, 429);
            EXPECT_TRUE(contains(answer.body, "urn:lethe:problem:rate-exceeded")) << answer.body;
            EXPECT_NE(answer.field_or_empty("Retry-After"), "");
        }
    }
    return out;
}

TEST(Limits, WorkersTogetherAdmitTheBurst) {
    backend behind;
    running_gateway gateway(with_limits(behind, "[{rate: 1/h, burst: 7, headers: true}]"));
    ASSERT_TRUE(gateway.start());
    EXPECT_EQ(admitted(gateway, 25), 7);
    EXPECT_EQ(behind.requests(), 7);
    client user(gateway.port);
    const http_answer answer = user.get("/");
    EXPECT_EQ(answer.field_or_empty("RateLimit-Policy"), "\"address\";q=7;w=25200");
    EXPECT_TRUE(answer.field_or_empty("RateLimit").starts_with("\"address\";r=0;t="));
    client admin(gateway.admin_port);
    EXPECT_TRUE(
        contains(admin.get("/metrics").body, "lethe_limits_refused_total{route=\"all\"} 19"));
}

TEST(Limits, AReloadGivesNobodyANewBurst) {
    backend behind;
    running_gateway gateway(with_limits(behind, "[{rate: 1/h, burst: 3}]"));
    ASSERT_TRUE(gateway.start());
    EXPECT_EQ(admitted(gateway, 5), 3);
    gateway.rewrite(with_limits(behind, "[{rate: 1/h, burst: 3}]", "    timeout: 5s\n"));
    gateway.running().send(SIGHUP);
    ASSERT_TRUE(gateway.wait_for_event("gateway.reloaded"));
    EXPECT_EQ(admitted(gateway, 5), 0);
    // Another limit begins anew.
    gateway.rewrite(with_limits(behind, "[{rate: 1/h, burst: 4}]"));
    gateway.running().send(SIGHUP);
    ASSERT_TRUE(gateway.wait_for_event("gateway.reloaded", 2));
    EXPECT_EQ(admitted(gateway, 6), 4);
}

TEST(Limits, ARefusedRequestClaimsNoKey) {
    backend behind;
    running_gateway gateway(with_limits(behind, "[{rate: 1/s, burst: 1}]",
                                        "    idempotency: {mode: required, scope: public}\n"));
    ASSERT_TRUE(gateway.start());
    client user(gateway.port);
    const field_list first = {{"Idempotency-Key", "018f3b0e-0000-7000-8000-000000000001"}};
    const field_list second = {{"Idempotency-Key", "018f3b0e-0000-7000-8000-000000000002"}};
    EXPECT_EQ(user.post("/", "a", first).status, 200);
    const http_answer refused = user.post("/", "b", second);
    // One second may have gone by on a busy machine; then the second ran at once.
    const bool was_refused = refused.status == 429;
    http_answer again = refused;
    for (int i = 0; i < 100 && again.status != 200; ++i) {
        again = user.post("/", "b", second);
        std::this_thread::sleep_for(50ms);
    }
    EXPECT_EQ(again.status, 200);
    if (was_refused) EXPECT_EQ(again.field_or_empty("Idempotency-Replayed"), "");
    EXPECT_EQ(again.body, "answer 2");
    EXPECT_EQ(behind.requests(), 2);
}

TEST(Limits, EachSessionHasABurstOfItsOwn) {
    const session_service behind;
    running_gateway gateway(
        "store: \"sqlite:${DIR}/state.db\"\nsessions: {cookie_name: sid, cookie_secure: false}\n"
        "upstreams:\n  - {name: app, replicas: [\"" +
        behind.url() +
        "\"]}\nroutes:\n  - match: {prefix: /}\n    limits: [{rate: 1/h, burst: 3, by: session}]\n"
        "    session: {read: [cart], write: [cart]}\n    upstream: app\n");
    ASSERT_TRUE(gateway.start());
    const auto statuses = [](client& browser, int requests) {
        std::vector<int> out;
        for (int i = 0; i < requests; ++i) out.push_back(browser.get("/add").status);
        return out;
    };
    // The first request of each counts by address, as it has no session yet.
    client one(gateway.port);
    EXPECT_EQ(statuses(one, 5), (std::vector{200, 200, 200, 200, 429}));
    client other(gateway.port);
    EXPECT_EQ(statuses(other, 5), (std::vector{200, 200, 200, 200, 429}));
    client third(gateway.port);
    EXPECT_EQ(statuses(third, 1), (std::vector{200}));
    client fourth(gateway.port);
    EXPECT_EQ(statuses(fourth, 1), (std::vector{429})) << "three new ones came from this address";
}

TEST(Limits, GatewaysOfOneStoreAdmitOneBurst) {
    backend behind;
    running_gateway one("");
    running_gateway two("");
    const std::string rest = "store: \"sqlite:" + (one.folder.path() / "shared.db").string() +
                             "\"\n" + behind.upstreams() +
                             "routes:\n  - name: all\n    match: {prefix: /}\n    limits: [{rate: "
                             "1/h, burst: 9, store: default, store_timeout: 10s}]\n    upstream: "
                             "app\n";
    one.rewrite(rest);
    two.rewrite(rest);
    ASSERT_TRUE(one.start());
    ASSERT_TRUE(two.start());
    int sum = 0;
    for (int i = 0; i < 8; ++i) sum += admitted(one, 1) + admitted(two, 1);
    EXPECT_EQ(sum, 9);
    EXPECT_EQ(behind.requests(), 9);
}

TEST(Limits, WithoutMemoryRequestsAndConnectionsAreRefusedUntilThereIsSome) {
    backend behind;
    const std::string routes =
        behind.upstreams() + "routes:\n  - match: {prefix: /}\n    upstream: app\n";
    running_gateway gateway(routes);
    ASSERT_TRUE(gateway.start());
    client kept(gateway.port);
    EXPECT_EQ(kept.get("/").status, 200);
    // Less than the process takes already.
    gateway.rewrite("limits: {memory_bytes: 1MiB}\n" + routes);
    gateway.running().send(SIGHUP);
    ASSERT_TRUE(gateway.wait_for_event("gateway.memory_short"));
    client admin(gateway.admin_port);
    http_answer answer;
    for (int i = 0; i < 500 && answer.status != 503; ++i) {
        answer = kept.get("/");
        std::this_thread::sleep_for(10ms);
    }
    EXPECT_EQ(answer.status, 503);
    EXPECT_TRUE(contains(answer.body, "urn:lethe:problem:memory-short")) << answer.body;
    EXPECT_EQ(answer.field_or_empty("Retry-After"), "5");
    // New connections are closed at once, on both workers.
    bool all_closed = false;
    for (int i = 0; i < 500 && !all_closed; ++i) {
        all_closed = true;
        for (int k = 0; k < 8 && all_closed; ++k)
            all_closed = client(gateway.port).get("/").status == 0;
        std::this_thread::sleep_for(10ms);
    }
    EXPECT_TRUE(all_closed);
    const std::string metrics = admin.get("/metrics").body;
    EXPECT_TRUE(contains(metrics, "lethe_gateway_memory_max_bytes 1048576")) << metrics;
    EXPECT_FALSE(contains(metrics, "lethe_gateway_memory_refused_total 0")) << metrics;
    gateway.rewrite("limits: {memory_bytes: 64GiB}\n" + routes);
    gateway.running().send(SIGHUP);
    ASSERT_TRUE(gateway.wait_for_event("gateway.memory_recovered"));
    for (int i = 0; i < 500 && answer.status != 200; ++i) {
        answer = client(gateway.port).get("/");
        std::this_thread::sleep_for(10ms);
    }
    EXPECT_EQ(answer.status, 200);
}

TEST(Limits, MistakesAreTold) {
    backend behind;
    running_gateway gateway(with_limits(
        behind,
        "[{rate: fast}, {rate: 1/d, burst: 1000}, {rate: 1/s, by: caller}, {rate: 1/s, name: x}, "
        "{rate: 1/s, name: x}, {rate: 1/s, name: y, store: nowhere}]"));
    const auto refused = gateway.start_refused();
    EXPECT_EQ(refused.exit, 1);
    for (const char* part :
         {"fast", "30 days", "expected authenticate", "called \"x\" already", "nowhere"})
        EXPECT_TRUE(contains(refused.output, part)) << part << "\n" << refused.output;
}

}  // namespace
}  // namespace lethe::test
