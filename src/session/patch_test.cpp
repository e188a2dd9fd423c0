// Patches by their RFCs' own examples, lethe's operations, and what is refused.
#include "session/patch.hpp"

#include "base/json.hpp"
#include "base/random.hpp"
#include "session/json_tools.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace lethe::session {
namespace {

// The slots afterwards as JSON text, or the error's message.
std::string applied(patch_type type, std::string_view slots, std::string_view change) {
    const result<patch> parsed = patch::parse(type, change, 8192);
    if (parsed.has_error()) return parsed.error().message();
    result<boost::json::object> root = json::parse_object(slots);
    if (root.has_error()) return "the test's own slots are malformed";
    const result<> done = parsed->apply(*root);
    return done.has_error() ? done.error().message() : json::to_text(*root);
}

std::string message(errc e) {
    return make_error_code(e).message();
}
const std::string malformed = message(errc::patch_malformed);
const std::string unfit = message(errc::patch_unfit);
const std::string too_large = message(errc::too_large);

std::string nested(std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
}

struct example {
    std::string_view slots;
    std::string_view change;
    std::string expected;
};

// --- RFC 7396

TEST(SessionMergePatch, FollowsEveryExampleOfRfc7396AppendixA) {
    // Each target and patch of the appendix as the value of slot "s".
    const example examples[] = {
        {R"({"s":{"a":"b"}})", R"({"s":{"a":"c"}})", R"({"s":{"a":"c"}})"},
        {R"({"s":{"a":"b"}})", R"({"s":{"b":"c"}})", R"({"s":{"a":"b","b":"c"}})"},
        {R"({"s":{"a":"b"}})", R"({"s":{"a":null}})", R"({"s":{}})"},
        {R"({"s":{"a":"b","b":"c"}})", R"({"s":{"a":null}})", R"({"s":{"b":"c"}})"},
        {R"({"s":{"a":["b"]}})", R"({"s":{"a":"c"}})", R"({"s":{"a":"c"}})"},
        {R"({"s":{"a":"c"}})", R"({"s":{"a":["b"]}})", R"({"s":{"a":["b"]}})"},
        {R"({"s":{"a":{"b":"c"}}})", R"({"s":{"a":{"b":"d","c":null}}})",
         R"({"s":{"a":{"b":"d"}}})"},
        {R"({"s":{"a":[{"b":"c"}]}})", R"({"s":{"a":[1]}})", R"({"s":{"a":[1]}})"},
        {R"({"s":["a","b"]})", R"({"s":["c","d"]})", R"({"s":["c","d"]})"},
        {R"({"s":{"a":"b"}})", R"({"s":["c"]})", R"({"s":["c"]})"},
        {R"({"s":{"a":"foo"}})", R"({"s":null})", R"({})"},
        {R"({"s":{"a":"foo"}})", R"({"s":"bar"})", R"({"s":"bar"})"},
        {R"({"s":{"e":null}})", R"({"s":{"a":1}})", R"({"s":{"e":null,"a":1}})"},
        {R"({"s":[1,2]})", R"({"s":{"a":"b","c":null}})", R"({"s":{"a":"b"}})"},
        {R"({})", R"({"s":{"a":{"bb":{"ccc":null}}}})", R"({"s":{"a":{"bb":{}}}})"},
    };
    for (const example& one : examples)
        EXPECT_EQ(applied(patch_type::merge, one.slots, one.change), one.expected) << one.change;
}

TEST(SessionMergePatch, MustBeAnObjectOfSlots) {
    for (const std::string_view change :
         {"[]", "1", "\"a\"", "null", "", "{", R"({"":1})", R"({"a":1,"a":2})"})
        EXPECT_EQ(applied(patch_type::merge, "{}", change), malformed) << change;
}

// --- RFC 6902

TEST(SessionJsonPatch, FollowsTheExamplesOfRfc6902AppendixA) {
    const example examples[] = {
        // A.1 to A.6, A.8 to A.10, A.14, A.16
        {R"({"s":{"foo":"bar"}})", R"([{"op":"add","path":"/s/baz","value":"qux"}])",
         R"({"s":{"foo":"bar","baz":"qux"}})"},
        {R"({"s":{"foo":["bar","baz"]}})", R"([{"op":"add","path":"/s/foo/1","value":"qux"}])",
         R"({"s":{"foo":["bar","qux","baz"]}})"},
        {R"({"s":{"baz":"qux","foo":"bar"}})", R"([{"op":"remove","path":"/s/baz"}])",
         R"({"s":{"foo":"bar"}})"},
        {R"({"s":{"foo":["bar","qux","baz"]}})", R"([{"op":"remove","path":"/s/foo/1"}])",
         R"({"s":{"foo":["bar","baz"]}})"},
        {R"({"s":{"baz":"qux","foo":"bar"}})",
         R"([{"op":"replace","path":"/s/baz","value":"boo"}])",
         R"({"s":{"baz":"boo","foo":"bar"}})"},
        {R"({"s":{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}})",
         R"([{"op":"move","from":"/s/foo/waldo","path":"/s/qux/thud"}])",
         R"({"s":{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}})"},
        {R"({"s":["all","grass","cows","eat"]})", R"([{"op":"move","from":"/s/1","path":"/s/3"}])",
         R"({"s":["all","cows","eat","grass"]})"},
        {R"({"s":{"baz":"qux","foo":["a",2,"c"]}})",
         R"([{"op":"test","path":"/s/baz","value":"qux"},{"op":"test","path":"/s/foo/1","value":2}])",
         R"({"s":{"baz":"qux","foo":["a",2,"c"]}})"},
        {R"({"s":{"baz":"qux"}})", R"([{"op":"test","path":"/s/baz","value":"bar"}])",
         message(errc::test_failed)},
        {R"({"s":{"foo":"bar"}})", R"([{"op":"add","path":"/s/child","value":{"grandchild":{}}}])",
         R"({"s":{"foo":"bar","child":{"grandchild":{}}}})"},
        {R"({"s":{"foo":"bar"}})", R"([{"op":"add","path":"/s/baz","value":"qux","xyz":123}])",
         R"({"s":{"foo":"bar","baz":"qux"}})"},
        {R"({"s":{"foo":"bar"}})", R"([{"op":"add","path":"/s/baz/bat","value":"qux"}])", unfit},
        {R"({"s":{"/":9,"~1":10}})", R"([{"op":"test","path":"/s/~01","value":10}])",
         R"({"s":{"/":9,"~1":10}})"},
        {R"({"s":{"/":9,"~1":10}})", R"([{"op":"test","path":"/s/~01","value":"10"}])",
         message(errc::test_failed)},
        {R"({"s":["bar"]})", R"([{"op":"add","path":"/s/-","value":["abc","def"]}])",
         R"({"s":["bar",["abc","def"]]})"},
        {R"({"a":{"x":1}})", R"([{"op":"copy","from":"/a","path":"/b"}])",
         R"({"a":{"x":1},"b":{"x":1}})"},
        {R"({"a":1})", R"([{"op":"remove","path":"/a"}])", R"({})"},
        {R"({"a":1})", R"([{"op":"move","from":"/a","path":"/a"}])", R"({"a":1})"},
    };
    for (const example& one : examples)
        EXPECT_EQ(applied(patch_type::json_patch, one.slots, one.change), one.expected)
            << one.change;
}

TEST(SessionJsonPatch, RefusesWhatDoesNotFit) {
    const std::string_view slots = R"({"s":{"list":[1,2],"text":"x"}})";
    for (const std::string_view change :
         {R"([{"op":"remove","path":"/s/none"}])", R"([{"op":"remove","path":"/none"}])",
          R"([{"op":"replace","path":"/s/none","value":1}])",
          R"([{"op":"add","path":"/s/list/3","value":1}])",
          R"([{"op":"add","path":"/s/list/01","value":1}])",
          R"([{"op":"add","path":"/s/list/-1","value":1}])",
          R"([{"op":"add","path":"/s/list/1e0","value":1}])",
          R"([{"op":"replace","path":"/s/list/-","value":1}])",
          R"([{"op":"add","path":"/s/text/a","value":1}])",
          R"([{"op":"copy","from":"/s/none","path":"/s/a"}])",
          R"([{"op":"move","from":"/none","path":"/s/a"}])",
          R"([{"op":"add","path":"/s/list/99999999999999999999","value":1}])"})
        EXPECT_EQ(applied(patch_type::json_patch, slots, change), unfit) << change;
}

TEST(SessionJsonPatch, RefusesWhatIsMalformed) {
    for (const std::string_view change :
         {"{}", "[1]", "[", R"([{"path":"/s"}])", R"([{"op":"add","path":"/s"}])",
          R"([{"op":"inc","path":"/s"}])", R"([{"op":"add","path":"","value":{}}])",
          R"([{"op":"add","path":"s","value":1}])", R"([{"op":"add","path":"/","value":1}])",
          R"([{"op":"add","path":"/s~2","value":1}])", R"([{"op":"add","path":"/s~","value":1}])",
          R"([{"op":"copy","path":"/s"}])", R"([{"op":"move","from":"/s","path":"/s/a"}])",
          R"([{"op":"add","op":"test","path":"/s","value":1}])"})
        EXPECT_EQ(applied(patch_type::json_patch, R"({"s":{}})", change), malformed) << change;
}

TEST(SessionJsonPatch, TestComparesNumbersByValueAndObjectsWithoutOrder) {
    const auto test = [](std::string_view value) {
        return applied(patch_type::json_patch, R"({"s":{"n":1.0,"o":{"a":1,"b":[2]}}})", value) !=
               message(errc::test_failed);
    };
    EXPECT_TRUE(test(R"([{"op":"test","path":"/s/n","value":1}])"));
    EXPECT_TRUE(test(R"([{"op":"test","path":"/s/o","value":{"b":[2.0],"a":1}}])"));
    EXPECT_FALSE(test(R"([{"op":"test","path":"/s/o","value":{"b":[2.5],"a":1}}])"));
    EXPECT_FALSE(test(R"([{"op":"test","path":"/s/o","value":{"b":[2],"a":1,"c":null}}])"));
    EXPECT_FALSE(test(R"([{"op":"test","path":"/s/none","value":null}])"));
}

TEST(SessionJsonPatch, CopiesCannotBlowAValueUp) {
    std::string change = R"([{"op":"add","path":"/s","value":["0123456789"]})";
    for (int i = 0; i < 60; ++i) change += R"(,{"op":"copy","from":"/s","path":"/s/-"})";
    EXPECT_EQ(applied(patch_type::json_patch, "{}", change + "]"), too_large);
    // Without nesting: a text side by side.
    change = R"([{"op":"add","path":"/s/a","value":")" + std::string(2000, 'x') + R"("})";
    for (int i = 0; i < 60; ++i)
        change += R"(,{"op":"copy","from":"/s/a","path":"/s/b)" + std::to_string(i) + R"("})";
    EXPECT_EQ(applied(patch_type::json_patch, R"({"s":{}})", change + "]"), too_large);
}

TEST(SessionPatch, NumbersThatCannotBeWrittenAreRefused) {
    for (const std::string& number :
         {std::string("1e999"), std::string("-1e999"), std::string(400, '9')}) {
        EXPECT_EQ(applied(patch_type::merge, "{}", R"({"s":[)" + number + "]}"), malformed);
        EXPECT_EQ(
            applied(patch_type::ops, "{}", R"([{"op":"inc","path":"/s","by":)" + number + "}]"),
            malformed);
        EXPECT_EQ(applied(patch_type::json_patch, "{}",
                          R"([{"op":"add","path":"/s","value":{"a":)" + number + "}}]"),
                  malformed);
    }
}

TEST(SessionPatch, SlotsHaveABoundedDepth) {
    const std::string deepest = nested(slot_depth_max);
    EXPECT_EQ(applied(patch_type::merge, "{}", R"({"s":)" + deepest + "}"),
              R"({"s":)" + deepest + "}");
    EXPECT_EQ(applied(patch_type::merge, "{}", R"({"s":[)" + deepest + "]}"), too_large);
    EXPECT_EQ(applied(patch_type::json_patch, "{}",
                      R"([{"op":"add","path":"/s","value":[)" + deepest + "]}]"),
              too_large);
    EXPECT_EQ(applied(patch_type::json_patch, R"({"s":{}})",
                      R"([{"op":"add","path":"/s/a","value":)" + deepest + "}]"),
              too_large);
    EXPECT_EQ(
        applied(patch_type::ops, "{}", R"([{"op":"append","path":"/s","value":)" + deepest + "}]"),
        too_large);
    EXPECT_EQ(applied(patch_type::ops, "{}",
                      R"([{"op":"put_if_absent","path":"/s/a","value":)" + deepest + "}]"),
              too_large);
    std::string path;
    for (std::size_t i = 0; i < slot_depth_max + 2; ++i) path += "/a";
    EXPECT_EQ(applied(patch_type::ops, "{}", R"([{"op":"inc","path":")" + path + R"("}])"),
              too_large);
}

TEST(SessionPatch, HasABoundedSize) {
    const std::string change = R"({"s":")" + std::string(100, 'x') + R"("})";
    EXPECT_EQ(patch::parse(patch_type::merge, change, change.size()).has_error(), false);
    EXPECT_EQ(patch::parse(patch_type::merge, change, change.size() - 1).error(),
              make_error_code(errc::too_large));
}

// --- operations

TEST(SessionOps, ExampleOfTheSpecMakesACart) {
    const std::string_view change =
        R"([{"op":"set_add","path":"/cart/items","value":"sku-1"},{"op":"inc","path":"/cart/count","by":1,"min":0,"max":99}])";
    EXPECT_EQ(applied(patch_type::ops, "{}", change), R"({"cart":{"items":["sku-1"],"count":1}})");
    EXPECT_EQ(applied(patch_type::ops, R"({"cart":{"items":["sku-1"],"count":1}})", change),
              R"({"cart":{"items":["sku-1"],"count":2}})");
}

TEST(SessionOps, IncCountsExactlyAndKeepsItsBounds) {
    const auto inc = [](std::string_view slots, std::string_view members) {
        return applied(patch_type::ops, slots,
                       R"([{"op":"inc","path":"/n")" + std::string(members) + "}]");
    };
    EXPECT_EQ(inc("{}", ""), R"({"n":1})");
    EXPECT_EQ(inc(R"({"n":41})", R"(,"by":1)"), R"({"n":42})");
    EXPECT_EQ(inc(R"({"n":9007199254740992})", R"(,"by":1)"), R"({"n":9007199254740993})");
    EXPECT_EQ(inc(R"({"n":1})", R"(,"by":-1,"min":0)"), R"({"n":0})");
    EXPECT_EQ(inc(R"({"n":0})", R"(,"by":-1,"min":0)"), message(errc::bound_left));
    EXPECT_EQ(inc(R"({"n":99})", R"(,"by":1,"max":99)"), message(errc::bound_left));
    EXPECT_EQ(inc(R"({"n":0.5})", R"(,"by":0.25,"max":0.75)"), R"({"n":7.5E-1})");
    EXPECT_EQ(inc(R"({"n":9223372036854775807})", ""), unfit);
    EXPECT_EQ(inc(R"({"n":18446744073709551615})", ""), unfit);
    EXPECT_EQ(inc(R"({"n":1e308})", R"(,"by":1e308)"), unfit);
    EXPECT_EQ(inc(R"({"n":"1"})", ""), unfit);
    EXPECT_EQ(inc(R"({"n":null})", ""), unfit);
    EXPECT_EQ(inc("{}", R"(,"by":"1")"), malformed);
    EXPECT_EQ(inc("{}", R"(,"min":2,"max":1)"), malformed);
    EXPECT_EQ(inc("{}", R"(,"maximum":1)"), malformed);
}

TEST(SessionOps, SetsHoldEqualValuesOnce) {
    EXPECT_EQ(applied(patch_type::ops, R"({"s":[{"a":1,"b":2}]})",
                      R"([{"op":"set_add","path":"/s","value":{"b":2,"a":1}}])"),
              R"({"s":[{"a":1,"b":2}]})");
    EXPECT_EQ(applied(patch_type::ops, R"({"s":[1,2,1]})",
                      R"([{"op":"set_remove","path":"/s","value":1}])"),
              R"({"s":[2]})");
    EXPECT_EQ(
        applied(patch_type::ops, R"({"s":[1]})", R"([{"op":"set_remove","path":"/s","value":3}])"),
        R"({"s":[1]})");
    EXPECT_EQ(applied(patch_type::ops, "{}", R"([{"op":"set_remove","path":"/s/a","value":3}])"),
              "{}");
    EXPECT_EQ(
        applied(patch_type::ops, R"({"s":{}})", R"([{"op":"set_add","path":"/s","value":3}])"),
        unfit);
    EXPECT_EQ(applied(patch_type::ops, R"({"s":{}})", R"([{"op":"set_add","path":"/s"}])"),
              malformed);
}

TEST(SessionOps, AppendKeepsTheNewest) {
    const std::string_view change = R"([{"op":"append","path":"/seen","value":4,"limit":3}])";
    EXPECT_EQ(applied(patch_type::ops, "{}", change), R"({"seen":[4]})");
    EXPECT_EQ(applied(patch_type::ops, R"({"seen":[0,1,2,3]})", change), R"({"seen":[2,3,4]})");
    for (const std::string_view limit : {"0", "-1", "1.5", "\"3\""})
        EXPECT_EQ(applied(patch_type::ops, "{}",
                          R"([{"op":"append","path":"/s","value":4,"limit":)" + std::string(limit) +
                              "}]"),
                  malformed);
    EXPECT_EQ(
        applied(patch_type::ops, "{}", R"([{"op":"set_add","path":"/s","value":4,"limit":1}])"),
        malformed);
}

TEST(SessionOps, PutIfAbsentNeverReplaces) {
    const std::string_view change = R"([{"op":"put_if_absent","path":"/s/a/b","value":{"x":1}}])";
    EXPECT_EQ(applied(patch_type::ops, "{}", change), R"({"s":{"a":{"b":{"x":1}}}})");
    EXPECT_EQ(applied(patch_type::ops, R"({"s":{"a":{"b":null}}})", change),
              R"({"s":{"a":{"b":null}}})");
    EXPECT_EQ(applied(patch_type::ops, R"({"s":{"a":[]}})", change), unfit);
}

TEST(SessionOps, ReachThroughElementsOfArrays) {
    EXPECT_EQ(applied(patch_type::ops, R"({"s":[{"n":1}]})", R"([{"op":"inc","path":"/s/0/n"}])"),
              R"({"s":[{"n":2}]})");
    EXPECT_EQ(applied(patch_type::ops, R"({"s":[]})", R"([{"op":"inc","path":"/s/0"}])"), unfit);
    EXPECT_EQ(applied(patch_type::ops, R"({"s":1})", R"([{"op":"inc","path":"/s/n"}])"), unfit);
}

TEST(SessionPatch, NamesTheSlotsItTouches) {
    const result<patch> parsed = patch::parse(
        patch_type::json_patch,
        R"([{"op":"add","path":"/a/x","value":1},{"op":"copy","from":"/b/x","path":"/a/y"},)"
        R"({"op":"move","from":"/c","path":"/d"},{"op":"test","path":"/e","value":1}])",
        8192);
    ASSERT_TRUE(parsed.has_value());
    EXPECT_EQ(parsed->written(), (std::vector<std::string>{"a", "d", "c"}));
    EXPECT_EQ(parsed->copied(), std::vector<std::string>{"b"});
    EXPECT_EQ(parsed->tested(), std::vector<std::string>{"e"});
}

// Spec: "ops … commutative, so cart adds never conflict". Any order of the same operations that
// only add gives the same cart (as a set).
TEST(SessionOps, GiveTheSameCartInAnyOrder) {
    const std::uint64_t seed = 20260131;
    const auto random = make_seeded_random(seed);
    for (int round = 0; round < 50; ++round) {
        std::vector<std::string> changes;
        std::int64_t sum = 0;
        for (int i = 0; i < 12; ++i) {
            const auto by = static_cast<std::int64_t>(random->below(9)) - 4;
            sum += by;
            changes.push_back(R"([{"op":"inc","path":"/cart/count","by":)" + std::to_string(by) +
                              R"(},{"op":"set_add","path":"/cart/items","value":)" +
                              std::to_string(random->below(5)) + "}]");
        }
        std::string one = "{}";
        for (const std::string& change : changes) one = applied(patch_type::ops, one, change);
        for (std::size_t i = changes.size(); i > 1; --i)
            std::swap(changes[i - 1], changes[random->below(i)]);
        std::string other = "{}";
        for (const std::string& change : changes) other = applied(patch_type::ops, other, change);

        boost::json::object a = *json::parse_object(one);
        boost::json::object b = *json::parse_object(other);
        EXPECT_EQ(a["cart"].as_object()["count"].as_int64(), sum) << "seed " << seed;
        boost::json::array& left = a["cart"].as_object()["items"].as_array();
        const boost::json::array& right = b["cart"].as_object()["items"].as_array();
        EXPECT_TRUE(
            std::is_permutation(left.begin(), left.end(), right.begin(), right.end(), equal_json))
            << "seed " << seed << ": " << one << " and " << other;
        EXPECT_EQ(b["cart"].as_object()["count"].as_int64(), sum);
    }
}

}  // namespace
}  // namespace lethe::session
