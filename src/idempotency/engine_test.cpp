#include "idempotency/engine.hpp"

#include "idempotency/errors.hpp"
#include "idempotency/test_world.hpp"
#include "support/run.hpp"

#include <gtest/gtest.h>

namespace lethe::idempotency::test {
namespace {

using lethe::test::run;
using std::chrono::hours;
using std::chrono::seconds;

class Engine : public ::testing::Test {
 protected:
    claim_request request(char fingerprint = 'f') {
        claim_request out;
        out.id = std::string(32, 'i');
        out.fingerprint = std::string(32, fingerprint);
        out.subject = "u1";
        out.lease = seconds{30};
        out.ttl = hours{24};
        return out;
    }
    outcome answer(std::string body = "ok") {
        return {201, world_.time.system_now(), "", {{"X-A", "1"}}, std::move(body)};
    }
    result<admission> claim(engine& by, claim_request what) {
        return run(by.claim(std::move(what), steady_time::max()));
    }
    claim_handle claim_or_fail(engine& by, claim_request what) {
        auto got = claim(by, std::move(what));
        EXPECT_TRUE(got.has_value() && got->what == verdict::claimed);
        return got->claim;
    }
    verdict verdict_of(engine& by, claim_request what) {
        return claim(by, std::move(what)).value().what;
    }
    result<> finish(engine& by, const claim_handle& held) {
        return run(by.finish(held, answer(), steady_time::max()));
    }
    key_record stored() {
        return decode_record(world_.records.by_key.at("i:" + std::string(32, 'i')).value).value();
    }

    world world_;
    std::unique_ptr<random_source> random_ = make_seeded_random(1);
    faulty_store store_{world_.records, world_.time};
    faulty_store other_store_{world_.records, world_.time};
    engine engine_{store_, world_.time, *random_};
    engine other_{other_store_, world_.time, *random_};
};

TEST_F(Engine, ClaimsFinishesAndReplays) {
    const claim_handle held = claim_or_fail(engine_, request());
    EXPECT_EQ(held->epoch(), 1U);
    EXPECT_EQ(stored().state, record_state::claimed);
    EXPECT_EQ(world_.records.by_key.begin()->second.subject, "u1");
    EXPECT_EQ(verdict_of(other_, request()), verdict::in_flight);
    EXPECT_TRUE(finish(engine_, held).has_value());
    EXPECT_EQ(world_.records.by_key.begin()->second.subject, "u1");

    const auto again = claim(other_, request()).value();
    EXPECT_EQ(again.what, verdict::done);
    EXPECT_EQ(again.result, answer());
    EXPECT_EQ(again.operation_id, held->operation_id());
    EXPECT_EQ(again.operation_id.size(), 32U);
    EXPECT_EQ(again.epoch, 1U);
}

TEST_F(Engine, TwoStoreWritesPerKeyedRequest) {
    const claim_handle held = claim_or_fail(engine_, request());
    ASSERT_TRUE(finish(engine_, held).has_value());
    EXPECT_EQ(store_.steps(), 2);
}

TEST_F(Engine, AnotherFingerprintIsAMismatchInEveryState) {
    const claim_handle held = claim_or_fail(engine_, request());
    EXPECT_EQ(verdict_of(other_, request('g')), verdict::mismatch);
    ASSERT_TRUE(run(engine_.mark_unknown(held, steady_time::max())).has_value());
    EXPECT_EQ(verdict_of(other_, request('g')), verdict::mismatch);
    ASSERT_TRUE(finish(engine_, held).has_value());
    EXPECT_EQ(verdict_of(other_, request('g')), verdict::mismatch);
}

TEST_F(Engine, AReleasedKeyIsFreeAndItsEpochGoesOn) {
    const claim_handle first = claim_or_fail(engine_, request());
    ASSERT_TRUE(run(engine_.release(first, steady_time::max())).has_value());
    const claim_handle second = claim_or_fail(other_, request('g'));
    EXPECT_EQ(second->epoch(), 2U);
    EXPECT_NE(second->operation_id(), first->operation_id());
}

TEST_F(Engine, ALeaseThatRunsOutMeansUnknownAndNeverFree) {
    const claim_handle held = claim_or_fail(engine_, request());
    world_.time.advance(seconds{29});
    EXPECT_EQ(verdict_of(other_, request()), verdict::in_flight);
    world_.time.advance(seconds{1});
    EXPECT_EQ(verdict_of(other_, request()), verdict::unknown);
    world_.time.advance(hours{23});
    EXPECT_EQ(verdict_of(other_, request()), verdict::unknown);
}

TEST_F(Engine, ALateAnswerStillEndsAnUnknownOutcome) {
    const claim_handle held = claim_or_fail(engine_, request());
    world_.time.advance(seconds{60});
    ASSERT_EQ(verdict_of(other_, request()), verdict::unknown);
    EXPECT_TRUE(finish(engine_, held).has_value());
    EXPECT_EQ(verdict_of(other_, request()), verdict::done);
}

TEST_F(Engine, NothingFreesAnUnknownOutcome) {
    const claim_handle held = claim_or_fail(engine_, request());
    ASSERT_TRUE(run(engine_.mark_unknown(held, steady_time::max())).has_value());
    EXPECT_EQ(run(engine_.release(held, steady_time::max())).error(),
              make_error_code(errc::fenced));
    EXPECT_EQ(verdict_of(other_, request()), verdict::unknown);
}

TEST_F(Engine, FencingAPausedGatewayCannotOverwriteALaterClaim) {
    const claim_handle paused = claim_or_fail(engine_, request());
    world_.time.advance(hours{24});
    const claim_handle later = claim_or_fail(other_, request());
    EXPECT_NE(later->operation_id(), paused->operation_id());
    EXPECT_EQ(finish(engine_, paused).error(), make_error_code(errc::fenced));
    EXPECT_EQ(verdict_of(other_, request()), verdict::in_flight);
    ASSERT_TRUE(run(other_.finish(later, answer("later"), steady_time::max())).has_value());
    EXPECT_EQ(run(engine_.release(paused, steady_time::max())).error(),
              make_error_code(errc::fenced));
    EXPECT_EQ(claim(engine_, request()).value().result->body, "later");
}

TEST_F(Engine, FencingAnExpiredRecordThatTheStoreStillShowsRaisesTheEpoch) {
    const claim_handle paused = claim_or_fail(engine_, request());
    world_.records.by_key.begin()->second.expires += hours{1};  // a store whose clock is late
    world_.time.advance(hours{24});
    const claim_handle later = claim_or_fail(other_, request());
    EXPECT_EQ(later->epoch(), 2U);
    EXPECT_EQ(finish(engine_, paused).error(), make_error_code(errc::fenced));
}

TEST_F(Engine, AnErasedRecordIsNotRevivedByItsEnd) {
    const claim_handle held = claim_or_fail(engine_, request());
    world_.records.by_key.clear();
    EXPECT_EQ(finish(engine_, held).error(), make_error_code(errc::lost));
    EXPECT_TRUE(world_.records.by_key.empty());
}

TEST_F(Engine, ACorruptRecordIsNeverTakenForAbsent) {
    const claim_handle held = claim_or_fail(engine_, request());
    world_.records.by_key.begin()->second.value = "nonsense";
    world_.records.by_key.begin()->second.version = {99};
    EXPECT_TRUE(claim(other_, request()).error() == condition::corrupt);
    EXPECT_TRUE(finish(engine_, held).error() == condition::corrupt);
}

TEST_F(Engine, ExpiryIsComparedWithTheStoredTime) {
    const claim_handle held = claim_or_fail(engine_, request());
    ASSERT_TRUE(finish(engine_, held).has_value());
    world_.records.by_key.begin()->second.expires += hours{48};  // a sweep that lags
    world_.time.advance(hours{24} - seconds{1});
    EXPECT_EQ(verdict_of(other_, request()), verdict::done);
    world_.time.advance(seconds{1});
    EXPECT_EQ(verdict_of(other_, request()), verdict::claimed);
}

TEST_F(Engine, AClaimWhoseAnswerWasLostIsFoundByItsNonce) {
    store_.fail_at(0, fault::lost_after);
    EXPECT_EQ(verdict_of(engine_, request()), verdict::claimed);
    EXPECT_EQ(store_.steps(), 2);
}

TEST_F(Engine, AClaimThatWasLostOnTheWayIsMadeAgain) {
    store_.fail_at(0, fault::lost_before);
    EXPECT_EQ(verdict_of(engine_, request()), verdict::claimed);
    EXPECT_EQ(stored().epoch, 1U);
}

TEST_F(Engine, AClaimThatNobodyCanConfirmIsUnsureAndCanBeTakenBack) {
    store_.fail_at(0, fault::lost_after, fault::unavailable);
    auto got = claim(engine_, request()).value();
    ASSERT_EQ(got.what, verdict::unsure);
    store_.heal();
    engine_.prepare_taking_back(*got.claim);
    ASSERT_TRUE(run(engine_.settle_again(got.claim, steady_time::max())).has_value());
    EXPECT_EQ(verdict_of(other_, request()), verdict::claimed);
}

TEST_F(Engine, AStoreThatIsAwayIsAnErrorAndNoClaim) {
    store_.fail_at(0, fault::unavailable);
    EXPECT_TRUE(claim(engine_, request()).error() == condition::unavailable);
    EXPECT_TRUE(world_.records.by_key.empty());
}

TEST_F(Engine, AnEndWhoseAnswerWasLostIsResolvedByReadingAgain) {
    for (const fault what : {fault::lost_before, fault::lost_after}) {
        world_.records.by_key.clear();
        const claim_handle held = claim_or_fail(engine_, request());
        store_.fail_at(0, what);
        EXPECT_TRUE(finish(engine_, held).has_value());
        EXPECT_EQ(verdict_of(other_, request()), verdict::done);
    }
}

TEST_F(Engine, AnEndThatNobodyCanConfirmSaysSoAndCanBeRepeated) {
    const claim_handle held = claim_or_fail(engine_, request());
    store_.fail_at(0, fault::lost_after, fault::unavailable);
    EXPECT_TRUE(finish(engine_, held).error() == condition::outcome_unknown);
    store_.heal();
    EXPECT_TRUE(run(engine_.settle_again(held, steady_time::max())).has_value());
    EXPECT_EQ(verdict_of(other_, request()), verdict::done);
}

TEST_F(Engine, ExpiredRejectRemembersTheKeyButNotItsOutcome) {
    claim_request wanted = request();
    wanted.expired = expired_rule::reject;
    wanted.tombstone = hours{720};
    const claim_handle held = claim_or_fail(engine_, wanted);
    ASSERT_TRUE(finish(engine_, held).has_value());
    EXPECT_EQ(verdict_of(other_, wanted), verdict::done);
    world_.time.advance(hours{24});
    EXPECT_EQ(verdict_of(other_, wanted), verdict::expired);
    EXPECT_EQ(world_.records.by_key.at("t:" + std::string(32, 'i')).value, "1");
    EXPECT_EQ(world_.records.by_key.at("t:" + std::string(32, 'i')).subject, "");
    world_.time.advance(hours{720} - seconds{1});
    EXPECT_EQ(verdict_of(other_, wanted), verdict::expired);
    world_.time.advance(seconds{1});
    EXPECT_EQ(verdict_of(other_, wanted), verdict::claimed);
}

TEST_F(Engine, ExpiredRejectRemembersAClaimThatNeverEnded) {
    claim_request wanted = request();
    wanted.expired = expired_rule::reject;
    wanted.tombstone = hours{720};
    {
        const claim_handle dies = claim_or_fail(engine_, wanted);
    }
    world_.time.advance(seconds{31});
    EXPECT_EQ(verdict_of(other_, wanted), verdict::unknown);
    world_.time.advance(hours{100});
    EXPECT_EQ(verdict_of(other_, wanted), verdict::expired);
}

TEST_F(Engine, ExpiredRejectLeavesNoTombstoneForAReleasedKey) {
    claim_request wanted = request();
    wanted.expired = expired_rule::reject;
    wanted.tombstone = hours{720};
    const claim_handle held = claim_or_fail(engine_, wanted);
    ASSERT_TRUE(run(engine_.release(held, steady_time::max())).has_value());
    EXPECT_EQ(world_.records.by_key.count("t:" + std::string(32, 'i')), 0U);
    world_.time.advance(hours{25});
    EXPECT_EQ(verdict_of(other_, wanted), verdict::claimed);
}

TEST_F(Engine, MemoryForWaitingOutcomesIsBounded) {
    ASSERT_TRUE(engine_.reserve_waiting(60UL << 20));
    EXPECT_FALSE(engine_.reserve_waiting(5UL << 20));
    engine_.free_waiting(60UL << 20);
    EXPECT_TRUE(engine_.reserve_waiting(64UL << 20));
    EXPECT_FALSE(engine_.reserve_waiting(1));
    engine_.free_waiting(64UL << 20);
}

}  // namespace
}  // namespace lethe::idempotency::test
