// The rows of the table of corner cases about what an answer, or its absence, means for the key.
#include "idempotency/test_filter.hpp"

#include <algorithm>
#include <functional>

namespace lethe::idempotency::test {
namespace {

using std::chrono::seconds;

TEST_F(Filter, UpstreamAnswersRowStores2xx3xxAnd4xx) {
    for (const int status : {200, 204, 301, 302, 400, 403, 404, 409, 422, 499}) {
        world_.records.by_key.clear();
        service_.status = status;
        gateway& by = at();
        const reply first = by.send({});
        expect_replayed(by.send({}), first);
    }
}

TEST_F(Filter, UpstreamAnswersRowReleasesOn401And408And425And429) {
    for (const int status : {401, 408, 425, 429}) {
        world_.records.by_key.clear();
        gateway& by = at();
        service_.status = status;
        EXPECT_EQ(by.send({}).status, status);
        service_.status = 201;
        const reply got = by.send({});
        EXPECT_EQ(got.status, 201) << status;
        EXPECT_FALSE(got.replayed);
    }
}

TEST_F(Filter, UpstreamAnswersRowTheBackendHasTheLastWordAndIsNotOverheard) {
    struct row {
        int status;
        const char* word;
        int retry;  // the status that a retry gets when the service would answer 202
    };
    for (const row& one :
         {row{429, "store", 429}, row{201, "release", 202}, row{201, "unknown", 409},
          row{502, "store", 502}, row{201, "Store", 201}, row{429, "", 202}}) {
        world_.records.by_key.clear();
        gateway& by = at();
        service_.status = one.status;
        service_.header = {{"Lethe-Idempotency", one.word}};
        const reply first = by.send({});
        EXPECT_EQ(first.status, one.status);
        EXPECT_FALSE(first.has("Lethe-Idempotency")) << one.word;
        service_.status = 202;
        service_.header.clear();
        EXPECT_EQ(by.send({}).status, one.retry) << one.status << one.word;
    }
}

TEST_F(Filter, Upstream500RowStoresOrReleasesOrDoesNotKnowAsTheRouteSays) {
    for (const auto& [rule, retry] :
         {std::pair{answer_rule::store, 500}, std::pair{answer_rule::release, 201},
          std::pair{answer_rule::unknown, 409}}) {
        for (const int status : {500, 501}) {
            world_.records.by_key.clear();
            route_options options;
            options.on_500 = rule;
            gateway& by = at(options);
            service_.status = status;
            EXPECT_EQ(by.send({}).status, status);
            service_.status = 201;
            EXPECT_EQ(by.send({}).status, retry == 500 ? status : retry);
        }
    }
}

TEST_F(Filter, Upstream502And503And504RowIsUnknown) {
    for (const int status : {502, 503, 504, 599}) {
        world_.records.by_key.clear();
        gateway& by = at();
        service_.status = status;
        const reply first = by.send({});
        EXPECT_EQ(first.status, status);
        EXPECT_EQ(first.first("Lethe-Outcome"), "unknown");
        EXPECT_EQ(first.body, service_.body);
        expect_problem(by.send({}), 409, "outcome-unknown");
    }
}

TEST_F(Filter, Upstream503RowWithRetryAfterFreesTheKey) {
    gateway& by = at();
    service_.status = 503;
    service_.header = {{"Retry-After", "3"}};
    EXPECT_EQ(by.send({}).first("Retry-After"), "3");
    service_ = {};
    EXPECT_EQ(by.send({}).status, 201);
}

TEST_F(Filter, TimeoutRowIs504WithOutcomeUnknownAndNeverSentAgain) {
    gateway& by = at();
    service_.outcome = http::upstream_outcome::unknown;
    service_.status = 502;
    const reply first = by.send({});
    expect_problem(first, 504, "answer-lost");
    EXPECT_EQ(first.first("Lethe-Outcome"), "unknown");
    service_ = {};
    const reply again = by.send({});
    expect_problem(again, 409, "outcome-unknown");
    EXPECT_EQ(again.first("Retry-After"), "30");
    EXPECT_EQ(service_.calls, 0);
    EXPECT_EQ(by.counts.lost.value(), 1U);
    EXPECT_EQ(by.counts.unknown.value(), 1U);
}

TEST_F(Filter, TimeoutRowAnErrorAfterSomethingWasSentIsUnknown) {
    gateway& by = at();
    service_.outcome = http::upstream_outcome::unknown;
    service_.error = LETHE_ERR(store::errc::unavailable);
    EXPECT_TRUE(by.send({}).error.has_value());
    service_ = {};
    expect_problem(by.send({}), 409, "outcome-unknown");
}

TEST_F(Filter, TimeoutRowATruncatedAnswerIsUnknown) {
    gateway& by = at();
    service_.make_body = [] { return http::body_ptr(new piecewise_body({"half"}, true)); };
    const reply first = by.send({});
    expect_problem(first, 504, "answer-lost");
    EXPECT_EQ(first.first("Lethe-Outcome"), "unknown");
    expect_problem(by.send({}), 409, "outcome-unknown");
}

TEST_F(Filter, ALongCallKeepsItsLease) {
    route_options options;
    options.lease = seconds{3};
    gateway& by = at(options);
    service_.takes = seconds{60};
    reply first;
    reply meanwhile;
    by.start({}, first);
    by.run_now();
    for (int i = 0; i < 50; ++i) {
        ASSERT_TRUE(world_.time.wake_next());
        by.run_now();
    }
    gateway& other = at(options);
    other.start({}, meanwhile);
    other.run_now();
    EXPECT_EQ(meanwhile.problem, "request-in-progress");
    by.run();
    EXPECT_EQ(first.status, 201);
    EXPECT_GE(by.counts.renewed.value(), 55U);
    EXPECT_EQ(by.counts.renewals_failed.value(), 0U);
    EXPECT_TRUE(other.send({}).replayed);
    EXPECT_EQ(by.rules.held(), 0U);
}

TEST_F(Filter, ClientDisconnectsRowAKeyedCallGoesOnAndAnUnkeyedOneDoesNot) {
    gateway& by = at();
    by.send({});
    EXPECT_TRUE(service_.survives_seen);
    by.send(without_key());
    EXPECT_FALSE(service_.survives_seen);
}

TEST_F(Filter, GatewaysOwnRetriesRowTheKeyIsTheSameAndTheAttemptHigher) {
    gateway& by = at();
    service_.status = 429;
    by.send({});
    by.send({});
    EXPECT_EQ(service_.attempts, (std::vector<std::uint64_t>{1, 2}));
    EXPECT_EQ(service_.key_seen, "\"12345-abcde\"");
}

TEST_F(Filter, GatewayDiesRowIsUnknownAfterTheLease) {
    gateway& dies = at();
    service_.dies = true;
    reply never;
    dies.start({}, never);
    dies.run_now();
    dies.kill();
    service_ = {};
    gateway& other = at();
    expect_problem(other.send({}), 409, "request-in-progress");
    world_.time.advance(seconds{30});
    expect_problem(other.send({}), 409, "outcome-unknown");
    EXPECT_EQ(service_.calls, 0);
}

TEST_F(Filter, StoreDownBeforeClaimRowIs503AndNothingIsForwarded) {
    gateway& by = at();
    by.store.fail_at(0, fault::unavailable);
    const reply got = by.send({});
    expect_problem(got, 503, "idempotency-store-unavailable");
    EXPECT_TRUE(got.has("Retry-After"));
    EXPECT_EQ(service_.calls, 0);
    EXPECT_EQ(by.send({}).status, 201);
    EXPECT_EQ(by.counts.store_down.value(), 1U);
}

TEST_F(Filter, StoreDownBeforeClaimRowAnOptionalRouteMayPassAndSaysSo) {
    route_options options;
    options.store_down = store_down_rule::pass;
    gateway& by = at(options);
    by.store.fail_at(0, fault::unavailable);
    const reply got = by.send({});
    EXPECT_EQ(got.status, 201);
    EXPECT_EQ(got.first("Lethe-Idempotency"), "off");
    EXPECT_EQ(by.counts.passed.value(), 1U);
}

TEST_F(Filter, StoreDownBeforeClaimRowAnUnsureClaimIsTakenBack) {
    route_options options;
    options.store_down = store_down_rule::pass;  // not for a claim that may be there
    gateway& by = at(options);
    by.store.fail_at(0, fault::lost_after, fault::unavailable);
    reply got;
    by.start({}, got);
    by.run_now();
    expect_problem(got, 503, "idempotency-store-unavailable");
    EXPECT_EQ(service_.calls, 0);
    by.store.heal();
    by.run();
    EXPECT_EQ(by.counts.late_recorded.value(), 1U);
    EXPECT_EQ(by.send({}).status, 201);
}

TEST_F(Filter, ACorruptRecordIs503AndNeverTakenForAbsent) {
    route_options options;
    options.store_down = store_down_rule::pass;
    gateway& by = at(options);
    by.send({});
    world_.records.by_key.begin()->second.value[5] = '\x7f';
    world_.records.by_key.begin()->second.value.resize(20);
    expect_problem(by.send({}), 503, "idempotency-store-unavailable");
    EXPECT_EQ(service_.calls, 1);
    EXPECT_EQ(by.counts.corrupt.value(), 1U);
}

TEST_F(Filter, StoreDownAfterAnswerRowTheClientGetsItMarkedAndItIsRecordedLater) {
    gateway& by = at();
    by.store.fail_at(1, fault::unavailable, fault::unavailable);
    reply first;
    by.start({}, first);
    by.run_now();
    EXPECT_EQ(first.status, 201);
    EXPECT_EQ(first.first("Lethe-Idempotency"), "unrecorded");
    EXPECT_EQ(by.counts.unrecorded.value(), 1U);
    ASSERT_TRUE(world_.time.wake_next());
    by.run_now();
    by.store.heal();
    by.run();
    EXPECT_EQ(by.counts.late_recorded.value(), 1U);
    expect_replayed(by.send({}), first);
}

TEST_F(Filter, StoreDownAfterAnswerRowAWorkerThatStopsTriesOnceMore) {
    gateway& by = at();
    by.store.fail_at(1, fault::unavailable);
    reply first;
    by.start({}, first);
    by.run_now();
    EXPECT_EQ(first.first("Lethe-Idempotency"), "unrecorded");
    world_.time.stop();
    by.run_now();
    EXPECT_EQ(by.counts.late_recorded.value(), 1U);
    EXPECT_TRUE(at().send({}).replayed);
}

TEST_F(Filter, StoreDownAfterAnswerRowIsUnknownWhenTheLeaseIsOver) {
    gateway& by = at();
    by.store.fail_at(1, fault::unavailable, fault::unavailable);
    EXPECT_EQ(by.send({}).first("Lethe-Idempotency"), "unrecorded");
    EXPECT_EQ(by.counts.late_given_up.value(), 1U);
    by.store.heal();
    expect_problem(by.send({}), 409, "outcome-unknown");
    EXPECT_EQ(service_.calls, 1);
}

class LargeRequestRow : public Filter {
 protected:
    // The disk's thread works beside the loop.
    static reply send(gateway& by, const request& what) {
        reply got;
        by.start(what, got);
        while (got.status == 0 && !got.error) by.run_now();
        return got;
    }
    static request large(char fill = 'x', std::size_t size = 300'000) {
        request out;
        out.body = std::string(size, fill);
        return out;
    }
};

TEST_F(LargeRequestRow, IsHashedForwardedOnceAndReplayed) {
    route_options options;
    options.body_bytes_max = 100;
    gateway& by = at(options);
    const reply first = send(by, large());
    EXPECT_EQ(first.status, 201);
    EXPECT_EQ(service_.body_seen, large().body);
    expect_replayed(send(by, large()), first);
    expect_problem(send(by, large('y')), 422, "idempotency-key-mismatch");
    expect_problem(send(by, large('x', 299'999)), 422, "idempotency-key-mismatch");
    EXPECT_EQ(service_.calls, 1);
    EXPECT_EQ(by.counts.spooled.value(), 4U);
    EXPECT_EQ(world_.large.bytes(), 0U) << "the room is given back";
}

TEST_F(LargeRequestRow, IsTheSameInMemoryAndOnTheDisk) {
    gateway& in_memory = at();
    const reply first = in_memory.send(large());
    route_options options;
    options.body_bytes_max = 100;
    expect_replayed(send(at(options), large()), first);
}

TEST_F(LargeRequestRow, WithoutRoomNothingIsClaimedOrForwarded) {
    http::spool full({.directory = {}, .bytes_max = 1000});
    route_options options;
    options.body_bytes_max = 100;
    gateway& by = at(options, full);
    const reply refused = send(by, large());
    expect_problem(refused, 503, "no-room-for-body");
    EXPECT_TRUE(refused.has("Retry-After"));
    EXPECT_EQ(service_.calls, 0);
    EXPECT_TRUE(world_.records.by_key.empty());
    EXPECT_EQ(send(at(options), large()).status, 201);
    gateways_.clear();
}

TEST_F(Filter, LargeAnswerRowPassesThroughAndARetryGetsReplayUnavailable) {
    route_options options;
    options.answer_bytes_max = 10;
    const std::vector<std::function<http::body_ptr()>> bodies = {
        [] { return http::body_ptr(new piecewise_body({"012345", "6789ab", "cdef"}, false)); },
        [] { return http::body_ptr(new piecewise_body({"0123456789", "abcdef"}, false, 16)); },
        [] { return http::make_owned_body("0123456789abcdef"); },
    };
    for (const auto& body : bodies) {
        world_.records.by_key.clear();
        service_.calls = 0;
        gateway& by = at(options);
        service_.make_body = body;
        const reply first = by.send({});
        EXPECT_EQ(first.status, 201);
        EXPECT_EQ(first.body, "0123456789abcdef");
        const reply again = by.send({});
        expect_problem(again, 409, "replay-unavailable");
        EXPECT_EQ(again.first("Location"), "/orders/1");
        EXPECT_EQ(again.operation_id, first.operation_id);
        EXPECT_EQ(service_.calls, 1);
        EXPECT_EQ(by.counts.stored_without_body.value(), 1U);
        EXPECT_EQ(by.counts.replay_unavailable.value(), 1U);
    }
}

TEST_F(Filter, LargeAnswerRowAnswersUpToTheBoundAreKept) {
    route_options options;
    options.answer_bytes_max = 16;
    gateway& by = at(options);
    service_.make_body = [] {
        return http::body_ptr(new piecewise_body({"01234567", "89abcdef"}, false));
    };
    const reply first = by.send({});
    expect_replayed(by.send({}), first);
    EXPECT_EQ(first.body, "0123456789abcdef");
}

TEST_F(Filter, LargeAnswerRowAnEventStreamIsNotKept) {
    gateway& by = at();
    service_.header = {{"Content-Type", "text/event-stream; charset=utf-8"}};
    service_.make_body = [] { return http::body_ptr(new piecewise_body({"data: 1\n\n"}, false)); };
    EXPECT_EQ(by.send({}).body, "data: 1\n\n");
    const reply again = by.send({});
    expect_problem(again, 409, "replay-unavailable");
    EXPECT_FALSE(again.has("Location"));
}

TEST_F(Filter, LargeAnswerRowOneThatBreaksOffIsUnknown) {
    route_options options;
    options.answer_bytes_max = 3;
    gateway& by = at(options);
    service_.make_body = [] { return http::body_ptr(new piecewise_body({"0123", "4567"}, true)); };
    EXPECT_TRUE(by.send({}).body_broke_off);
    expect_problem(by.send({}), 409, "outcome-unknown");
}

TEST_F(Filter, LargeAnswerRowOneThatTheClientLeavesIsUnknown) {
    route_options options;
    options.answer_bytes_max = 3;
    gateway& by = at(options);
    service_.make_body = [] { return http::body_ptr(new piecewise_body({"0123", "4567"}, false)); };
    request leaves;
    leaves.leave_body_unread = true;
    by.send(leaves);
    expect_problem(by.send({}), 409, "outcome-unknown");
}

}  // namespace
}  // namespace lethe::idempotency::test
