// Rows about the key: who sends it, how, and whose it is.
#include "rows/rows.hpp"

namespace lethe::test {
namespace {

TEST_P(idempotency, Methods) {
    start(keyed("mode: optional, methods: [POST, PATCH, PUT, DELETE]", "prefix: /orders") +
          keyed("mode: optional", "prefix: /plain"));
    for (const char* method : {"POST", "PATCH", "PUT", "DELETE"}) {
        const call one{.key = new_key(), .method = method, .target = "/orders/1"};
        EXPECT_EQ(send(one).status, 200) << method;
        EXPECT_TRUE(is_replay(send(one))) << method;
    }
    const std::size_t before = service_.count();
    for (const char* method : {"PUT", "DELETE", "GET", "OPTIONS"}) {
        const call one{.key = new_key(), .method = method, .target = "/plain/1"};
        EXPECT_FALSE(is_replay(send(one))) << method;
        EXPECT_FALSE(is_replay(send(one))) << method;
    }
    EXPECT_EQ(service_.count() - before, 8U) << "the key is ignored where it means nothing";
    const call get{.key = new_key(), .body = "", .method = "GET", .target = "/orders/1"};
    EXPECT_FALSE(is_replay(send(get)));
    EXPECT_FALSE(is_replay(send(get)));
}

TEST_P(idempotency, MissingKey) {
    start(keyed("mode: required", "prefix: /must") +
          keyed("mode: required, described_by: \"https://shop.example/retries\"",
                "prefix: /described") +
          keyed("mode: optional"));
    EXPECT_EQ(send({.key = ""}).status, 200);
    EXPECT_FALSE(is_replay(send({.key = ""}))) << "two equal orders are two orders";
    EXPECT_EQ(service_.count(), 2U);
    EXPECT_FALSE(service_.last().has("Lethe-Attempt"));
    const http_answer missing = send({.key = "", .target = "/must"});
    EXPECT_EQ(missing.status, 400);
    EXPECT_EQ(slug_of(missing), "idempotency-key-required");
    EXPECT_EQ(missing.field_or_empty("Content-Type"), "application/problem+json");
    EXPECT_TRUE(contains(missing.field_or_empty("Link"), "rel=\"describedby\""));
    EXPECT_EQ(send({.key = "", .target = "/described"}).field_or_empty("Link"),
              "<https://shop.example/retries>; rel=\"describedby\"");
    EXPECT_EQ(service_.count(), 2U);
}

TEST_P(idempotency, KeyField) {
    start(keyed("mode: required"));
    const std::string key = new_key();
    const http_answer first = send({.key = "\"" + key + "\""});
    EXPECT_EQ(first.status, 200);
    EXPECT_FALSE(is_replay(first));
    EXPECT_EQ(service_.last().field("Idempotency-Key"), "\"" + key + "\"") << "as it was sent";
    EXPECT_TRUE(is_replay(send({.key = "\"" + key + "\""})));
    EXPECT_TRUE(is_replay(send({.key = key}))) << "bare and quoted are one key";
    EXPECT_TRUE(is_replay(send({.key = "\"" + key + "\";v=1;w"}))) << "parameters are ignored";
    EXPECT_TRUE(is_replay(send({.key = key + ";v=1"})));
    EXPECT_EQ(service_.count(), 1U);
    const std::string longest(255, 'k');
    EXPECT_EQ(send({.key = longest}).status, 200);
    EXPECT_TRUE(is_replay(send({.key = "\"" + longest + "\""})));
    EXPECT_EQ(send({.key = "!#$%&'()*+-./:<=>?@[]^_`{|}~"}).status, 200);
}

TEST_P(idempotency, Malformed) {
    start(keyed("mode: optional"));
    const std::string long_key(256, 'k');
    for (const std::string& key :
         {std::string("\"\""), std::string("\"a\", \"b\""), std::string("a, b"), std::string("a b"),
          std::string("\"a"), std::string("a\tb"), std::string("caf\xc3\xa9"),
          std::string("\"caf\xc3\xa9\""), long_key, "\"" + long_key + "\"", std::string(";v=1")}) {
        const http_answer refused = send({.key = key});
        EXPECT_EQ(refused.status, 400) << key;
        EXPECT_EQ(slug_of(refused), "idempotency-key-malformed") << key;
        EXPECT_TRUE(contains(refused.field_or_empty("Link"), "rel=\"describedby\"")) << key;
    }
    EXPECT_EQ(slug_of(send({.fields = {{"Idempotency-Key", ""}}})), "idempotency-key-malformed");
    EXPECT_EQ(slug_of(send({.key = "a", .fields = {{"Idempotency-Key", "a"}}})),
              "idempotency-key-malformed")
        << "two lines, though they are equal";
    // A control byte makes the whole request malformed; however it is refused, it does not pass.
    EXPECT_EQ(send({.key = "a\x01z"}).status, 400);
    EXPECT_EQ(service_.count(), 0U);
}

TEST_P(idempotency, MalformedStrict) {
    start(keyed("strict: true"));
    EXPECT_EQ(send({.key = new_key()}).status, 400);
    EXPECT_EQ(send({.key = "\"" + new_key() + "\""}).status, 200);
    EXPECT_EQ(send({.key = "\"" + new_key() + "\";v=1"}).status, 200);
}

TEST_P(idempotency, MalformedFormat) {
    start(keyed("format: uuid"));
    for (const char* key :
         {"order-17", "00000000-0000-0000-0000-000000000000",
          "ffffffff-ffff-ffff-ffff-ffffffffffff", "8e03978e40d543ddbc936894a57f9324"})
        EXPECT_EQ(slug_of(send({.key = key})), "idempotency-key-malformed") << key;
    EXPECT_EQ(send({.key = "8E03978E-40D5-43DD-BC93-6894A57F9324"}).status, 200);
    EXPECT_TRUE(is_replay(send({.key = "\"8e03978e-40d5-43dd-bc93-6894a57f9324\""})));
}

// Answers of another fingerprint, with the key of a first request that was done.
TEST_P(idempotency, Mismatch) {
    start(keyed("mode: required, methods: [POST, PUT]"));
    const call first{.key = new_key(), .target = "/orders?a=1"};
    EXPECT_EQ(send(first).status, 200);
    const auto expect_mismatch = [&](call other, const char* what) {
        const http_answer answer = send(other);
        EXPECT_EQ(answer.status, 422) << what;
        EXPECT_EQ(slug_of(answer), "idempotency-key-mismatch") << what;
        EXPECT_EQ(answer.field_or_empty("Cache-Control"), "no-store") << what;
        EXPECT_EQ(answer.field_or_empty("Retry-After"), "") << what;
    };
    call other = first;
    other.method = "PUT";
    expect_mismatch(other, "method");
    other = first;
    other.target = "/orders/x?a=1";
    expect_mismatch(other, "path");
    for (const char* target : {"/orders", "/orders?a=2", "/orders?a=1&b=2", "/orders?"}) {
        other.target = target;
        expect_mismatch(other, target);
    }
    other = first;
    other.type = "application/vnd.shop+json";
    expect_mismatch(other, "media type");
    other = first;
    for (const char* body : {"{\"sku\":2}", "{\"sku\": 1}", ""}) {
        other.body = body;
        expect_mismatch(other, body);
    }
    EXPECT_TRUE(is_replay(send(first)));
    EXPECT_EQ(service_.count(), 1U);
}

TEST_P(idempotency, MismatchWithinTheFirst) {
    // Also while the first one is under way, where 409 would let a client wait for nothing.
    start(keyed("mode: required"));
    gate answered;
    service_.act([&](const seen_request&, raw_socket& to) {
        answered.wait();
        return to.send(to_bytes({}));
    });
    const call first{.key = new_key()};
    const auto pending = begin(first);
    ASSERT_TRUE(service_.wait_for_count(1));
    EXPECT_EQ(send({.key = first.key, .body = "other"}).status, 422);
    answered.open();
    EXPECT_EQ(pending->answer().status, 200);
}

TEST_P(idempotency, MismatchNever) {
    start(keyed("mode: required"));
    const std::string key = new_key();
    EXPECT_EQ(send({.key = key, .fields = {{"User-Agent", "one"}}}).status, 200);
    const field_list others = {
        {"User-Agent", "two"},
        {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
        {"Date", "Tue, 24 Nov 2026 15:00:00 GMT"},
        {"X-Request-Id", "7"},
        {"Accept", "*/*"}};
    EXPECT_TRUE(is_replay(send({.key = key, .fields = others})));
    EXPECT_TRUE(is_replay(send({.key = key, .type = "Application/JSON; charset=utf-8"})))
        << "parameters of the media type do not count";
    for (const char* field : {"Authorization", "traceparent", "User-Agent", "Date", "Cookie"}) {
        running_gateway refused(
            configuration(keyed("fingerprint_headers: [" + std::string(field) + "]"), ""));
        EXPECT_EQ(refused.start_refused().exit, 1) << field;
    }
}

TEST_P(idempotency, MismatchListedHeaders) {
    start(keyed("fingerprint_headers: [X-Currency]"));
    const std::string key = new_key();
    EXPECT_EQ(send({.key = key, .fields = {{"X-Currency", "EUR"}}}).status, 200);
    EXPECT_EQ(send({.key = key, .fields = {{"X-Currency", "USD"}}}).status, 422);
    EXPECT_EQ(send({.key = key}).status, 422);
    EXPECT_TRUE(is_replay(send({.key = key, .fields = {{"x-currency", "EUR"}}})));
}

TEST_P(idempotency, MismatchCanonicalJson) {
    start(keyed("fingerprint_body: meaning"));
    const std::string key = new_key();
    EXPECT_EQ(send({.key = key, .body = R"({"a":1,"b":[1.0,"x"],"c":null})"}).status, 200);
    EXPECT_EQ(service_.last().body, R"({"a":1,"b":[1.0,"x"],"c":null})") << "as it was sent";
    EXPECT_TRUE(
        is_replay(send({.key = key, .body = "{ \"c\":null,\"b\":[1,\"\\u0078\"], \"a\":1e0}"})));
    EXPECT_EQ(send({.key = key, .body = R"({"a":1,"b":["x",1],"c":null})"}).status, 422);
    EXPECT_EQ(send({.key = key, .body = R"({"a":1,"b":[1,"x"]})"}).status, 422);
}

TEST_P(idempotency, MismatchJsonPath) {
    start(
        keyed("fingerprint_body: meaning, fingerprint_paths: [\"$.order.id\", "
              "\"$.items[*].sku\"]"));
    const std::string key = new_key();
    const auto body = [](const char* id, const char* sku, const char* sent) {
        return std::string("{\"order\":{\"id\":") + id + "},\"items\":[{\"sku\":\"" + sku +
               "\"}],\"sent\":\"" + sent + "\"}";
    };
    EXPECT_EQ(send({.key = key, .body = body("1", "a", "now")}).status, 200);
    EXPECT_TRUE(is_replay(send({.key = key, .body = body("1", "a", "later")})));
    EXPECT_EQ(send({.key = key, .body = body("2", "a", "now")}).status, 422);
    EXPECT_EQ(send({.key = key, .body = body("1", "b", "now")}).status, 422);
}

TEST_P(idempotency, MismatchMultipartBoundary) {
    start(keyed("fingerprint_body: meaning"));
    const std::string key = new_key();
    const auto form = [&](const std::string& boundary, const std::string& value) {
        return call{.key = key,
                    .body = "--" + boundary +
                            "\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n" + value +
                            "\r\n--" + boundary + "--\r\n",
                    .type = "multipart/form-data; boundary=" + boundary};
    };
    EXPECT_EQ(send(form("first", "1")).status, 200);
    EXPECT_TRUE(is_replay(send(form("second", "1"))));
    EXPECT_EQ(send(form("first", "2")).status, 422);
}

TEST_P(idempotency, OtherEndpoint) {
    start(keyed("mode: required", "prefix: /orders") + keyed("mode: required", "prefix: /refunds") +
          keyed("key_space: operation", "prefix: /each"));
    const std::string key = new_key();
    EXPECT_EQ(send({.key = key}).status, 200);
    EXPECT_EQ(send({.key = key, .target = "/refunds"}).status, 422) << "on another route, too";
    EXPECT_EQ(send({.key = key, .target = "/each/1"}).status, 200);
    EXPECT_EQ(send({.key = key, .method = "PATCH", .target = "/each/1"}).status, 200);
    EXPECT_EQ(send({.key = key, .target = "/each/2"}).status, 200);
    EXPECT_TRUE(is_replay(send({.key = key, .target = "/each/2"})));
    EXPECT_EQ(send({.key = key, .body = "other", .target = "/each/2"}).status, 422);
}

TEST_P(idempotency, OtherCaller) {
    start(keyed("mode: required", "prefix: /orders") +
          keyed("mode: required, tenant: other", "prefix: /tenant"));
    const std::string key = new_key();
    service_.answer_by([](const seen_request&) { return reply{.body = new_key()}; });
    const http_answer of_alice = send({.key = key});
    const http_answer of_bob = send({.key = key, .who = "bob"});
    EXPECT_FALSE(is_replay(of_bob));
    EXPECT_NE(of_alice.body, of_bob.body);
    EXPECT_EQ(send({.key = key, .body = "other", .who = "carol"}).status, 200)
        << "another's use of a key cannot be told";
    // A new token of the same person.
    const std::string key_file = configuration_.substr(configuration_.find("keys: {file: \"") + 14);
    const finished_command fresh =
        lethe({"token", "sign", "--key", key_file.substr(0, key_file.find('"')), "--iss",
               "https://id.example", "--aud", "shop", "--sub", "alice", "--ttl", "2h"});
    ASSERT_EQ(fresh.exit, 0) << fresh.output;
    const std::string token = fresh.output.substr(0, fresh.output.find('\n'));
    ASSERT_NE(token, token_of("alice"));
    const http_answer refreshed =
        send({.key = key, .who = "", .fields = {{"Authorization", "Bearer " + token}}});
    EXPECT_TRUE(is_replay(refreshed));
    EXPECT_EQ(refreshed.body, of_alice.body);
    EXPECT_EQ(send({.key = key, .target = "/tenant"}).status, 200)
        << "no mismatch: keys of two tenants never meet";
}

TEST_P(idempotency, OtherCallerAnonymous) {
    start(keyed("mode: required", "prefix: /orders") +
          keyed("mode: required, scope: public", "prefix: /public") +
          with_session("prefix: /cart", "read: [cart], write: [cart]",
                       "    idempotency: {mode: required}\n"));
    const std::string key = new_key();
    EXPECT_EQ(slug_of(send({.key = key, .who = ""})), "idempotency-key-unscoped");
    EXPECT_EQ(send({.key = "guess", .target = "/public", .who = ""}).status, 400) << "UUIDs only";
    EXPECT_EQ(send({.key = key, .target = "/public", .who = ""}).status, 200);
    EXPECT_TRUE(is_replay(send({.key = key, .target = "/public", .who = ""})));
    running_gateway unscoped(
        configuration("  - match: {prefix: /}\n    idempotency: {mode: "
                      "required}\n    upstream: app\n",
                      ""));
    EXPECT_EQ(unscoped.start_refused().exit, 1) << "a route must say whose keys they are";
}

TEST_P(idempotency, OtherCallerSession) {
    start(with_session("path: /login", "read: [cart], write: [cart]") +
          with_session("prefix: /cart", "read: [cart], write: [cart]",
                       "    idempotency: {mode: required}\n"));
    service_.answer(
        {.fields = {{"Lethe-Session-Patch", ":" + base64("{\"cart\":1}") + ":;type=merge"}}});
    client first(gateway_->port);
    client second(gateway_->port);
    EXPECT_EQ(first.post("/login", "").status, 200);
    EXPECT_EQ(second.post("/login", "").status, 200);
    service_.answer_by([](const seen_request&) { return reply{.body = new_key()}; });
    const field_list key = {{"Idempotency-Key", "order-1"}};
    const http_answer of_first = first.post("/cart", "{}", key);
    const http_answer of_second = second.post("/cart", "{}", key);
    EXPECT_EQ(of_first.status, 200);
    EXPECT_NE(of_first.body, of_second.body);
    EXPECT_EQ(first.post("/cart", "{}", key).body, of_first.body);
    EXPECT_EQ(client(gateway_->port).post("/cart", "{}", key).status, 400) << "no session, no key";
}

}  // namespace
}  // namespace lethe::test
