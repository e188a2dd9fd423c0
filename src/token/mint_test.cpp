// What `lethe token` does with keys and tokens.
#include "token/mint.hpp"

#include "token/test_tokens.hpp"

namespace lethe::token {
namespace {

namespace bj = boost::json;
using namespace test;

mint_request make_request() {
    mint_request out;
    out.issuer = "https://id.example";
    out.audience = {"shop"};
    out.subject = "alice";
    return out;
}

TEST(Mint, EveryAlgorithmMakesTokensThatVerify) {
    const auto random = make_seeded_random(1);
    for (std::size_t i = 0; i < algorithm_count; ++i) {
        const auto a = static_cast<algorithm>(i);
        const key with = make_key(a, "k");
        const std::string made = mint(with, make_request(), at_noon, *random).value();
        verifier by(make_policy({a}), make_set({with}));
        EXPECT_EQ(reason_of(by, made), "") << to_name(a);
        EXPECT_EQ(reason_of(by, made, at_noon + std::chrono::hours{2}), "expired");
    }
}

TEST(Mint, ClaimsAreThoseAskedFor) {
    const auto random = make_seeded_random(1);
    mint_request request = make_request();
    request.audience = {"shop", "other"};
    request.extra = {{"roles", bj::array{"admin"}}, {"sub", "bob"}};
    const bj::object made = make_claims(request, at_noon, *random);
    EXPECT_EQ(made.at("iss"), "https://id.example");
    EXPECT_EQ(made.at("aud"), (bj::array{"shop", "other"}));
    EXPECT_EQ(made.at("sub"), "bob");
    EXPECT_EQ(made.at("roles"), bj::array{"admin"});
    EXPECT_EQ(made.at("iat").as_int64(), noon);
    EXPECT_EQ(made.at("exp").as_int64(), noon + 3600);
    EXPECT_NE(made.at("jti"), make_claims(request, at_noon, *random).at("jti"));
}

TEST(Mint, NegativeTtlMakesAnExpiredToken) {
    const auto random = make_seeded_random(1);
    const key with = make_key(algorithm::es256, "k");
    mint_request request = make_request();
    request.ttl = std::chrono::seconds{-60};
    verifier by(make_policy(), make_set({with}));
    EXPECT_EQ(reason_of(by, mint(with, request, at_noon, *random).value()), "expired");
}

TEST(Mint, SecretWithoutAlgorithmMustBeToldWhich) {
    const auto random = make_seeded_random(1);
    const key with =
        key::from_json({{"kty", "oct"}, {"k", to_base64url(std::string(32, 's'))}}).value();
    mint_request request = make_request();
    EXPECT_EQ(mint(with, request, at_noon, *random).error(),
              make_error_code(errc::key_wrong_algorithm));
    request.algorithm = algorithm::hs256;
    EXPECT_TRUE(mint(with, request, at_noon, *random).has_value());
    request.algorithm = algorithm::hs512;
    EXPECT_EQ(mint(with, request, at_noon, *random).error(), make_error_code(errc::wrong_key));
}

TEST(Mint, HeaderNamesTypeAndKeyEscaped) {
    const key with = make_key(algorithm::es256, "a\"b\\c");
    signer by = signer::make(with, algorithm::es256).value();
    jws parts;
    const std::string token = by.sign_compact("{}", "at+jwt").value();
    ASSERT_TRUE(parse_jws(token, 8192, parts).has_value());
    EXPECT_EQ(parts.key_id, "a\"b\\c");
    EXPECT_EQ(parts.type, "at+jwt");
}

TEST(Mint, SigningKeyIsTheOnlyOneOrTheNamedOne) {
    const auto set_of = [](const std::vector<bj::object>& keys) {
        return key_set::parse(to_set_text(keys), key_source::local).value();
    };
    const bj::object a = make_key(algorithm::es256, "a").to_private_json();
    const bj::object b = make_key(algorithm::ed25519, "b").to_private_json();
    const bj::object c = make_key(algorithm::es256, "c").to_public_json();
    EXPECT_EQ(choose_signing_key(set_of({a, c}), "").value().id(), "a");
    EXPECT_EQ(choose_signing_key(set_of({a, b}), "").error(), make_error_code(errc::unknown_key));
    EXPECT_EQ(choose_signing_key(set_of({a, b}), "b").value().id(), "b");
    EXPECT_EQ(choose_signing_key(set_of({a, c}), "c").error(),
              make_error_code(errc::key_not_private));
    EXPECT_EQ(choose_signing_key(set_of({a}), "z").error(), make_error_code(errc::unknown_key));
}

TEST(Mint, PublicSetShowsNoSecret) {
    const std::vector<key> keys = {make_key(algorithm::es256, "a"),
                                   make_key(algorithm::rs256, "b")};
    const bj::object shown = to_public_set(keys).value();
    const key_set read = key_set::parse(json::to_text(shown), key_source::remote).value();
    EXPECT_EQ(read.keys().size(), 2U);  // a private member would have been refused
    EXPECT_TRUE(read.skipped().empty());
    EXPECT_EQ(to_public_set(std::vector<key>{make_key(algorithm::hs256, "s")}).error(),
              make_error_code(errc::mixed_keys));
}

bool warns(const std::string& token, std::string_view of) {
    const inspection seen = inspect(token, at_noon).value();
    for (const std::string& warning : seen.warnings)
        if (warning.find(of) != std::string::npos) return true;
    return false;
}

TEST(Inspect, ShowsAndWarns) {
    const key with = make_key(algorithm::es256, "k");
    const auto sign = [&with](std::string_view header, std::string_view payload) {
        return sign_parts(with, algorithm::es256, header, payload);
    };
    constexpr const char* header = R"({"alg":"ES256","kid":"k"})";
    const inspection good = inspect(sign(header, good_payload()), at_noon).value();
    EXPECT_TRUE(good.warnings.empty());
    EXPECT_EQ(good.claims.at("sub"), "alice");
    EXPECT_EQ(good.header.at("kid"), "k");
    EXPECT_TRUE(warns(sign(header, with_claim("exp", noon)), "expired"));
    EXPECT_TRUE(warns(sign(header, with_claim("exp", nullptr)), "no exp"));
    EXPECT_TRUE(warns(sign(header, with_claim("nbf", noon + 9)), "not valid yet"));
    EXPECT_TRUE(warns(sign(header, with_claim("sub", nullptr)), "no sub"));
    EXPECT_TRUE(warns(sign(header, with_claim("aud", 5)), "refused"));
    EXPECT_TRUE(warns(sign(R"({"alg":"none"})", good_payload()), "anybody"));
    EXPECT_TRUE(warns(sign(R"({"alg":"ES256","jku":"x"})", good_payload()), "ignored"));
    EXPECT_TRUE(warns(sign(R"({"alg":"ES256","crit":["x"]})", good_payload()), "crit"));
    EXPECT_TRUE(inspect("nonsense", at_noon).has_error());
    EXPECT_TRUE(inspect(sign(header, "[]"), at_noon).has_error());
}

}  // namespace
}  // namespace lethe::token
