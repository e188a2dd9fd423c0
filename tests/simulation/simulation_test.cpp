// The simulation itself: it repeats, it finds what is planted, and it gets to where bugs would be.
#include "base/log.hpp"
#include "simulation/report.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace lethe::simulation {
namespace {

struct Simulation : ::testing::Test {
    Simulation() {
        log::set_level(log::level::off);
        abort_on_bug(true);
    }
    static run_options of(std::uint64_t seed) {
        run_options out;
        out.seed = seed;
        return out;
    }
};

TEST_F(Simulation, TheSameSeedGivesTheSameTraceByteByByte) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        run_options options = of(seed);
        options.keep_trace = true;
        const run_result first = run(options);
        const run_result second = run(options);
        EXPECT_GT(first.trace.size(), 1000U);
        EXPECT_TRUE(first.trace == second.trace) << "seed " << seed;
        options.keep_trace = false;
        EXPECT_EQ(run(options).digest, first.digest) << "seed " << seed;
    }
}

TEST_F(Simulation, AnotherSeedOrAFaultLessGivesAnotherTrace) {
    EXPECT_NE(run(of(1)).digest, run(of(2)).digest);
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const run_result with = run(of(seed));
        if (with.faults.empty()) continue;
        run_options without = of(seed);
        without.only.emplace();
        EXPECT_NE(run(without).digest, with.digest) << "seed " << seed;
        // All of its faults, named one by one, are the same run again.
        without.only->insert(with.faults.begin(), with.faults.end());
        EXPECT_EQ(run(without).digest, with.digest) << "seed " << seed;
    }
}

struct what_is_planted {
    planted bug;
    // One of these promises must be found broken.
    std::vector<std::string> breaks;
};

// Each planted bug, within so many seeds, by the promise that it breaks; and again from what the
// failure prints.
TEST_F(Simulation, EachPlantedBugIsFound) {
    constexpr std::uint64_t seeds_max = 3000;
    const std::vector<what_is_planted> all = {
        {planted::lapsed_is_free, {"one forward for a key while its record lives"}},
        {planted::unchecked_finish, {"fencing"}},
        {planted::unchecked_claim,
         {"one forward for a key while its record lives", "epochs only grow"}},
        {planted::touch_revives, {"an ended session never comes back"}},
        {planted::unchecked_change,
         {"a session's version grows by one", "no acknowledged session change is lost",
          "an ended session never comes back"}},
        {planted::change_not_written, {"no acknowledged session change is lost"}},
        {planted::change_twice, {"a session change takes effect at most once"}},
        {planted::change_never, {"no acknowledged session change is lost"}},
        {planted::forward_forgotten, {"a key is freed only when nothing can have run"}},
        {planted::shared_keys,
         {"a claim is of its caller's key", "an answer goes to its own caller"}},
        {planted::outcome_changes, {"a replay is the first outcome"}},
        {planted::outcome_dropped, {"fencing"}},
        {planted::previous_not_read,
         {"one forward for a key while its record lives", "epochs only grow",
          "what was acknowledged is seen", "no acknowledged session change is lost",
          "an ended session never comes back", "a moved record is the one that was there"}},
        {planted::moved_one_by_one, {"nothing is put into the previous store"}},
        {planted::login_keeps_cookie, {"a cookie from before a login shows what was before it"}},
    };
    ASSERT_EQ(all.size(), all_planted().size());
    for (const what_is_planted& one : all) {
        SCOPED_TRACE(name_of(one.bug));
        run_options options = of(1);
        options.bug = one.bug;
        run_result found = run(options);
        while (!found.broken && options.seed < seeds_max) {
            ++options.seed;
            found = run(options);
        }
        ASSERT_TRUE(found.broken);
        std::printf("%s: seed %llu\n", std::string(name_of(one.bug)).c_str(),
                    static_cast<unsigned long long>(options.seed));
        const auto& breaks = one.breaks;
        EXPECT_TRUE(std::find(breaks.begin(), breaks.end(), found.broken->invariant) !=
                    breaks.end())
            << found.broken->invariant << ": " << found.broken->what;

        const run_options small = shrink(options, found);
        const run_result again = run(small);
        ASSERT_TRUE(again.broken);
        EXPECT_EQ(again.broken->invariant, found.broken->invariant);
        EXPECT_LE(again.faults.size(), found.faults.size());
        // With fewer faults it may take some requests more.
        EXPECT_TRUE(again.counts.requests <= found.counts.requests ||
                    again.faults.size() < found.faults.size());
        // Without the bug the same faults break nothing.
        run_options sound = small;
        sound.bug = planted::nothing;
        EXPECT_FALSE(run(sound).broken);
    }
}

// What is never reached is never tested: every way that the engines have of ending.
TEST_F(Simulation, TheSeedsReachWhatTheyAreFor) {
    lethe::metrics::registry counted;
    run_options options = of(1);
    options.counted = &counted;
    const search_result found = search(options, 200);
    EXPECT_FALSE(found.broken) << found.text;
    EXPECT_GT(found.counts.deaths, 0U);
    EXPECT_GT(found.counts.moves, 0U);
    EXPECT_GT(found.counts.moved, 0U);
    const idempotency::metrics keys(counted);
    for (const auto* one : {&keys.claimed,
                            &keys.replayed,
                            &keys.replay_unavailable,
                            &keys.in_flight,
                            &keys.unknown,
                            &keys.mismatch,
                            &keys.expired,
                            &keys.unscoped,
                            &keys.store_down,
                            &keys.claimed_late,
                            &keys.waits,
                            &keys.stored,
                            &keys.stored_without_body,
                            &keys.released,
                            &keys.lost,
                            &keys.fenced,
                            &keys.unrecorded,
                            &keys.late_recorded,
                            &keys.late_given_up,
                            &keys.renewed,
                            &keys.renewals_failed,
                            &keys.renewals_fenced,
                            &keys.resent,
                            &keys.reconciled_done,
                            &keys.reconciled_not_done,
                            &keys.made_final})
        EXPECT_GT(one->value(), 0U) << "key counter";
    EXPECT_EQ(keys.corrupt.value(), 0U);
    const session::metrics sessions(counted);
    for (const auto* one :
         {&sessions.loads_found, &sessions.loads_none, &sessions.loads_missing,
          &sessions.loads_failed, &sessions.touches, &sessions.changed, &sessions.created,
          &sessions.rotated, &sessions.logged_in, &sessions.destroyed,
          &sessions.replays_applied_before, &sessions.replays_of_another_session, &sessions.retries,
          &sessions.conflicts_slot, &sessions.conflicts_version, &sessions.conflicts_ended,
          &sessions.repeats, &sessions.refused_unavailable, &sessions.refused_unknown})
        EXPECT_GT(one->value(), 0U) << "session counter";
    EXPECT_EQ(sessions.loads_not_opened.value(), 0U);
}

}  // namespace
}  // namespace lethe::simulation
