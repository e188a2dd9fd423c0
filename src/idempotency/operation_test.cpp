// What operators do about keys, on a real engine.
#include "idempotency/operation.hpp"

#include "idempotency/engine.hpp"
#include "store/open.hpp"
#include "support/run.hpp"

#include <gtest/gtest.h>

namespace lethe::idempotency {
namespace {

using namespace std::chrono_literals;
using lethe::test::run;

class Operation : public ::testing::Test {
 protected:
    claim_request request(std::string_view id, std::string subject = "alice") {
        return {.id = std::string(32, id.front()),
                .fingerprint = std::string(fingerprint_bytes, 'f'),
                .subject = std::move(subject),
                .lease = 30s,
                .ttl = 24h};
    }
    claim_handle claim(std::string_view id, std::string subject = "alice") {
        return run(engine_.claim(request(id, std::move(subject)), soon()))->claim;
    }
    verdict retry(std::string_view id) {
        const result<admission> got = run(engine_.claim(request(id), soon()));
        if (got->claim) run(engine_.release(got->claim, soon())).value();
        return got->what;
    }
    std::optional<listed_key> look(std::string_view id) {
        return *run(look_at_key(*store_, clock_, std::string(32, id.front()), soon()));
    }
    settlement settle(std::string_view id, std::optional<outcome> found) {
        return *run(settle_key(*store_, clock_, *random_, std::string(32, id.front()),
                               std::move(found), soon()));
    }
    [[nodiscard]] steady_time soon() { return clock_.steady_now() + 10s; }
    outcome answer() {
        return {.status = 201,
                .completed = clock_.system_now(),
                .origin = {},
                .header = {{"Location", "/orders/1"}},
                .body = "made"};
    }

    manual_clock clock_;
    std::unique_ptr<random_source> random_ = make_seeded_random(5);
    std::string why_;
    std::unique_ptr<store::engine> kind_ = *lethe::store::open("memory:", {}, why_);
    std::unique_ptr<store::store> store_ = kind_->make_store(clock_);
    engine engine_{*store_, clock_, *random_};
};

TEST_F(Operation, KeysAreSeenWithoutWhatTheirAnswersSay) {
    EXPECT_FALSE(look("a").has_value());
    run(engine_.finish(claim("a"), answer(), soon())).value();
    const claim_handle under_way = claim("b");
    run(engine_.mark_unknown(claim("c"), soon())).value();
    claim("d", "bob");
    EXPECT_EQ(look("a")->state, record_state::done);
    EXPECT_EQ(look("a")->status, 201);
    EXPECT_TRUE(look("a")->has_body);
    EXPECT_FALSE(look("b")->unknown);
    EXPECT_TRUE(look("c")->unknown);
    EXPECT_EQ(run(list_keys(*store_, clock_, "alice", soon()))->size(), 3U);
    clock_.advance(31s);
    EXPECT_TRUE(look("b")->unknown) << "its lease is over";
}

TEST_F(Operation, OnlyAnUnknownOutcomeCanBeSettled) {
    EXPECT_EQ(settle("a", std::nullopt), settlement::not_found);
    const claim_handle late = claim("a");
    EXPECT_EQ(settle("a", std::nullopt), settlement::not_unknown);
    clock_.advance(31s);
    EXPECT_EQ(settle("a", answer()), settlement::settled);
    EXPECT_EQ(settle("a", answer()), settlement::not_unknown);
    EXPECT_EQ(retry("a"), verdict::done);
    // The gateway that held it comes back.
    outcome other = answer();
    other.body = "late";
    EXPECT_TRUE(run(engine_.finish(late, other, soon())).has_error());
    EXPECT_EQ(run(engine_.claim(request("a"), soon()))->result->body, "made");
}

TEST_F(Operation, WhatWasNotDoneIsFreeAgain) {
    run(engine_.mark_unknown(claim("a"), soon())).value();
    EXPECT_EQ(retry("a"), verdict::unknown);
    EXPECT_EQ(settle("a", std::nullopt), settlement::settled);
    const result<admission> again = run(engine_.claim(request("a"), soon()));
    EXPECT_EQ(again->what, verdict::claimed);
    EXPECT_EQ(again->epoch, 3U) << "epochs only grow";
}

TEST_F(Operation, AnswersAreForgottenButNotThatTheKeyWasUsed) {
    run(engine_.finish(claim("a"), answer(), soon())).value();
    run(engine_.finish(claim("b", "bob"), answer(), soon())).value();
    EXPECT_EQ(*run(forget_answers(*store_, clock_, "alice", soon())), 1U);
    EXPECT_EQ(look("a")->subject, "");
    EXPECT_FALSE(look("a")->has_body);
    EXPECT_EQ(retry("a"), verdict::done) << "it is not run again";
    EXPECT_TRUE(look("b")->has_body);
    EXPECT_EQ(*run(forget_answers(*store_, clock_, "alice", soon())), 0U);
}

TEST_F(Operation, AnAnswerThatWasForgottenIsNotPutBackByWhoWasAboutToReplaceIt) {
    run(engine_.finish(claim("a"), answer(), soon())).value();
    claim_request again = request("a");
    again.replaces = 1;
    const claim_handle replacing = run(engine_.claim(again, soon()))->claim;
    ASSERT_TRUE(replacing && replacing->replaces());
    EXPECT_EQ(*run(forget_answers(*store_, clock_, "alice", soon())), 1U);
    EXPECT_FALSE(look("a")->has_body);
    EXPECT_TRUE(run(engine_.leave_standing(replacing, soon())).has_error());
    EXPECT_FALSE(look("a")->has_body);
    EXPECT_EQ(retry("a"), verdict::done) << "it is not run again";
    EXPECT_EQ(*run(forget_answers(*store_, clock_, "alice", soon())), 0U);
}

}  // namespace
}  // namespace lethe::idempotency
