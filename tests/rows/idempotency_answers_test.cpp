// Rows about what becomes of the service's answer.
#include "rows/rows.hpp"

namespace lethe::test {
namespace {

TEST_P(idempotency, AnswerStored) {
    start(keyed("mode: required"));
    for (const int status :
         {200, 201, 202, 204, 302, 303, 400, 402, 403, 404, 409, 410, 422, 451}) {
        service_.answer({.status = status,
                         .fields = {{"Location", "/orders/7"}},
                         .body = status == 204 ? "" : std::to_string(status)});
        const call one{.key = new_key()};
        const std::size_t before = service_.count();
        const http_answer first = send(one);
        const http_answer again = send(one);
        EXPECT_EQ(first.status, status);
        EXPECT_FALSE(is_replay(first)) << status;
        EXPECT_TRUE(is_replay(again)) << status;
        EXPECT_EQ(again.status, status);
        EXPECT_EQ(again.body, first.body);
        EXPECT_EQ(service_.count() - before, 1U) << status;
    }
}

TEST_P(idempotency, AnswerReleases) {
    start(keyed("mode: required"));
    for (const int status : {401, 408, 425, 429}) {
        service_.answer({.status = status});
        const call one{.key = new_key()};
        const std::size_t before = service_.count();
        EXPECT_EQ(send(one).status, status);
        EXPECT_EQ(send(one).status, status);
        EXPECT_EQ(service_.count() - before, 2U) << status;
        EXPECT_EQ(service_.last().field("Lethe-Attempt"), "2") << "the epoch goes on";
    }
    service_.answer({.status = 503, .fields = {{"Retry-After", "1"}}});
    const call one{.key = new_key()};
    EXPECT_EQ(send(one).status, 503);
    service_.answer({});
    const http_answer again = send(one);
    EXPECT_EQ(again.status, 200);
    EXPECT_FALSE(is_replay(again));
    EXPECT_EQ(service_.last().field("Lethe-Attempt"), "2");
    EXPECT_TRUE(is_replay(send(one)));
}

TEST_P(idempotency, AnswerOf500) {
    start(keyed("mode: required", "prefix: /orders") +
          keyed("on_500: release", "prefix: /release") +
          keyed("on_500: unknown", "prefix: /unknown"));
    for (const int status : {500, 501}) {
        service_.answer({.status = status, .body = "broken"});
        const call stored{.key = new_key()};
        EXPECT_EQ(send(stored).status, status);
        const http_answer replayed = send(stored);
        EXPECT_EQ(replayed.status, status);
        EXPECT_TRUE(is_replay(replayed));
        EXPECT_EQ(replayed.body, "broken");

        const call released{.key = new_key(), .target = "/release"};
        EXPECT_EQ(send(released).status, status);
        const http_answer again = send(released);
        EXPECT_EQ(again.status, status);
        EXPECT_FALSE(is_replay(again));

        const call unknown{.key = new_key(), .target = "/unknown"};
        const http_answer first = send(unknown);
        EXPECT_EQ(first.status, status);
        EXPECT_EQ(first.field_or_empty("Lethe-Outcome"), "unknown");
        EXPECT_EQ(slug_of(send(unknown)), "outcome-unknown");
    }
    EXPECT_EQ(service_.count(), 8U);
}

TEST_P(idempotency, AnswerOfIntermediary) {
    start(keyed("mode: required"));
    for (const int status : {502, 503, 504}) {
        service_.answer({.status = status});
        const call one{.key = new_key()};
        const std::size_t before = service_.count();
        const http_answer first = send(one);
        EXPECT_EQ(first.status, status);
        EXPECT_EQ(first.field_or_empty("Lethe-Outcome"), "unknown");
        const http_answer again = send(one);
        EXPECT_EQ(again.status, 409);
        EXPECT_EQ(slug_of(again), "outcome-unknown");
        EXPECT_EQ(again.field_or_empty("Lethe-Outcome"), "unknown");
        EXPECT_NE(again.field_or_empty("Retry-After"), "");
        EXPECT_EQ(again.field_or_empty("Cache-Control"), "no-store");
        EXPECT_EQ(service_.count() - before, 1U);
    }
}

TEST_P(idempotency, AnswerSaysSo) {
    start(keyed("mode: required"));
    const auto answer_with = [&](int status, const char* word) {
        service_.answer({.status = status, .fields = {{"Lethe-Idempotency", word}}});
    };
    for (const int status : {429, 502, 503, 504}) {
        answer_with(status, "store");
        const call one{.key = new_key()};
        const http_answer first = send(one);
        EXPECT_EQ(first.status, status);
        EXPECT_EQ(first.field_or_empty("Lethe-Idempotency"), "")
            << "between service and lethe only";
        const http_answer again = send(one);
        EXPECT_EQ(again.status, status);
        EXPECT_TRUE(is_replay(again)) << status;
        EXPECT_EQ(again.field_or_empty("Lethe-Idempotency"), "");
    }
    for (const int status : {200, 422, 500, 504}) {
        answer_with(status, "release");
        const call one{.key = new_key()};
        const std::size_t before = service_.count();
        EXPECT_EQ(send(one).status, status);
        EXPECT_EQ(send(one).status, status);
        EXPECT_EQ(service_.count() - before, 2U) << status;
        answer_with(status, "unknown");
        const call other{.key = new_key()};
        EXPECT_EQ(send(other).field_or_empty("Lethe-Outcome"), "unknown") << status;
        EXPECT_EQ(slug_of(send(other)), "outcome-unknown") << status;
    }
}

TEST_P(idempotency, RejectedBeforeForwarding) {
    start(
        "  - match: {prefix: /orders}\n    authenticate: {issuers: [id]}\n    idempotency: "
        "{mode: required}\n    upstream: app\n",
        "limits: {body_bytes: 4KiB}\n");
    const call one{.key = new_key()};
    call refused = one;
    refused.who = "";
    EXPECT_EQ(send(refused).status, 401);
    refused = one;
    refused.body = std::string(8192, 'x');
    EXPECT_EQ(send(refused).status, 413);
    EXPECT_EQ(service_.count(), 0U);
    const http_answer done = send(one);
    EXPECT_EQ(done.status, 200) << "no mismatch: the key was never claimed";
    EXPECT_EQ(service_.last().field("Lethe-Attempt"), "1");
}

TEST_P(idempotency, NotReplayedFields) {
    start(keyed("not_replayed: [X-Served-By]"));
    const field_list gone = {
        {"Set-Cookie", "a=b"},
        {"Age", "3"},
        {"Server-Timing", "db;dur=53"},
        {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
        {"tracestate", "a=1"},
        {"traceresponse", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
        {"X-Request-Id", "1"},
        {"Request-Id", "2"},
        {"X-Correlation-Id", "3"},
        {"X-Amzn-Trace-Id", "4"},
        {"X-Cloud-Trace-Context", "5"},
        {"X-B3-TraceId", "6"},
        {"RateLimit", "\"a\";r=1"},
        {"RateLimit-Policy", "\"a\";q=1"},
        {"RateLimit-Remaining", "1"},
        {"X-RateLimit-Limit", "2"},
        {"X-Rate-Limit-Reset", "3"},
        {"Retry-After", "7"},
        {"Alt-Svc", "h3=\":443\""},
        {"WWW-Authenticate", "Basic"},
        {"Proxy-Authenticate", "Basic"},
        {"Keep-Alive", "timeout=5"},
        {"Connection", "X-Of-Connection"},
        {"X-Of-Connection", "1"},
        {"Upgrade", "h2c"},
        {"Trailer", "X-Sum"},
        {"X-Served-By", "web-3"}};
    const field_list kept = {{"Content-Type", "text/plain; charset=utf-8"},
                             {"Location", "/orders/7"},
                             {"ETag", "\"v1\""},
                             {"Link", "</orders>; rel=up"},
                             {"Cache-Control", "private, max-age=3"},
                             {"Last-Modified", "Tue, 24 Nov 2026 15:00:00 GMT"},
                             {"Vary", "Accept"},
                             {"X-Custom", "one"},
                             {"X-Custom", "two"},
                             {"Content-Language", "de"}};
    reply all{.status = 201, .fields = gone, .body = "made"};
    all.fields.emplace_back("Date", "Tue, 24 Nov 2020 15:00:00 GMT");
    all.fields.insert(all.fields.end(), kept.begin(), kept.end());
    service_.answer(all);
    const call one{.key = new_key()};
    EXPECT_EQ(send(one).status, 201);
    const http_answer again = send(one);
    ASSERT_TRUE(is_replay(again));
    EXPECT_EQ(again.body, "made");
    for (const auto& [name, value] : gone)
        if (name != "Connection") {
            EXPECT_NE(again.field(name), value) << name;
        }
    field_list shown;
    for (const auto& [name, value] : again.fields)
        for (const auto& [wanted, ignored] : kept)
            if (name == wanted &&
                std::find(shown.begin(), shown.end(), std::pair(name, value)) == shown.end())
                shown.emplace_back(name, value);
    EXPECT_EQ(shown, kept) << "all lines, in order";
    EXPECT_EQ(again.field_or_empty("Content-Length"), "4");
    EXPECT_FALSE(again.field("Transfer-Encoding").has_value());
}

TEST_P(idempotency, ReplayMarks) {
    start(keyed("mode: required"));
    service_.answer(
        {.status = 201, .fields = {{"Access-Control-Allow-Origin", "https://a.example"}}});
    const call one{.key = "\"" + new_key() + "\"", .fields = {{"Origin", "https://a.example"}}};
    const http_answer first = send(one);
    EXPECT_EQ(first.status, 201);
    EXPECT_EQ(first.field_or_empty("Idempotent-Replayed"), "");
    std::this_thread::sleep_for(1100ms);  // so that another second has come, as dates have them
    const http_answer again = send(one);
    EXPECT_EQ(again.field_or_empty("Idempotent-Replayed"), "true");
    EXPECT_EQ(again.field_or_empty("Idempotency-Key"), one.key);
    EXPECT_NE(again.field_or_empty("Date"), "");
    EXPECT_NE(again.field_or_empty("Lethe-Original-Date"), "");
    EXPECT_NE(again.field_or_empty("Date"), again.field_or_empty("Lethe-Original-Date"));
    const std::string exposed = again.field_or_empty("Access-Control-Expose-Headers");
    for (const char* name : {"Idempotent-Replayed", "Idempotency-Key", "Lethe-Original-Date"})
        EXPECT_TRUE(contains(exposed, name)) << exposed;
    const finished_command openapi = lethe({"openapi", "-c", configuration_file()});
    EXPECT_EQ(openapi.exit, 0) << openapi.output;
    for (const char* name : {"Idempotency-Key", "Idempotent-Replayed", "Lethe-Original-Date",
                             "idempotency-key-mismatch", "request-in-progress", "outcome-unknown"})
        EXPECT_TRUE(contains(openapi.output, name)) << name;
}

TEST_P(idempotency, ReplayCrossOrigin) {
    start(keyed("mode: required"));
    service_.answer_by([](const seen_request& of) {
        return reply{.fields = {{"Access-Control-Allow-Origin", of.field("X-Allow")},
                                {"Access-Control-Allow-Credentials", "true"}}};
    });
    const std::string key = new_key();
    const auto from = [&](const std::string& origin) {
        return send({.key = key, .fields = {{"Origin", origin}, {"X-Allow", "https://a.example"}}});
    };
    EXPECT_EQ(from("https://a.example").status, 200);
    const http_answer same = from("https://a.example");
    EXPECT_EQ(same.field_or_empty("Access-Control-Allow-Origin"), "https://a.example");
    const http_answer other = from("https://b.example");
    EXPECT_TRUE(is_replay(other));
    EXPECT_EQ(other.field_or_empty("Access-Control-Allow-Origin"), "")
        << "what was said to one origin is not said to another";
    EXPECT_EQ(other.field_or_empty("Access-Control-Allow-Credentials"), "");
}

TEST_P(idempotency, Batch) {
    start(keyed("mode: required"));
    service_.answer({.status = 207,
                     .fields = {{"Content-Type", "multipart/mixed; boundary=b"}},
                     .body = "--b\r\n\r\n200\r\n--b\r\n\r\n409\r\n--b--\r\n"});
    const call one{.key = new_key(),
                   .body = "--x\r\n\r\none\r\n--x\r\n\r\ntwo\r\n--x--\r\n",
                   .type = "multipart/mixed; boundary=x"};
    const http_answer first = send(one);
    const http_answer again = send(one);
    EXPECT_EQ(again.status, 207);
    EXPECT_TRUE(is_replay(again));
    EXPECT_EQ(again.body, first.body) << "a partial failure stays what it was";
    EXPECT_EQ(service_.count(), 1U);
}

TEST_P(idempotency, GraphQL) {
    start(keyed("graphql: true", "prefix: /graphql"));
    const auto ask = [&](const std::string& body, const std::string& key = {}) {
        return send({.key = key, .body = body, .target = "/graphql"});
    };
    const std::string key = new_key();
    const std::string pay =
        R"({"query":"mutation Pay($n:Int){pay(n:$n){id}}","operationName":"Pay","variables":{"n":1}})";
    service_.answer({.body = R"({"errors":[{"message":"no"}]})"});
    EXPECT_EQ(ask(pay, key).status, 200);
    EXPECT_TRUE(is_replay(ask(pay, key))) << "200 with errors is an outcome";
    EXPECT_TRUE(is_replay(ask(
        R"({"variables":{"n":1},"operationName":"Pay","query":"mutation Pay($n: Int) { # now\n  pay(n: $n) { id } }"})",
        key)))
        << "the same document, otherwise spelled";
    for (
        const char* other :
        {R"({"query":"mutation Pay($n:Int){pay(n:$n){id}}","operationName":"Pay","variables":{"n":2}})",
         R"({"query":"mutation Pay($n:Int){pay(n:$n){no}}","operationName":"Pay","variables":{"n":1}})"})
        EXPECT_EQ(ask(other, key).status, 422) << other;
    for (const char* read :
         {R"({"query":"{orders{id}}"})", R"({"query":"subscription{orders{id}}"})"}) {
        const std::string of_read = new_key();
        EXPECT_FALSE(is_replay(ask(read, of_read)));
        EXPECT_FALSE(is_replay(ask(read, of_read))) << "only mutations take a key";
    }
    const std::string inner = new_key();
    const std::string directive =
        R"({"query":"mutation @idempotent(key: \")" + inner + R"(\") { pay { id } }"})";
    EXPECT_FALSE(is_replay(ask(directive)));
    EXPECT_TRUE(is_replay(ask(directive)));
    EXPECT_EQ(ask(directive, new_key()).status, 400) << "two keys that differ";
    const std::string extension =
        R"({"query":"mutation { pay { no } }","extensions":{"idempotencyKey":")" + new_key() +
        R"("}})";
    EXPECT_FALSE(is_replay(ask(extension)));
    EXPECT_TRUE(is_replay(ask(extension)));
    const http_answer batch = ask("[" + pay + "," + pay + "]", new_key());
    EXPECT_EQ(batch.status, 400);
    EXPECT_EQ(slug_of(batch), "idempotency-batch-refused");
}

TEST_P(idempotency, GraphQLBatchAsUnit) {
    start(keyed("graphql: true, graphql_batch: unit", "prefix: /graphql"));
    const call batch{.key = new_key(),
                     .body = R"([{"query":"mutation{a}"},{"query":"mutation{b}"}])",
                     .target = "/graphql"};
    EXPECT_EQ(send(batch).status, 200);
    EXPECT_TRUE(is_replay(send(batch)));
    call other = batch;
    other.body = R"([{"query":"mutation{b}"},{"query":"mutation{a}"}])";
    EXPECT_EQ(send(other).status, 422);
}

TEST_P(idempotency, PublishedRules) {
    start(keyed("mode: required"));
    EXPECT_TRUE(contains(send({}).field_or_empty("Link"), "describedby"));
    const finished_command openapi = lethe({"openapi", "-c", configuration_file()});
    EXPECT_EQ(openapi.exit, 0);
    EXPECT_TRUE(contains(openapi.output, "\"openapi\"")) << openapi.output.substr(0, 200);
}

}  // namespace
}  // namespace lethe::test
