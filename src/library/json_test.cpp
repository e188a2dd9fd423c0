// JSON between services' types and sessions.
#include "lethe/lethe.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <set>

namespace user {

struct line {
    std::string sku;
    int quantity = 1;
    std::optional<std::string> note;

    static constexpr auto json_members =
        lethe::members("sku", &line::sku, "qty", &line::quantity, "note", &line::note);
    bool operator==(const line&) const = default;
};

struct cart {
    std::vector<line> items;
    std::map<std::string, double> prices;

    static constexpr auto json_members =
        lethe::members("items", &cart::items, "prices", &cart::prices);
    bool operator==(const cart&) const = default;
};

// A type of another library, so to say.
struct money {
    std::int64_t cents = 0;
    bool operator==(const money&) const = default;
};
void to_json(lethe::json_value& to, const money& from) {
    to = std::to_string(from.cents) + " ct";
}
bool from_json(const lethe::json_value& from, money& to) {
    std::string text;
    if (!from.read(text) || !text.ends_with(" ct")) return false;
    to.cents = std::stoll(text);
    return true;
}

}  // namespace user

namespace lethe {
namespace {

using boost::system::result;

json_value parsed(std::string_view text) {
    result<json_value> out = json_value::parse(text);
    EXPECT_TRUE(out.has_value()) << text;
    return out.has_value() ? *out : json_value();
}

template <class T>
void goes_and_comes_as(const T& value, std::string_view text) {
    const json_value made = value;
    EXPECT_EQ(made.to_text(), text);
    const result<T> back = parsed(text).as<T>();
    ASSERT_TRUE(back.has_value()) << text;
    EXPECT_TRUE(*back == value) << text;
}

TEST(Json, ValuesAndTypesMeet) {
    goes_and_comes_as(true, "true");
    goes_and_comes_as(-7, "-7");
    goes_and_comes_as(std::numeric_limits<std::int64_t>::min(), "-9223372036854775808");
    goes_and_comes_as(0.5, "5E-1");
    goes_and_comes_as(std::string("a\"\n€"), "\"a\\\"\\n€\"");
    goes_and_comes_as(std::vector<int>{3, 1}, "[3,1]");
    goes_and_comes_as(std::set<std::string>{"a", "b"}, R"(["a","b"])");
    goes_and_comes_as(std::map<std::string, int>{{"x", 1}}, R"({"x":1})");
    goes_and_comes_as(std::optional<int>(), "null");
    goes_and_comes_as(std::vector<std::optional<bool>>{true, std::nullopt}, "[true,null]");
    goes_and_comes_as(user::money{450}, R"("450 ct")");
    goes_and_comes_as(user::cart{{{"tea", 2, "hot"}}, {{"tea", 4.0}}},
                      R"({"items":[{"sku":"tea","qty":2,"note":"hot"}],"prices":{"tea":4E0}})");
}

TEST(Json, WhatIsOfAnotherTypeIsAnErrorAndWhatIsMissingKeepsItsDefault) {
    EXPECT_EQ(parsed("300").as<std::uint8_t>().error(), make_error_code(service_errc::wrong_type));
    EXPECT_EQ(parsed("1.5").as<int>().error(), make_error_code(service_errc::wrong_type));
    EXPECT_EQ(*parsed("2.0").as<int>(), 2);
    EXPECT_EQ(parsed("1e300").as<std::int64_t>().error(),
              make_error_code(service_errc::wrong_type));
    EXPECT_TRUE(parsed("\"1\"").as<int>().has_error());
    EXPECT_TRUE(parsed("1").as<bool>().has_error());
    EXPECT_TRUE(parsed("[]").as<user::line>().has_error());
    EXPECT_TRUE(parsed("{}").as<std::vector<int>>().has_error());
    EXPECT_TRUE(parsed(R"([{"sku":1}])").as<std::vector<user::line>>().has_error());
    EXPECT_TRUE(parsed(R"("450")").as<user::money>().has_error());
    EXPECT_EQ(*parsed(R"({"sku":"a","more":[]})").as<user::line>(), (user::line{"a", 1, {}}));
}

TEST(Json, IsReadStrictly) {
    for (const char* text : {"", "{", "{\"a\":1,\"a\":2}", "[1] 2", "nan", "\"\xff\"", "{a:1}"})
        EXPECT_EQ(json_value::parse(text).error(), make_error_code(service_errc::malformed_json))
            << text;
    EXPECT_TRUE(json_value::parse(std::string(40, '[') + std::string(40, ']')).has_error());
    EXPECT_EQ(json_value(std::numeric_limits<double>::infinity()).to_text(), "null");
}

TEST(Json, PointersLeadToValues) {
    const json_value all = parsed(R"({"a":[{"b":1},2],"c/d":{"~":3},"":4})");
    EXPECT_EQ(*all.at("/a/0/b")->as<int>(), 1);
    EXPECT_EQ(*all.at("/a/1")->as<int>(), 2);
    EXPECT_EQ(*all.at("/c~1d/~0")->as<int>(), 3);
    EXPECT_EQ(*all.at("/")->as<int>(), 4);
    EXPECT_EQ(all.at(""), &all);
    for (const char* pointer : {"/a/2", "/a/01", "/a/-", "/a/1/x", "a", "/x", "/c~1d/~", "/a/-1"})
        EXPECT_EQ(all.at(pointer), nullptr) << pointer;
}

session_view view(std::string_view text) {
    return {json_value::parse(text), 7};
}

TEST(SessionView, ReadsSlotsWithTypes) {
    const session_view session = view(R"({"cart":{"items":[{"sku":"tea","qty":2}]},"n":3})");
    EXPECT_EQ(session.version(), 7U);
    EXPECT_FALSE(session.empty());
    EXPECT_EQ(*session.slot("n").get<int>(), 3);
    const slot_view cart = session.slot("cart");
    EXPECT_TRUE(cart.exists());
    EXPECT_EQ(cart.get<user::cart>()->items, (std::vector<user::line>{{"tea", 2, {}}}));
    EXPECT_EQ(*cart.get<int>("/items/0/qty"), 2);
    EXPECT_EQ(cart.get<int>("/count").error(), make_error_code(service_errc::no_value));
    EXPECT_EQ(cart.get<int>("/items").error(), make_error_code(service_errc::wrong_type));
    EXPECT_EQ(*cart.get_or("/count", 0), 0);
    EXPECT_EQ(cart.get_or("/items", 0).error(), make_error_code(service_errc::wrong_type));
    EXPECT_EQ(session.slot("wizard").get<int>().error(), make_error_code(service_errc::no_value));
    EXPECT_FALSE(session.slot("wizard").exists());
}

TEST(SessionView, ThatCannotBeReadSaysSoWhereItIsRead) {
    const session_view elsewhere(make_error_code(service_errc::session_elsewhere), 1);
    EXPECT_EQ(elsewhere.slot("a").get<int>().error(),
              make_error_code(service_errc::session_elsewhere));
    EXPECT_EQ(elsewhere.slot("a").get_or("", 1).error(),
              make_error_code(service_errc::session_elsewhere));
    EXPECT_EQ(view("[]").slots().error(), make_error_code(service_errc::malformed_field));
    slot_view outlives = view(R"({"a":"x"})").slot("a");
    EXPECT_EQ(*outlives.get<std::string>(), "x");
}

TEST(SessionChanges, AreWrittenAsLetheReadsThem) {
    EXPECT_EQ(session_change()
                  .set_add("/cart/items", user::line{"tea", 2, {}})
                  .append("/log", std::vector<int>{1}, 5)
                  .to_json(),
              R"([{"op":"set_add","path":"/cart/items","value":{"sku":"tea","qty":2,"note":null}},)"
              R"({"op":"append","path":"/log","value":[1],"limit":5}])");
    EXPECT_EQ(session_merge().put("cart", user::cart{}).remove("wizard").to_json(),
              R"({"cart":{"items":[],"prices":{}},"wizard":null})");
    EXPECT_EQ(session_patch()
                  .test("/cart/version", 3)
                  .replace("/cart/version", 4)
                  .add("/cart/items/-", "tea")
                  .remove("/cart/old")
                  .copy("/a", "/b")
                  .move("/c", "/d")
                  .to_json(),
              R"([{"op":"test","path":"/cart/version","value":3},)"
              R"({"op":"replace","path":"/cart/version","value":4},)"
              R"({"op":"add","path":"/cart/items/-","value":"tea"},)"
              R"({"op":"remove","path":"/cart/old"},{"op":"copy","path":"/b","from":"/a"},)"
              R"({"op":"move","path":"/d","from":"/c"}])");
}

TEST(SessionChanges, GoOutAsFields) {
    response out;
    out.change_session(session_patch().test("/a", 1)).change_session_if(session_condition::version);
    ASSERT_EQ(out.fields().size(), 2U);
    EXPECT_TRUE(out.fields()[0].second.ends_with(":;type=json-patch"));
    EXPECT_EQ(out.fields()[1], (response::field{"Lethe-Session-If", "version"}));
    out.change_session(session_merge().remove("a"));
    EXPECT_TRUE(out.fields().back().second.ends_with(":;type=merge"));
}

}  // namespace
}  // namespace lethe
