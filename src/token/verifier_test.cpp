// The decision about a token: rules J4 to J12 and the order of J15.
#include "token/openssl.hpp"
#include "token/test_tokens.hpp"

#include <openssl/bio.h>
#include <openssl/pem.h>

#include <limits>

namespace lethe::token {
namespace {

namespace bj = boost::json;
using namespace test;

// One ES256 key and a verifier that trusts it.
class Verifier : public ::testing::Test {
 protected:
    key key_ = make_key(algorithm::es256, "k1");
    policy policy_ = make_policy();

    verifier make() { return {policy_, make_set({key_})}; }
    std::string sign(std::string_view header, std::string_view payload) {
        return sign_parts(key_, algorithm::es256, header, payload);
    }
    std::string sign_payload(std::string_view payload) {
        return sign(good_header(key_, algorithm::es256), payload);
    }
    std::string sign_header(std::string_view header) { return sign(header, good_payload()); }
    std::string good() { return sign_payload(good_payload()); }
    // The reason for the good claims with one changed.
    std::string with(std::string_view name, const bj::value& value) {
        verifier by = make();
        return reason_of(by, sign_payload(with_claim(name, value)));
    }
    std::string typed(std::string_view type) {
        verifier by = make();
        return reason_of(
            by, sign_header(R"({"alg":"ES256","kid":"k1","typ":")" + std::string(type) + "\"}"));
    }
};

TEST_F(Verifier, TakesAGoodToken) {
    verifier by = make();
    const result<claims> got = by.verify(good(), at_noon);
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->issuer, "https://id.example");
    EXPECT_EQ(got->subject, "alice");
    EXPECT_EQ(got->text, good_payload());
}

TEST_F(Verifier, EveryAlgorithmWorksWhenItIsAllowed) {
    for (std::size_t i = 0; i < algorithm_count; ++i) {
        const auto a = static_cast<algorithm>(i);
        const key with = make_key(a, "k");
        verifier by(make_policy({a}), make_set({with}));
        EXPECT_EQ(reason_of(by, sign_parts(with, a, good_header(with, a), good_payload())), "")
            << to_name(a);
    }
}

TEST_F(Verifier, EdDsaGoesByBothNames) {
    const key with = make_key(algorithm::ed25519, "k");
    verifier by(make_policy({algorithm::ed25519}), make_set({with}));
    for (const char* name : {"EdDSA", "Ed25519"})
        EXPECT_EQ(
            reason_of(by, sign_parts(with, algorithm::ed25519,
                                     std::string(R"({"alg":")") + name + "\"}", good_payload())),
            "");
    EXPECT_EQ(
        reason_of(by, sign_parts(with, algorithm::ed25519, R"({"alg":"Ed448"})", good_payload())),
        "algorithm_not_allowed");
}

TEST_F(Verifier, J4NoneInEverySpellingIsRefused) {
    verifier by = make();
    const std::string signature = good().substr(good().rfind('.') + 1);
    for (const char* name :
         {"none", "None", "NONE", "nOnE", "NonE", " none", "none ", "", "null", "NoNe"}) {
        const std::string header =
            to_base64url(R"({"alg":")" + std::string(name) + R"(","kid":"k1"})");
        for (const std::string& last : {std::string(), std::string("AA"), signature})
            EXPECT_EQ(reason_of(by, header + '.' + to_base64url(good_payload()) + '.' + last),
                      "algorithm_not_allowed")
                << name;
        EXPECT_EQ(reason_of(by, header + '.' + to_base64url(good_payload())), "not_compact");
    }
    EXPECT_FALSE(parse_algorithm("none"));
}

TEST_F(Verifier, J4NamesAreExactAndOnTheList) {
    verifier by = make();
    for (const char* name : {"es256", "ES256 ", "ES256K", "ES384", "RS256", "HS256", "EdDSA"})
        EXPECT_EQ(
            reason_of(by, sign_header(std::string(R"({"alg":")") + name + R"(","kid":"k1"})")),
            "algorithm_not_allowed")
            << name;
}

TEST_F(Verifier, J10MissingSignatureIsRefused) {
    verifier by = make();
    const std::string token = good();
    EXPECT_EQ(reason_of(by, token.substr(0, token.rfind('.') + 1)), "bad_signature");
}

std::string public_pem(const key& of) {
    const detail::pkey_ptr imported = detail::import_public(of.material()).value();
    const std::unique_ptr<BIO, detail::release<BIO_free_all>> out(BIO_new(BIO_s_mem()));
    PEM_write_bio_PUBKEY(out.get(), imported.get());
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

std::string public_der(const key& of) {
    const detail::pkey_ptr imported = detail::import_public(of.material()).value();
    unsigned char* bytes = nullptr;
    const int size = i2d_PUBKEY(imported.get(), &bytes);
    std::string out(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(size));
    OPENSSL_free(bytes);
    return out;
}

// CVE-2015-9235 and its many children: the public key as the secret of an HMAC.
TEST_F(Verifier, J5PublicKeyIsNeverASecret) {
    const key rsa = make_key(algorithm::rs256, "r1");
    const bj::object jwk = rsa.to_public_json();
    const std::string pem = public_pem(rsa);
    ASSERT_TRUE(pem.starts_with("-----BEGIN PUBLIC KEY-----"));
    // Even when somebody allows everything at once.
    for (const std::vector<algorithm>& allowed :
         {std::vector<algorithm>{algorithm::rs256}, {algorithm::rs256, algorithm::hs256}}) {
        verifier by(make_policy(allowed), make_set({rsa}));
        for (const std::string& secret_bytes :
             {pem, "\n" + pem, pem.substr(0, pem.size() - 1), public_der(rsa), json::to_text(jwk),
              std::string(std::string_view(jwk.at("n").as_string())), rsa.material().n}) {
            bj::object oct{{"kty", "oct"}, {"k", to_base64url(secret_bytes)}};
            const key forged = key::from_json(oct).value();
            for (const char* id : {R"(,"kid":"r1")", ""}) {
                const std::string token =
                    sign_parts(forged, algorithm::hs256,
                               std::string(R"({"alg":"HS256")") + id + "}", good_payload());
                EXPECT_NE(reason_of(by, token), "");
            }
        }
    }
}

TEST_F(Verifier, J5KeyOfTheNameButNotTheAlgorithmIsRefused) {
    policy_.algorithms = {algorithm::es256, algorithm::rs256};
    verifier by = make();
    EXPECT_EQ(reason_of(by, sign_header(R"({"alg":"RS256","kid":"k1"})")), "wrong_key");
}

TEST_F(Verifier, J7UnknownKeyIdsAreRefusedWhateverTheySay) {
    verifier by = make();
    for (const char* id : {"", "K1", "k1 ", "../../etc/passwd", "' OR '1'='1",
                           "http://169.254.169.254/", "k1\\u0000", "\\u0000", "k2", "%6b1", "*"})
        EXPECT_EQ(reason_of(by, sign_header(R"({"alg":"ES256","kid":")" + std::string(id) + "\"}")),
                  "unknown_key")
            << id;
    EXPECT_EQ(reason_of(by, sign_header(R"({"alg":"ES256","kid":"k1"})")), "");
    // The same name, spelled with an escape.
    EXPECT_EQ(reason_of(by, sign_header(R"({"alg":"ES256","kid":"\u006b1"})")), "");
}

TEST_F(Verifier, J7WithoutKeyIdOnlyTheOneKeyThatFits) {
    const key other = make_key(algorithm::ed25519, "k2");
    const std::string token = sign_header(R"({"alg":"ES256"})");
    verifier alone(policy_, make_set({key_, other}));
    EXPECT_EQ(reason_of(alone, token), "");
    verifier ambiguous(policy_, make_set({key_, make_key(algorithm::es256, "k3")}));
    EXPECT_EQ(reason_of(ambiguous, token), "unknown_key");
}

// CVE-2018-0114: a key that the token brings along.
TEST_F(Verifier, J8KeysInTheHeaderAreIgnored) {
    const key attacker = make_key(algorithm::es256, "k1");
    verifier by = make();
    const std::string own = json::to_text(attacker.to_public_json());
    for (
        const std::string& header :
        {R"({"alg":"ES256","jwk":)" + own + "}", R"({"alg":"ES256","kid":"k1","jwk":)" + own + "}",
         std::string(R"({"alg":"ES256","kid":"k1","jku":"http://127.0.0.1:9/jwks.json"})"),
         std::string(
             R"({"alg":"ES256","kid":"k1","x5u":"http://127.0.0.1:9/a.pem","x5c":["AA"],"x5t":"AA"})")}) {
        EXPECT_EQ(reason_of(by, sign_parts(attacker, algorithm::es256, header, good_payload())),
                  "bad_signature");
        EXPECT_EQ(reason_of(by, sign_header(header)), "");  // and do no harm in a good token
    }
    policy_.refuse_key_headers = true;
    verifier strict = make();
    EXPECT_EQ(reason_of(strict, sign_header(R"({"alg":"ES256","kid":"k1","jku":"https://x"})")),
              "key_header");
}

// CVE-2022-21449 and lengths that are not exact.
TEST_F(Verifier, J10PsychicSignaturesAreRefused) {
    verifier by = make();
    const std::string token = good();
    const std::string input = token.substr(0, token.rfind('.') + 1);
    const std::string real = from_base64url(std::string_view(token).substr(input.size())).value();
    for (const std::string& bad :
         {std::string(64, '\0'), std::string(64, '\xff'),
          std::string(31, '\0') + "\x01" + std::string(31, '\0') + "\x01", real.substr(0, 63),
          real + std::string(1, '\0'), std::string(1, '\0') + real,
          real.substr(32) + real.substr(0, 32), real.substr(0, 32) + std::string(32, '\0'),
          std::string(32, '\0') + real.substr(32)})
        EXPECT_EQ(reason_of(by, input + to_base64url(bad)), "bad_signature");
    EXPECT_EQ(reason_of(by, token), "");
}

TEST_F(Verifier, J10ChangedClaimsOrHeaderBreakTheSignature) {
    verifier by = make();
    const std::string token = good();
    const std::size_t first = token.find('.');
    const std::size_t last = token.rfind('.');
    EXPECT_EQ(reason_of(by, token.substr(0, first + 1) +
                                to_base64url(with_claim("sub", "mallory")) + token.substr(last)),
              "bad_signature");
    EXPECT_EQ(reason_of(by, to_base64url(R"({"alg":"ES256","kid":"k1" })") + token.substr(first)),
              "bad_signature");
}

TEST_F(Verifier, J11IssuerIsExact) {
    for (const char* other :
         {"https://id.example/", "https://ID.example", "https://evil.example", ""})
        EXPECT_EQ(with("iss", other), "unknown_issuer") << other;
    EXPECT_EQ(with("iss", nullptr), "unknown_issuer");
    EXPECT_EQ(with("iss", 5), "claim_malformed");
    EXPECT_EQ(with("iss", bj::array{"https://id.example"}), "claim_malformed");
}

TEST_F(Verifier, J11AudienceIsExactAndOneOfMany) {
    EXPECT_EQ(with("aud", bj::array{"other", "shop"}), "");
    for (const bj::value& bad :
         {bj::value("Shop"), bj::value(bj::array{}), bj::value("shop "), bj::value("shopping"),
          bj::value(bj::array{"other"}), bj::value(nullptr)})
        EXPECT_EQ(with("aud", bad), "wrong_audience") << json::to_text(bad);
    for (const bj::value& bad :
         {bj::value(5), bj::value(bj::array{"shop", 5}), bj::value(bj::object{}), bj::value(true)})
        EXPECT_EQ(with("aud", bad), "claim_malformed") << json::to_text(bad);
}

TEST_F(Verifier, J11UncheckedAudienceMustBeSaid) {
    policy_.audiences.clear();
    policy_.audience_unchecked = true;
    EXPECT_EQ(with("aud", "anybody"), "");
    EXPECT_EQ(with("aud", nullptr), "");
    EXPECT_EQ(with("aud", 5), "claim_malformed");
    policy_.audience_unchecked = false;
    EXPECT_DEATH(make(), "");
}

TEST_F(Verifier, J11ExpiryCountsToTheMillisecond) {
    verifier by = make();
    const std::string token = good();
    const system_time end = at_noon + std::chrono::seconds{3600 + 30};
    EXPECT_EQ(reason_of(by, token, end - std::chrono::milliseconds{1}), "");
    EXPECT_EQ(reason_of(by, token, end), "expired");
    policy_.skew = std::chrono::seconds{0};
    verifier exact = make();
    const system_time sharp = at_noon + std::chrono::seconds{3600};
    EXPECT_EQ(reason_of(exact, token, sharp - std::chrono::milliseconds{1}), "");
    EXPECT_EQ(reason_of(exact, token, sharp), "expired");
    // Fractions of a second are allowed (RFC 7519 section 2).
    const std::string half = sign_payload(with_claim("exp", 1700000000.5));
    EXPECT_EQ(reason_of(exact, half, at_noon + std::chrono::milliseconds{499}), "");
    EXPECT_EQ(reason_of(exact, half, at_noon + std::chrono::milliseconds{500}), "expired");
}

TEST_F(Verifier, J11ExpiryIsRequired) {
    EXPECT_EQ(with("exp", nullptr), "claim_missing");
}

TEST_F(Verifier, J11NotBeforeAndIssuedAtMayNotLieAhead) {
    EXPECT_EQ(with("nbf", noon + 30), "");
    EXPECT_EQ(with("nbf", noon + 31), "not_yet_valid");
    EXPECT_EQ(with("iat", noon + 30), "");
    EXPECT_EQ(with("iat", noon + 31), "not_yet_valid");
    EXPECT_EQ(with("iat", nullptr), "");
}

TEST_F(Verifier, J3TimesAreFiniteNumbersFromZeroTo2To53) {
    for (const char* name : {"exp", "nbf", "iat"})
        for (const bj::value& bad :
             {bj::value("1700003600"), bj::value(true), bj::value(bj::array{noon}), bj::value(-1),
              bj::value(-0.5), bj::value(9007199254740992), bj::value(1e300),
              bj::value(std::numeric_limits<std::uint64_t>::max())})
            EXPECT_EQ(with(name, bad), "claim_malformed") << name << json::to_text(bad);
    EXPECT_EQ(with("exp", 9007199254740991), "");
    verifier by = make();
    for (const char* text : {"1e999", "null", "NaN", "Infinity", "0x10", "01"})
        EXPECT_NE(
            reason_of(by, sign_payload(
                              std::string(
                                  R"({"iss":"https://id.example","aud":"shop","sub":"a","exp":)") +
                              text + "}")),
            "")
            << text;
}

TEST_F(Verifier, J3PayloadIsOneStrictJsonObject) {
    verifier by = make();
    const std::string inner = good_payload().substr(1);
    for (const std::string& bad :
         {std::string(), std::string("null"), std::string("[]"), "{\"sub\":\"admin\"," + inner,
          good_payload() + "x", good_payload() + good_payload(), "{\"x\":\"\xc0\xaf\"," + inner,
          "{\"x\":" + std::string(8, '[') + std::string(8, ']') + "," + inner,
          "{\"x\":" + std::string(4000, '[') + "," + inner, "\xef\xbb\xbf" + good_payload()})
        EXPECT_EQ(reason_of(by, sign_payload(bad)), "bad_payload") << bad.substr(0, 40);
    EXPECT_EQ(reason_of(by, sign_payload("{\"x\":" + std::string(7, '[') + std::string(7, ']') +
                                         "," + inner)),
              "");
    EXPECT_EQ(reason_of(by, sign_payload(" \n" + good_payload() + "\n")), "");
}

TEST_F(Verifier, J11OtherClaimsOfTheWrongTypeAreRefused) {
    for (const char* name : {"sub", "jti", "client_id"})
        EXPECT_EQ(with(name, 5), "claim_malformed") << name;
}

TEST_F(Verifier, SubjectIsRequiredBecauseSessionsHangOnIt) {
    EXPECT_EQ(with("sub", nullptr), "claim_missing");
    EXPECT_EQ(with("sub", ""), "claim_missing");
}

TEST_F(Verifier, J11LifetimeMayBeLimited) {
    policy_.lifetime_max = std::chrono::seconds{3660};
    EXPECT_EQ(with("iat", noon - 60), "");
    EXPECT_EQ(with("iat", noon - 61), "lifetime_too_long");
    EXPECT_EQ(with("iat", nullptr), "claim_missing");
}

TEST_F(Verifier, J12OnlyAccessTokensPass) {
    for (const char* good_type :
         {"JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "application/JWT"})
        EXPECT_EQ(typed(good_type), "") << good_type;
    for (const char* other :
         {"logout+jwt", "dpop+jwt", "token-introspection+jwt", "secevent+jwt", "JOSE", "id+jwt", "",
          "at+jwt ", "text/at+jwt", "application/", "application/application/jwt", "JWS"})
        EXPECT_EQ(typed(other), "wrong_type") << other;
}

TEST_F(Verifier, J12IdTokensAndLogoutTokensShowInTheirClaims) {
    EXPECT_EQ(with("at_hash", "x"), "wrong_type");
    EXPECT_EQ(with("c_hash", "x"), "wrong_type");
    EXPECT_EQ(with("events", bj::object{}), "wrong_type");
}

TEST_F(Verifier, J12Rfc9068ModeWantsItsTypeAndClaims) {
    policy_.type = type_rule::at_jwt;
    bj::object full = make_good_claims();
    full["client_id"] = "app";
    full["jti"] = "1";
    verifier by = make();
    const auto reason = [&](const char* header, const bj::object& said) {
        return reason_of(by, sign(header, json::to_text(said)));
    };
    constexpr const char* at = R"({"alg":"ES256","kid":"k1","typ":"at+jwt"})";
    EXPECT_EQ(reason(at, full), "");
    EXPECT_EQ(reason(R"({"alg":"ES256","kid":"k1","typ":"application/At+Jwt"})", full), "");
    EXPECT_EQ(reason(R"({"alg":"ES256","kid":"k1","typ":"JWT"})", full), "wrong_type");
    EXPECT_EQ(reason(R"({"alg":"ES256","kid":"k1"})", full), "wrong_type");
    for (const char* name : {"sub", "client_id", "iat", "jti"}) {
        bj::object less = full;
        less.erase(name);
        EXPECT_EQ(reason(at, less), "claim_missing") << name;
    }
}

// Stale and misdirected tokens are refused before any cryptography, so that a storm of them costs
// little.
TEST_F(Verifier, J15CheapChecksComeBeforeTheSignature) {
    verifier by = make();
    const auto forged = [this](std::string_view payload) {
        return to_base64url(good_header(key_, algorithm::es256)) + '.' + to_base64url(payload) +
               ".AAAA";
    };
    EXPECT_EQ(reason_of(by, forged(good_payload())), "bad_signature");
    EXPECT_EQ(reason_of(by, forged(with_claim("exp", noon - 31))), "expired");
    EXPECT_EQ(reason_of(by, forged(with_claim("iss", "x"))), "unknown_issuer");
    EXPECT_EQ(reason_of(by, forged(with_claim("aud", "x"))), "wrong_audience");
    EXPECT_EQ(reason_of(by, forged(with_claim("sub", nullptr))), "bad_signature");
}

// Another issuer's key, even under the same name, proves nothing about this issuer.
TEST_F(Verifier, J7KeysOfAnotherIssuerDoNotCount) {
    const key other = make_key(algorithm::es256, "k1");
    verifier by = make();
    EXPECT_EQ(reason_of(by, sign_parts(other, algorithm::es256,
                                       good_header(other, algorithm::es256), good_payload())),
              "bad_signature");
}

TEST_F(Verifier, K5ReplacedKeysCountAtOnce) {
    const key next = make_key(algorithm::es256, "k2");
    verifier by = make();
    const std::uint64_t before = by.generation();
    by.replace_keys(make_set({key_}));
    EXPECT_EQ(by.generation(), before);  // the same keys: nothing need be verified again
    EXPECT_EQ(reason_of(by, good()), "");
    by.replace_keys(make_set({next}));
    EXPECT_GT(by.generation(), before);
    EXPECT_EQ(reason_of(by, good()), "unknown_key");
    EXPECT_EQ(reason_of(by, sign_parts(next, algorithm::es256, good_header(next, algorithm::es256),
                                       good_payload())),
              "");
    // The same name with other contents is another key.
    const std::uint64_t between = by.generation();
    by.replace_keys(make_set({make_key(algorithm::es256, "k2")}));
    EXPECT_GT(by.generation(), between);
}

TEST_F(Verifier, J1TheIssuersOwnLimitHolds) {
    policy_.token_bytes_max = good().size();
    verifier by = make();
    EXPECT_EQ(reason_of(by, good()), "");
    policy_.token_bytes_max -= 1;
    verifier tight = make();
    EXPECT_EQ(reason_of(tight, good()), "too_large");
    unverified parsed;
    ASSERT_TRUE(parse_unverified(good(), token_bytes_limit, parsed).has_value());
    EXPECT_EQ(tight.verify(parsed, at_noon).error(), make_error_code(errc::too_large));
}

TEST(Claims, ScopesAreWordsOrLists) {
    const auto has = [](const char* payload, std::string_view scope) {
        return parse_claims(payload).value().has_scope(scope);
    };
    EXPECT_TRUE(has(R"({"scope":"cart orders"})", "cart"));
    EXPECT_TRUE(has(R"({"scope":"cart orders"})", "orders"));
    EXPECT_FALSE(has(R"({"scope":"cart orders"})", "order"));
    EXPECT_FALSE(has(R"({"scope":"cart orders"})", "cart orders"));
    EXPECT_TRUE(has(R"({"scope":["cart","orders"]})", "orders"));
    EXPECT_TRUE(has(R"({"scp":"cart"})", "cart"));
    EXPECT_TRUE(has(R"({"scp":["cart",5]})", "cart"));
    EXPECT_FALSE(
        has(R"({"scope":"","scp":"cart"})", "cart"));  // `scope` is what counts when it is there
    EXPECT_FALSE(has(R"({"scope":5})", "5"));
    EXPECT_FALSE(has("{}", "cart"));
}

}  // namespace
}  // namespace lethe::token
