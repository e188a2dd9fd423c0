// The row "Retry while UNKNOWN" of the table of corner cases.
#include "idempotency/test_filter.hpp"

namespace lethe::idempotency::test {
namespace {

using std::chrono::seconds;

route_options rule(unknown_rule on_unknown) {
    route_options options;
    options.on_unknown = on_unknown;
    options.backend_dedups = on_unknown == unknown_rule::resend;
    if (on_unknown == unknown_rule::reconcile) options.reconcile = "/orders/by-key/{key}?full";
    return options;
}

class RetryWhileUnknownRow : public Filter {
 protected:
    // The answer to the first request is lost.
    reply lose_first(gateway& by) {
        service_.outcome = http::upstream_outcome::unknown;
        reply first = by.send({});
        const int calls = service_.calls;
        service_ = {};
        service_.calls = calls;
        return first;
    }
    // The gateway dies while the service works.
    void die_with_first(const route_options& options) {
        service_.dies = true;
        reply never;
        gateway& by = at(options);
        by.start({}, never);
        by.run_now();
        by.kill();
        const int calls = service_.calls;
        service_ = {};
        service_.calls = calls;
        world_.time.advance(options.lease);
    }
};

TEST_F(RetryWhileUnknownRow, ResendSendsTheSameExecutionAgainWithAHigherAttempt) {
    gateway& by = at(rule(unknown_rule::resend));
    const reply first = lose_first(by);
    expect_problem(first, 504, "answer-lost");
    EXPECT_EQ(service_.calls, 2) << "once more by itself, and not for ever";
    const reply again = by.send({});
    EXPECT_EQ(again.status, 201);
    EXPECT_FALSE(again.replayed);
    EXPECT_EQ(service_.calls, 3);
    EXPECT_EQ(service_.attempts.back(), 3U);
    EXPECT_EQ(again.operation_id, first.operation_id)
        << "a session change of either takes effect once";
    expect_replayed(by.send({}), again);
    EXPECT_EQ(by.counts.resent.value(), 2U);
}

TEST_F(RetryWhileUnknownRow, ResendThatProvablyDidNothingLeavesTheOutcomeUnknown) {
    gateway& by = at(rule(unknown_rule::resend));
    lose_first(by);
    service_.outcome = http::upstream_outcome::not_sent;
    service_.status = 503;
    EXPECT_EQ(by.send({}).status, 503);
    EXPECT_EQ(by.counts.released.value(), 0U) << "the first attempt may have run";
    service_ = {};
    service_.status = 429;
    EXPECT_EQ(by.send({}).status, 429);
    EXPECT_EQ(by.counts.released.value(), 0U);
    service_ = {};
    EXPECT_EQ(by.send({}).status, 201);
}

TEST_F(RetryWhileUnknownRow, ResendOfALapsedClaimFencesTheGatewayThatComesBack) {
    route_options options = rule(unknown_rule::resend);
    service_.takes = options.lease * 3;
    gateway& slow = at(options);
    reply late;
    slow.start({}, late);
    slow.run_now();
    // Its renewals fail for as long as a lease and more.
    slow.store.fail_at(0, fault::unavailable, fault::unavailable);
    world_.time.advance(options.lease + seconds{1});
    service_.takes = {};
    service_.body = "second";
    gateway& other = at(options);
    const reply second = other.send({});
    EXPECT_EQ(second.status, 201);
    slow.store.heal();
    slow.run();
    EXPECT_EQ(late.first("Lethe-Idempotency"), "unrecorded");
    expect_replayed(other.send({}), second);
}

TEST_F(RetryWhileUnknownRow, ReconcileReplaysWhatTheServiceSaysWasDone) {
    for (const bool died : {false, true}) {
        world_.records.by_key.clear();
        const route_options options = rule(unknown_rule::reconcile);
        if (died)
            die_with_first(options);
        else
            lose_first(at(options));
        gateway& by = at(options);
        service_.status = 200;
        service_.body = R"({"order":1,"state":"paid"})";
        const reply again = by.send({});
        EXPECT_EQ(service_.method_seen, "GET");
        EXPECT_EQ(service_.path_seen, "/orders/by-key/12345-abcde");
        EXPECT_EQ(service_.query_seen, "full");
        EXPECT_EQ(service_.key_seen, "\"12345-abcde\"");
        EXPECT_EQ(again.status, 200);
        EXPECT_EQ(again.body, service_.body);
        EXPECT_TRUE(again.replayed);
        service_.body = "another";
        expect_replayed(by.send({}), again);
        EXPECT_EQ(by.counts.reconciled_done.value(), 1U);
    }
}

TEST_F(RetryWhileUnknownRow, ReconcileReplaysTheStatusThatTheServiceTells) {
    for (const auto& [told, status] :
         {std::pair{"201", 201}, {"422", 422}, {"99", 200}, {"600", 200}, {"2x1", 200}}) {
        world_.records.by_key.clear();
        gateway& by = at(rule(unknown_rule::reconcile));
        lose_first(by);
        service_.status = 200;
        service_.header.emplace_back("Lethe-Original-Status", told);
        const reply again = by.send({});
        EXPECT_EQ(again.status, status) << told;
        EXPECT_EQ(again.first("Lethe-Original-Status"), "");
        EXPECT_EQ(by.send({}).status, status);
        service_ = {};
    }
}

TEST_F(RetryWhileUnknownRow, ReconcileForwardsWhatTheServiceSaysWasNotDone) {
    gateway& by = at(rule(unknown_rule::reconcile));
    lose_first(by);
    service_.status_of_get = 404;
    const reply again = by.send({});
    EXPECT_EQ(again.status, 201);
    EXPECT_EQ(service_.method_seen, "POST");
    EXPECT_EQ(service_.body_seen, R"({"sku":1})");
    EXPECT_EQ(service_.attempts.back(), 2U);
    expect_replayed(by.send({}), again);
}

// A service that says "never will" must know which attempts it may yet meet.
TEST_F(RetryWhileUnknownRow, ReconcileAsksWithTheAttemptThatWouldFollow) {
    gateway& by = at(rule(unknown_rule::reconcile));
    lose_first(by);
    service_.status_of_get = 404;
    EXPECT_EQ(by.send({}).status, 201);
    EXPECT_EQ(service_.attempts, (std::vector<std::uint64_t>{2, 2}));
}

TEST_F(RetryWhileUnknownRow, ReconcileThatLearnsNothingHolds) {
    for (const int status : {201, 204, 301, 401, 403, 410, 500, 503}) {
        world_.records.by_key.clear();
        gateway& by = at(rule(unknown_rule::reconcile));
        lose_first(by);
        service_.status_of_get = status;
        expect_problem(by.send({}), 409, "outcome-unknown");
        service_.outcome = http::upstream_outcome::unknown;
        expect_problem(by.send({}), 409, "outcome-unknown");
        service_.outcome = http::upstream_outcome::not_sent;
        expect_problem(by.send({}), 409, "outcome-unknown");
        // Asked again at each retry.
        service_ = {};
        service_.status_of_get = 404;
        EXPECT_EQ(by.send({}).status, 201) << status;
    }
}

TEST_F(RetryWhileUnknownRow, ReconcileAsksOnceForConcurrentRetries) {
    gateway& by = at(rule(unknown_rule::reconcile));
    lose_first(by);
    service_.status = 200;
    service_.takes = seconds{1};
    const int before = service_.calls;
    const std::vector<reply> got = by.send_at_once({{}, {}, {}});
    EXPECT_EQ(service_.calls, before + 1);
    int in_progress = 0;
    for (const reply& one : got) in_progress += one.problem == "request-in-progress" ? 1 : 0;
    EXPECT_EQ(in_progress, 2);
}

TEST_F(RetryWhileUnknownRow, ReconcileOfAGatewayThatDiesOnTheWayIsUnknownAgain) {
    const route_options options = rule(unknown_rule::reconcile);
    lose_first(at(options));
    die_with_first(options);  // in the probe
    gateway& by = at(options);
    service_.status = 200;
    EXPECT_EQ(by.send({}).status, 200);
    EXPECT_EQ(service_.method_seen, "GET");
}

TEST_F(RetryWhileUnknownRow, FinalKeepsThe504) {
    gateway& by = at(rule(unknown_rule::final));
    const reply first = lose_first(by);
    EXPECT_EQ(first.status, 504);
    EXPECT_EQ(first.first("Lethe-Outcome"), "unknown");
    const reply again = by.send({});
    expect_replayed(again, first);
    EXPECT_EQ(again.first("Lethe-Outcome"), "unknown");
    EXPECT_EQ(service_.calls, 1);
}

TEST_F(RetryWhileUnknownRow, FinalKeepsTheAnswerOfAnIntermediary) {
    gateway& by = at(rule(unknown_rule::final));
    service_.status = 502;
    const reply first = by.send({});
    EXPECT_EQ(first.status, 502);
    EXPECT_EQ(first.body, service_.body);
    service_ = {};
    expect_replayed(by.send({}), first);
}

TEST_F(RetryWhileUnknownRow, FinalEndsALapsedClaim) {
    const route_options options = rule(unknown_rule::final);
    die_with_first(options);
    gateway& by = at(options);
    const reply again = by.send({});
    EXPECT_EQ(again.status, 504);
    expect_replayed(by.send({}), again);
    EXPECT_EQ(service_.calls, 1);
}

TEST_F(RetryWhileUnknownRow, AMismatchIsOneStill) {
    for (const unknown_rule one :
         {unknown_rule::resend, unknown_rule::reconcile, unknown_rule::final}) {
        world_.records.by_key.clear();
        const route_options options = rule(one);
        die_with_first(options);
        gateway& by = at(options);
        const int calls = service_.calls;
        request other;
        other.body = "something else";
        expect_problem(by.send(other), 422, "idempotency-key-mismatch");
        EXPECT_EQ(service_.calls, calls);
    }
}

TEST_F(RetryWhileUnknownRow, AnUnsureTakeOverNeverFreesTheKey) {
    for (const fault lost : {fault::lost_before, fault::lost_after}) {
        world_.records.by_key.clear();
        const route_options options = rule(unknown_rule::resend);
        die_with_first(options);
        gateway& by = at(options);
        // Claim (conflict), look, take over: lost, and the store is away from then on.
        by.store.fail_at(1, lost, fault::unavailable);
        const reply unsure = by.send({});
        EXPECT_EQ(unsure.status, 503);
        by.store.heal();
        by.run();
        EXPECT_EQ(at(rule(unknown_rule::hold)).send({}).problem, "outcome-unknown");
    }
}

TEST(UnknownOptions, WhatDoesNotFitTogetherIsAMistake) {
    route_options options;
    options.on_unknown = unknown_rule::resend;
    EXPECT_TRUE(find_mistake(options).has_value());
    options.backend_dedups = true;
    EXPECT_FALSE(find_mistake(options).has_value());
    options.on_unknown = unknown_rule::reconcile;
    EXPECT_TRUE(find_mistake(options).has_value());
    for (const char* bad : {"orders/{key}", "/orders", "/{key}/{key}", "/a/../{key}", "/a b/{key}",
                            "http://other/{key}", "/a#{key}", "/%7euser/{key}"}) {
        options.reconcile = bad;
        EXPECT_TRUE(find_mistake(options).has_value()) << bad;
    }
    for (const char* good : {"/orders/{key}", "/orders?key={key}", "/o/{key}/state?x=1"}) {
        options.reconcile = good;
        EXPECT_FALSE(find_mistake(options).has_value()) << good;
    }
    options.on_unknown = unknown_rule::hold;
    EXPECT_TRUE(find_mistake(options).has_value()) << "a path that nobody asks";
}

}  // namespace
}  // namespace lethe::idempotency::test
