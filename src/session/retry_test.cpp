// `on_conflict: retry`: the service is asked again, with the session as it is now.
#include "session/filter_world.hpp"

namespace lethe::session::testing {
namespace {

// Sets the count to what it saw and `by`, while others add one so many times.
struct SessionRetry : SessionFilter {
    int disturbed = 0;
    int sent = 0;

    void serve_put(int disturbances, std::string body) {
        route.on_conflict = conflict_rule::retry;
        rebuild();
        make_cart();
        sent = 0;
        upstream.answer = [this, disturbances, body](http::exchange& x) {
            const std::string shown(*x.request.header.first("Lethe-Session"));
            const std::string json =
                *from_base64(std::string_view(shown).substr(1, shown.size() - 2));
            const int count = std::stoi(json.substr(json.find("count\":") + 7));
            EXPECT_EQ(x.request_body ? x.request_body->whole().value_or("") : "", body);
            if (sent++ < disturbances) disturb();
            x.response.status = 200;
            x.response.header.add("X-Count", std::to_string(count));
            const auto field =
                patch_field(R"({"cart":{"count":)" + std::to_string(count + 100) + "}}", "merge");
            x.response.header.add(field.first, field.second);
        };
    }
    void disturb() {
        arena memory;
        http::exchange other(memory, time);
        other.request.header.add("Cookie", jar);
        const auto outer = std::exchange(upstream.answer, [](http::exchange& y) {
            y.response.status = 200;
            const auto field = patch_field(R"([{"op":"inc","path":"/cart/count"}])", "ops");
            y.response.header.add(field.first, field.second);
        });
        EXPECT_TRUE(test::run(way->handle(other)).has_value());
        upstream.answer = outer;
        ++disturbed;
    }
    answered ask(http::method method, std::string body = "",
                 std::vector<std::pair<std::string, std::string>> fields = {}) {
        arena memory;
        http::exchange x(memory, time);
        x.request.method = method;
        x.request.header.add("Cookie", jar);
        for (const auto& [name, value] : fields) x.request.header.add(name, value);
        if (!body.empty()) x.request_body = http::make_owned_body(std::move(body));
        EXPECT_TRUE(test::run(way->handle(x)).has_value());
        answered out{x.response.status, std::string(x.problem), {}, {}};
        for (const http::field_line& line : x.response.header)
            out.fields.emplace_back(line.name, line.value);
        EXPECT_FALSE(out.says_lethe());
        return out;
    }
};

// --- "route choice `retry` (<=3, only idempotent …)"

TEST_F(SessionRetry, AnIdempotentRequestIsSentAgainWithTheSessionAsItIsNow) {
    serve_put(2, "new count");
    const answered done = ask(http::method::put, "new count");
    EXPECT_EQ(done.status, 200);
    EXPECT_EQ(done.field("X-Count"), "3");
    EXPECT_EQ(sent, 3);
    EXPECT_EQ(counts.repeats.value(), 2U);
    EXPECT_EQ(slots(), R"({"cart":{"count":103}})");
}

TEST_F(SessionRetry, ItIsSentAgainThreeTimesAtMost) {
    serve_put(9, "");
    EXPECT_EQ(ask(http::method::get).problem, "session-conflict");
    EXPECT_EQ(sent, 4);
    EXPECT_EQ(slots(), R"({"cart":{"count":5}})");
}

TEST_F(SessionRetry, WhatIsNotIdempotentOrHasAKeyIsNotSentAgain) {
    serve_put(9, "");
    EXPECT_EQ(ask(http::method::post).problem, "session-conflict");
    EXPECT_EQ(sent, 1);
    EXPECT_EQ(ask(http::method::put, "", {{"Idempotency-Key", "k"}}).problem, "session-conflict");
    EXPECT_EQ(sent, 2);
}

// --- "… or keyed + `dedups`"

struct SessionRetryKeyed : SessionRetry {
    const std::vector<std::pair<std::string, std::string>> key = {{"Idempotency-Key", "k"}};

    void serve_keyed(int disturbances) {
        serve_put(disturbances, "");
        outcomes->replaceable = true;
    }
    answered post() { return ask(http::method::post, "", key); }
};

TEST_F(SessionRetryKeyed, IsSentAgainAndItsLastAnswerIsTheOutcome) {
    serve_keyed(2);
    const answered done = post();
    EXPECT_EQ(done.status, 200);
    EXPECT_EQ(done.field("X-Count"), "3");
    EXPECT_EQ(sent, 3);
    EXPECT_EQ(counts.repeats.value(), 2U);
    EXPECT_EQ(post().field("X-Count"), "3");
    EXPECT_EQ(sent, 3);
    EXPECT_EQ(counts.replays_applied_before.value(), 1U);
    EXPECT_EQ(slots(), R"({"cart":{"count":103}})");
}

TEST_F(SessionRetryKeyed, IsSentAgainThreeTimesAtMostForEachRetry) {
    serve_keyed(5);
    EXPECT_EQ(post().problem, "session-conflict");
    EXPECT_EQ(sent, 4);
    // The retry of the client begins with the outcome, which still does not fit.
    EXPECT_EQ(post().field("X-Count"), "6");
    EXPECT_EQ(sent, 6);
    EXPECT_EQ(slots(), R"({"cart":{"count":106}})");
}

TEST_F(SessionRetryKeyed, AnAttemptThatComesToNothingLeavesTheConflict) {
    serve_keyed(1);
    const auto first = upstream.answer;
    upstream.answer = [this, first](http::exchange& x) {
        if (sent == 0) return first(x);
        ++sent;
        x.outcome = http::upstream_outcome::unknown;
        x.response.status = 504;
    };
    const answered refused = post();
    EXPECT_EQ(refused.problem, "session-conflict");
    EXPECT_EQ(refused.status, 409);
    EXPECT_EQ(sent, 2);
    EXPECT_EQ(counts.conflicts_slot.value(), 1U);
    EXPECT_EQ(slots(), R"({"cart":{"count":2}})");
}

// A service that answers its first answer again says with which session it was made.
TEST_F(SessionRetryKeyed, AnOldAnswerThatSaysSoOverwritesNothing) {
    serve_keyed(0);
    upstream.answer = [this](http::exchange& x) {
        EXPECT_FALSE(x.request.header.first("Lethe-Session-Version").value_or("").empty());
        if (sent++ == 0) disturb();
        x.response.status = 200;
        const auto field = patch_field(R"({"cart":{"count":7}})", "merge");
        x.response.header.add(field.first, field.second);
        x.response.header.add("Lethe-Session-Version", "1");
    };
    EXPECT_EQ(post().problem, "session-conflict");
    EXPECT_EQ(sent, 4);
    EXPECT_EQ(slots(), R"({"cart":{"count":2}})");
}

TEST_F(SessionRetryKeyed, WhatOnlyDoesNotFitMayFitAgainAndIsNotSentAgain) {
    serve_keyed(0);
    upstream.answer = [this](http::exchange& x) {
        if (sent++ == 0) {
            SessionRetryKeyed& world = *this;  // serve() puts another answer in this one's place
            const auto mine = world.upstream.answer;
            world.serve({patch_field(R"({"cart":{"count":[]}})", "merge")});
            world.send();
            world.upstream.answer = mine;
        }
        x.response.status = 200;
        const auto field = patch_field(R"([{"op":"inc","path":"/cart/count"}])", "ops");
        x.response.header.add(field.first, field.second);
    };
    EXPECT_EQ(post().problem, "session-conflict");
    EXPECT_EQ(sent, 1);
}

TEST_F(SessionRetryKeyed, AnOutcomeOfAnotherSessionIsReplayedAndNotReplaced) {
    serve_keyed(1);
    route.on_conflict = conflict_rule::retry;
    EXPECT_EQ(post().status, 200);
    const int before = sent;
    const auto answer = upstream.answer;
    jar.clear();
    make_cart();
    upstream.answer = answer;
    EXPECT_EQ(post().status, 200);
    EXPECT_EQ(sent, before);
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
}

}  // namespace
}  // namespace lethe::session::testing
