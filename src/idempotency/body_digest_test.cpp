// What makes two bodies the same request, and how GraphQL requests are read.
#include "idempotency/body_digest.hpp"

#include "idempotency/graphql.hpp"
#include "idempotency/graphql_request.hpp"

#include <gtest/gtest.h>

namespace lethe::idempotency {
namespace {

std::string meaning(std::string_view type, std::string_view body,
                    const std::vector<std::string>& paths = {}) {
    std::vector<json_path> parsed;
    for (const std::string& one : paths) parsed.push_back(json_path::parse(one).value());
    return body_digest(type, body, body_rule::meaning, parsed);
}
constexpr const char* json_type = "application/json; charset=utf-8";

TEST(BodyDigest, JsonCountsByItsMeaning) {
    EXPECT_EQ(meaning(json_type, R"({"a":1,"b":[1.0]})"),
              meaning(json_type, R"({ "b":[1], "a":1 })"));
    EXPECT_NE(meaning(json_type, R"({"a":1})"), meaning(json_type, R"({"a":2})"));
    EXPECT_NE(meaning(json_type, "[1,2]"), meaning(json_type, "[2,1]"));
    EXPECT_EQ(meaning("application/vnd.api+json", "{ }"),
              meaning("application/vnd.api+json", "{}"));
    EXPECT_NE(meaning("text/plain", "{ }"), meaning("text/plain", "{}"));
    // What cannot be read counts as it is, and is never taken for what can.
    EXPECT_NE(meaning(json_type, R"({"a":1,"a":2})"), meaning(json_type, R"({"a":2})"));
    EXPECT_NE(meaning(json_type, "{"), meaning(json_type, "{ "));
    EXPECT_NE(body_digest(json_type, "{}", body_rule::bytes, {}), meaning(json_type, "{}"));
}

TEST(BodyDigest, PathsSelectWhatCounts) {
    const std::vector<std::string> paths = {"$.order.id", "$.items[*].sku", "$['x y'][0]"};
    const std::string one = meaning(
        json_type,
        R"({"order":{"id":7,"at":"10:00"},"items":[{"sku":"a"},{"sku":"b"}],"x y":[1,2]})", paths);
    EXPECT_EQ(
        one,
        meaning(json_type,
                R"({"items":[{"sku":"a","n":1},{"sku":"b"}],"order":{"id":7},"x y":[1]})", paths));
    for (const char* other : {R"({"order":{"id":8},"items":[{"sku":"a"},{"sku":"b"}],"x y":[1]})",
                              R"({"order":{"id":7},"items":[{"sku":"b"},{"sku":"a"}],"x y":[1]})",
                              R"({"order":{"id":7},"items":[{"sku":"a"}],"x y":[1]})",
                              R"({"items":[{"sku":"a"},{"sku":"b"}],"x y":[1]})", "{}"})
        EXPECT_NE(one, meaning(json_type, other, paths)) << other;
    for (const char* bad :
         {"", "order", "$.", "$[", "$[x]", "$[-1]", "$..a", "$['a", "$.a b", "$[1"})
        EXPECT_TRUE(json_path::parse(bad).has_error()) << bad;
    EXPECT_TRUE(json_path::parse("$").has_value());
}

TEST(BodyDigest, MultipartCountsWithoutItsBoundary) {
    const auto body = [](const std::string& b, const std::string& value = "1") {
        return "--" + b + "\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n" + value +
               "\r\n--" + b + "--\r\n";
    };
    const std::string one = meaning("multipart/form-data; boundary=xyz", body("xyz"));
    EXPECT_EQ(one,
              meaning("multipart/form-data; charset=utf-8; boundary=\"other\"", body("other")));
    EXPECT_NE(one, meaning("multipart/form-data; boundary=xyz", body("xyz", "2")));
    // A boundary that is not one, or no end: the bytes count.
    EXPECT_NE(meaning("multipart/form-data; boundary=q", body("xyz")),
              meaning("multipart/form-data; boundary=q", body("other")));
    EXPECT_NE(meaning("multipart/form-data", body("xyz")),
              meaning("multipart/form-data", body("abc")));
    // A part that holds the boundary in the middle of a line is one part.
    EXPECT_NE(meaning("multipart/mixed; boundary=x", body("x", "a --x b")),
              meaning("multipart/mixed; boundary=x", body("x", "a ")));
}

TEST(Graphql, DocumentsAreReadAsFarAsTheirOperations) {
    const auto document = graphql::parse_document(
        "# pay\nquery Q($a: [Int!]! = [1, 2]) @live { a(b: {c: [\"}\"], d: \"\"\" } \\\"\"\" "
        "\"\"\"}) { ...F } }\n"
        "mutation Pay($k: String!) @idempotent(key: $k) { pay(cents: -1.5e+3) { id } }\n"
        "fragment F on T @idempotent(key: \"not looked at\") { x }\nsubscription { s }");
    ASSERT_TRUE(document.has_value());
    ASSERT_EQ(document->operations.size(), 3U);
    EXPECT_EQ(document->operations[0].kind, graphql::operation_kind::query);
    EXPECT_EQ(document->operations[1].name, "Pay");
    ASSERT_EQ(document->operations[1].keys.size(), 1U);
    EXPECT_TRUE(document->operations[1].keys[0].is_variable);
    EXPECT_EQ(document->operations[2].kind, graphql::operation_kind::subscription);
    const auto same = graphql::parse_document("{a,b(x:1)}");
    EXPECT_EQ(same->normalised,
              graphql::parse_document("{ a # comment\n b ( x : 1 ) , }")->normalised);
    EXPECT_NE(same->normalised, graphql::parse_document("{a,b(x:2)}")->normalised);
}

TEST(Graphql, WhatIsNoExecutableDocumentIsRefused) {
    for (const char* bad : {"",
                            "#only",
                            "{",
                            "{a}}",
                            "{a)",
                            "query",
                            "query {",
                            "mutation M",
                            "type T { a: Int }",
                            "{a(b:\"x)}",
                            "{a(b:01)}",
                            "{a(b:1.)}",
                            "{a(b:1e)}",
                            "{a(b:1x)}",
                            "{ a \x01 }",
                            "fragment F on T { x }",
                            "\"\"\" x",
                            "mutation @idempotent(key: 1.5 { a }",
                            "mutation @idempotent(key {a}",
                            "mutation @idempotent(key: [1]) {a}",
                            "mutation @idempotent(key: \"\"\"x\"\"\") {a}",
                            "mutation @idempotent(key: \"\\u{41}\") {a}"})
        EXPECT_TRUE(graphql::parse_document(bad).has_error()) << bad;
    EXPECT_TRUE(graphql::parse_document(std::string(200, '{')).error() == condition::too_large);
    EXPECT_TRUE(graphql::parse_document(std::string(2'000'000, ' ')).error() ==
                condition::too_large);
}

TEST(GraphqlRequest, TellsMutationsAndTheirKeys) {
    const auto read = [](std::string_view body) { return read_graphql(json_type, body); };
    EXPECT_FALSE(read(R"({"query":"{a}"})").may_mutate);
    EXPECT_TRUE(read(R"({"query":"mutation {a}"})").may_mutate);
    const char* both = R"({"query":"query Q {a} mutation M {b}","operationName":"%"})";
    const auto named = [&](std::string_view name) {
        std::string body = both;
        body.replace(body.find('%'), 1, name);
        return read(body);
    };
    EXPECT_FALSE(named("Q").may_mutate);
    EXPECT_TRUE(named("M").may_mutate);
    EXPECT_TRUE(named("").may_mutate) << "the service may choose either";
    EXPECT_TRUE(named("X").may_mutate);
    EXPECT_TRUE(read(R"({"extensions":{"persistedQuery":{"sha256Hash":"x"}}})").may_mutate);
    EXPECT_TRUE(read("not json").may_mutate);
    EXPECT_TRUE(read(R"({"query":"mutation {"})").may_mutate);
    EXPECT_FALSE(read_graphql("application/graphql", "{a}").may_mutate);
    EXPECT_TRUE(read_graphql("multipart/form-data; boundary=x", "{a}").may_mutate);

    EXPECT_EQ(read(R"({"query":"mutation { a @idempotent(key: \"k-1\") }"})").key, "k-1");
    EXPECT_EQ(
        read(
            R"({"query":"mutation M($k:String!) @idempotent(key:$k) {a}","variables":{"k":"k-2"}})")
            .key,
        "k-2");
    EXPECT_EQ(read(R"({"query":"mutation {a}","extensions":{"idempotencyKey":"k-3"}})").key, "k-3");
    EXPECT_TRUE(read(R"({"query":"mutation {a @idempotent(key:\"x\") b @idempotent(key:\"y\")}"})")
                    .key_unclear);
    EXPECT_TRUE(read(R"({"query":"mutation {a}","extensions":{"idempotencyKey":3}})").key_unclear);
    EXPECT_TRUE(
        read(R"({"query":"mutation @idempotent(key:$k) {a}","variables":{"k":7}})").key_unclear);
}

TEST(GraphqlRequest, TheSameMeansDocumentOperationAndVariables) {
    const auto digest = [](std::string_view body) { return read_graphql(json_type, body).digest; };
    const std::string one = digest(R"({"query":"mutation M {a(x:1)}","variables":{"a":1,"b":2}})");
    EXPECT_EQ(
        one,
        digest(
            R"({"variables":{"b":2,"a":1},"query":"mutation M { a(x: 1), }","extensions":{"t":1}})"));
    EXPECT_NE(one, digest(R"({"query":"mutation M {a(x:1)}","variables":{"a":1,"b":3}})"));
    EXPECT_NE(one, digest(R"({"query":"mutation M {a(x:2)}","variables":{"a":1,"b":2}})"));
    EXPECT_NE(
        one,
        digest(R"({"query":"mutation M {a(x:1)}","variables":{"a":1,"b":2},"operationName":"M"})"));
    const std::string hashed =
        digest(R"({"extensions":{"persistedQuery":{"sha256Hash":"x"}},"variables":{"a":1}})");
    EXPECT_NE(
        hashed,
        digest(R"({"extensions":{"persistedQuery":{"sha256Hash":"y"}},"variables":{"a":1}})"));
    EXPECT_NE(
        hashed,
        digest(R"({"extensions":{"persistedQuery":{"sha256Hash":"x"}},"variables":{"a":2}})"));
    EXPECT_NE(digest(R"([{"query":"mutation {a}"}])"), digest(R"([{"query":"mutation {b}"}])"));
}

}  // namespace
}  // namespace lethe::idempotency
