// Lethe-Session-Url: sessions of any size, read and changed while a request runs.
#include "gateway/session_api.hpp"

#include "session/filter_world.hpp"

#include <gtest/gtest.h>

namespace lethe::gateway {
namespace {

using session::testing::answered;
using session::testing::fault;
using session::testing::SessionFilter;

using fields = std::vector<std::pair<std::string, std::string>>;

constexpr const char* merge_type = "application/merge-patch+json";
constexpr const char* json_patch_type = "application/json-patch+json";
constexpr const char* ops_type = "application/lethe-ops+json";

struct SessionApi : SessionFilter {
    metrics::registry api_registry;
    session_api api{[this] {
                        return session_ways{
                            .keeps = nullptr,
                            .keys = urls.keys,
                            .find = [this](std::string_view mark) -> std::optional<session_way> {
                                if (mark != urls.route) return std::nullopt;
                                return session_way{sessions.get(), &route};
                            }};
                    },
                    api_registry};
    std::string url;  // the path of the last handle that the service got

    SessionApi() {
        urls = {.keys = std::make_shared<session::handle_keys>(
                    std::vector<std::string>{"a key of the tests, 32 bytes long"}),
                .prefix = "http://127.0.0.1:3500/lethe/v1/session/",
                .route = session::route_mark("cart"),
                .random = random.get()};
        route.url = session::url_rule::always;
        options.session_bytes_max = 65536;
        rebuild();
    }

    answered call(http::method method, const std::string& path, fields with = {},
                  std::string body = {}) {
        arena memory;
        http::exchange x(memory, time);
        x.request.method = method;
        x.request.path = path;
        for (const auto& [name, value] : with) x.request.header.add(name, value);
        if (!body.empty()) x.request_body = http::make_owned_body(std::move(body));
        EXPECT_TRUE(test::run(api.handle(x)).has_value());
        // What a log could show of the request no longer holds the handle.
        EXPECT_EQ(x.request.path, session_api_prefix);
        answered out{x.response.status, std::string(x.problem), {}, {}};
        if (x.response_body) out.body = x.response_body->whole().value_or("");
        for (const http::field_line& line : x.response.header)
            out.fields.emplace_back(line.name, line.value);
        return out;
    }
    answered get(fields with = {}) { return call(http::method::get, url, std::move(with)); }
    answered patch(const char* type, std::string json, fields with = {}) {
        with.emplace_back("Content-Type", type);
        return call(http::method::patch, url, std::move(with), std::move(json));
    }

    // The service: keeps its handle, then does what the test wants and answers with `with`.
    void work(std::function<void()> what, fields with = {}, int status = 200) {
        serve(std::move(with), status);
        upstream.answer = [this, what = std::move(what),
                           inner = std::move(upstream.answer)](http::exchange& x) {
            inner(x);
            take_url();
            what();
        };
    }
    void take_url() {
        ASSERT_TRUE(seen.url);
        ASSERT_EQ(seen.url->substr(0, urls.prefix.size() + 1), '"' + urls.prefix);
        url = seen.url->substr(1 + std::string("http://127.0.0.1:3500").size());
        url.pop_back();
    }
    // Another request changes the cart meanwhile.
    void others(std::string_view ops) {
        const std::string mine = url;
        auto before = std::exchange(upstream.answer, [&](http::exchange& y) {
            y.response.status = 200;
            const auto field = patch_field(ops, "ops");
            y.response.header.add(field.first, field.second);
        });
        send();
        upstream.answer = std::move(before);  // the one that runs: a copy would not be it
        url = mine;
    }
    std::string all() {
        work([] {});
        send();
        return get().body;
    }
};

constexpr const char* one_more = R"([{"op":"inc","path":"/cart/count"}])";

// --- "Lethe-Session … only if <= 4 KiB; Lethe-Session-Url otherwise"

TEST_F(SessionApi, SlotsAboveFourKibGoByUrlOnly) {
    route.url = session::url_rule::large;
    rebuild();
    make_cart();
    serve({});
    send();
    EXPECT_TRUE(seen.slots);
    EXPECT_FALSE(seen.url);
    const auto fill = [this](std::size_t bytes) {
        serve({patch_field(R"({"cart":")" + std::string(bytes, 'x') + R"("})", "merge")});
        EXPECT_EQ(send().status, 200);
    };
    fill(4096 - 11);  // {"cart":"…"}
    serve({});
    send();
    EXPECT_TRUE(seen.slots);
    EXPECT_FALSE(seen.url);
    fill(4096 - 10);
    serve({});
    send();
    EXPECT_FALSE(seen.slots);
    EXPECT_TRUE(seen.version);
    ASSERT_TRUE(seen.url);
    take_url();
    EXPECT_EQ(get().body, R"({"cart":")" + std::string(4096 - 10, 'x') + R"("})");
}

// --- "GET"

TEST_F(SessionApi, GetShowsTheReadableSlotsWithAnEntityTag) {
    make_cart();
    work([this] {
        const answered shown = get();
        EXPECT_EQ(shown.status, 200);
        EXPECT_EQ(shown.body, R"({"cart":{"count":1}})");
        EXPECT_EQ(shown.field("ETag"), "\"1\"");
        EXPECT_EQ(shown.field("Content-Type"), "application/json");
        EXPECT_EQ(shown.field("Cache-Control"), "no-store");
        EXPECT_EQ(get({{"If-None-Match", "\"1\""}}).status, 304);
        EXPECT_EQ(get({{"If-None-Match", "W/\"7\", \"1\""}}).status, 304);
        EXPECT_EQ(get({{"If-None-Match", "\"2\""}}).status, 200);
        route.read = {"user"};
        EXPECT_EQ(get().body, "{}");
        route.read = {"cart", "user"};
    });
    EXPECT_EQ(send().status, 200);
}

// --- "PATCH … application/merge-patch+json, application/json-patch+json,
// application/lethe-ops+json"

TEST_F(SessionApi, PatchTakesAllThreeTypesAndCommitsBeforeItAnswers) {
    make_cart();
    work([this] {
        const answered merged = patch(merge_type, R"({"cart":{"note":"x"}})");
        EXPECT_EQ(merged.status, 204);
        EXPECT_EQ(merged.field("ETag"), "\"2\"");
        EXPECT_EQ(get().body, R"({"cart":{"count":1,"note":"x"}})");
        EXPECT_EQ(patch(json_patch_type, R"([{"op":"remove","path":"/cart/note"}])").status, 204);
        EXPECT_EQ(patch("Application/Lethe-Ops+JSON; charset=utf-8", one_more).status, 204);
    });
    EXPECT_EQ(send().status, 200);
    EXPECT_EQ(all(), R"({"cart":{"count":2}})");
}

TEST_F(SessionApi, ALargeChangeGoesByUrl) {
    make_cart();
    const std::string large(20000, 'x');
    work([&] { EXPECT_EQ(patch(merge_type, R"({"cart":")" + large + R"("})").status, 204); });
    send();
    EXPECT_EQ(all(), R"({"cart":")" + large + R"("})");
    work([&] {
        const answered refused =
            patch(merge_type, R"({"cart":")" + std::string(70000, 'x') + R"("})");
        EXPECT_EQ(refused.status, 413);
        EXPECT_EQ(refused.problem, "session-too-large");
        EXPECT_EQ(patch(merge_type, std::string(200000, ' ')).status, 413);
    });
    send();
}

TEST_F(SessionApi, WhatIsNotAChangeIsRefused) {
    make_cart();
    work([this] {
        for (const char* type : {"application/json", "text/plain", ""}) {
            const answered refused = patch(type, one_more);
            EXPECT_EQ(refused.status, 415);
            EXPECT_NE(refused.field("Accept-Patch")->find(ops_type), std::string::npos);
        }
        for (const char* nonsense : {"{", "[{\"op\":\"explode\",\"path\":\"/cart\"}]", "\"x\""})
            EXPECT_EQ(patch(ops_type, nonsense).problem, "session-change-malformed") << nonsense;
        EXPECT_EQ(patch(json_patch_type, R"([{"op":"remove","path":"/cart/none"}])").status, 422);
        EXPECT_EQ(patch(merge_type, R"({"user":{"admin":true}})").problem,
                  "session-slot-not-writable");
        for (const char* tag : {"1", "W/\"1\"", "\"one\"", "\"01\"", "\"\"", "\"1\", \"2\""})
            EXPECT_EQ(patch(ops_type, one_more, {{"If-Match", tag}}).status, 400) << tag;
        EXPECT_EQ(patch(ops_type, one_more, {{"Lethe-Session-If", "maybe"}}).status, 400);
        EXPECT_EQ(patch(ops_type, one_more, {{"Idempotency-Key", "a b"}}).status, 400);
        const answered refused = call(http::method::post, url);
        EXPECT_EQ(refused.status, 405);
        EXPECT_EQ(refused.field("Allow"), "GET, HEAD, PATCH");
    });
    send();
    EXPECT_EQ(all(), R"({"cart":{"count":1}})");
}

// --- conflicts, as for the fields

TEST_F(SessionApi, ATouchedSlotThatChangedIsAConflictAndOperationsNeverAre) {
    make_cart();
    work([this] {
        others(one_more);
        EXPECT_EQ(patch(merge_type, R"({"cart":{"count":9}})").status, 409);
        EXPECT_EQ(patch(merge_type, R"({"cart":{"count":9}})", {{"If-Match", "\"1\""}}).status,
                  412);
        EXPECT_EQ(patch(ops_type, one_more, {{"If-Match", "\"1\""}}).status, 204);
        EXPECT_EQ(
            patch(ops_type, one_more, {{"If-Match", "\"1\""}, {"Lethe-Session-If", "version"}})
                .status,
            412);
        const std::string tag = *get().field("ETag");
        EXPECT_EQ(patch(merge_type, R"({"cart":{"count":9}})", {{"If-Match", tag}}).status, 204);
        EXPECT_EQ(patch(ops_type, one_more, {{"If-Match", "\"99\""}}).status, 412);
        EXPECT_EQ(patch(ops_type, one_more, {{"If-Match", "*"}}).status, 204);
    });
    send();
    EXPECT_EQ(all(), R"({"cart":{"count":10}})");
}

// --- "a patch by the answer's fields after a PATCH by URL in the same request must see it"

TEST_F(SessionApi, TheAnswersOwnChangeBuildsOnWhatWasChangedByUrl) {
    make_cart();
    work([this] { EXPECT_EQ(patch(ops_type, one_more).status, 204); },
         {patch_field(R"({"cart":{"note":"x"}})", "merge")});
    EXPECT_EQ(send().status, 200);
    EXPECT_EQ(all(), R"({"cart":{"count":2,"note":"x"}})");
    // Also where it asks for nothing else to have changed.
    work([this] { EXPECT_EQ(patch(ops_type, one_more).status, 204); },
         {patch_field(R"({"cart":{"note":"y"}})", "merge"), {"Lethe-Session-If", "version"}});
    EXPECT_EQ(send().status, 200);
    EXPECT_EQ(all(), R"({"cart":{"count":3,"note":"y"}})");
}

TEST_F(SessionApi, WhatOthersChangedBesideIsStillAConflict) {
    make_cart();
    const auto both = [this](bool others_first, fields with) {
        work(
            [this, others_first] {
                if (others_first) others(one_more);
                EXPECT_EQ(patch(ops_type, one_more).status, 204);
                if (!others_first) others(one_more);
            },
            std::move(with));
        return send();
    };
    const auto merge = patch_field(R"({"cart":{"count":50}})", "merge");
    EXPECT_EQ(both(true, {merge}).problem, "session-conflict");
    EXPECT_EQ(both(false, {merge}).problem, "session-conflict");
    EXPECT_EQ(all(), R"({"cart":{"count":5}})");
    // A service that read it again says so.
    EXPECT_EQ(both(true, {merge, {"Lethe-Session-Version", "7"}}).status, 200);
    EXPECT_EQ(all(), R"({"cart":{"count":50}})");
}

// The gateway dies behind the outcome's record and before the session's: its replay knows what was
// changed by the URL of the first request.
TEST_F(SessionApi, AReplayKnowsWhatWasChangedByUrlInTheFirstRequest) {
    make_cart();
    work(
        [this] {
            EXPECT_EQ(patch(ops_type, one_more).status, 204);
            store.plan = [](int) { return fault::refused; };
        },
        {patch_field(R"({"cart":{"note":"x"}})", "merge")});
    EXPECT_EQ(send({{"Idempotency-Key", "k1"}}).status, 503);
    store.plan = nullptr;
    EXPECT_EQ(send({{"Idempotency-Key", "k1"}}).status, 200);
    EXPECT_EQ(all(), R"({"cart":{"count":2,"note":"x"}})");
}

// --- retries of the service

TEST_F(SessionApi, AChangeWithAKeyTakesEffectOnceInItsSession) {
    make_cart();
    const fields key = {{"Idempotency-Key", "\"order-1/add\""}};
    work([&] {
        for (int i = 0; i < 3; ++i) EXPECT_EQ(patch(ops_type, one_more, key).status, 204);
    });
    send();
    // The request is sent again, to another gateway say, and its service does the same.
    send();
    EXPECT_EQ(all(), R"({"cart":{"count":2}})");
    EXPECT_EQ(patch(ops_type, one_more, {{"Idempotency-Key", "order-2/add"}}).status, 204);
    EXPECT_EQ(all(), R"({"cart":{"count":3}})");
}

TEST_F(SessionApi, ALostAnswerIsSaidToBeUnknownAndTheRetryWithItsKeyIsSafe) {
    make_cart();
    for (const fault how : {fault::lost_after, fault::lost_before}) {
        const std::string before = all();
        work([&] {
            const fields key = {{"Idempotency-Key", "k" + std::to_string(int(how))}};
            store.plan = [n = 0, how](int) mutable {
                ++n;
                return n == 1 ? fault::none : n == 2 ? how : fault::lost_before;
            };
            EXPECT_EQ(patch(ops_type, one_more, key).problem, "session-outcome-unknown");
            store.plan = nullptr;
            EXPECT_EQ(patch(ops_type, one_more, key).status, 204);
        });
        send();
        EXPECT_NE(all(), before);
    }
    EXPECT_EQ(all(), R"({"cart":{"count":3}})");
}

TEST_F(SessionApi, WithoutTheStoreItIsUnavailable) {
    make_cart();
    work([this] {
        store.plan = [](int) { return fault::refused; };
        EXPECT_EQ(get().problem, "session-unavailable");
        const answered refused = patch(ops_type, one_more);
        EXPECT_EQ(refused.problem, "session-unavailable");
        EXPECT_EQ(refused.field("Retry-After"), "1");
        store.plan = nullptr;
    });
    EXPECT_EQ(send().status, 200);
}

// --- "404/410 for a destroyed or expired session", forged and expired handles

TEST_F(SessionApi, AnEndedSessionIsGone) {
    make_cart();
    work([] {}, {{"Lethe-Session-Op", "destroy"}});
    send();
    EXPECT_EQ(get().status, 410);
    EXPECT_EQ(patch(ops_type, one_more).problem, "session-gone");
    make_cart();
    work([] {}, {{"Lethe-Session-Op", "bind;subject=\"u1\""}});
    send();
    EXPECT_EQ(patch(ops_type, one_more).status, 410) << "the handle does not lead into a login";
}

TEST_F(SessionApi, AHandleOutlivesARotationOfTheCookie) {
    make_cart();
    work([] {}, {{"Lethe-Session-Op", "regenerate"}});
    send();
    EXPECT_EQ(patch(ops_type, one_more).status, 204);
    EXPECT_EQ(all(), R"({"cart":{"count":2}})");
}

TEST_F(SessionApi, ForgedExpiredAndForeignHandlesGetOneAnswer) {
    make_cart();
    const std::string good = (all(), url);
    const auto refused = [this](const std::string& path) {
        const answered out = call(http::method::get, path);
        EXPECT_EQ(out.status, 404) << path;
        EXPECT_EQ(out.problem, "session-handle-unknown") << path;
        return out.body;
    };
    std::string forged = good;
    forged.back() = forged.back() == 'A' ? 'B' : 'A';
    const std::string body = refused(forged);
    for (const char* path : {"/", "/lethe/v1/session/", "/lethe/v1/session/h", "/metrics"})
        EXPECT_EQ(refused(path), body);
    const std::string mark = std::exchange(urls.route, session::route_mark("gone"));
    EXPECT_EQ(refused(good), body);
    urls.route = mark;
    EXPECT_EQ(call(http::method::get, good).status, 200);
    time.advance(std::chrono::hours{1});
    EXPECT_EQ(refused(good), body);
}

TEST_F(SessionApi, AHandleLivesALittleLongerThanItsExchange) {
    make_cart();
    arena memory;
    http::exchange x(memory, time);
    x.request.path = "/";
    x.deadline = time.steady_now() + std::chrono::seconds{20};
    x.request.header.add("Cookie", jar);
    serve({});
    EXPECT_TRUE(test::run(way->handle(x)).has_value());
    take_url();
    time.advance(std::chrono::milliseconds{29'999});
    EXPECT_EQ(get().status, 200);
    time.advance(std::chrono::milliseconds{1});
    EXPECT_EQ(get().status, 404);
}

// --- "Session-less first requests: create on first write only"

TEST_F(SessionApi, TheFirstChangeByUrlMakesTheSessionAndTheAnswerSetsItsCookie) {
    work(
        [this] {
            EXPECT_FALSE(seen.id);
            EXPECT_EQ(get().body, "{}");
            EXPECT_TRUE(records->live.empty());
            EXPECT_EQ(patch(ops_type, one_more, {{"If-Match", "*"}}).status, 412);
            EXPECT_EQ(patch(ops_type, one_more).status, 204);
            EXPECT_EQ(patch(ops_type, one_more).status, 204);
            EXPECT_EQ(get().body, R"({"cart":{"count":2}})");
        },
        {patch_field(R"({"cart":{"note":"x"}})", "merge")});
    const answered made = send();
    EXPECT_EQ(made.status, 200);
    EXPECT_TRUE(made.field("Set-Cookie"));
    EXPECT_EQ(records->live.size(), 1U);
    EXPECT_EQ(all(), R"({"cart":{"count":2,"note":"x"}})");
}

TEST_F(SessionApi, WithoutAChangeNoSessionIsMade) {
    work([this] { EXPECT_EQ(get().status, 200); });
    EXPECT_FALSE(send().field("Set-Cookie"));
    EXPECT_TRUE(records->live.empty());
    // Nor one by the answer under the promised ticket: the service might still use it.
    work([] {}, {patch_field(one_more, "ops")});
    EXPECT_TRUE(send().field("Set-Cookie"));
    const std::string cart = R"({"cart":{"count":1}})";
    EXPECT_EQ(get().body, "{}");
    EXPECT_EQ(all(), cart);
}

TEST_F(SessionApi, WhetherASessionWasMadeIsNotGuessed) {
    work([this] { store.plan = [](int) { return fault::refused; }; });
    EXPECT_EQ(send().problem, "session-outcome-unknown");
    store.plan = nullptr;
    work([] {});
    EXPECT_EQ(send().status, 200);
}

}  // namespace
}  // namespace lethe::gateway
