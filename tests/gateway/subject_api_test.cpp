// /lethe/v1/subjects/… of a running gateway: see, end, forget.
#include "gateway/running_gateway.hpp"
#include "wire/peers.hpp"

#include <gtest/gtest.h>

namespace lethe::test {
namespace {

bool contains(const std::string& text, std::string_view what) {
    return text.find(what) != std::string::npos;
}

// Answers every request with the same; a login with `fields`.
class login_service {
 public:
    login_service() : origin_([](raw_socket& c) { serve(c); }) {}
    [[nodiscard]] std::string url() const {
        return "http://127.0.0.1:" + std::to_string(origin_.port());
    }

 private:
    static void serve(raw_socket& connection) {
        while (!connection.read_message().empty())
            connection.send(
                "HTTP/1.1 201 Created\r\nLethe-Session-Op: bind;subject=\"alice@shop/1\"\r\n"
                "Content-Length: 4\r\n\r\ndone");
    }
    scripted_origin origin_;
};

class SubjectApi : public ::testing::Test {
 protected:
    void SetUp() override { ASSERT_TRUE(gateway_.start()); }

    static std::string subject() { return "/lethe/v1/subjects/alice%40shop%2F1"; }
    http_answer call(const std::string& method, const std::string& target,
                     const std::string& token = running_gateway::api_token) {
        client admin(gateway_.admin_port);
        return admin.send(
            {.method = method, .target = target, .fields = {{"Authorization", "Bearer " + token}}});
    }
    void log_in(client& user) { EXPECT_EQ(user.post("/login", "x").status, 201); }

    login_service service_;
    running_gateway gateway_{
        "store: \"sqlite:${DIR}/state.db\"\nsessions: {cookie_name: sid, cookie_secure: false}\n"
        "upstreams:\n  - {name: app, replicas: [\"" +
        service_.url() +
        "\"]}\nroutes:\n  - match: {prefix: /}\n    session: {read: [cart], write: [cart]}\n"
        "    idempotency: {scope: public}\n    upstream: app\n"};
};

TEST_F(SubjectApi, SessionsAreListedAndEnded) {
    client first(gateway_.port);
    client second(gateway_.port);
    log_in(first);
    log_in(second);
    const http_answer listed = call("GET", subject() + "/sessions");
    EXPECT_EQ(listed.status, 200);
    EXPECT_TRUE(contains(listed.body, "\"subject\":\"alice@shop/1\"")) << listed.body;
    const std::size_t at = listed.body.find("\"id\":\"");
    ASSERT_NE(at, std::string::npos) << listed.body;
    const std::string id = listed.body.substr(at + 6, listed.body.find('"', at + 6) - at - 6);
    EXPECT_EQ(call("DELETE", subject() + "/sessions/" + id).status, 204);
    EXPECT_EQ(call("DELETE", subject() + "/sessions/" + id).status, 404);
    const http_answer ended = call("DELETE", subject() + "/sessions");
    EXPECT_TRUE(contains(ended.body, "\"ended\":1")) << ended.body;
    EXPECT_TRUE(contains(call("GET", subject() + "/sessions").body, "\"sessions\":[]"));
}

TEST_F(SubjectApi, APersonIsForgottenWithAReceipt) {
    client user(gateway_.port);
    log_in(user);
    const field_list key = {{"Idempotency-Key", "8e03978e-40d5-43dd-bc93-6894a57f9324"}};
    EXPECT_EQ(user.post("/orders", "x", key).status, 201);
    const http_answer erased = call("POST", subject() + "/erase");
    EXPECT_EQ(erased.status, 200);
    for (const char* part : {"\"sessions\":1", "\"idempotency\":1", "\"stores\":[\"default\"]"})
        EXPECT_TRUE(contains(erased.body, part)) << erased.body;
    const http_answer again = call("POST", subject() + "/erase");
    for (const char* part : {"\"sessions\":0", "\"idempotency\":0", "\"other\":0"})
        EXPECT_TRUE(contains(again.body, part)) << again.body;
}

TEST_F(SubjectApi, NobodyCallsWithoutTheToken) {
    client user(gateway_.port);
    log_in(user);
    for (const char* wrong : {"", "a-token-of-the-test", "a-token-of-the-tests2"}) {
        const http_answer refused = call("POST", subject() + "/erase", wrong);
        EXPECT_EQ(refused.status, 401) << wrong;
        EXPECT_EQ(refused.field_or_empty("WWW-Authenticate"), "Bearer");
    }
    EXPECT_EQ(client(gateway_.admin_port).get(subject() + "/sessions").status, 401);
    EXPECT_FALSE(contains(call("GET", subject() + "/sessions").body, "\"sessions\":[]"));
    EXPECT_FALSE(contains(gateway_.log(), running_gateway::api_token));
    EXPECT_FALSE(contains(gateway_.log(), "alice"));
}

TEST_F(SubjectApi, WhatThereIsNotIsSaid) {
    for (const char* target : {"/lethe/v1/", "/lethe/v1/subjects/", "/lethe/v1/subjects/a",
                               "/lethe/v1/subjects/a/carts", "/lethe/v1/subjects/a/sessions/b/c"})
        EXPECT_EQ(call("GET", target).status, 404) << target;
    EXPECT_EQ(call("PUT", subject() + "/sessions").status, 404);
    EXPECT_EQ(client(gateway_.port).get("/lethe/v1/subjects/a/sessions").status, 201)
        << "on the public listener it is the service's";
}

}  // namespace
}  // namespace lethe::test
