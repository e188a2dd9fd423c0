// When changes of one session conflict and when they do not; limits.
#include "base/bytes.hpp"
#include "session/engine_world.hpp"

namespace lethe::session::testing {
namespace {

using namespace std::chrono_literals;

// --- "Conflict (a touched slot changed since the version sent)"

TEST_P(SessionEngine, UntouchedSlotsAreNoConflict) {
    const ticket holder = make_cart();
    const std::optional<view> seen = load(holder);
    ASSERT_TRUE(commit(load(holder), merge(R"({"wizard":1})")).has_value());
    const result<committed> done = commit(seen, merge(R"({"cart":{"count":2}})"));
    ASSERT_TRUE(done.has_value());
    EXPECT_EQ(done->tries, 2U);
    EXPECT_EQ(slots(holder), R"({"cart":{"count":2},"wizard":1})");
}

TEST_P(SessionEngine, ATouchedSlotThatChangedIsAConflict) {
    const ticket holder = make_cart();
    const std::optional<view> seen = load(holder);
    ASSERT_TRUE(commit(load(holder), merge(R"({"cart":{"count":7}})")).has_value());
    EXPECT_EQ(commit(seen, merge(R"({"cart":{"count":2}})")).error(), code(errc::slot_changed));
    EXPECT_EQ(
        commit(seen, edit(patch_type::json_patch, R"([{"op":"add","path":"/cart/x","value":1}])"))
            .error(),
        code(errc::slot_changed));
    EXPECT_EQ(commit(seen, edit(patch_type::json_patch,
                                R"([{"op":"copy","from":"/cart","path":"/wizard"}])"))
                  .error(),
              code(errc::slot_changed));
    EXPECT_EQ(slots(holder), R"({"cart":{"count":7}})");
}

TEST_P(SessionEngine, ASlotThatWasRemovedAndOneThatAppearedAreConflictsToo) {
    const ticket holder = make_cart();
    const std::optional<view> seen = load(holder);
    ASSERT_TRUE(commit(load(holder), merge(R"({"cart":null,"wizard":1})")).has_value());
    EXPECT_EQ(commit(seen, merge(R"({"cart":{"count":2}})")).error(), code(errc::slot_changed));
    EXPECT_EQ(commit(seen, merge(R"({"wizard":2})")).error(), code(errc::slot_changed));
}

TEST_P(SessionEngine, OperationsNeverConflict) {
    const ticket holder = make_cart();
    const std::optional<view> seen = load(holder);
    for (int i = 0; i < 5; ++i)
        ASSERT_TRUE(commit(seen, ops(R"([{"op":"inc","path":"/cart/count"}])")).has_value());
    EXPECT_EQ(slots(holder), R"({"cart":{"count":6}})");
}

TEST_P(SessionEngine, IfVersionRefusesAnyChangeInBetween) {
    const ticket holder = make_cart();
    const std::optional<view> seen = load(holder);
    ASSERT_TRUE(commit(load(holder), merge(R"({"wizard":1})")).has_value());
    for (change late : {merge(R"({"cart":2})"), ops(R"([{"op":"inc","path":"/cart/count"}])")}) {
        late.relies_on = basis::version;
        EXPECT_EQ(commit(seen, late).error(), code(errc::version_changed));
        EXPECT_TRUE(commit(load(holder), late).has_value() || late.edit->type() == patch_type::ops);
    }
}

TEST_P(SessionEngine, IfAnyAndLastWriterWinsApplyToWhatIsThere) {
    const ticket holder = make_cart();
    const std::optional<view> seen = load(holder);
    ASSERT_TRUE(commit(load(holder), merge(R"({"cart":{"count":7,"note":"x"}})")).has_value());
    change any = merge(R"({"cart":{"count":2}})");
    any.relies_on = basis::any;
    ASSERT_TRUE(commit(seen, any).has_value());
    EXPECT_EQ(slots(holder), R"({"cart":{"count":2,"note":"x"}})");
    change last = merge(R"({"cart":{"count":3}})");
    last.on_conflict = conflict_rule::last_writer_wins;
    ASSERT_TRUE(commit(seen, last).has_value());
    EXPECT_EQ(slots(holder), R"({"cart":{"count":3,"note":"x"}})");
}

// --- "json-patch (RFC 6902, test = precondition)"

TEST_P(SessionEngine, ATestIsAPreconditionOnWhatIsThereNow) {
    const ticket holder = make_cart();
    const std::optional<view> seen = load(holder);
    const std::string_view conditional =
        R"([{"op":"test","path":"/cart/count","value":1},{"op":"add","path":"/wizard","value":1}])";
    EXPECT_EQ(commit(seen, edit(patch_type::json_patch, conditional))->what, effect::changed);
    ASSERT_TRUE(commit(load(holder), merge(R"({"cart":{"count":2}})")).has_value());
    EXPECT_EQ(commit(load(holder), edit(patch_type::json_patch, conditional)).error(),
              code(errc::test_failed));
}

TEST_P(SessionEngine, APatchThatDoesNotFitIsTheUpstreamsMistakeUnlessTheSessionChanged) {
    const ticket holder = make_cart();
    const std::optional<view> seen = load(holder);
    EXPECT_EQ(commit(seen, ops(R"([{"op":"inc","path":"/cart/count/x"}])")).error(),
              code(errc::patch_unfit));
    ASSERT_TRUE(commit(load(holder), merge(R"({"cart":{"count":[]}})")).has_value());
    EXPECT_EQ(commit(seen, ops(R"([{"op":"inc","path":"/cart/count"}])")).error(),
              code(errc::no_longer_fits));
}

// --- "route declares session: {read: [cart], write: [cart]}"

TEST_P(SessionEngine, OnlySlotsOfTheRouteAreWrittenOrLookedAt) {
    const ticket holder = make_cart();
    EXPECT_EQ(commit(load(holder), merge(R"({"secret":1})")).error(), code(errc::slot_forbidden));
    EXPECT_EQ(commit(load(holder), merge(R"({"cart":1,"other":1})")).error(),
              code(errc::slot_forbidden));
    const auto json_patch = [this, &holder](std::string_view text) {
        return commit(load(holder), edit(patch_type::json_patch, text)).error();
    };
    EXPECT_EQ(json_patch(R"([{"op":"copy","from":"/other","path":"/cart"}])"),
              code(errc::slot_forbidden));
    EXPECT_EQ(json_patch(R"([{"op":"test","path":"/other","value":1}])"),
              code(errc::slot_forbidden));
    EXPECT_EQ(json_patch(R"([{"op":"move","from":"/secret","path":"/cart"}])"),
              code(errc::slot_forbidden));
    EXPECT_EQ(json_patch(R"([{"op":"copy","from":"/secret","path":"/cart"}])"),
              code(errc::patch_unfit));
    EXPECT_EQ(slots(holder), R"({"cart":{"count":1}})");
}

// --- limits

TEST_P(SessionEngine, ASessionThatWouldBeTooLargeStaysAsItWas) {
    const ticket holder = make_cart();
    const auto fill = [](std::size_t bytes) {
        return R"({"wizard":")" + std::string(bytes, 'x') + R"("})";
    };
    // {"cart":{"count":1},"wizard":"…"}
    const std::size_t frame = std::string_view(R"({"cart":{"count":1},"wizard":""})").size();
    EXPECT_EQ(commit(load(holder), merge(fill(4097 - frame))).error(), code(errc::too_large));
    EXPECT_EQ(load(holder)->data().version, 1U);
    EXPECT_TRUE(commit(load(holder), merge(fill(4096 - frame))).has_value());
    EXPECT_EQ(slots(holder).size(), 4096U);

    settings smaller;
    smaller.session_bytes_max = 256;
    engine strict(store, time, *random, smaller);
    const auto seen = test::run(strict.load(holder, forever));
    change shrink = merge(fill(300));
    shrink.base_version = (*seen)->data().version;
    EXPECT_EQ(test::run(strict.commit(*seen, shrink, forever))->what, effect::changed);
}

TEST_P(SessionEngine, HasABoundedNumberOfSlotsAndRemovedOnesMakeRoom) {
    settings options;
    options.slots_max = 3;
    engine few(store, time, *random, options);
    const auto put = [&](std::optional<view> seen, const std::string& json) {
        change wanted = merge(json);
        wanted.writable = {"a", "b", "c", "d"};
        wanted.base_version = seen ? seen->data().version : 0;
        return test::run(few.commit(std::move(seen), wanted, forever));
    };
    const result<committed> made = put(std::nullopt, R"({"a":1,"b":1,"c":1})");
    const ticket holder = *made->hand_out;
    EXPECT_EQ(put(load(holder), R"({"d":1})").error(), code(errc::too_large));
    EXPECT_TRUE(put(load(holder), R"({"a":null})").has_value());
    EXPECT_TRUE(put(load(holder), R"({"d":1})").has_value());
    EXPECT_EQ(put(load(holder), R"({"a":1})").error(), code(errc::too_large));
}

}  // namespace
}  // namespace lethe::session::testing
