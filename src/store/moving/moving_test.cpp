// A store of two: whatever gateways do at once, wherever one of them breaks off, callers see one
// store that loses nothing and brings nothing back.
//
// The tests that go through all cases run one operation with something else happening between each
// pair of its steps, and compare what was answered, and what is there afterwards, with a model: a
// single store on which the operations are run one after the other, in some order.
#include "store/moving/moving.hpp"

#include "store/moving/mover.hpp"
#include "store/moving/scripted_store.hpp"
#include "store/test_stores.hpp"
#include "support/on_worker.hpp"
#include "support/run.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <future>
#include <map>
#include <set>

namespace lethe::store::moving {
namespace {

using namespace std::chrono_literals;
using test::run;

constexpr const char* key = "k";

// One gateway with both stores.
struct gateway {
    gateway(test_scene& scene, std::shared_ptr<engine> primary, std::shared_ptr<engine> previous) {
        open_options options;
        options.now = [&scene] { return scene.now(); };
        both = make_moving(std::make_unique<scripted_engine>(std::move(primary), steps),
                           std::make_unique<scripted_engine>(std::move(previous), steps),
                           std::move(options));
        in = both->make_store(scene.clock());
    }

    std::shared_ptr<script> steps = std::make_shared<script>();
    std::unique_ptr<engine> both;
    std::unique_ptr<store> in;
};

class Moving : public ::testing::Test {
 protected:
    [[nodiscard]] steady_time soon() { return scene_.clock().steady_now() + 10min; }
    [[nodiscard]] std::unique_ptr<gateway> make_gateway() {
        return std::make_unique<gateway>(scene_, primary_, previous_);
    }
    result<answer> ask(gateway& by, operation one) {
        return run(by.in->run(std::move(one), soon()));
    }
    answer must(gateway& by, operation one) {
        result<answer> got = ask(by, std::move(one));
        EXPECT_TRUE(got.has_value()) << describe(got.error());
        return got.has_value() ? *std::move(got) : answer{};
    }
    // Past the gateways.
    std::optional<record> in_previous(const std::string& of = key) {
        return *run(a_->read(of, soon()));
    }
    std::optional<record> in_primary(const std::string& of = key) {
        return *run(b_->read(of, soon()));
    }
    void put_into_previous(const std::string& value, std::chrono::milliseconds ttl = 1h,
                           const std::string& of = key) {
        EXPECT_TRUE(run(a_->run(put{of, value, ttl, anything{}, "alice"}, soon()))->done);
    }

    test_scene scene_;
    std::shared_ptr<engine> primary_ = scene_.open("memory:");
    std::shared_ptr<engine> previous_ = scene_.open("memory:");
    std::unique_ptr<store> a_ = previous_->make_store(scene_.clock());
    std::unique_ptr<store> b_ = primary_->make_store(scene_.clock());
};

// ---- the model

// Where a key may stand when an operation begins.
enum class place { nowhere, previous, primary, left_behind, marked, mark_alone };
constexpr std::array places = {place::nowhere,     place::previous, place::primary,
                               place::left_behind, place::marked,   place::mark_alone};

enum class action { read, set, add, change, remove, remove_version, touch_it, transaction };
constexpr std::array actions = {action::read,     action::set,        action::add,
                                action::change,   action::remove,     action::remove_version,
                                action::touch_it, action::transaction};

// What a caller was told.
struct told {
    bool done = false;
    std::optional<std::string> present = {};
    bool operator==(const told&) const = default;
};

struct model {
    std::optional<std::string> value;
    // It is still the record whose version the caller knew before anything began.
    bool known = false;

    told apply(action what, const std::string& by) {
        const auto conflict = [&] { return told{.done = false, .present = value}; };
        const auto write = [&] {
            value = by;
            known = false;
            return told{.done = true};
        };
        const auto drop = [&] {
            value.reset();
            known = false;
            return told{.done = true};
        };
        switch (what) {
            case action::read: return {.done = true, .present = value};
            case action::set:
            case action::transaction: return write();
            case action::add: return value ? conflict() : write();
            case action::change: return value && known ? write() : conflict();
            case action::remove: return drop();
            case action::remove_version: return value && known ? drop() : conflict();
            case action::touch_it: return {.done = value.has_value()};
        }
        return {};
    }
};

std::string name_of(action what) {
    constexpr std::array names = {"read",           "set",   "add",        "change", "remove",
                                  "remove_version", "touch", "transaction"};
    return names[static_cast<std::size_t>(what)];
}

// A fresh scene for each case: no case sees another's records.
class cases : public Moving {
 public:
    void TestBody() override {}

    explicit cases(place at) {
        const auto by = make_gateway();
        if (at == place::primary) must(*by, put{key, "old", 1h, anything{}, "alice"});
        if (at == place::previous || at == place::left_behind || at == place::marked ||
            at == place::mark_alone)
            put_into_previous("old");
        // Reading: primary, previous, then the move: primary, mark, previous, clock, copy, erase.
        if (at == place::left_behind) crash_reading_at(7);
        if (at == place::marked || at == place::mark_alone) crash_reading_at(4);
        if (at == place::mark_alone)
            EXPECT_TRUE(run(a_->run(erase{key, anything{}}, soon()))->done);
        check_place(at);
        if (at == place::primary || at == place::left_behind) version_ = in_primary()->version;
    }

    [[nodiscard]] model beginning() const {
        const bool there = version_.number != 0;
        return {.value = begins_with_, .known = there};
    }

    result<told> act(gateway& by, action what, const std::string& value) {
        if (what == action::transaction) {
            std::vector<operation> all;
            all.emplace_back(put{key, value, 1h, anything{}, "alice"});
            all.emplace_back(get{key});
            const auto got = run(by.in->transact(std::move(all), soon()));
            if (got.has_error()) return got.error();
            EXPECT_EQ((*got)[1].present->value, value);
            return told{.done = (*got)[0].done};
        }
        const result<answer> got = ask(by, to_operation(what, value));
        if (got.has_error()) return got.error();
        told out{.done = got->done};
        if (got->present) out.present = got->present->value;
        return out;
    }
    std::unique_ptr<gateway> gateway_here() { return make_gateway(); }
    std::optional<std::string> finally() {
        const auto by = make_gateway();
        const std::optional<record> present = must(*by, get{key}).present;
        if (!present) return std::nullopt;
        EXPECT_EQ(present->subject, "alice");
        const auto listed = run(by->in->list_subject("alice", "", "", 10, soon()));
        EXPECT_EQ(listed->keys, std::vector<std::string>{key});
        return present->value;
    }
    // What is left in the previous store once a change has settled the key.
    bool previous_is_empty_after_a_change() {
        const auto by = make_gateway();
        must(*by, touch{key, 1h});
        return !in_previous();
    }
    std::optional<record> held_by_previous() { return in_previous(); }

 private:
    operation to_operation(action what, const std::string& value) const {
        const record_version version = version_.number != 0 ? version_ : record_version{4711};
        switch (what) {
            case action::read: return get{key};
            case action::add: return put{key, value, 1h, absent{}, "alice"};
            case action::change: return put{key, value, 1h, version, "alice"};
            case action::remove: return erase{key, anything{}};
            case action::remove_version: return erase{key, version};
            case action::touch_it: return touch{key, 2h};
            default: return put{key, value, 1h, anything{}, "alice"};
        }
    }
    void crash_reading_at(std::size_t step) {
        const auto by = make_gateway();
        by->steps->fault_at = step;
        by->steps->what = fault::crashed;
        EXPECT_TRUE(ask(*by, get{key}).has_error());
    }
    void check_place(place at) {
        const bool old_there =
            at == place::previous || at == place::left_behind || at == place::marked;
        EXPECT_EQ(in_previous().has_value(), old_there);
        EXPECT_EQ(is_mark(in_primary()), at == place::marked || at == place::mark_alone);
        const bool copied = at == place::primary || at == place::left_behind;
        EXPECT_EQ(in_primary() && !is_mark(in_primary()), copied);
        if (old_there || copied) begins_with_ = "old";
    }

    std::optional<std::string> begins_with_;
    record_version version_;
};

// ---- all cases

// What another gateway does meanwhile: each single operation, and pairs that change.
std::vector<std::vector<action>> all_of_others() {
    std::vector<std::vector<action>> out;
    for (const action one : actions) out.push_back({one});
    for (const action one : {action::set, action::remove})
        for (const action other : {action::remove, action::add}) out.push_back({one, other});
    return out;
}

// Some order of the operations, in which the others keep theirs, explains all that was told.
bool explained(const model& begin, action one, const told& first, const std::vector<action>& others,
               const std::vector<told>& rest, const std::optional<std::string>& end) {
    for (std::size_t at = 0; at <= others.size(); ++at) {
        model now = begin;
        bool fits = true;
        for (std::size_t i = 0; i <= others.size(); ++i) {
            if (i == at) fits &= now.apply(one, "one") == first;
            if (i < others.size())
                fits &= now.apply(others[i], "other" + std::to_string(i)) == rest[i];
        }
        if (fits && now.value == end) return true;
    }
    return false;
}

// True when the step was reached, so that a next one may be.
bool run_case(place from, action one, const std::vector<action>& others, std::size_t step) {
    cases here(from);
    const auto by = here.gateway_here();
    const auto other = here.gateway_here();
    std::vector<told> rest;
    by->steps->before = [&](std::size_t now) {
        if (now != step) return;
        for (std::size_t i = 0; i < others.size(); ++i) {
            const result<told> got = here.act(*other, others[i], "other" + std::to_string(i));
            ASSERT_TRUE(got.has_value());
            rest.push_back(*got);
        }
    };
    const result<told> first = here.act(*by, one, "one");
    if (by->steps->steps <= step) return false;
    std::string what =
        "from " + std::to_string(static_cast<int>(from)) + ": " + name_of(one) + " with";
    for (const action each : others) what += " " + name_of(each);
    what += " before step " + std::to_string(step);
    EXPECT_TRUE(first.has_value()) << what;
    if (first.has_error()) return false;
    const std::optional<std::string> end = here.finally();
    EXPECT_TRUE(explained(here.beginning(), one, *first, others, rest, end))
        << what << ": told " << first->done << " " << first->present.value_or("nothing")
        << ", in the end " << end.value_or("nothing");
    EXPECT_TRUE(here.previous_is_empty_after_a_change()) << what;
    return true;
}

TEST(MovingCases, AnythingThatAnotherDoesBetweenTwoStepsIsInOneOrderWithIt) {
    std::size_t count = 0;
    for (const place from : places)
        for (const action one : actions)
            for (const std::vector<action>& others : all_of_others())
                for (std::size_t step = 0; run_case(from, one, others, step); ++step) ++count;
    EXPECT_GT(count, 2000U);
}

// True when the step was reached.
bool run_fault(place from, action one, fault what, std::size_t step) {
    cases here(from);
    const auto by = here.gateway_here();
    by->steps->fault_at = step;
    by->steps->what = what;
    const result<told> got = here.act(*by, one, "one");
    if (by->steps->steps <= step) return false;
    model done = here.beginning();
    const told expected = done.apply(one, "one");
    const std::optional<std::string> end = here.finally();
    const std::string where = "from " + std::to_string(static_cast<int>(from)) + ": " +
                              name_of(one) + ", fault " + std::to_string(static_cast<int>(what)) +
                              " at step " + std::to_string(step);
    if (got.has_value()) {
        EXPECT_EQ(*got, expected) << where;
        EXPECT_EQ(end, done.value) << where;
    } else if (got.error() == condition::outcome_unknown) {
        EXPECT_TRUE(end == done.value || end == here.beginning().value) << where;
    } else {
        EXPECT_TRUE(got.error() == condition::unavailable || got.error() == condition::timeout);
        EXPECT_EQ(end, here.beginning().value) << where << ": " << describe(got.error());
    }
    // And life goes on, for every gateway.
    const auto next = here.gateway_here();
    EXPECT_EQ(here.act(*next, action::add, "next")->done, !end.has_value()) << where;
    EXPECT_FALSE(here.held_by_previous()) << where;
    return true;
}

TEST(MovingCases, WhereverAGatewayBreaksOffRecordsAreWholeAndWhatItSaidIsTrue) {
    std::size_t count = 0;
    for (const place from : places)
        for (const action one : actions)
            for (const fault what :
                 {fault::refused, fault::lost, fault::crashed, fault::crashed_after})
                for (std::size_t step = 0; run_fault(from, one, what, step); ++step) ++count;
    EXPECT_GT(count, 500U);
}

// ---- what the cases do not tell

TEST_F(Moving, ARecordMovesWholeWithItsSubjectAndWhatIsLeftOfItsLife) {
    put_into_previous(std::string("v\0\xff", 3), 1h);
    scene_.advance(20min);
    const auto by = make_gateway();
    const std::optional<record> present = must(*by, get{key}).present;
    ASSERT_TRUE(present.has_value());
    EXPECT_EQ(present->value, std::string("v\0\xff", 3));
    EXPECT_EQ(present->subject, "alice");
    EXPECT_EQ(present->expires, scene_.now() + 40min);
    EXPECT_EQ(present->version, in_primary()->version)
        << "callers see versions of the primary only";
    EXPECT_FALSE(in_previous().has_value());
    EXPECT_TRUE(must(*by, put{key, "w", 1h, present->version, "alice"}).done);
}

TEST_F(Moving, ARecordThatIsInThePrimaryIsReadThereAlone) {
    const auto by = make_gateway();
    must(*by, put{key, "v", 1h, anything{}, ""});
    const std::size_t before = by->steps->steps;
    must(*by, get{key});
    EXPECT_EQ(by->steps->steps, before + 1);
    must(*by, put{key, "w", 1h, anything{}, ""});
    EXPECT_EQ(by->steps->steps, before + 3) << "a change asks the previous store first";
}

TEST_F(Moving, ABatchAsksEachStoreOnceForAllItsKeys) {
    const auto by = make_gateway();
    std::vector<operation> all;
    for (std::size_t i = 0; i < operations_max; ++i)
        all.emplace_back(put{"k" + std::to_string(i), "v", 1h, absent{}, ""});
    const auto got = run(by->in->batch(std::move(all), soon()));
    ASSERT_TRUE(got.has_value());
    for (const answer& one : *got) EXPECT_TRUE(one.done);
    EXPECT_LE(by->steps->steps, 3U);
    std::vector<operation> touches;
    for (std::size_t i = 0; i < operations_max; ++i)
        touches.emplace_back(touch{"k" + std::to_string(i), 2h});
    const auto touched = run(by->in->batch(std::move(touches), soon()));
    ASSERT_TRUE(touched.has_value());
    for (const answer& one : *touched) EXPECT_TRUE(one.done);
}

TEST_F(Moving, EqualKeysOfABatchKeepTheirOrder) {
    put_into_previous("old");
    const auto by = make_gateway();
    std::vector<operation> all;
    all.emplace_back(get{key});
    all.emplace_back(put{key, "1", 1h, absent{}, ""});
    all.emplace_back(put{key, "2", 1h, anything{}, ""});
    all.emplace_back(get{"other"});
    all.emplace_back(get{key});
    all.emplace_back(erase{key, anything{}});
    all.emplace_back(get{key});
    const auto got = run(by->in->batch(std::move(all), soon()));
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ((*got)[0].present->value, "old");
    EXPECT_FALSE((*got)[1].done);
    EXPECT_TRUE((*got)[2].done);
    EXPECT_EQ((*got)[4].present->value, "2");
    EXPECT_FALSE((*got)[6].present.has_value());
}

TEST_F(Moving, AListingShowsBothStoresInOneOrderPageByPage) {
    std::set<std::string> expected;
    const auto by = make_gateway();
    for (int i = 0; i < 300; ++i) {
        const std::string one = "s:" + std::to_string(1000 + i);
        expected.insert(one);
        if (i % 3 != 0) put_into_previous("v", 1h, one);
        if (i % 3 == 0) must(*by, put{one, "v", 1h, anything{}, "alice"});
        // Some are in both: a move broke off.
        if (i % 9 == 1)
            EXPECT_TRUE(run(b_->run(put{one, "v", 1h, anything{}, "alice"}, soon()))->done);
    }
    std::vector<std::string> found;
    std::string after;
    while (true) {
        const auto page = run(by->in->list_subject("alice", "s:", after, 7, soon()));
        ASSERT_TRUE(page.has_value());
        EXPECT_LE(page->keys.size(), 7U);
        found.insert(found.end(), page->keys.begin(), page->keys.end());
        if (!page->more) break;
        ASSERT_FALSE(page->keys.empty());
        after = page->keys.back();
    }
    EXPECT_EQ(found, std::vector<std::string>(expected.begin(), expected.end()));
}

// A key that moves while a listing or a scan is under way is seen all the same.
TEST_F(Moving, NoKeyIsMissedThatMovesMeanwhile) {
    put_into_previous("v");
    const auto by = make_gateway();
    const auto other = make_gateway();
    for (std::size_t step = 0; step < 2; ++step) {
        by->steps->steps = 0;
        by->steps->before = [&](std::size_t now) {
            if (now == step) must(*other, get{key});
        };
        EXPECT_EQ(run(by->in->list_subject("alice", "", "", 10, soon()))->keys.size(), 1U);
        by->steps->steps = 0;
        std::set<std::string> seen;
        std::string cursor;
        while (true) {
            const auto page = run(by->in->scan(cursor, 10, soon()));
            ASSERT_TRUE(page.has_value());
            seen.insert(page->keys.begin(), page->keys.end());
            if (!page->more) break;
            cursor = page->cursor;
        }
        EXPECT_TRUE(seen.contains(key));
        must(*other, erase{key, anything{}});
        put_into_previous("v");
    }
    EXPECT_TRUE(run(by->in->scan("nonsense", 10, soon())).has_error());
}

TEST_F(Moving, WithoutThePreviousStoreNothingIsChangedAndNothingCalledMissing) {
    const auto by = make_gateway();
    must(*by, put{key, "v", 1h, anything{}, ""});
    previous_->close();
    EXPECT_EQ(must(*by, get{key}).present->value, "v") << "what has moved can be read";
    for (const operation& one :
         {operation(get{"other"}), operation(put{key, "w", 1h, anything{}, ""}),
          operation(erase{key, anything{}}), operation(touch{key, 2h})}) {
        const result<answer> got = ask(*by, one);
        ASSERT_TRUE(got.has_error());
        EXPECT_EQ(got.error(), condition::unavailable);
    }
    EXPECT_TRUE(run(by->in->ping(soon())).has_error());
    EXPECT_EQ(must(*by, get{key}).present->value, "v");
}

// The previous store may judge expiry by a clock of its own.
TEST(MovingClocks, WhatIsLeftOfALifeIsCountedByTheClockThatItWasGivenBy) {
    test_scene ours;
    for (const std::chrono::milliseconds ahead : {-5min, 0min, 5min}) {
        test_scene theirs;
        theirs.advance(ours.now() - theirs.now() + ahead);
        const std::shared_ptr<engine> primary = ours.open("memory:");
        const std::shared_ptr<engine> previous = theirs.open("memory:");
        const auto straight = previous->make_store(ours.clock());
        const steady_time soon = ours.clock().steady_now() + 1h;
        ASSERT_TRUE(run(straight->run(put{key, "v", 2min, anything{}, ""}, soon))->done);
        gateway by(ours, primary, previous);
        const auto present = run(by.in->read(key, soon));
        ASSERT_TRUE(present.has_value() && present->has_value());
        EXPECT_EQ((*present)->expires, ours.now() + 2min);
        EXPECT_EQ(run(straight->scan("", 10, soon))->keys.size(), 0U) << "no trace of the question";
    }
}

TEST(MovingPromises, AreTheWeakerOfBoth) {
    const engine_promises strong{
        .durable = true, .linearizable = true, .transactions = true, .shared = true, .scans = true};
    const engine_promises server{.settings_decide = true,
                                 .linearizable = true,
                                 .transactions = true,
                                 .shared = true,
                                 .scans = true};
    const engine_promises cache{.linearizable = false, .may_evict = true, .shared = true};
    EXPECT_TRUE(moving_promises(strong, strong).durable);
    EXPECT_FALSE(moving_promises(strong, server).durable);
    EXPECT_TRUE(moving_promises(strong, server).settings_decide);
    EXPECT_FALSE(moving_promises(strong, strong).settings_decide);
    const engine_promises from_cache = moving_promises(strong, cache);
    EXPECT_FALSE(from_cache.durable || from_cache.settings_decide || from_cache.linearizable ||
                 from_cache.scans);
    EXPECT_TRUE(from_cache.may_evict);
    EXPECT_TRUE(from_cache.transactions) << "records have left the cache by then";
    EXPECT_FALSE(moving_promises(cache, strong).transactions);
}

// ---- many at once

task<> add_one(store& to, const std::string of, steady_time deadline) {
    while (true) {
        const result<std::optional<record>> present = co_await to.read(of, deadline);
        if (present.has_error()) co_return present.error();
        const int value = *present ? std::stoi((*present)->value) : 0;
        const expectation expect =
            *present ? expectation((*present)->version) : expectation(absent{});
        const result<answer> written =
            co_await to.run(put{of, std::to_string(value + 1), 1h, expect, "alice"}, deadline);
        if (written.has_error()) co_return written.error();
        if (written->done) co_return result<>{};
    }
}

task<> add_some(store& to, int times, steady_time deadline) {
    for (int i = 0; i < times; ++i) {
        const result<> added = co_await add_one(to, "counter" + std::to_string(i % 10), deadline);
        if (added.has_error()) co_return added;
    }
    co_return result<>{};
}

class MovingAtOnce : public ::testing::TestWithParam<std::pair<const char*, const char*>> {};
INSTANTIATE_TEST_SUITE_P(Pairs, MovingAtOnce,
                         ::testing::Values(std::pair{"memory:", "sqlite:"},
                                           std::pair{"sqlite:", "memory:"},
                                           std::pair{"memory:", "memory:"}),
                         [](const auto& info) {
                             return std::string(info.param.second).substr(0, 6) + "To" +
                                    std::string(info.param.first).substr(0, 6);
                         });

TEST_P(MovingAtOnce, NoIncrementIsLostOfAnyGateway) {
    constexpr int gateways = 4;
    constexpr int coroutines = 4;
    constexpr int times = 30;
    constexpr int counters = 10;
    test_scene scene;
    const std::shared_ptr<engine> primary = scene.open(GetParam().first);
    const std::shared_ptr<engine> previous = scene.open(GetParam().second);
    const steady_time soon = scene.clock().steady_now() + std::chrono::hours{1};
    const auto straight = previous->make_store(scene.clock());
    for (int i = 0; i < counters; ++i)
        ASSERT_TRUE(
            run(straight->run(put{"counter" + std::to_string(i), "1000", 2h, anything{}, "alice"},
                              soon))
                ->done);
    struct running {
        test::running_worker worker;
        std::unique_ptr<engine> both;
        std::unique_ptr<store> mine;
    };
    std::vector<std::unique_ptr<running>> all;
    std::vector<std::future<result<>>> ends;
    for (int g = 0; g < gateways; ++g) {
        all.push_back(std::make_unique<running>());
        running& one = *all.back();
        open_options options;
        options.now = [&scene] { return scene.now(); };
        one.both =
            make_moving(std::make_unique<scripted_engine>(primary, std::make_shared<script>()),
                        std::make_unique<scripted_engine>(previous, std::make_shared<script>()),
                        std::move(options));
        one.mine = one.both->make_store(one.worker.get());
        for (int i = 0; i < coroutines; ++i)
            ends.push_back(test::begin_on_worker(
                one.worker.get(),
                add_some(*one.mine, times, one.worker.get().time().steady_now() + 4min)));
    }
    for (std::future<result<>>& one : ends) {
        const result<> end = one.get();
        EXPECT_TRUE(end.has_value()) << describe(end.error());
    }
    for (const auto& one : all) test::do_on_worker(one->worker.get(), [&] { one->mine.reset(); });
    int sum = 0;
    const auto there = primary->make_store(scene.clock());
    for (int i = 0; i < counters; ++i) {
        const std::string of = "counter" + std::to_string(i);
        EXPECT_FALSE(run(straight->read(of, soon))->has_value());
        sum += std::stoi((*run(there->read(of, soon)))->value);
    }
    EXPECT_EQ(sum, counters * 1000 + gateways * coroutines * times);
}

}  // namespace
}  // namespace lethe::store::moving
