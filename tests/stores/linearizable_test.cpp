// The checker, checked: histories written by hand, stores that are broken on purpose, and one that
// is honest under faults. A checker that finds nothing would prove nothing.
#include "stores/linearizable.hpp"

#include "stores/load.hpp"
#include "stores/set_ups.hpp"
#include "support/on_worker.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <thread>

namespace lethe::store {
namespace {

using namespace std::chrono_literals;
using kind = event::kind;
using outcome = event::outcome;

// Record n has version 1000 + n.
event read_of(std::uint64_t seen, std::int64_t begin, std::int64_t end) {
    return {.answered = outcome::done,
            .seen = seen,
            .seen_version = seen == 0 ? 0 : 1000 + seen,
            .begin = begin,
            .end = end};
}
event put_of(std::uint64_t value, std::int64_t begin, std::int64_t end,
             outcome answered = outcome::done) {
    return {.what = kind::put,
            .value = value,
            .answered = answered,
            .version = answered == outcome::done ? 1000 + value : 0,
            .begin = begin,
            .end = end};
}
event swap_of(std::uint64_t from, std::uint64_t value, std::int64_t begin, std::int64_t end,
              outcome answered = outcome::done) {
    event out = put_of(value, begin, end, answered);
    out.expects = event::condition_kind::version;
    out.expected = 1000 + from;
    return out;
}
event erase_of(std::int64_t begin, std::int64_t end, outcome answered = outcome::done) {
    return {.what = kind::erase, .answered = answered, .begin = begin, .end = end};
}
event refused(event one, std::uint64_t seen) {
    one.answered = outcome::refused;
    one.version = 0;
    one.seen = seen;
    one.seen_version = seen == 0 ? 0 : 1000 + seen;
    return one;
}

verdict::kind judged(std::vector<event> events, check_options options = {}) {
    const verdict found = check_linearizable(std::move(events), options);
    if (found.what != verdict::kind::linearizable) EXPECT_NE(found.why, "");
    return found.what;
}
constexpr auto fine = verdict::kind::linearizable;
constexpr auto wrong = verdict::kind::violated;

TEST(Linearizable, OperationsOneAfterTheOther) {
    EXPECT_EQ(judged({}), fine);
    EXPECT_EQ(judged({read_of(0, 0, 1), put_of(1, 2, 3), read_of(1, 4, 5)}), fine);
    EXPECT_EQ(judged({read_of(1, 0, 1), put_of(1, 2, 3)}), wrong) << "seen before it was written";
    EXPECT_EQ(judged({put_of(1, 0, 1), read_of(0, 2, 3)}), wrong) << "lost";
    EXPECT_EQ(judged({put_of(1, 0, 1), put_of(2, 2, 3), read_of(1, 4, 5)}), wrong) << "stale";
    EXPECT_EQ(judged({put_of(1, 0, 1), erase_of(2, 3), read_of(0, 4, 5)}), fine);
    EXPECT_EQ(judged({put_of(1, 0, 1), erase_of(2, 3), read_of(1, 4, 5)}), wrong) << "revived";
}

TEST(Linearizable, OperationsAtTheSameTimeHaveAnyOrder) {
    EXPECT_EQ(judged({put_of(1, 0, 10), read_of(0, 1, 2), read_of(1, 3, 4)}), fine);
    EXPECT_EQ(judged({put_of(1, 0, 10), read_of(1, 1, 2), read_of(0, 3, 4)}), wrong)
        << "seen and then not seen";
    EXPECT_EQ(judged({put_of(1, 0, 10), put_of(2, 0, 10), read_of(2, 11, 12)}), fine);
    EXPECT_EQ(judged({put_of(1, 0, 10), put_of(2, 0, 10), read_of(1, 11, 12), read_of(2, 13, 14)}),
              wrong);
    EXPECT_EQ(judged({put_of(1, 0, 10), erase_of(0, 10), read_of(0, 11, 12)}), fine)
        << "an erase that could find nothing must be tried when it finds something, too";
}

TEST(Linearizable, ExpectationsHoldWhenTheyAreDoneAndFailWhenTheyAreRefused) {
    EXPECT_EQ(judged({put_of(1, 0, 1), swap_of(1, 2, 2, 3), read_of(2, 4, 5)}), fine);
    EXPECT_EQ(judged({put_of(1, 0, 1), put_of(2, 2, 3), swap_of(1, 3, 4, 5)}), wrong)
        << "a lost update";
    EXPECT_EQ(judged({put_of(1, 0, 1), swap_of(1, 2, 2, 9), swap_of(1, 3, 2, 9)}), wrong)
        << "two who swapped the same version";
    EXPECT_EQ(judged({put_of(1, 0, 1), swap_of(1, 2, 2, 9), refused(swap_of(1, 3, 2, 9), 2)}),
              fine);
    EXPECT_EQ(judged({put_of(1, 0, 1), refused(swap_of(1, 3, 2, 9), 1)}), wrong)
        << "refused although it held";
    event claim = put_of(2, 2, 3);
    claim.expects = event::condition_kind::absent;
    EXPECT_EQ(judged({put_of(1, 0, 1), refused(claim, 1)}), fine);
    EXPECT_EQ(judged({put_of(1, 0, 1), claim}), wrong);
}

TEST(Linearizable, WhatIsUnknownMayBeDoneLaterOrNever) {
    EXPECT_EQ(judged({put_of(1, 0, 1, outcome::unknown), read_of(0, 2, 3)}), fine);
    EXPECT_EQ(judged({put_of(1, 0, 1, outcome::unknown), read_of(1, 2, 3)}), fine);
    EXPECT_EQ(judged({put_of(1, 0, 1, outcome::unknown), read_of(0, 2, 3), read_of(1, 4, 5)}),
              fine);
    EXPECT_EQ(judged({put_of(1, 0, 1, outcome::unknown), read_of(1, 2, 3), read_of(0, 4, 5)}),
              wrong)
        << "once";
    EXPECT_EQ(judged({put_of(1, 0, 1, outcome::open), read_of(1, 2, 3)}), fine);
    EXPECT_EQ(judged({put_of(1, 0, 1), erase_of(2, 3, outcome::unknown), read_of(1, 4, 5),
                      read_of(0, 6, 7)}),
              fine);
    EXPECT_EQ(judged({put_of(1, 0, 1), erase_of(2, 3, outcome::unknown), read_of(0, 4, 5),
                      put_of(2, 6, 7), read_of(0, 8, 9)}),
              wrong)
        << "one erase erases once";
    EXPECT_EQ(judged({put_of(1, 0, 1, outcome::not_done), read_of(0, 2, 3)}), fine);
    EXPECT_EQ(judged({put_of(1, 0, 1, outcome::not_done), read_of(1, 2, 3)}), wrong);
}

TEST(Linearizable, OneRecordHasOneVersion) {
    event strange = read_of(1, 2, 3);
    strange.seen_version = 7;
    EXPECT_EQ(judged({put_of(1, 0, 1), strange}), wrong);
    event reused = put_of(2, 2, 3);
    reused.version = 1001;
    EXPECT_EQ(judged({put_of(1, 0, 1), reused}), wrong);
}

TEST(Linearizable, AStoreThatMayForgetForgetsForGood) {
    const check_options forgets{.forgets = true};
    EXPECT_EQ(judged({put_of(1, 0, 1), read_of(0, 2, 3)}, forgets), fine);
    EXPECT_EQ(judged({put_of(1, 0, 1), read_of(0, 2, 3), read_of(1, 4, 5)}, forgets), wrong);
    EXPECT_EQ(judged({put_of(1, 0, 1), put_of(2, 2, 3), read_of(1, 4, 5)}, forgets), wrong);
}

TEST(Linearizable, ARecordThatMovesMayGetAnotherVersion) {
    const check_options moves{.moves = true};
    event moved = read_of(1, 2, 3);
    moved.seen_version = 7;
    event stale = refused(swap_of(1, 2, 4, 5), 1);
    stale.seen_version = 7;
    EXPECT_EQ(judged({put_of(1, 0, 1), moved, stale}, moves), fine);
    event reused = read_of(2, 6, 7);
    reused.seen_version = 7;
    EXPECT_EQ(judged({put_of(1, 0, 1), moved, put_of(2, 4, 5), reused}, moves), wrong)
        << "but not one that another record had";
    EXPECT_EQ(judged({put_of(1, 0, 1), refused(swap_of(1, 2, 4, 5), 1)}, moves), wrong)
        << "and not refused for the very version it expects";
}

// A search that gives up says so.
TEST(Linearizable, TooManyWaysAreUndecided) {
    std::vector<event> all;
    for (std::uint64_t i = 1; i <= 40; ++i) all.push_back(put_of(i, 0, 100));
    all.push_back(read_of(41, 200, 201));
    EXPECT_EQ(judged(all, {.forgets = false, .steps_max = 1000}), verdict::kind::undecided);
}

TEST(Linearizable, ValuesProveThatTheyAreWhole) {
    for (const std::size_t bytes : {0U, 24U, 25U, 100U, 100'000U}) {
        std::string value = make_value(42, bytes);
        EXPECT_GE(value.size(), value_bytes_min);
        EXPECT_EQ(number_of(value), 42U);
        EXPECT_EQ(number_of(value.substr(0, value.size() - 1)), std::nullopt);
        value[value.size() / 2] = static_cast<char>(value[value.size() / 2] + 1);
        EXPECT_EQ(number_of(value), std::nullopt);
    }
    EXPECT_EQ(number_of(""), std::nullopt);
}

// How a store misbehaves: on about one call of a hundred.
enum class flaw : std::uint8_t {
    none,
    honest_faults,        // slow, and answers that are lost, which it says
    lost_update,          // a swap is done over another version
    stale_read,           // an old record is answered
    unknown_as_not_done,  // done, but said to have timed out
    unknown_as_done,      // said to be done, but not
    forgotten,            // a done put is lost later on
    done_twice,           // a put whose answer was lost is sent again, later
    broken_value,         // half a value
    late,                 // an answer long after the deadline
    torn_transaction,     // half of it is seen before the other half is done
};

// All in front of a true store.
class broken_store final : public store {
 public:
    broken_store(std::unique_ptr<store> real, net::worker& on, flaw how)
        : real_(std::move(real)), on_(on), how_(how) {}

    engine_promises promises() const noexcept override { return real_->promises(); }
    task<std::vector<answer>> batch(std::vector<operation> operations,
                                    steady_time deadline) override {
        const bool now = ++calls_ % 50 == 0;
        if (how_ == flaw::honest_faults && now) {
            result<std::vector<answer>> lost = co_await lose(std::move(operations), deadline);
            co_return lost;
        }
        if (operations.size() == 1 && now && how_ != flaw::none) {
            result<std::vector<answer>> bad = co_await misbehave(operations[0], deadline);
            co_return bad;
        }
        result<std::vector<answer>> good = co_await real_->batch(operations, deadline);
        for (std::size_t i = 0; i < operations.size() && good.has_value(); ++i)
            if (good->at(i).present && std::holds_alternative<get>(operations[i]))
                old_.emplace(std::get<get>(operations[i]).key, good->at(i));
        co_return good;
    }
    task<std::vector<answer>> transact(std::vector<operation> operations,
                                       steady_time deadline) override {
        if (how_ == flaw::torn_transaction && std::holds_alternative<put>(operations[0])) {
            result<std::vector<answer>> out = co_await tear(std::move(operations), deadline);
            co_return out;
        }
        result<std::vector<answer>> out = co_await real_->transact(std::move(operations), deadline);
        co_return out;
    }
    task<subject_page> list_subject(std::string subject, std::string prefix, std::string after,
                                    std::size_t max, steady_time deadline) override {
        result<subject_page> out =
            co_await real_->list_subject(subject, prefix, after, max, deadline);
        co_return out;
    }
    task<> ping(steady_time deadline) override {
        const result<> out = co_await real_->ping(deadline);
        co_return out;
    }

 private:
    // Done before it is given up, done after that, or never.
    task<std::vector<answer>> lose(std::vector<operation> operations, steady_time deadline) {
        const auto way = ++losses_ % 3;
        const bool reads = std::ranges::all_of(
            operations, [](const operation& one) { return std::holds_alternative<get>(one); });
        if (reads) co_return LETHE_ERR(errc::timeout);
        if (way == 0) {
            const auto done = co_await real_->batch(std::move(operations), deadline);
            if (done.has_error()) co_return done.error();
        } else if (way == 1) {
            on_.spawn(do_later(std::move(operations)));
        }
        co_return LETHE_ERR(errc::outcome_unknown);
    }
    task<std::vector<answer>> tear(std::vector<operation> operations, steady_time deadline) {
        std::vector<answer> all;
        for (operation& one : operations) {
            const result<answer> done = co_await real_->run(std::move(one), deadline);
            if (done.has_error()) co_return done.error();
            all.push_back(*done);
            const result<> slept = co_await on_.time().sleep_until(on_.time().steady_now() + 1ms);
            if (slept.has_error()) co_return slept.error();
        }
        co_return all;
    }
    task<> do_later(std::vector<operation> operations) {
        const steady_time then = on_.time().steady_now() + 5ms;
        const result<> slept = co_await on_.time().sleep_until(then);
        if (slept.has_error()) co_return slept;
        const auto done = co_await real_->batch(std::move(operations), then + 10s);
        if (done.has_error()) co_return done.error();
        co_return result<>{};
    }
    task<std::vector<answer>> misbehave(operation one, steady_time deadline) {
        put* const writes = std::get_if<put>(&one);
        if (how_ == flaw::lost_update && writes != nullptr) writes->expect = anything{};
        if (how_ == flaw::stale_read && std::holds_alternative<get>(one)) {
            const auto seen = old_.find(std::get<get>(one).key);
            if (seen != old_.end()) co_return std::vector<answer>{seen->second};
        }
        if (how_ == flaw::unknown_as_done && writes != nullptr)
            co_return std::vector<answer>{answer{.done = true, .version = {++made_up_}}};
        if (how_ == flaw::done_twice && writes != nullptr) on_.spawn(do_later({one}));
        if (how_ == flaw::late) {
            const result<> slept = co_await on_.time().sleep_until(deadline + 300ms);
            if (slept.has_error()) co_return slept.error();
            deadline += 10s;
        }
        std::vector<operation> all = {one};
        if (how_ == flaw::forgotten && writes != nullptr)
            all.emplace_back(erase{writes->key, anything{}});
        result<std::vector<answer>> good = co_await real_->batch(std::move(all), deadline);
        if (good.has_error()) co_return good.error();
        good->resize(1);
        if (how_ == flaw::unknown_as_not_done && writes != nullptr)
            co_return LETHE_ERR(errc::timeout);
        if (how_ == flaw::broken_value && good->front().present)
            good->front().present->value.resize(good->front().present->value.size() / 2);
        co_return good;
    }

    std::unique_ptr<store> real_;
    net::worker& on_;
    const flaw how_;
    std::map<std::string, answer> old_;  // the first that was read of each key
    std::uint64_t calls_ = 0;
    std::uint64_t losses_ = 0;
    std::uint64_t made_up_ = 1;
};

struct finding_of_run {
    verdict found;
    std::vector<std::string> complaints;
    std::size_t operations = 0;
    std::size_t unknown = 0;
};

finding_of_run run_with(flaw how) {
    std::string why;
    const auto engine = lethe::store::open("memory:", {}, why);
    test::running_worker first;
    test::running_worker second;
    history kept;
    load_options options{.seed = seed_of_this_run(), .slack = 100ms, .pause_max = 300us};
    if (how == flaw::late) options.deadline = 50ms;
    options.transactions = how == flaw::none || how == flaw::torn_transaction;
    {
        broken_store one((*engine)->make_store(first.get()), first.get(), how);
        broken_store two((*engine)->make_store(second.get()), second.get(), how);
        load clients(one, first.get(), options, kept);
        options.number = 1;
        load others(two, second.get(), options, kept);
        // Until enough was done, however fast the machine is.
        const auto until = std::chrono::steady_clock::now() + 30s;
        while (clients.done() + others.done() < (how == flaw::late ? 400U : 4000U) &&
               std::chrono::steady_clock::now() < until)
            std::this_thread::sleep_for(1ms);
        clients.stop();
        others.stop();
        EXPECT_TRUE(first.run(read_all(one, first.get(), options, kept)).has_value());
        // What does something later has to do it first.
        first.get().stop();
        second.get().stop();
    }
    return {check_linearizable(kept.events()), kept.complaints(), kept.events().size(),
            kept.count(outcome::unknown)};
}

TEST(PlantedFlaws, ATrueStoreIsFoundTrue) {
    const finding_of_run found = run_with(flaw::none);
    EXPECT_EQ(found.found.what, fine) << found.found.why;
    EXPECT_TRUE(found.complaints.empty()) << found.complaints[0];
    EXPECT_GT(found.operations, 4000U);
}

TEST(PlantedFlaws, FaultsThatAreToldAreNone) {
    const finding_of_run found = run_with(flaw::honest_faults);
    EXPECT_EQ(found.found.what, fine) << found.found.why;
    EXPECT_TRUE(found.complaints.empty()) << found.complaints[0];
    EXPECT_GT(found.unknown, 10U);
}

TEST(PlantedFlaws, ALostUpdateIsCaught) {
    EXPECT_EQ(run_with(flaw::lost_update).found.what, wrong);
}
TEST(PlantedFlaws, AStaleReadIsCaught) {
    EXPECT_EQ(run_with(flaw::stale_read).found.what, wrong);
}
TEST(PlantedFlaws, UnknownReportedAsNotDoneIsCaught) {
    EXPECT_EQ(run_with(flaw::unknown_as_not_done).found.what, wrong);
}
TEST(PlantedFlaws, UnknownReportedAsDoneIsCaught) {
    EXPECT_EQ(run_with(flaw::unknown_as_done).found.what, wrong);
}
TEST(PlantedFlaws, AForgottenRecordIsCaught) {
    EXPECT_EQ(run_with(flaw::forgotten).found.what, wrong);
}
TEST(PlantedFlaws, AChangeThatIsDoneTwiceIsCaught) {
    EXPECT_EQ(run_with(flaw::done_twice).found.what, wrong);
}
TEST(PlantedFlaws, ABrokenValueIsCaught) {
    EXPECT_FALSE(run_with(flaw::broken_value).complaints.empty());
}
TEST(PlantedFlaws, ATornTransactionIsCaught) {
    EXPECT_FALSE(run_with(flaw::torn_transaction).complaints.empty());
}
TEST(PlantedFlaws, AnAnswerAfterItsDeadlineIsCaught) {
    EXPECT_FALSE(run_with(flaw::late).complaints.empty());
}

}  // namespace
}  // namespace lethe::store
