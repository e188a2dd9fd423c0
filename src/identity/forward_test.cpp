// Claims as fields, and forged fields taken away (rule E3).
#include "identity/forward.hpp"

#include "base/json.hpp"

#include <gtest/gtest.h>

namespace lethe::identity {
namespace {

std::optional<std::string> forward(std::string_view text, std::string_view separator = " ") {
    arena memory;
    const boost::json::value claim = json::parse(text).value();
    const auto value = to_field_value(claim, separator, memory);
    return value ? std::optional<std::string>(*value) : std::nullopt;
}

TEST(Forward, StringsNumbersBooleansAndListsOfStrings) {
    EXPECT_EQ(forward(R"("alice")"), "alice");
    EXPECT_EQ(forward(R"("a b\tc")"), "a b\tc");
    EXPECT_EQ(forward(R"("Zoë")"), "Zoë");
    EXPECT_EQ(forward("5"), "5");
    EXPECT_EQ(forward("-5"), "-5");
    EXPECT_EQ(forward("18446744073709551615"), "18446744073709551615");
    EXPECT_EQ(forward("true"), "true");
    EXPECT_EQ(forward("false"), "false");
    EXPECT_EQ(forward(R"(["a","b"])"), "a b");
    EXPECT_EQ(forward(R"(["a b","c"])", ","), "a b,c");
}

TEST(Forward, WhatAFieldCannotCarryFaithfullyIsLeftOut) {
    for (const char* text :
         {R"("a\r\nX-Admin: 1")", R"("a\n")", R"("\u0000")", R"("a\u007fb")", R"("")", R"(" a")",
          R"("a ")", R"("\ta")", "null", "{}", R"({"a":1})", "[]", "[1]", R"(["a",null])",
          R"(["a",["b"]])", R"([""])", R"(["a\u0001"])", R"(["a b","c"])"})
        EXPECT_EQ(forward(text), std::nullopt) << text;
    EXPECT_EQ(forward(R"(["a,b","c"])", ","), std::nullopt);  // would arrive as three
    EXPECT_TRUE(forward('"' + std::string(forwarded_bytes_max, 'a') + '"'));
    EXPECT_EQ(forward('"' + std::string(forwarded_bytes_max + 1, 'a') + '"'), std::nullopt);
}

TEST(Forward, ClaimsAreFoundByNameOrPointer) {
    const boost::json::object claims =
        json::parse_object(
            R"({"sub":"a","https://x/roles":"r","realm_access":{"roles":["b"],"a/b":{"~":1}}})")
            .value();
    EXPECT_EQ(*find_claim(claims, "sub"), "a");
    EXPECT_EQ(*find_claim(claims, "https://x/roles"), "r");
    EXPECT_EQ(*find_claim(claims, "/sub"), "a");
    EXPECT_EQ(*find_claim(claims, "/realm_access/roles"), boost::json::array{"b"});
    EXPECT_EQ(*find_claim(claims, "/realm_access/a~1b/~0"), 1);
    EXPECT_EQ(find_claim(claims, "/realm_access/roles/0"), nullptr);
    EXPECT_EQ(find_claim(claims, "/sub/x"), nullptr);
    EXPECT_EQ(find_claim(claims, "realm_access.roles"), nullptr);
    EXPECT_EQ(find_claim(claims, "/"), nullptr);
}

TEST(Forward, E3EverySpellingThatABackendCouldConfuseIsStripped) {
    arena memory;
    http::fields header(memory);
    for (const char* name : {"X-User", "x-user", "X_USER", "x_User", "X.User", "X-User-Id",
                             "X-Roles", "XUser", "Accept"})
        header.add(name, "1");
    const std::vector<std::string> names = {"X-User", "x-roles"};
    EXPECT_EQ(strip_identity_fields(header, names), 6U);
    EXPECT_EQ(header.size(), 3U);
    EXPECT_TRUE(header.first("X-User-Id"));
    EXPECT_TRUE(header.first("XUser"));
    EXPECT_TRUE(header.first("Accept"));
    EXPECT_EQ(strip_identity_fields(header, {}), 0U);
}

TEST(Forward, E3FieldsOfAllRoutesAreKnownOnce) {
    authenticate_options one;
    one.forward = {{"sub", "X-User"}, {"roles", "X-Roles"}};
    authenticate_options two;
    two.forward = {{"sub", "x_user"}, {"email", "X-Mail"}};
    const std::vector<authenticate_options> routes = {one, two, authenticate_options{}};
    EXPECT_EQ(forwarded_fields(routes), (std::vector<std::string>{"X-User", "X-Roles", "X-Mail"}));
}

}  // namespace
}  // namespace lethe::identity
