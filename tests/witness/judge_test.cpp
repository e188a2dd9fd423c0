// The judge of the tests with real kills sees each violation that is put before it.
#include "witness/judge.hpp"

#include <gtest/gtest.h>

namespace lethe::witness {
namespace {

using std::chrono::seconds;

moment at(int second) {
    return moment{} + seconds(1000 + second);
}

told_answer answer(int asked, std::uint64_t attempt, const std::string& effect) {
    return {at(asked), at(asked + 1), 201, "ann", "ann", attempt, effect, true};
}

// One key of each kind, a login, and somebody who logged out: all as it should be.
class WitnessJudge : public ::testing::Test {
 protected:
    WitnessJudge() {
        visit ann;
        ann.user = "ann";
        ann.keys = {
            {"hold", "k1", knowledge::acknowledged, {answer(1, 1, "e1"), answer(3, 1, "e1")}},
            {"resend", "k2", knowledge::acknowledged, {answer(5, 2, "e2")}},
            {"hold", "k3", knowledge::unknown, {}},
            {"hold", "k4", knowledge::open, {}}};
        ann.ledger = {{"k1", 1}, {"k2", 1}};
        ann.ledger_read = true;
        ann.owner = "ann";
        visit bob;
        bob.user = "bob";
        bob.keys = {{"logout", "k1", knowledge::acknowledged, {answer(1, 1, "e5")}}};
        bob.keys[0].answers[0].user = bob.keys[0].answers[0].owner = "bob";
        bob.logged_out = true;
        bob.old_cookies_tried = 4;
        visits = {ann, bob};
        journal = {{event::forward, "hold", "ann", "k1", 1, "-"},
                   {event::effect, "hold", "ann", "k1", 1, "e1"},
                   {event::forward, "resend", "ann", "k2", 1, "-"},
                   {event::forward, "resend", "ann", "k2", 2, "-"},
                   {event::effect, "resend", "ann", "k2", 2, "e2"},
                   {event::refused, "resend", "ann", "k2", 1, "-"},
                   {event::forward, "hold", "ann", "k3", 1, "-"},
                   {event::forward, "logout", "bob", "k1", 1, "-"},
                   {event::effect, "logout", "bob", "k1", 1, "e5"}};
    }
    [[nodiscard]] visit& ann() { return visits[0]; }
    [[nodiscard]] findings judged() const { return judge(visits, journal); }
    void expect_only(std::size_t findings::* what) const {
        const findings found = judged();
        EXPECT_FALSE(found.is_good());
        EXPECT_EQ(found.*what, 1U);
        EXPECT_EQ(found.details.size(), 1U) << found.details.back();
    }

    std::vector<visit> visits;
    std::vector<entry> journal;
};

TEST_F(WitnessJudge, FindsNothingWhereAllHeld) {
    const findings found = judged();
    EXPECT_TRUE(found.is_good()) << found.details.front();
    EXPECT_EQ(found.keys, 5U);
    EXPECT_EQ(found.acknowledged, 3U);
    EXPECT_EQ(found.later_attempts, 1U);
    EXPECT_EQ(found.refused, 1U);
    EXPECT_EQ(found.old_cookies_tried, 4U);
}

TEST_F(WitnessJudge, SeesAKeyThatWasForwardedTwice) {
    journal.push_back({event::forward, "hold", "ann", "k3", 2, "-"});
    expect_only(&findings::forwarded_twice);
}

TEST_F(WitnessJudge, SeesOneAttemptThatWasForwardedTwice) {
    journal.push_back({event::forward, "resend", "ann", "k2", 2, "-"});
    expect_only(&findings::forwarded_twice);
}

TEST_F(WitnessJudge, SeesAnEffectThatHappenedTwice) {
    journal.push_back({event::effect, "resend", "ann", "k2", 1, "e9"});
    expect_only(&findings::done_twice);
}

TEST_F(WitnessJudge, SeesAnAcknowledgedRequestThatNeverTookEffect) {
    ann().keys[3].told = knowledge::acknowledged;
    ann().ledger["k4"] = 1;
    expect_only(&findings::lost);
}

TEST_F(WitnessJudge, SeesALowerAttemptThatWinsAfterAHigherOne) {
    ann().keys[1].answers.push_back(answer(9, 1, "e2"));
    expect_only(&findings::overruled);
}

TEST_F(WitnessJudge, DoesNotMindTwoAnswersAtTheSameTimeOrOneThatWasNotRecorded) {
    told_answer early = answer(4, 1, "e2");
    early.told = at(9);
    ann().keys[1].answers.push_back(early);
    EXPECT_TRUE(judged().is_good());
    ann().keys[1].answers.back().told = at(4);
    EXPECT_FALSE(judged().is_good());
    ann().keys[1].answers.back().recorded = false;
    EXPECT_TRUE(judged().is_good());
}

TEST_F(WitnessJudge, SeesAnAnswerForSomebodyElse) {
    ann().keys[1].answers[0].user = "bob";
    expect_only(&findings::to_others);
}

TEST_F(WitnessJudge, SeesASessionOfSomebodyElse) {
    ann().keys[1].answers[0].owner = "bob";
    expect_only(&findings::to_others);
}

TEST_F(WitnessJudge, SeesASessionChangeThatIsLost) {
    ann().ledger.erase("k2");
    expect_only(&findings::changes_lost);
}

TEST_F(WitnessJudge, SeesASessionChangeThatTookEffectTwiceAlsoWhereNobodyKnows) {
    ann().ledger["k3"] = 2;
    expect_only(&findings::changes_twice);
}

TEST_F(WitnessJudge, SeesADestroyedSessionThatIsBack) {
    visits[1].revivals = 1;
    expect_only(&findings::revived);
}

TEST_F(WitnessJudge, SeesASessionThatCannotBeReadInTheEnd) {
    ann().ledger_read = false;
    expect_only(&findings::sessions_unread);
}

TEST_F(WitnessJudge, SeesARequestThatNobodySent) {
    journal.push_back({event::forward, "hold", "eve", "k1", 1, "-"});
    expect_only(&findings::of_nobody);
}

TEST_F(WitnessJudge, FindsNothingGoodInAnEmptyHistory) {
    EXPECT_FALSE(judge({}, {}).is_good());
}

TEST(WitnessJournal, ALineIsReadAsItWasWritten) {
    const entry one{event::refused, "resend", "ann", "k2", 7, ""};
    const std::optional<entry> again = parse_entry("refused resend ann k2 7 -");
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(to_line(*again), to_line(one));
    EXPECT_FALSE(parse_entry("forward hold ann").has_value());
    EXPECT_FALSE(parse_entry("dreamt hold ann k1 1 -").has_value());
}

}  // namespace
}  // namespace lethe::witness
