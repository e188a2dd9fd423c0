// Session changes of keyed answers: exactly once, however often the answer is replayed.
#include "session/filter_world.hpp"

namespace lethe::session::testing {
namespace {

// --- idempotency row "Session patch in the upstream's answer: its effect on the session happens
// exactly once: … a replay applies it only where the gateway died between the two writes"

TEST_F(SessionFilter, ReplaysOfAKeyedAnswerChangeTheSessionOnce) {
    make_cart();
    serve_ops(R"([{"op":"inc","path":"/cart/count"}])");
    for (int i = 0; i < 4; ++i) EXPECT_EQ(send({{"Idempotency-Key", "k1"}}).status, 200);
    EXPECT_EQ(upstream.calls, 2);
    EXPECT_EQ(slots(), R"({"cart":{"count":2}})");
    EXPECT_EQ(counts.replays_applied_before.value(), 3U);
}

TEST_F(SessionFilter, AReplayMakesTheChangeThatItsFirstAnswerCouldNotMake) {
    make_cart();
    store.plan = [n = 0](int) mutable { return n++ == 0 ? fault::none : fault::refused; };
    serve_ops(R"([{"op":"inc","path":"/cart/count"}])");
    EXPECT_EQ(send({{"Idempotency-Key", "k1"}}).status, 503);
    store.plan = nullptr;
    EXPECT_EQ(send({{"Idempotency-Key", "k1"}}).status, 200);
    EXPECT_EQ(upstream.calls, 2);
    EXPECT_EQ(slots(), R"({"cart":{"count":2}})");
}

TEST_F(SessionFilter, AReplayDoesNotOverwriteWhatChangedSinceItsFirstAnswer) {
    make_cart();
    store.plan = [n = 0](int) mutable { return n++ == 0 ? fault::none : fault::refused; };
    serve({patch_field(R"({"cart":{"count":50}})", "merge")});
    EXPECT_EQ(send({{"Idempotency-Key", "k1"}}).status, 503);
    store.plan = nullptr;
    serve_ops(R"([{"op":"inc","path":"/cart/count"}])");
    send();
    EXPECT_EQ(send({{"Idempotency-Key", "k1"}}).problem, "session-conflict");
    EXPECT_EQ(slots(), R"({"cart":{"count":2}})");
}

TEST_F(SessionFilter, AReplayDoesNotChangeAnotherSession) {
    make_cart();
    serve({patch_field(R"({"cart":null})", "merge")});
    EXPECT_EQ(send({{"Idempotency-Key", "k1"}}).status, 200);
    jar.clear();
    make_cart();  // the same caller in a new session
    const answered replay = send({{"Idempotency-Key", "k1"}});
    EXPECT_EQ(replay.status, 200);
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
    EXPECT_EQ(counts.replays_of_another_session.value(), 1U);
    // Nor does it make a new session in place of one that is over.
    jar.clear();
    EXPECT_FALSE(send({{"Idempotency-Key", "k1"}}).field("Set-Cookie"));
}

// The gateway died before it changed the session; then the caller logged in and sends again.
TEST_F(SessionFilter, AReplayFollowsItsSessionThroughALogin) {
    make_cart();
    store.plan = [n = 0](int) mutable { return n++ == 0 ? fault::none : fault::refused; };
    serve_ops(R"([{"op":"inc","path":"/cart/count"}])");
    EXPECT_EQ(send({{"Idempotency-Key", "k1"}}).status, 503);
    store.plan = nullptr;
    serve({{"Lethe-Session-Op", "bind;subject=\"u42\""}});
    EXPECT_EQ(send().status, 200);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(send({{"Idempotency-Key", "k1"}}).status, 200);
    EXPECT_EQ(slots(), R"({"cart":{"count":2}})");
    EXPECT_EQ(seen.session->subject, "u42");
}

TEST_F(SessionFilter, AReplayedLogoutDoesNotEndALaterSession) {
    make_cart();
    const std::string before = jar;
    serve({{"Lethe-Session-Op", "destroy"}});
    EXPECT_TRUE(send({{"Idempotency-Key", "k1"}}).field("Set-Cookie"));
    make_cart();
    send({{"Idempotency-Key", "k1"}});
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
    // Whose first answer was lost still has the dead cookie: it goes.
    jar = before;
    EXPECT_TRUE(send({{"Idempotency-Key", "k1"}}).field("Set-Cookie"));
}

TEST_F(SessionFilter, AReplayOfTheAnswerThatMadeTheSession) {
    serve_ops(R"([{"op":"inc","path":"/cart/count"}])");
    // With its cookie: nothing more happens. Without: the caller gets a session of its own.
    EXPECT_TRUE(send({{"Idempotency-Key", "k1"}}).field("Set-Cookie"));
    EXPECT_FALSE(send({{"Idempotency-Key", "k1"}}).field("Set-Cookie"));
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
    jar.clear();
    serve_ops("[]");
    EXPECT_TRUE(send({{"Idempotency-Key", "k1"}}).field("Set-Cookie"));
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
}

TEST_F(SessionFilter, TheServiceCannotForgeTheOrigin) {
    make_cart();
    serve({patch_field(R"([{"op":"inc","path":"/cart/count"}])", "ops"),
           {"Lethe-Session-Origin", "\"someone-else\";version=1"}});
    EXPECT_EQ(send({{"Idempotency-Key", "k1"}}).status, 200);
    EXPECT_EQ(slots(), R"({"cart":{"count":2}})");
    // Nor can it hide where the answer belongs.
    jar.clear();
    make_cart();
    EXPECT_EQ(send({{"Idempotency-Key", "k1"}}).status, 200);
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
}

TEST_F(SessionFilter, TooManyKeyedChangesAreA429) {
    options.operations_max = 1;
    rebuild();
    make_cart();
    serve_ops(R"([{"op":"inc","path":"/cart/count"}])");
    EXPECT_EQ(send({{"Idempotency-Key", "k1"}}).status, 200);
    const answered refused = send({{"Idempotency-Key", "k2"}});
    EXPECT_EQ(refused.status, 429);
    EXPECT_EQ(refused.problem, "session-operations-full");
    EXPECT_TRUE(refused.field("Retry-After"));
    EXPECT_EQ(send({{"Idempotency-Key", "k1"}}).status, 200);
    EXPECT_EQ(slots(), R"({"cart":{"count":2}})");
}

}  // namespace
}  // namespace lethe::session::testing
