// What happens when the store fails, answers get lost, others interfere and processes die: at every
// step, in every combination that a seed draws.
#include "session/engine.hpp"
#include "session/rules.hpp"
#include "session/scripted_store.hpp"
#include "support/run.hpp"

#include <gtest/gtest.h>

#include <set>

namespace lethe::session {
namespace {

using namespace std::chrono_literals;
using testing::fault;
using testing::process_died;
using testing::scripted_store;

constexpr steady_time forever = steady_time::max();

change make_change(patch_type type, std::string_view json) {
    change out;
    result<patch> parsed = patch::parse(type, json, 8192);
    LETHE_ASSERT(parsed.has_value());
    out.edit = std::move(*parsed);
    out.writable = {"cart"};
    return out;
}
change add_one() {
    return make_change(patch_type::ops, R"([{"op":"inc","path":"/cart/count"}])");
}

// What a request can ask for.
enum class kind : std::uint8_t { create, ops, merge, rotate, login, destroy };
constexpr kind kinds[] = {kind::create, kind::ops,   kind::merge,
                          kind::rotate, kind::login, kind::destroy};

change wanted_for(kind k) {
    change out = k == kind::merge ? make_change(patch_type::merge, R"({"cart":{"merged":true}})")
                                  : add_one();
    if (k == kind::rotate) out.regenerate = true;
    if (k == kind::login) out.subject = "u42";
    if (k == kind::destroy) out.destroy = true;
    return out;
}

struct world {
    manual_clock time;
    std::unique_ptr<random_source> random = make_seeded_random(11);
    std::shared_ptr<scripted_store::shared_records> records =
        std::make_shared<scripted_store::shared_records>(time);
    scripted_store faulty;
    scripted_store sound;
    engine under_test;
    engine other;  // another process

    explicit world(bool transactions)
        : faulty(records, transactions),
          sound(records, transactions),
          under_test(faulty, time, *random, settings{}),
          other(sound, time, *random, settings{}) {}

    std::optional<view> load(const ticket& shown) { return *test::run(other.load(shown, forever)); }
    std::int64_t count(const ticket& shown) {
        const std::optional<view> found = load(shown);
        if (!found || found->data().find("cart") == nullptr) return 0;
        const std::string& json = found->data().find("cart")->json;
        const std::size_t at = json.find("\"count\":");
        return at == std::string::npos ? 0 : std::stoll(json.substr(at + 8));
    }
    ticket make_cart() {
        return *test::run(other.commit(std::nullopt, add_one(), forever))->hand_out;
    }

    result<committed> ask(const std::optional<view>& seen, change wanted) {
        wanted.base_version = seen ? seen->data().version : 0;
        return test::run(under_test.commit(seen, std::move(wanted), forever));
    }
    // The same by a process that may die.
    std::optional<result<committed>> ask_or_die(const std::optional<view>& seen, change wanted) {
        try {
            return ask(seen, std::move(wanted));
        } catch (const process_died&) {
            return std::nullopt;
        }
    }
};

struct SessionFaults : ::testing::TestWithParam<bool> {};

// For every kind of change and every step of it: one store call fails, or its answer is lost (the
// work done, not done, or done later). What is reported as done is there exactly once; what is
// reported as refused is not there and never comes; only "outcome unknown" leaves it open.
TEST_P(SessionFaults, OneFailureAtEveryStepIsReportedTruthfully) {
    int tried = 0;
    for (const kind k : kinds)
        for (const fault what :
             {fault::refused, fault::lost_before, fault::lost_after, fault::lost_late})
            for (int at = 0;; ++at) {
                world w(GetParam());
                const ticket holder = w.make_cart();
                const std::optional<view> seen = k == kind::create ? std::nullopt : w.load(holder);
                w.faulty.plan = [what, at](int step) { return step == at ? what : fault::none; };
                const result<committed> done = w.ask(seen, wanted_for(k));
                w.faulty.arrive();
                ++tried;
                const std::string place = "kind " + std::to_string(int(k)) + ", fault " +
                                          std::to_string(int(what)) + ", step " +
                                          std::to_string(at);
                const ticket now = done.has_value() && done->hand_out ? *done->hand_out : holder;
                if (done.has_error()) {
                    EXPECT_EQ(done.error(), make_error_code(lethe::store::errc::unavailable))
                        << place;
                    EXPECT_EQ(w.count(holder), 1) << place;
                    EXPECT_TRUE(w.load(holder) && !w.load(holder)->superseded()) << place;
                } else {
                    const std::optional<view> after = w.load(now);
                    EXPECT_EQ(after.has_value(), k != kind::destroy) << place;
                    if (k == kind::create) EXPECT_EQ(w.count(now), 1) << place;
                    if (k == kind::ops || k == kind::rotate || k == kind::login)
                        EXPECT_EQ(w.count(now), 2) << place;
                    if (k == kind::merge)
                        EXPECT_EQ(after->data().find("cart")->json, R"({"count":1,"merged":true})");
                    if (k == kind::login) EXPECT_EQ(after->data().subject, "u42") << place;
                    if (k == kind::rotate || k == kind::login) EXPECT_TRUE(done->hand_out) << place;
                }
                if (w.faulty.steps <= at) break;
            }
    EXPECT_GT(tried, 40);
}

// A store that loses every answer: nobody can know, and that is what is said.
TEST_P(SessionFaults, AStoreThatLosesEveryAnswerLeavesTheOutcomeUnknown) {
    for (const kind k : kinds) {
        world w(GetParam());
        const ticket holder = w.make_cart();
        const std::optional<view> seen = k == kind::create ? std::nullopt : w.load(holder);
        w.faulty.plan = [](int) { return fault::lost_before; };
        change wanted = wanted_for(k);
        const result<committed> done = w.ask(seen, std::move(wanted));
        ASSERT_TRUE(done.has_error());
        // Without transactions a new ticket's record is written first, which decides nothing.
        const bool decided = (k == kind::rotate || k == kind::login) && !GetParam();
        EXPECT_EQ(done.error() == condition::outcome_unknown, !decided) << int(k);
    }
}

// After the lost answer the store is away: the outcome stays unknown, though the work was done.
TEST_P(SessionFaults, ALostAnswerThatCannotBeLookedUpIsUnknown) {
    for (const kind k : {kind::ops, kind::merge, kind::destroy, kind::create}) {
        world w(GetParam());
        const ticket holder = w.make_cart();
        const std::optional<view> seen = k == kind::create ? std::nullopt : w.load(holder);
        w.faulty.plan = [](int step) { return step == 0 ? fault::lost_after : fault::refused; };
        EXPECT_EQ(w.ask(seen, wanted_for(k)).error(), make_error_code(errc::outcome_unknown))
            << int(k);
    }
}

TEST_P(SessionFaults, TheDeadlineEndsALostAnswerAsUnknownAndAConflictAsNotDone) {
    world w(GetParam());
    const ticket holder = w.make_cart();
    const std::optional<view> seen = w.load(holder);
    const steady_time deadline = w.time.steady_now() + 1s;
    w.faulty.plan = [&w](int) {
        w.time.advance(2s);
        return fault::lost_after;
    };
    change wanted = add_one();
    EXPECT_EQ(test::run(w.under_test.commit(seen, wanted, deadline)).error(),
              make_error_code(errc::outcome_unknown));
    EXPECT_EQ(test::run(w.under_test.commit(seen, wanted, deadline)).error(),
              make_error_code(lethe::store::errc::timeout));
    EXPECT_EQ(w.count(holder), 2);
}

// Another process changes the session right before the n-th store step, for every n, by each kind
// of change; the commutative change under test is lost in no case.
TEST_P(SessionFaults, InterferenceBeforeEveryStepLosesNothing) {
    for (const kind by : {kind::ops, kind::merge, kind::rotate})
        for (int at = 0;; ++at) {
            world w(GetParam());
            const ticket holder = w.make_cart();
            const std::optional<view> seen = w.load(holder);
            ticket known = holder;
            w.faulty.plan = [&](int step) {
                if (step != at) return fault::none;
                std::optional<view> there = w.load(holder);
                change wanted = wanted_for(by);
                wanted.relies_on = basis::any;
                const result<committed> done = test::run(w.other.commit(there, wanted, forever));
                EXPECT_TRUE(done.has_value());
                if (done->hand_out) known = *done->hand_out;
                return fault::none;
            };
            const result<committed> done = w.ask(seen, add_one());
            ASSERT_TRUE(done.has_value()) << describe(done.error());
            const bool interfered = w.faulty.steps > at;
            EXPECT_EQ(w.count(known), 2 + (interfered && by != kind::merge ? 1 : 0))
                << int(by) << " at " << at;
            if (interfered && by == kind::rotate)
                EXPECT_EQ(done->hand_out->record_key(), known.record_key());
            if (!interfered) break;
        }
}

// Others write so often after a lost answer that the write's name is pushed out of the record.
TEST_P(SessionFaults, ALostAnswerBehindManyOtherWritesIsUnknown) {
    for (const std::size_t others : {writes_kept - 1, writes_kept + 1}) {
        world w(GetParam());
        const ticket holder = w.make_cart();
        const std::optional<view> seen = w.load(holder);
        w.faulty.plan = [&](int step) {
            if (step != 1) return step == 0 ? fault::lost_after : fault::none;
            for (std::size_t i = 0; i < others; ++i)
                EXPECT_TRUE(
                    test::run(w.other.commit(w.load(holder), add_one(), forever)).has_value());
            return fault::none;
        };
        const result<committed> done = w.ask(seen, add_one());
        if (others < writes_kept) {
            EXPECT_TRUE(done.has_value());
        } else {
            EXPECT_EQ(done.error(), make_error_code(errc::outcome_unknown));
        }
        EXPECT_EQ(w.count(holder), 2 + static_cast<std::int64_t>(others));
    }
}

// A lost answer, then another process rotates or logs in before it is looked up.
TEST_P(SessionFaults, ALostAnswerIsFoundBehindANewTicket) {
    for (const fault lost : {fault::lost_after, fault::lost_before})
        for (const kind by : {kind::rotate, kind::login}) {
            world w(GetParam());
            const ticket holder = w.make_cart();
            const std::optional<view> seen = w.load(holder);
            std::optional<ticket> known;
            w.faulty.plan = [&](int step) {
                if (step != 1) return step == 0 ? lost : fault::none;
                change wanted = wanted_for(by);
                wanted.edit.reset();
                known = *test::run(w.other.commit(w.load(holder), wanted, forever))->hand_out;
                return fault::none;
            };
            const result<committed> done = w.ask(seen, add_one());
            const bool refused = lost == fault::lost_before && by == kind::login;
            EXPECT_EQ(done.has_error(), refused);
            if (refused) EXPECT_EQ(done.error(), make_error_code(errc::ended));
            EXPECT_EQ(w.count(*known), refused ? 1 : 2);
        }
}

// A rotation whose last write arrives only after it was looked for; meanwhile others already use
// the new ticket's record. None of their changes is lost, whatever step they come before.
TEST_P(SessionFaults, ALateRotationDoesNotOverwriteWhatOthersChangedBehindIt) {
    for (const fault lost : {fault::lost_late, fault::lost_after})
        for (int lost_at = 0; lost_at < 4; ++lost_at)
            for (int at = 0; at < 10; ++at) {
                world w(GetParam());
                const ticket holder = w.make_cart();
                const std::optional<view> seen = w.load(holder);
                bool added = false;
                w.faulty.plan = [&](int step) {
                    if (step == at) {
                        change more = add_one();
                        const std::optional<view> there = w.load(holder);
                        EXPECT_TRUE(there.has_value());
                        added = test::run(w.other.commit(there, more, forever)).has_value();
                        EXPECT_TRUE(added);
                    }
                    return step == lost_at ? lost : fault::none;
                };
                const result<committed> done = w.ask(seen, wanted_for(kind::rotate));
                w.faulty.arrive();
                ASSERT_TRUE(done.has_value()) << describe(done.error());
                EXPECT_EQ(w.count(*done->hand_out), added ? 3 : 2)
                    << "lost at " << lost_at << ", others at " << at << ", how " << int(lost);
            }
}

// The process dies at every store step of every kind of keyed change, before or after the step took
// place; the replay in another process completes it. It took effect exactly once in the session
// that the caller ends up with.
TEST_P(SessionFaults, AKeyedChangeWhoseProcessDiesAtAnyStepTakesEffectExactlyOnce) {
    int deaths = 0;
    for (const kind k : {kind::create, kind::ops, kind::rotate, kind::login})
        for (const fault death : {fault::dies_before, fault::dies_after})
            for (int at = 0;; ++at) {
                world w(GetParam());
                std::optional<ticket> holder;
                if (k != kind::create) holder = w.make_cart();
                const std::optional<view> seen = holder ? w.load(*holder) : std::nullopt;
                change wanted = wanted_for(k);
                wanted.operation = "the one execution";
                w.faulty.plan = [death, at](int step) { return step == at ? death : fault::none; };
                const std::optional<result<committed>> first = w.ask_or_die(seen, wanted);
                deaths += first ? 0 : 1;
                const std::string place = "kind " + std::to_string(int(k)) + ", fault " +
                                          std::to_string(int(death)) + ", step " +
                                          std::to_string(at);

                // The client was answered by nobody and comes again with the ticket it has, twice.
                if (first && (*first)->hand_out) holder = (*first)->hand_out;
                w.faulty.plan = nullptr;
                for (int again = 0; again < 2; ++again) {
                    const result<committed> replay =
                        w.ask(holder ? w.load(*holder) : std::nullopt, wanted);
                    ASSERT_TRUE(replay.has_value()) << place;
                    if (replay->hand_out) holder = replay->hand_out;
                }
                EXPECT_EQ(w.count(*holder), k == kind::create ? 1 : 2) << place;
                if (k == kind::login) EXPECT_EQ(w.load(*holder)->data().subject, "u42") << place;
                if (first) break;
            }
    EXPECT_GE(deaths, 8);
}

TEST_P(SessionFaults, ADestroyWhoseProcessDiesAtAnyStepIsCompletedByItsReplay) {
    for (const fault death : {fault::dies_before, fault::dies_after}) {
        world w(GetParam());
        const ticket holder = w.make_cart();
        w.faulty.plan = [death](int step) { return step == 0 ? death : fault::none; };
        EXPECT_FALSE(w.ask_or_die(w.load(holder), wanted_for(kind::destroy)));
        w.faulty.plan = nullptr;
        const std::optional<view> seen = w.load(holder);
        EXPECT_EQ(seen.has_value(), death == fault::dies_before);
        if (seen) EXPECT_TRUE(w.ask(seen, wanted_for(kind::destroy)).has_value());
        EXPECT_FALSE(w.load(holder));
    }
}

// A ticket that was prepared and then not needed leaves no record behind.
TEST_P(SessionFaults, AnUnusedNewTicketLeavesNoRecord) {
    world w(GetParam());
    const ticket holder = w.make_cart();
    const std::optional<view> seen = w.load(holder);
    w.faulty.plan = [&](int step) {
        if (step == (GetParam() ? 0 : 1))
            test::run(w.other.commit(w.load(holder), wanted_for(kind::destroy), forever));
        return fault::none;
    };
    EXPECT_EQ(w.ask(seen, wanted_for(kind::login)).error(), make_error_code(errc::ended));
    EXPECT_EQ(w.records->live.size(), 1U);  // the tombstone
}

// --- many at once

// Time stands still, so that no alias ends and nothing expires.
class frozen_clock final : public clock {
 public:
    system_time system_now() const override { return system_time{1'700'000'000'000ms}; }
    steady_time steady_now() const override { return steady_time{1h}; }
    task<> sleep_until(steady_time) override {
        co_await boost::asio::post(co_await boost::asio::this_coro::executor,
                                   boost::asio::use_awaitable);
        co_return result<>{};
    }
};

struct storm {
    std::uint64_t seed;
    bool transactions;
    unsigned fault_percent;
    unsigned rotate_percent;
};

struct tally {
    std::int64_t acknowledged = 0;
    std::int64_t unknown = 0;
    std::set<std::string> items;
    std::vector<ticket> tickets;
};

boost::asio::awaitable<void> add_many(engine& by, random_source& random, storm how, ticket holder,
                                      int client, tally& out) {
    for (int i = 0; i < 6; ++i) {
        const std::string item = "c" + std::to_string(client) + "-" + std::to_string(i);
        result<std::optional<view>> seen = co_await by.load(holder, forever);
        if (seen.has_error() || !*seen) continue;
        change wanted = make_change(
            patch_type::ops,
            R"([{"op":"inc","path":"/cart/count"},{"op":"set_add","path":"/cart/items","value":")" +
                item + R"("}])");
        wanted.base_version = (*seen)->data().version;
        wanted.regenerate = random.below(100) < how.rotate_percent;
        const result<committed> done =
            co_await by.commit(std::move(*seen), std::move(wanted), forever);
        if (done.has_error()) {
            out.unknown += done.error() == condition::outcome_unknown ? 1 : 0;
            continue;
        }
        ++out.acknowledged;
        out.items.insert(item);
        if (done->hand_out) holder = *done->hand_out;
        out.tickets.push_back(holder);
    }
}

// Twelve clients over four engines on one store.
void weather(storm how) {
    SCOPED_TRACE("seed " + std::to_string(how.seed));
    frozen_clock time;
    const auto random = make_seeded_random(how.seed);
    auto records = std::make_shared<scripted_store::shared_records>(time);
    settings options;
    options.session_bytes_max = 16384;
    std::vector<std::unique_ptr<scripted_store>> stores;
    std::vector<std::unique_ptr<engine>> engines;
    for (int i = 0; i < 4; ++i) {
        stores.push_back(std::make_unique<scripted_store>(records, how.transactions));
        engines.push_back(std::make_unique<engine>(*stores.back(), time, *random, options));
    }
    const result<committed> made = test::run(engines.front()->commit(
        std::nullopt, make_change(patch_type::merge, R"({"cart":{"count":0}})"), forever));
    for (auto& one : stores) {
        one->yields = true;
        one->plan = [&random, how](int) {
            if (random->below(100) >= how.fault_percent) return fault::none;
            return static_cast<fault>(1 + random->below(4));
        };
    }
    tally out;
    out.tickets.push_back(*made->hand_out);
    std::vector<boost::asio::awaitable<void>> work;
    for (int i = 0; i < 12; ++i)
        work.push_back(add_many(*engines[static_cast<std::size_t>(i) % engines.size()], *random,
                                how, *made->hand_out, i, out));
    test::run_loop(std::move(work));
    for (auto& one : stores) {
        one->arrive();
        one->plan = nullptr;
        one->yields = false;
    }

    // All tickets that still lead somewhere lead to one session, and everything is there.
    std::set<std::string> ends;
    for (const ticket& shown : out.tickets) {
        const std::optional<view> end = *test::run(engines.front()->load(shown, forever));
        if (!end || !ends.insert(end->holder.record_key()).second) continue;
        const std::string json = end->data().find("cart")->json;
        for (const std::string& item : out.items)
            EXPECT_NE(json.find('"' + item + '"'), std::string::npos) << "lost: " << item;
        const std::int64_t count = std::stoll(json.substr(json.find("\"count\":") + 8));
        EXPECT_GE(count, out.acknowledged);
        EXPECT_LE(count, out.acknowledged + out.unknown);
    }
    EXPECT_EQ(ends.size(), 1U);
    EXPECT_GT(out.acknowledged, 0);
    if (how.fault_percent == 0 && how.rotate_percent == 0) EXPECT_EQ(out.acknowledged, 72);
}

// Spec: "commutative, so cart adds never conflict".
TEST_P(SessionFaults, NoAcknowledgedAddIsLostAmongConcurrentOnes) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) weather({seed, GetParam(), 0, 0});
}

TEST_P(SessionFaults, NoAcknowledgedAddIsLostThoughTheStoreFailsAndLosesAnswers) {
    for (std::uint64_t seed = 100; seed < 140; ++seed) weather({seed, GetParam(), 15, 0});
}

TEST_P(SessionFaults, NoAcknowledgedAddIsLostThoughTheTicketIsRotatedMeanwhile) {
    for (std::uint64_t seed = 200; seed < 240; ++seed) weather({seed, GetParam(), 0, 10});
}

TEST_P(SessionFaults, NoAcknowledgedAddIsLostInAnyStorm) {
    for (std::uint64_t seed = 300; seed < 400; ++seed) weather({seed, GetParam(), 20, 10});
}

INSTANTIATE_TEST_SUITE_P(Store, SessionFaults, ::testing::Bool(), [](const auto& with) {
    return with.param ? std::string("WithTransactions") : std::string("WithoutTransactions");
});

}  // namespace
}  // namespace lethe::session
