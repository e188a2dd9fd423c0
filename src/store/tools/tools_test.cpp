// Copying, moving, comparing, counting and purging whole stores, with steps that fail and others
// who write meanwhile.
#include "store/tools/copy.hpp"
#include "store/tools/copy_file.hpp"
#include "store/tools/count.hpp"
#include "store/tools/verify.hpp"
#include "store/tools/workbench.hpp"
#include "support/process.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>

namespace lethe::store::tools {
namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

constexpr std::chrono::milliseconds life = std::chrono::hours{1};

// Stands before a store. Before each batch, put or read, `before` is asked: an error is the answer
// and nothing is done; after it `after` likewise, and all is done.
class watched_store final : public store {
 public:
    explicit watched_store(store& inner) : inner_(inner) {}

    std::function<task<>(std::size_t step)> before;
    std::function<error_code(std::size_t step)> after;
    std::size_t steps = 0;
    std::size_t batch_bytes_max = 100'000'000;

    engine_promises promises() const noexcept override { return inner_.promises(); }
    task<std::vector<answer>> batch(std::vector<operation> operations,
                                    steady_time deadline) override {
        const std::size_t step = steps++;
        if (before) {
            const result<> may = co_await before(step);
            if (may.has_error()) co_return may.error();
        }
        std::size_t bytes = 0;
        for (const operation& one : operations)
            if (const auto* written = std::get_if<put>(&one)) bytes += written->value.size();
        if (bytes > batch_bytes_max) co_return LETHE_ERR(errc::too_large);
        auto got = co_await inner_.batch(std::move(operations), deadline);
        if (after)
            if (const error_code lost = after(step)) co_return lost;
        co_return got;
    }
    task<std::vector<answer>> transact(std::vector<operation> operations,
                                       steady_time deadline) override {
        return inner_.transact(std::move(operations), deadline);
    }
    task<subject_page> list_subject(std::string subject, std::string prefix, std::string after_key,
                                    std::size_t keys_max, steady_time deadline) override {
        return inner_.list_subject(std::move(subject), std::move(prefix), std::move(after_key),
                                   keys_max, deadline);
    }
    task<> ping(steady_time deadline) override { return inner_.ping(deadline); }
    task<scan_page> scan(std::string cursor, std::size_t keys_max, steady_time deadline) override {
        const std::size_t step = steps++;
        if (before) {
            const result<> may = co_await before(step);
            if (may.has_error()) co_return may.error();
        }
        auto page = co_await inner_.scan(std::move(cursor), keys_max, deadline);
        co_return page;
    }

 private:
    store& inner_;
};

std::string key_of(std::size_t number) {
    return (number % 2 == 0 ? "s:" : "i:") + std::to_string(number);
}

task<> fail_with(error_code why) {
    if (why) co_return why;
    co_return result<>{};
}

// Two files, opened as a command opens them, and as a gateway that moves from A to B does.
class StoreTools : public ::testing::Test {
 protected:
    StoreTools() { open(); }

    void open() {
        bench_ = std::make_unique<workbench>();
        std::string why;
        a_ = bench_->open(url("a"), "", "a", why).value();
        b_ = bench_->open(url("b"), "", "b", why).value();
        pair_ = bench_->open(url("b"), url("a"), "pair", why).value();
        gateway_ = bench_->open(url("b"), url("a"), "gateway", why).value();
    }
    std::string url(const char* name) const {
        return "sqlite:" + (folder_.path() / name).string() + "?synchronous=normal";
    }
    clock& time() { return bench_->worker().time(); }
    steady_time soon() { return time().steady_now() + 20s; }
    patience patient(milliseconds give_up = 20s) {
        return {.time = time(), .step_timeout = 5s, .give_up_after = give_up};
    }

    answer run(store& on, operation one) {
        auto got = bench_->run<answer>([&] { return on.run(one, soon()); });
        EXPECT_TRUE(got.has_value()) << describe(got.error());
        return got.has_value() ? *got : answer{};
    }
    std::optional<record> read(store& from, const std::string& key) {
        return run(from, get{key}).present;
    }
    void fill(store& to, std::size_t count, const std::string& value = "v") {
        std::vector<operation> all;
        for (std::size_t i = 0; i < count; ++i)
            all.emplace_back(put{key_of(i), value + std::to_string(i), life + i * 1s, anything{},
                                 "subject-" + std::to_string(i % 3)});
        const auto done = bench_->run<std::vector<answer>>([&] { return to.batch(all, soon()); });
        ASSERT_TRUE(done.has_value());
    }
    std::map<std::string, std::string> content(store& of) {
        std::map<std::string, std::string> out;
        std::string cursor;
        while (true) {
            auto page = bench_->run<scan_page>([&] { return of.scan(cursor, 500, soon()); });
            EXPECT_TRUE(page.has_value());
            for (const std::string& key : page->keys)
                if (const auto found = read(of, key)) out[key] = found->value;
            if (!page->more) return out;
            cursor = page->cursor;
        }
    }
    result<std::vector<copy_problem>> copy_from(
        store& from, store& to, copy_state& state, bool moving = false, milliseconds give_up = 20s,
        copy_options options = {.page_keys = 10, .batch_keys = 4, .batches_max = 1}) {
        return bench_->run<std::vector<copy_problem>>([&] {
            return copy({.on = bench_->worker(),
                         .from = from,
                         .to = to,
                         .moving = moving,
                         .options = options,
                         .with = patient(give_up),
                         .page_done = page_done_},
                        state);
        });
    }
    comparison verify_all() {
        auto got = bench_->run<comparison>(
            [&] { return verify({.from = *a_, .to = *b_, .with = patient(), .page_keys = 7}); });
        EXPECT_TRUE(got.has_value());
        return got.has_value() ? *got : comparison{};
    }

    test::temporary_folder folder_{"lethe-tools-"};
    std::unique_ptr<workbench> bench_;
    store* a_ = nullptr;
    store* b_ = nullptr;
    store* pair_ = nullptr;     // what the copy moves through
    store* gateway_ = nullptr;  // another process that moves
    std::function<go_on(const copy_state&)> page_done_;
};

TEST_F(StoreTools, ACopyBringsWhatTheOtherLacksAndOverwritesNothing) {
    fill(*a_, 100);
    run(*b_, put{key_of(7), "newer", life * 2, anything{}, ""});
    run(*b_, put{"only-in-b", "kept", life, anything{}, ""});
    copy_state state;
    const auto problems = copy_from(*a_, *b_, state, false, 20s,
                                    {.page_keys = 10, .batch_keys = 4, .batches_max = 3});
    ASSERT_TRUE(problems.has_value()) << describe(problems.error());
    EXPECT_TRUE(problems->empty());
    EXPECT_TRUE(state.complete);
    EXPECT_EQ(state.looked_at, 100U);
    EXPECT_EQ(state.copied, 99U);
    EXPECT_EQ(state.present, 1U);
    EXPECT_EQ(read(*b_, key_of(7))->value, "newer");
    EXPECT_EQ(read(*b_, "only-in-b")->value, "kept");
    const record first = read(*a_, key_of(3)).value();
    const record second = read(*b_, key_of(3)).value();
    EXPECT_EQ(second.value, first.value);
    EXPECT_EQ(second.subject, first.subject);
    EXPECT_LE(std::chrono::abs(second.expires - first.expires), 2s);
    EXPECT_EQ(content(*a_).size(), 100U);
    const auto page = bench_->run<subject_page>(
        [&] { return b_->list_subject("subject-1", "", "", 1000, soon()); });
    EXPECT_EQ(page->keys.size(), 32U);  // one of the 33 has another record in B
}

TEST_F(StoreTools, AnInterruptedCopyGoesOnWhereItWas) {
    fill(*a_, 95);
    const std::string file = (folder_.path() / "state.json").string();
    const std::string id = copy_id(url("a"), url("b"), false);
    std::string why;
    std::size_t runs = 0;
    std::uint64_t looked_at = 0;
    page_done_ = [&](const copy_state& now) {
        EXPECT_TRUE(save_copy(file, id, now, why).has_value()) << why;
        return go_on::no;  // each run ends after one page
    };
    while (true) {
        copy_state state = load_copy(file, id, why).value().value_or(copy_state{});
        if (state.complete) break;
        ASSERT_TRUE(copy_from(*a_, *b_, state).has_value());
        EXPECT_LE(state.looked_at - looked_at, 10U);
        looked_at = state.looked_at;
        ASSERT_LT(++runs, 20U);
    }
    EXPECT_EQ(runs, 10U);
    EXPECT_EQ(looked_at, 95U);
    EXPECT_EQ(content(*a_), content(*b_));
}

// For each step that a copy makes: it fails once, and then for good; before it was done, and after.
TEST_F(StoreTools, WhateverStepFailsNothingIsLostAndTheNextRunEndsIt) {
    fill(*a_, 25);
    const auto expected = content(*a_);
    for (const bool for_good : {false, true})
        for (const bool done_first : {false, true})
            for (std::size_t step = 0;; ++step) {
                for (const auto& [key, value] : content(*b_)) run(*b_, erase{key, anything{}});
                watched_store to(*b_);
                const auto fails = [=](std::size_t at) {
                    return at == step || (for_good && at > step);
                };
                if (done_first)
                    to.after = [=](std::size_t at) {
                        return fails(at) ? LETHE_ERR(errc::outcome_unknown) : error_code();
                    };
                else
                    to.before = [=](std::size_t at) {
                        return fail_with(fails(at) ? LETHE_ERR(errc::unavailable) : error_code());
                    };
                copy_state state;
                const auto done = copy_from(*a_, to, state, false, for_good ? 1ms : 20'000ms);
                const bool met = to.steps > step;
                EXPECT_EQ(done.has_error(), for_good && met) << step;
                if (done.has_error()) {
                    EXPECT_FALSE(state.complete);
                    EXPECT_EQ(state.looked_at % 10, 0U);
                    ASSERT_TRUE(copy_from(*a_, *b_, state).has_value());
                }
                EXPECT_TRUE(state.complete);
                EXPECT_EQ(state.looked_at, 25U);
                EXPECT_EQ(content(*b_), expected) << "step " << step << (for_good ? " on" : "");
                if (!met) break;
            }
}

TEST_F(StoreTools, AMoveLeavesNothingBehind) {
    fill(*a_, 60);
    const auto expected = content(*a_);
    copy_state state;
    ASSERT_TRUE(copy_from(*a_, *pair_, state, true).has_value());
    EXPECT_EQ(state.copied, 60U);
    EXPECT_EQ(content(*b_), expected);
    EXPECT_TRUE(content(*a_).empty());
    EXPECT_EQ(verify_all().looked_at, 0U);
}

task<> act(store& on, operation what, steady_time deadline) {
    const result<answer> done = co_await on.run(std::move(what), deadline);
    if (done.has_error()) co_return done.error();
    co_return result<>{};
}

task<> act_at(store& on, operation what, steady_time deadline, bool now) {
    if (!now) co_return result<>{};
    const result<> done = co_await act(on, std::move(what), deadline);
    co_return done;
}

// Beside gateways that move as well: before each step, one of them erases or changes a record.
TEST_F(StoreTools, AMoveBringsNothingBackThatWasErasedAndUndoesNoChange) {
    for (const bool erases : {true, false})
        for (std::size_t step = 0;; ++step) {
            for (store* one : {a_, b_})
                for (const auto& [key, value] : content(*one)) run(*one, erase{key, anything{}});
            fill(*a_, 6);
            watched_store from(*a_);
            watched_store through(*pair_);
            const std::string key = key_of(3);
            const operation what = erases ? operation(erase{key, anything{}})
                                          : operation(put{key, "changed", life, anything{}, ""});
            std::size_t steps = 0;
            for (watched_store* one : {&from, &through})
                one->before = [&](std::size_t) {
                    return act_at(*gateway_, what, soon(), steps++ == step);
                };
            copy_state state;
            ASSERT_TRUE(copy_from(from, through, state, true, 20s,
                                  {.page_keys = 3, .batch_keys = 1, .batches_max = 1})
                            .has_value());
            if (steps <= step) break;
            const auto found = read(*gateway_, key);
            EXPECT_EQ(found.has_value(), !erases) << "step " << step;
            if (found) EXPECT_EQ(found->value, "changed") << "step " << step;
            EXPECT_EQ(content(*b_).size(), erases ? 5U : 6U) << "step " << step;
        }
}

TEST_F(StoreTools, WhatCannotBeTakenIsToldAndTheRestIsCopied) {
    fill(*a_, 30);
    run(*a_, put{"large", std::string(5000, 'x'), life, anything{}, ""});
    watched_store small(*b_);
    small.batch_bytes_max = 20;
    copy_state state;
    const auto problems = copy_from(*a_, small, state);
    ASSERT_TRUE(problems.has_value());
    ASSERT_EQ(problems->size(), 1U);
    EXPECT_EQ(problems->front().key, "large");
    EXPECT_EQ(state.refused, 1U);
    EXPECT_EQ(state.copied, 30U);
    EXPECT_EQ(content(*b_).size(), 30U);
}

TEST_F(StoreTools, VerifyingTellsWhatDiffers) {
    fill(*a_, 40);
    copy_state state;
    ASSERT_TRUE(copy_from(*a_, *b_, state).has_value());
    comparison same = verify_all();
    EXPECT_TRUE(same.complete);
    EXPECT_EQ(same.equal, 40U);
    EXPECT_EQ(same.differing, 0U);

    run(*b_, put{key_of(1), "used later", life * 3, anything{}, ""});
    run(*b_, erase{key_of(2), anything{}});
    run(*b_, put{key_of(3), "older", life / 2, anything{}, ""});
    const record four = read(*a_, key_of(4)).value();
    run(*b_, put{key_of(4), four.value, life / 2, anything{}, four.subject});
    const comparison other = verify_all();
    EXPECT_EQ(other.equal, 36U);
    EXPECT_EQ(other.newer, 1U);
    EXPECT_EQ(other.differing, 3U);
    std::map<std::string, likeness> seen;
    for (const difference& one : other.first) seen[one.key] = one.how;
    EXPECT_EQ(seen, (std::map<std::string, likeness>{{key_of(2), likeness::missing},
                                                     {key_of(3), likeness::other},
                                                     {key_of(4), likeness::shorter}}));
}

// What leaves A between the two looks is no difference.
TEST_F(StoreTools, VerifyingBesideGatewaysThatMoveFindsNothingMissing) {
    fill(*a_, 12);
    watched_store from(*a_);
    std::size_t number = 0;
    from.before = [&](std::size_t) {
        return act(*gateway_, erase{key_of(number++ % 12), anything{}}, soon());
    };
    copy_state state;
    ASSERT_TRUE(copy_from(*a_, *b_, state).has_value());
    const auto got = bench_->run<comparison>(
        [&] { return verify({.from = from, .to = *b_, .with = patient(), .page_keys = 3}); });
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->differing, 0U);
    EXPECT_GT(number, 0U);
}

TEST(StoreCompare, ALaterLifeIsNewerAndOtherwiseAnotherValueIsNot) {
    const system_time now{1'700'000'000'000ms};
    const record a{"v", {1}, now + 1h, "s"};
    const auto with = [&](const char* value, milliseconds more, const char* subject = "s") {
        return compare(a, record{value, {9}, now + 1h + more, subject});
    };
    EXPECT_EQ(with("v", 0ms), likeness::equal);
    EXPECT_EQ(with("v", -1999ms), likeness::equal);
    EXPECT_EQ(with("v", -3s), likeness::shorter);
    EXPECT_EQ(with("v", 3s), likeness::newer);
    EXPECT_EQ(with("w", 1ms), likeness::newer);
    EXPECT_EQ(with("w", 0ms), likeness::other);
    EXPECT_EQ(with("v", 0ms, "t"), likeness::other);
}

TEST_F(StoreTools, EachRecordIsCountedOnceByItsKind) {
    fill(*a_, 31);
    const auto counted = bench_->run<census>([&] {
        return count({.of = *a_,
                      .with = patient(),
                      .kind_of = [](std::string_view key) { return std::string(key.substr(0, 1)); },
                      .page_keys = 7});
    });
    ASSERT_TRUE(counted.has_value());
    EXPECT_TRUE(counted->complete);
    EXPECT_EQ(counted->total, 31U);
    EXPECT_EQ(counted->kinds, (std::map<std::string, std::uint64_t>{{"s", 16}, {"i", 15}}));
}

TEST_F(StoreTools, PurgingRemovesWhatHasExpiredAndNothingElse) {
    fill(*a_, 10);
    for (int i = 0; i < 25; ++i)
        run(*a_, put{"short-" + std::to_string(i), "v", 1ms, anything{}, ""});
    while (read(*a_, "short-24")) {
    }
    const auto removed = bench_->run<std::uint64_t>(
        [&] { return purge({.of = *a_, .with = patient(), .records_max = 4}); });
    // The engine's own sweep may have taken some.
    ASSERT_TRUE(removed.has_value());
    EXPECT_LE(*removed, 25U);
    EXPECT_EQ(content(*a_).size(), 10U);
    const auto again =
        bench_->run<std::uint64_t>([&] { return purge({.of = *a_, .with = patient()}); });
    EXPECT_EQ(again.value(), 0U);
}

class CopyFile : public ::testing::Test {
 protected:
    std::string file() const { return (folder_.path() / "state.json").string(); }
    void write(const std::string& text) { std::ofstream(file()) << text; }

    test::temporary_folder folder_{"lethe-copy-file-"};
    std::string why_;
};

TEST_F(CopyFile, ComesBackAsItWasWrittenAndIsNobodyElses) {
    copy_state state{.cursor = std::string("\0\xff"
                                           "key",
                                           5),
                     .total = 10,
                     .looked_at = 9,
                     .copied = 5,
                     .present = 3,
                     .gone = 1,
                     .refused = 0,
                     .complete = false};
    const std::string id = copy_id("sqlite:a", "redis://u:secret@b", false);
    EXPECT_FALSE(load_copy(file(), id, why_).value().has_value());
    ASSERT_TRUE(save_copy(file(), id, state, why_).has_value()) << why_;
    EXPECT_EQ(load_copy(file(), id, why_).value(), state);
    state.complete = true;
    ASSERT_TRUE(save_copy(file(), id, state, why_).has_value());
    EXPECT_EQ(load_copy(file(), id, why_).value(), state);
    for (const std::string& other : {copy_id("sqlite:b", "redis://u:secret@b", false),
                                     copy_id("sqlite:a", "redis://u:secret@b", true),
                                     copy_id("redis://b", "sqlite:a", false)}) {
        EXPECT_TRUE(load_copy(file(), other, why_).has_error());
        EXPECT_NE(why_.find("another copy"), std::string::npos) << why_;
    }
    // A password that was changed meanwhile does not make it another copy, and is not in the file.
    EXPECT_EQ(copy_id("sqlite:a", "redis://u:other@b", false), id);
}

TEST_F(CopyFile, WhatIsSomethingElseIsToldAndLeftAlone) {
    const std::string id = copy_id("a:", "b:", false);
    for (const char* text : {"", "{}", "not json", "[1]", "{\"what\": 1}"}) {
        write(text);
        EXPECT_TRUE(load_copy(file(), id, why_).has_error()) << text;
        EXPECT_NE(why_.find("is not the state of a copy"), std::string::npos) << why_;
    }
    ASSERT_TRUE(save_copy(file(), id, {}, why_).has_value());
    std::ifstream in(file());
    std::string whole((std::istreambuf_iterator<char>(in)), {});
    for (const char* damage : {"\"cursor\"", "\"total\"", "\"complete\""}) {
        std::string text = whole;
        text.replace(text.find(damage) + 1, 2, "xx");
        write(text);
        EXPECT_TRUE(load_copy(file(), id, why_).has_error());
        EXPECT_NE(why_.find("is damaged"), std::string::npos) << why_;
    }
    EXPECT_TRUE(save_copy((folder_.path() / "none/state").string(), id, {}, why_).has_error());
    EXPECT_NE(why_.find("cannot be written"), std::string::npos) << why_;
}

}  // namespace
}  // namespace lethe::store::tools
