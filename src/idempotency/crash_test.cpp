// What must hold wherever a process dies, a store fails, or many ask at once: one forward for a
// key, its outcome replayed, or an honest word that it is not known.
#include "base/random.hpp"
#include "idempotency/filter.hpp"
#include "idempotency/test_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace lethe::idempotency::test {
namespace {

using std::chrono::seconds;

route_options plain() {
    return {};
}
route_options rejecting() {
    route_options options;
    options.expired = expired_rule::reject;
    return options;
}
route_options waiting() {
    route_options options;
    options.wait = seconds{10};
    return options;
}

// After any trouble: the key leads to the one outcome, or to nothing but refusals.
void expect_honest_retry(world& in, const route_options& options, std::string_view where) {
    SCOPED_TRACE(where);
    const int before = in.service.calls;
    gateway other(in, options);
    const reply at_once = other.send({});
    in.time.advance(options.lease);
    const reply later = other.send({});
    EXPECT_LE(in.service.calls, 1);
    for (const reply& got : {at_once, later}) {
        if (got.status == 201)
            EXPECT_EQ(in.service.calls, 1);
        else
            EXPECT_TRUE(got.problem == "request-in-progress" || got.problem == "outcome-unknown");
        if (got.status == 201 && before == 1) EXPECT_TRUE(got.replayed);
    }
    // In the end it is known, or said not to be.
    EXPECT_TRUE(later.status == 201 || later.problem == "outcome-unknown") << later.problem;
}

TEST(Crash, AGatewayThatDiesAtAnyStoreStepNeverMakesTheServiceRunTwice) {
    for (const auto& options : {plain(), rejecting(), waiting()}) {
        for (const fault death : {fault::dies_before, fault::dies_after}) {
            int step = 0;
            for (bool died = true; died; ++step) {
                world in;
                reply never;
                {
                    gateway dies(in, options);
                    dies.store.fail_at(step, death);
                    dies.start({}, never);
                    dies.run_now();
                    died = never.status == 0;
                    dies.kill();
                }
                expect_honest_retry(in, options, "step " + std::to_string(step));
            }
            EXPECT_GE(step, 3);  // claim, finish, and once without a death
        }
    }
}

TEST(Crash, AGatewayThatDiesWhileItEndsOtherwiseNeverFreesWhatMayHaveRun) {
    for (const int status : {502, 500}) {
        for (const fault death : {fault::dies_before, fault::dies_after}) {
            world in;
            in.service.status = status;
            reply never;
            {
                gateway dies(in, plain());
                dies.store.fail_at(1, death);
                dies.start({}, never);
                dies.run_now();
            }
            gateway other(in, plain());
            in.time.advance(seconds{30});
            const reply got = other.send({});
            EXPECT_EQ(in.service.calls, 1);
            EXPECT_TRUE(got.replayed || got.problem == "outcome-unknown");
        }
    }
}

TEST(Crash, AStoreThatFailsAtAnyStepNeverMakesTheServiceRunTwice) {
    for (const auto& options : {plain(), rejecting()}) {
        for (const fault what : {fault::unavailable, fault::lost_before, fault::lost_after}) {
            for (const fault afterwards : {fault::none, fault::unavailable, fault::lost_before}) {
                for (int step = 0; step < 4; ++step) {
                    world in;
                    gateway by(in, options);
                    by.store.fail_at(step, what, afterwards);
                    const reply first = by.send({});
                    EXPECT_TRUE(first.status == 201 || first.status == 503);
                    EXPECT_EQ(in.service.calls, first.status == 201 ? 1 : 0);
                    expect_honest_retry(in, options,
                                        "fault " + std::to_string(int(what)) + ", then " +
                                            std::to_string(int(afterwards)) + ", step " +
                                            std::to_string(step));
                }
            }
        }
    }
}

TEST(Crash, ManyRequestsAtManyGatewaysAreOneForward) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        const auto random = make_seeded_random(seed);
        world in;
        in.seed = seed * 100;
        in.service.takes = std::chrono::milliseconds{random->below(3000)};
        const route_options options = random->below(2) == 0 ? plain() : waiting();
        std::vector<std::unique_ptr<gateway>> gateways;
        std::vector<gateway*> all;
        std::vector<reply> replies(24);
        for (int i = 0; i < 4; ++i) {
            gateways.push_back(std::make_unique<gateway>(in, options));
            all.push_back(gateways.back().get());
            // Some lose an answer on the way.
            if (random->below(3) == 0)
                all.back()->store.fail_at(
                    static_cast<int>(random->below(6)),
                    random->below(2) == 0 ? fault::lost_after : fault::lost_before);
        }
        for (reply& one : replies) all[random->below(all.size())]->start({}, one);
        run_together(in, all, seed);

        EXPECT_EQ(in.service.calls, 1);
        int fresh = 0;
        for (const reply& got : replies) {
            if (got.status == 201)
                fresh += got.replayed ? 0 : 1;
            else
                EXPECT_EQ(got.problem, "request-in-progress");
        }
        EXPECT_EQ(fresh, 1);
        EXPECT_TRUE(all.front()->send({}).replayed);
    }
}

TEST(Crash, ManyGatewaysWithReleasesInBetweenNeverOverlap) {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        const auto random = make_seeded_random(seed);
        world in;
        in.seed = seed * 100;
        in.service.status = 429;  // frees the key each time
        in.service.takes = std::chrono::milliseconds{1 + random->below(100)};
        std::vector<std::unique_ptr<gateway>> gateways;
        std::vector<gateway*> all;
        std::vector<reply> replies(12);
        for (int i = 0; i < 3; ++i) {
            gateways.push_back(std::make_unique<gateway>(in, waiting()));
            all.push_back(gateways.back().get());
        }
        for (reply& one : replies) all[random->below(all.size())]->start({}, one);
        run_together(in, all, seed);
        // Each grant has its own epoch, one higher than the last.
        std::vector<std::uint64_t> expected(in.service.attempts.size());
        for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = i + 1;
        EXPECT_EQ(in.service.attempts, expected);
    }
}

// By then others take the outcome for unknown, and may act on that.
TEST(Crash, AClaimWhoseLeaseIsOverBeforeItsAnswerCameIsNotForwarded) {
    world in;
    gateway paused(in, plain());
    reply late;
    paused.start({}, late);
    while (paused.store.steps() == 0) ASSERT_TRUE(paused.step());
    while (in.records.by_key.empty())
        ASSERT_TRUE(paused.step());  // it is written; nobody knows yet
    in.time.advance(plain().lease);
    paused.run();
    EXPECT_EQ(late.problem, "idempotency-store-unavailable");
    EXPECT_EQ(in.service.calls, 0);
    EXPECT_EQ(paused.counts.claimed_late.value(), 1U);
    // Nothing was sent, so the key is free.
    gateway other(in, plain());
    EXPECT_EQ(other.send({}).status, 201);
}

TEST(Crash, FencingAGatewayThatFinishesLateCannotOverwriteALaterClaim) {
    world in;
    route_options options;
    options.lease = seconds{1};
    options.ttl = seconds{2};
    gateway paused(in, options);
    reply late;
    in.service.takes = seconds{1};
    paused.start({}, late);
    paused.run_now();  // its service is at work; then the process stands still
    in.time.advance(seconds{10});
    in.service.takes = seconds{0};
    in.service.body = "the later one";
    gateway other(in, options);
    EXPECT_EQ(other.send({}).body, "the later one");
    paused.run();
    EXPECT_EQ(late.status, 201);  // its client hears what its service said, and that it is not kept
    EXPECT_EQ(late.first("Lethe-Idempotency"), "unrecorded");
    EXPECT_EQ(paused.counts.fenced.value(), 1U);
    const reply again = other.send({});
    EXPECT_TRUE(again.replayed || again.status == 201);
    EXPECT_EQ(again.body, "the later one");
}

}  // namespace
}  // namespace lethe::idempotency::test
