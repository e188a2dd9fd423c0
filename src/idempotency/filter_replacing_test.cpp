// Another attempt of a request whose outcome is known (exchange::replaces_outcome): the outcome
// stands until a full answer has replaced it.
#include "idempotency/test_filter.hpp"

namespace lethe::idempotency::test {
namespace {

using std::chrono::seconds;

route_options dedups() {
    route_options options;
    options.backend_dedups = true;
    return options;
}

class Replacing : public Filter {
 protected:
    Replacing() { service_.body = "first"; }
    static request again(std::uint64_t epoch = 1) {
        request out;
        out.replaces = epoch;
        return out;
    }
    // The first outcome, and from then on another answer.
    reply make_first(gateway& by) {
        reply first = by.send({});
        EXPECT_EQ(first.outcome_epoch, 1U);
        service_.body = "second";
        return first;
    }
};

TEST_F(Replacing, HasAHigherAttemptOfTheSameExecutionAndItsAnswerIsTheOutcome) {
    gateway& by = at(dedups());
    const reply first = make_first(by);
    const reply second = by.send(again());
    EXPECT_FALSE(second.nothing_came);
    EXPECT_FALSE(second.replayed);
    EXPECT_EQ(second.body, "second");
    EXPECT_EQ(service_.attempts, (std::vector<std::uint64_t>{1, 2}));
    EXPECT_EQ(service_.key_seen, "\"12345-abcde\"");
    EXPECT_EQ(service_.body_seen, R"({"sku":1})");
    EXPECT_EQ(second.operation_id, first.operation_id)
        << "a session change of either takes effect once";
    EXPECT_EQ(second.outcome_epoch, 2U);
    const reply replay = at(dedups()).send({});
    expect_replayed(replay, second);
    EXPECT_EQ(replay.outcome_epoch, 2U);
}

TEST_F(Replacing, IsForServicesThatDedupAndMethodsThatMayRunTwice) {
    EXPECT_EQ(at().send({}).outcome_epoch, 0U);
    EXPECT_EQ(at().send({}).outcome_epoch, 0U) << "of a replay";
    route_options puts;
    puts.put = true;
    request put = with_key("\"put\"");
    put.method = "PUT";
    EXPECT_EQ(at(puts).send(put).outcome_epoch, 1U);
    EXPECT_EQ(at(puts).send(put).outcome_epoch, 1U);
}

TEST_F(Replacing, WhatBringsNoFullAnswerLeavesTheOutcomeAsItIs) {
    using enum http::upstream_outcome;
    const auto bad = [this](std::size_t kind) {
        service_.status = 200;
        switch (kind) {
            case 0: service_.outcome = unknown; return true;
            case 1: service_.outcome = not_sent; return true;
            case 2: service_.status = 429; return true;
            case 3: service_.status = 502; return true;
            case 4: service_.error = make_error_code(store::errc::unavailable); return true;
            case 5: service_.header = {{"Content-Type", "text/event-stream"}}; return true;
            case 6:
                service_.make_body = [] {
                    return http::body_ptr(
                        new piecewise_body({std::string(answer_bytes_inline + 1, 'x')}, false));
                };
                return true;
            case 7:
                service_.make_body = [] {
                    return http::body_ptr(new piecewise_body({"half"}, true));
                };
                return true;
            case 8: service_.status = 409; return true;
            case 9: service_.status = 500; return true;
            default: return false;
        }
    };
    for (const auto on_unknown : {unknown_rule::hold, unknown_rule::resend, unknown_rule::final}) {
        for (std::size_t kind = 0;; ++kind) {
            SCOPED_TRACE(kind);
            world_.records.by_key.clear();
            service_ = {};
            service_.body = "first";
            route_options options = dedups();
            options.on_unknown = on_unknown;
            gateway& by = at(options);
            const reply first = make_first(by);
            if (!bad(kind)) break;
            const reply got = by.send(again());
            EXPECT_TRUE(got.nothing_came || got.error);
            EXPECT_LE(service_.calls, 2) << "no further attempt by itself";
            expect_replayed(by.send({}), first);
            service_ = {};
            service_.body = "third";
            const reply third = by.send(again());
            EXPECT_EQ(third.body, "third") << "the epoch that made the outcome names it still";
            EXPECT_EQ(service_.attempts.back(), 3U);
        }
    }
}

TEST_F(Replacing, IsNothingWhereTheOutcomeIsGone) {
    route_options options = dedups();
    gateway& by = at(options);
    make_first(by);
    EXPECT_TRUE(by.send(again(7)).replayed) << "of another epoch: what is there";
    request other = again();
    other.body = "something else";
    EXPECT_TRUE(by.send(other).nothing_came);
    world_.time.advance(options.ttl);
    EXPECT_TRUE(by.send(again()).nothing_came);
    world_.records.by_key.clear();
    EXPECT_TRUE(by.send(again()).nothing_came);
    EXPECT_EQ(service_.calls, 1) << "it never runs as a new request";
}

TEST_F(Replacing, OthersOfTheKeyWaitForTheAnswerOrAreToldTo) {
    service_.takes = seconds{2};
    gateway& by = at(dedups());
    make_first(by);
    reply second;
    by.start(again(), second);
    by.run_now();
    expect_problem(at(dedups()).send({}), 409, "request-in-progress");
    expect_problem(at(dedups()).send(again()), 409, "request-in-progress");
    route_options patient = dedups();
    patient.wait = seconds{10};
    gateway& waits = at(patient);
    reply replay;
    reply late;
    waits.start({}, replay);
    waits.start(again(), late);
    run_together(world_, {&by, &waits}, 1);
    EXPECT_EQ(second.body, "second");
    expect_replayed(replay, second);
    expect_replayed(late, second);
    EXPECT_EQ(late.outcome_epoch, 2U);
    EXPECT_FALSE(late.nothing_came);
    EXPECT_EQ(service_.calls, 2);
}

TEST_F(Replacing, AGatewayThatDiesAtAnyStepLeavesOneOfTheTwoOutcomes) {
    for (const fault death : {fault::dies_before, fault::dies_after}) {
        int step = 0;
        for (bool died = true; died; ++step) {
            SCOPED_TRACE(step);
            world_.records.by_key.clear();
            service_ = {};
            service_.body = "first";
            gateway& by = at(dedups());
            const reply first = make_first(by);
            reply never;
            by.store.fail_at(step, death);
            by.start(again(), never);
            by.run_now();
            died = never.status == 0;
            by.kill();
            world_.time.advance(dedups().lease);
            const reply replay = at(dedups()).send({});
            EXPECT_TRUE(replay.replayed) << "what was known stays known";
            EXPECT_TRUE(replay.body == "first" || (replay.body == "second" && service_.calls == 2));
            EXPECT_EQ(replay.operation_id, first.operation_id);
            const reply third = at(dedups()).send(again(replay.outcome_epoch));
            EXPECT_EQ(third.body, "second");
        }
        EXPECT_GE(step, 3);
    }
}

TEST_F(Replacing, AStoreThatFailsAtAnyStepLeavesOneOfTheTwoOutcomes) {
    for (const fault what : {fault::unavailable, fault::lost_before, fault::lost_after}) {
        for (const fault afterwards : {fault::none, fault::unavailable, fault::lost_before}) {
            for (int step = 0; step < 5; ++step) {
                world_.records.by_key.clear();
                service_ = {};
                service_.body = "first";
                gateway& by = at(dedups());
                make_first(by);
                by.store.fail_at(step, what, afterwards);
                const reply second = by.send(again());
                world_.time.advance(dedups().lease);
                const reply replay = at(dedups()).send({});
                EXPECT_TRUE(replay.replayed);
                if (!second.nothing_came) EXPECT_EQ(replay.body, "second");
                if (service_.calls == 1) EXPECT_EQ(replay.body, "first");
            }
        }
    }
}

TEST_F(Replacing, AGatewayThatComesBackAfterItsLeaseReplacesNothingThatWasReplaced) {
    service_.takes = dedups().lease * 3;
    gateway& slow = at(dedups());
    const reply first = make_first(slow);
    reply late;
    slow.start(again(), late);
    slow.run_now();
    // Its renewals fail for as long as a lease and more.
    slow.store.fail_at(0, fault::unavailable, fault::unavailable);
    world_.time.advance(dedups().lease + seconds{1});
    gateway& other = at(dedups());
    expect_replayed(other.send({}), first);
    service_.takes = {};
    service_.body = "third";
    const reply third = other.send(again());
    EXPECT_EQ(service_.attempts.back(), 3U);
    slow.store.heal();
    service_.body = "second";
    slow.run();
    EXPECT_TRUE(late.nothing_came) << "so that its session change is not made";
    expect_replayed(other.send({}), third);
}

TEST_F(Replacing, AnOutcomeThatCameLateIsNotReplacedByWhoSawTheOneBefore) {
    service_.takes = dedups().lease * 3;
    gateway& slow = at(dedups());
    make_first(slow);
    reply late;
    slow.start(again(), late);
    slow.run_now();
    slow.store.fail_at(0, fault::unavailable, fault::unavailable);
    world_.time.advance(dedups().lease + seconds{1});
    gateway& other = at(dedups());
    const reply seen = other.send({});
    EXPECT_EQ(seen.outcome_epoch, 1U);
    slow.store.heal();
    slow.run();
    EXPECT_EQ(late.body, "second");
    EXPECT_FALSE(late.nothing_came);
    const int calls = service_.calls;
    expect_replayed(other.send(again(seen.outcome_epoch)), late);
    EXPECT_EQ(service_.calls, calls);
}

}  // namespace
}  // namespace lethe::idempotency::test
