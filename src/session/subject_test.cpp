// "Subject index: GET/DELETE /lethe/v1/subjects/{s}/sessions[/{id}]": without the cookies.
#include "session/subject.hpp"

#include "session/engine.hpp"
#include "store/open.hpp"
#include "support/run.hpp"

#include <gtest/gtest.h>

namespace lethe::session {
namespace {

using namespace std::chrono_literals;
using lethe::test::run;

class SubjectsSessions : public ::testing::Test {
 protected:
    ticket log_in(std::string subject) {
        change login;
        login.subject = std::move(subject);
        return *run(sessions_.commit(std::nullopt, login, soon()))->hand_out;
    }
    std::vector<listed_session> list(std::string subject) {
        return *run(list_sessions(*store_, std::move(subject), soon()));
    }
    bool lives(const ticket& one) { return run(sessions_.load(one, soon()))->has_value(); }
    [[nodiscard]] steady_time soon() { return clock_.steady_now() + 10s; }

    manual_clock clock_;
    std::unique_ptr<random_source> random_ = make_seeded_random(5);
    std::string why_;
    std::unique_ptr<store::engine> kind_ = *lethe::store::open("memory:", {}, why_);
    std::unique_ptr<store::store> store_ = kind_->make_store(clock_);
    engine sessions_{*store_, clock_, *random_, settings{}};
};

TEST_F(SubjectsSessions, AreListedWithTheirTimes) {
    const system_time begin = clock_.system_now();
    const ticket first = log_in("alice");
    clock_.advance(10min);
    log_in("alice");
    log_in("bob");
    EXPECT_TRUE(lives(first));
    const auto all = list("alice");
    ASSERT_EQ(all.size(), 2U);
    const auto& one = all[0].created == begin ? all[0] : all[1];
    EXPECT_EQ(one.id.size(), 64U);
    EXPECT_EQ(one.id.find_first_not_of("0123456789abcdef"), std::string::npos)
        << one.id << ": a leading '-' would make it an option of a command";
    EXPECT_EQ(one.created, begin);
    EXPECT_EQ(one.last_seen, clock_.system_now()) << "it was used just now";
    EXPECT_EQ(one.expires, clock_.system_now() + 30min);
    EXPECT_TRUE(list("nobody").empty());
}

TEST_F(SubjectsSessions, OneIsEndedByItsIdAndStaysEnded) {
    const ticket mine = log_in("alice");
    const std::optional<view> seen = *run(sessions_.load(mine, soon()));
    const std::string id = list("alice").front().id;
    EXPECT_EQ(*run(end_session(*store_, "bob", id, soon())), ending::not_found);
    EXPECT_EQ(*run(end_session(*store_, "alice", "nonsense", soon())), ending::not_found);
    EXPECT_TRUE(lives(mine));
    EXPECT_EQ(*run(end_session(*store_, "alice", id, soon())), ending::ended);
    EXPECT_FALSE(lives(mine));
    EXPECT_EQ(*run(end_session(*store_, "alice", id, soon())), ending::not_found);
    // What was on its way fails.
    change late;
    late.regenerate = true;
    EXPECT_TRUE(run(sessions_.commit(seen, late, soon())).has_error());
    EXPECT_TRUE(list("alice").empty());
}

TEST_F(SubjectsSessions, AllAreEnded) {
    std::vector<ticket> tickets;
    for (int i = 0; i < 300; ++i) tickets.push_back(log_in("alice"));
    const ticket other = log_in("bob");
    EXPECT_EQ(*run(end_sessions(*store_, "alice", soon())), 300U);
    for (const ticket& one : tickets) EXPECT_FALSE(lives(one));
    EXPECT_TRUE(lives(other));
    EXPECT_EQ(*run(end_sessions(*store_, "alice", soon())), 0U);
}

TEST_F(SubjectsSessions, WhatALoginOrARotationLeftBehindIsNone) {
    const ticket first = log_in("alice");
    change rotate;
    rotate.regenerate = true;
    const auto rotated = run(sessions_.commit(*run(sessions_.load(first, soon())), rotate, soon()));
    EXPECT_EQ(list("alice").size(), 1U);
    EXPECT_EQ(*run(end_sessions(*store_, "alice", soon())), 1U);
    EXPECT_FALSE(lives(first)) << "the alias leads to what ended";
    EXPECT_FALSE(lives(*rotated->hand_out));
}

}  // namespace
}  // namespace lethe::session
