// Sessions by URL with real gateways: two of them on one store, and a service that calls back.
#include "gateway/running_gateway.hpp"
#include "wire/peers.hpp"

#include <gtest/gtest.h>

#include <mutex>

namespace lethe::test {
namespace {

constexpr const char* ops_type = "application/lethe-ops+json";

// The value of a field in a request's head; "" when it is not there.
std::string field_of(const std::string& head, const std::string& name) {
    const std::size_t at = head.find("\r\n" + name + ": ");
    if (at == std::string::npos) return "";
    const std::size_t from = at + name.size() + 4;
    return head.substr(from, head.find("\r\n", from) - from);
}

// Adds one to the cart by URL on every request, at whichever gateway the test says.
class cart_service {
 public:
    cart_service() : origin_([this](raw_socket& c) { serve(c); }) {}
    [[nodiscard]] std::string url() const {
        return "http://127.0.0.1:" + std::to_string(origin_.port());
    }
    std::atomic<std::uint16_t> api_port{0};  // 0: the one of the URL
    std::atomic<bool> changes{true};

    std::string last_url() {
        const std::lock_guard hold(lock_);
        return last_url_;
    }
    std::string last_signature() {
        const std::lock_guard hold(lock_);
        return last_signature_;
    }

 private:
    void serve(raw_socket& connection) {
        while (true) {
            const std::string head = connection.read_message();
            if (head.empty()) return;
            const std::string url = field_of(head, "Lethe-Session-Url");
            {
                const std::lock_guard hold(lock_);
                last_url_ = url;
                last_signature_ = field_of(head, "Lethe-Signature");
            }
            const std::string seen = url.empty() ? "no url" : call(url);
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(seen.size()) +
                            "\r\n\r\n" + seen);
        }
    }
    std::string call(const std::string& url) {
        const std::size_t port_at = url.find(':', 8) + 1;
        const std::size_t path_at = url.find('/', port_at);
        std::uint16_t port = api_port;
        if (port == 0)
            port = static_cast<std::uint16_t>(std::stoi(url.substr(port_at, path_at - port_at)));
        const std::string path = url.substr(path_at, url.size() - path_at - 1);
        client api(port);
        if (changes) {
            const http_answer changed =
                api.send({.method = "PATCH",
                          .target = path,
                          .fields = {{"Content-Type", ops_type}},
                          .body = R"([{"op":"inc","path":"/cart/count"}])"});
            if (changed.status != 204) return std::to_string(changed.status) + changed.body;
        }
        return api.get(path).body;
    }

    std::mutex lock_;
    std::string last_url_;
    std::string last_signature_;
    scripted_origin origin_;
};

std::string configured(const cart_service& service, std::uint16_t api_port,
                       const std::string& store, const std::string& keys) {
    return "store: \"sqlite:" + store +
           "\"\nsessions: {cookie_name: sid, cookie_secure: false, session_bytes_max: 64KiB}\n"
           "session_api: {address: \"127.0.0.1:" +
           std::to_string(api_port) + "\"" + keys + "}\nupstreams:\n  - {name: app, replicas: [\"" +
           service.url() +
           "\"], signature: {key_id: k1, key: a-signing-key-that-both-sides-know}}\nroutes:\n"
           "  - match: {prefix: /}\n    name: cart\n    session: {read: [cart], write: [cart], "
           "url: always}\n    upstream: app\n";
}

struct SessionUrl : ::testing::Test {
    cart_service service;
    temporary_folder folder{"lethe-session-url"};
    std::vector<std::uint16_t> ports = free_ports(2);
    std::string store = (folder.path() / "state.db").string();
};

// --- spec: "PATCH Lethe-Session-Url"; any replica serves it

TEST_F(SessionUrl, EveryGatewayWithTheKeyServesTheUrlOfAnother) {
    const std::string keys = ", keys: [a-key-for-handles-of-32-characters]";
    running_gateway first(configured(service, ports[0], store, keys));
    running_gateway second(configured(service, ports[1], store, keys));
    ASSERT_TRUE(first.start());
    ASSERT_TRUE(second.start());
    client user(first.port);
    EXPECT_EQ(user.get("/").body, R"({"cart":{"count":1}})");
    EXPECT_EQ(user.cookies().count("sid"), 1U);
    service.api_port = ports[1];
    EXPECT_EQ(user.get("/").body, R"({"cart":{"count":2}})");
    // The gateway that gave the URL dies while its service works: the change is made all the same.
    const std::string url = service.last_url();
    first.running().kill_now();
    client api(ports[1]);
    const std::string path = url.substr(url.find("/lethe/"), url.rfind('"') - url.find("/lethe/"));
    EXPECT_EQ(api.send({.method = "PATCH",
                        .target = path,
                        .fields = {{"Content-Type", ops_type}},
                        .body = R"([{"op":"inc","path":"/cart/count"}])"})
                  .status,
              204);
    user.use_port(second.port);
    EXPECT_EQ(user.get("/").body, R"({"cart":{"count":4}})");
    EXPECT_NE(service.last_signature().find("lethe-session-url"), std::string::npos);
}

TEST_F(SessionUrl, WithoutAKeyOnlyTheGatewayThatGaveItServesIt) {
    running_gateway first(configured(service, ports[0], store, ""));
    running_gateway second(configured(service, ports[1], store, ""));
    ASSERT_TRUE(first.start());
    ASSERT_TRUE(second.start());
    client user(first.port);
    EXPECT_EQ(user.get("/").body, R"({"cart":{"count":1}})");
    service.api_port = ports[1];
    EXPECT_EQ(user.get("/").body.substr(0, 3), "404");
}

TEST_F(SessionUrl, NoLogHasTheHandle) {
    running_gateway gateway(configured(service, ports[0], store, ""));
    ASSERT_TRUE(gateway.start());
    client user(gateway.port);
    EXPECT_EQ(user.get("/").status, 200);
    const std::string url = service.last_url();
    const std::string handle = url.substr(url.rfind('/') + 1, 40);
    client api(ports[0]);
    EXPECT_EQ(api.get("/lethe/v1/session/" + handle).status, 404);
    EXPECT_EQ(api.get("/somewhere/" + handle + "?x=" + handle).status, 404);
    ASSERT_TRUE(gateway.wait_for_event("access", 4));
    const std::string log = gateway.log();
    EXPECT_EQ(log.find(handle), std::string::npos);
    EXPECT_NE(log.find("\"route\":\"session api\""), std::string::npos) << log;
    // Nor is the interface anywhere else.
    service.changes = false;
    EXPECT_EQ(client(gateway.admin_port).get("/lethe/v1/session/" + handle).status, 401);
}

}  // namespace
}  // namespace lethe::test
