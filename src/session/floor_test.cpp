// Spec, model: "Failover: cookie carries a version floor, rewritten on each write. A read below it
// (failover lost writes) gives stale: retry | 503 | accept+flag." Here the store goes back in time.
#include "session/filter_world.hpp"

namespace lethe::session::testing {
namespace {

struct SessionFloor : SessionFilter {
    std::map<std::string, lethe::store::record> earlier;

    void add_one() {
        serve_ops(R"([{"op":"inc","path":"/cart/count"}])");
        EXPECT_EQ(send().status, 200);
    }
    std::uint64_t floor() const { return parse_cookie(jar.substr(13))->floor; }
    void use(stale_rule rule) {
        route.stale = rule;
        rebuild();
    }
    // A cart of two at version 2; the store forgets the second.
    void lose_a_write() {
        make_cart();
        earlier = records->live;
        add_one();
        ASSERT_EQ(floor(), 2U);
        records->live = earlier;
    }
    std::optional<std::string> stale_flag;
    void look() {
        upstream.answer = [this](http::exchange& x) {
            const auto flag = x.request.header.first("Lethe-Session-Stale");
            stale_flag = flag ? std::optional<std::string>(*flag) : std::nullopt;
            x.response.status = 200;
        };
    }
};

TEST_F(SessionFloor, IsRewrittenOnEachWriteAndByNothingElse) {
    make_cart();
    EXPECT_EQ(floor(), 1U);
    add_one();
    EXPECT_EQ(floor(), 2U);
    const std::string cookie = jar;
    EXPECT_EQ(slots(), R"({"cart":{"count":2}})");
    EXPECT_EQ(jar, cookie);
    serve({{"Lethe-Session-Op", "regenerate"}});
    send();
    EXPECT_NE(jar, cookie);
    EXPECT_EQ(floor(), 3U);
    serve({{"Lethe-Session-Op", "bind;subject=\"u42\""}});
    send();
    EXPECT_EQ(floor(), 4U);
    // The alias leads there with its own, lower floor.
    jar = cookie;
    EXPECT_EQ(slots(), R"({"cart":{"count":2}})");
}

TEST_F(SessionFloor, ALostWriteIsA503ByDefault) {
    lose_a_write();
    EXPECT_EQ(route.stale, stale_rule::retry);
    const std::string cookie = jar;
    const int calls = upstream.calls;
    const steady_time before = time.steady_now();
    const answered answer = send();
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(answer.problem, "session-stale");
    EXPECT_EQ(answer.field("Retry-After"), "1");
    EXPECT_EQ(time.steady_now() - before, stale_wait);
    EXPECT_EQ(upstream.calls, calls);
    EXPECT_EQ(jar, cookie);
    EXPECT_EQ(counts.stale_refused.value(), 1U);
}

TEST_F(SessionFloor, RetryWaitsForAReplicaThatLagsBehind) {
    make_cart();
    earlier = records->live;
    add_one();
    const auto now = records->live;
    records->live = earlier;
    store.steps = 0;
    store.plan = [this, now](int step) {
        if (step == 3) records->live = now;
        return step == 2 ? fault::refused : fault::none;
    };
    EXPECT_EQ(slots(), R"({"cart":{"count":2}})");
    EXPECT_EQ(counts.stale_caught_up.value(), 1U);
    EXPECT_EQ(counts.stale_refused.value(), 0U);
}

TEST_F(SessionFloor, RefuseDoesNotWait) {
    use(stale_rule::refuse);
    lose_a_write();
    const steady_time before = time.steady_now();
    EXPECT_EQ(send().problem, "session-stale");
    EXPECT_EQ(time.steady_now(), before);
}

TEST_F(SessionFloor, AcceptTellsTheServiceUntilTheSessionIsWritten) {
    use(stale_rule::accept);
    lose_a_write();
    for (int i = 0; i < 2; ++i) {
        look();
        EXPECT_EQ(send({{"Lethe-Session-Stale", "?0"}}).status, 200);
        EXPECT_EQ(stale_flag, "?1");
    }
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
    EXPECT_EQ(counts.stale_accepted.value(), 3U);
    add_one();
    EXPECT_EQ(floor(), 2U);
    add_one();
    look();
    send({{"Lethe-Session-Stale", "?1"}});  // a client cannot claim it
    EXPECT_FALSE(stale_flag);
    EXPECT_EQ(slots(), R"({"cart":{"count":3}})");
}

// Between reading and writing, too.
TEST_F(SessionFloor, AWriteOnAStoreThatWentBackIsRefused) {
    make_cart();
    earlier = records->live;
    add_one();
    serve_ops(R"([{"op":"inc","path":"/cart/count"}])");
    const auto answer = upstream.answer;
    upstream.answer = [this, answer](http::exchange& x) {
        answer(x);
        records->live = earlier;
    };
    const answered refused = send();
    EXPECT_EQ(refused.problem, "session-stale");
    EXPECT_NE(refused.body.find("The session was not changed"), std::string::npos);
    serve({});
    use(stale_rule::accept);
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
}

// "the floor is authenticated"
TEST_F(SessionFloor, IsBoundToItsTicket) {
    make_cart();
    const std::string mine = jar.substr(13);
    ASSERT_EQ(mine.size(), 64U);
    const ticket holder = parse_cookie(mine)->holder;
    for (std::size_t i = 0; i < mine.size(); ++i) {
        std::string changed = mine;
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        EXPECT_FALSE(parse_cookie(changed)) << i;
    }
    // Another session's floor does not pass as this one's.
    const auto other = make_seeded_random(99);
    const std::string theirs = *from_base64url(ticket::make(*other).to_cookie_value(1000));
    const std::string own = *from_base64url(mine);
    jar = "__Host-lethe=" + to_base64url(own.substr(0, 32) + theirs.substr(32));
    EXPECT_EQ(slots(), "none");
    EXPECT_EQ(counts.loads_malformed.value(), 1U);
    // A cookie from before there were floors has none.
    jar = "__Host-lethe=" + holder.to_cookie_value();
    EXPECT_EQ(floor(), 0U);
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
    add_one();
    EXPECT_EQ(floor(), 2U);
    // Who has the ticket could make one, and stands in their own way alone.
    jar = "__Host-lethe=" + holder.to_cookie_value(1000);
    EXPECT_EQ(send().problem, "session-stale");
    jar = "__Host-lethe=" + holder.to_cookie_value(2);
    EXPECT_EQ(slots(), R"({"cart":{"count":2}})");
}

TEST_F(SessionFloor, ALogoutNeedsNoFloor) {
    use(stale_rule::accept);
    lose_a_write();
    serve({{"Lethe-Session-Op", "destroy"}});
    EXPECT_EQ(send().status, 200);
    EXPECT_TRUE(jar.empty());
}

}  // namespace
}  // namespace lethe::session::testing
