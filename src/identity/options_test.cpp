// What the options' check finds, and says.
#include "identity/options.hpp"

#include <gtest/gtest.h>

namespace lethe::identity {
namespace {

using token::algorithm;

issuer_options good_issuer() {
    issuer_options out;
    out.name = "shop-id";
    out.issuer = "https://id.example";
    out.audience = {"shop"};
    out.keys_file = "jwks.json";
    return out;
}

authenticate_options good_route() {
    authenticate_options out;
    out.issuers = {"shop-id"};
    out.forward = {{"sub", "X-User"}};
    return out;
}

std::string named(const std::vector<mistake>& all) {
    std::string out;
    for (const mistake& one : all) {
        EXPECT_FALSE(one.text.empty());
        out += one.option + ';';
    }
    return out;
}

template <class Options, class Change>
std::string after(Options options, Change change) {
    change(options);
    return named(check(options));
}

TEST(Options, GoodOnesHaveNoMistake) {
    EXPECT_EQ(named(check(good_issuer())), "");
    EXPECT_EQ(named(check(good_route())), "");
}

TEST(Options, AllMistakesAreSaidAtOnce) {
    EXPECT_EQ(named(check(issuer_options{})), "name;issuer;audience;keys;");
}

TEST(Options, J11AudienceMustBeGivenOrGivenUp) {
    EXPECT_EQ(after(good_issuer(), [](issuer_options& o) { o.audience.clear(); }), "audience;");
    EXPECT_EQ(after(good_issuer(), [](issuer_options& o) { o.audience = {""}; }), "audience;");
    EXPECT_EQ(after(good_issuer(), [](issuer_options& o) { o.audience_unchecked = true; }),
              "audience_unchecked;");
    EXPECT_EQ(after(good_issuer(),
                    [](issuer_options& o) {
                        o.audience.clear();
                        o.audience_unchecked = true;
                    }),
              "");
}

TEST(Options, J5SecretsNeverStandBesideOtherAlgorithms) {
    EXPECT_EQ(after(good_issuer(),
                    [](issuer_options& o) { o.algorithms = {algorithm::rs256, algorithm::hs256}; }),
              "algorithms;");
    EXPECT_EQ(after(good_issuer(),
                    [](issuer_options& o) { o.algorithms = {algorithm::hs256, algorithm::hs512}; }),
              "");
    EXPECT_EQ(after(good_issuer(), [](issuer_options& o) { o.algorithms.clear(); }), "algorithms;");
    EXPECT_EQ(after(good_issuer(),
                    [](issuer_options& o) { o.algorithms = {algorithm::es256, algorithm::es256}; }),
              "algorithms;");
}

TEST(Options, BoundsAreHeld) {
    EXPECT_EQ(after(good_issuer(), [](issuer_options& o) { o.skew = std::chrono::seconds{301}; }),
              "skew;");
    EXPECT_EQ(after(good_issuer(), [](issuer_options& o) { o.skew = std::chrono::seconds{-1}; }),
              "skew;");
    EXPECT_EQ(after(good_issuer(), [](issuer_options& o) { o.token_bytes_max = 65'537; }),
              "token_bytes_max;");
    EXPECT_EQ(after(good_issuer(), [](issuer_options& o) { o.token_bytes_max = 255; }),
              "token_bytes_max;");
    EXPECT_EQ(
        after(good_issuer(), [](issuer_options& o) { o.lifetime_max = std::chrono::seconds{0}; }),
        "lifetime_max;");
}

TEST(Options, ForwardedFieldsHaveNoMeaningOfTheirOwn) {
    for (const char* field :
         {"Authorization", "host", "Content-Length", "Cookie", "Lethe-Session", "X-Forwarded-For",
          "Idempotency-Key", "Connection", "X User", "", "X-User:", "X\r\nY"})
        EXPECT_EQ(
            after(good_route(), [field](authenticate_options& o) { o.forward = {{"sub", field}}; }),
            "forward;")
            << field;
    EXPECT_EQ(after(good_route(),
                    [](authenticate_options& o) { o.forward = {{"sub", "X-A"}, {"iss", "x_a"}}; }),
              "forward;");
    EXPECT_EQ(after(good_route(), [](authenticate_options& o) { o.forward = {{"", "X-A"}}; }),
              "forward;");
}

TEST(Options, RouteRulesMustMakeSense) {
    EXPECT_EQ(after(good_route(), [](authenticate_options& o) { o.issuers.clear(); }), "issuers;");
    EXPECT_EQ(after(good_route(), [](authenticate_options& o) { o.issuers = {"a", "a"}; }),
              "issuers;");
    EXPECT_EQ(after(good_route(), [](authenticate_options& o) { o.scopes = {"a b"}; }), "scopes;");
    EXPECT_EQ(after(good_route(), [](authenticate_options& o) { o.scopes = {"a\""}; }), "scopes;");
    EXPECT_EQ(after(good_route(),
                    [](authenticate_options& o) {
                        o.scopes = {"a"};
                        o.optional = true;
                    }),
              "optional;");
    EXPECT_EQ(after(good_route(), [](authenticate_options& o) { o.realm = "a\"b"; }), "realm;");
    EXPECT_EQ(after(good_route(), [](authenticate_options& o) { o.list_separator = ";"; }),
              "list_separator;");
}

TEST(Options, TypeRulesByName) {
    EXPECT_EQ(parse_type_rule("any"), token::type_rule::any_access_token);
    EXPECT_EQ(parse_type_rule("at+jwt"), token::type_rule::at_jwt);
    EXPECT_EQ(parse_type_rule("AT+JWT"), std::nullopt);
}

}  // namespace
}  // namespace lethe::identity
