// Keys and key sets: rules J5 (a key binds its algorithm), J6 (quality), J7 (names).
#include "token/test_tokens.hpp"

namespace lethe::token {
namespace {

using namespace test;
namespace bj = boost::json;

errc fault_of(const bj::object& jwk) {
    const result<key> read = key::from_json(jwk);
    EXPECT_TRUE(read.has_error()) << json::to_text(jwk);
    return read.has_error() ? to_errc(read.error()) : errc::crypto_failed;
}

// With one member changed; nullptr takes it away.
template <class T>
bj::object changed(bj::object jwk, std::string_view name, const T& value) {
    if constexpr (std::is_same_v<T, std::nullptr_t>)
        jwk.erase(name);
    else
        jwk[name] = value;
    return jwk;
}

// The modulus of RFC 7638 section 3.1.
constexpr std::string_view rfc7638_n =
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_"
    "BJECPebWKRXjBZCiFV4n"
    "3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_"
    "FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zg"
    "dAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_"
    "xBniIqbw0Ls1jF44-csFC"
    "ur-kEgU8awapJzKnqDKgw";

TEST(Key, ThumbprintsAreThoseOfTheSpecifications) {
    const key rsa =
        key::from_json({{"kty", "RSA"}, {"n", rfc7638_n}, {"e", "AQAB"}, {"alg", "RS256"}}).value();
    EXPECT_EQ(rsa.thumbprint(),
              "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");  // RFC 7638 section 3.1
    const key okp = key::from_json({{"kty", "OKP"},
                                    {"crv", "Ed25519"},
                                    {"x", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}})
                        .value();
    EXPECT_EQ(okp.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");  // RFC 8037 A.3
}

TEST(Key, EveryAlgorithmMakesKeysThatSignAndVerify) {
    for (std::size_t i = 0; i < algorithm_count; ++i) {
        const auto a = static_cast<algorithm>(i);
        const key made = make_key(a, "k");
        EXPECT_EQ(made.usual_algorithm(), a);
        const key read = key::from_json(made.to_private_json()).value();
        EXPECT_EQ(read.thumbprint(), made.thumbprint());
        const key checked_with = key::from_json(to_jwk(made)).value();
        EXPECT_FALSE(checked_with.is_private());
        signer by = signer::make(read, a).value();
        signature_checker checker = signature_checker::make(checked_with, a).value();
        // Contexts are used again: the second signature must not depend on the first.
        for (const std::string_view input : {"one", "two", ""}) {
            std::string signature = by.sign(input).value();
            EXPECT_TRUE(checker.check(input, signature)) << to_name(a);
            EXPECT_FALSE(checker.check("other", signature)) << to_name(a);
            signature.back() = static_cast<char>(signature.back() ^ 1);
            EXPECT_FALSE(checker.check(input, signature)) << to_name(a);
        }
    }
}

TEST(Key, J5DeclaredAlgorithmBindsTheKey) {
    const key rs = make_key(algorithm::rs256, "k");
    EXPECT_TRUE(rs.fits(algorithm::rs256));
    for (const algorithm other :
         {algorithm::ps256, algorithm::rs384, algorithm::hs256, algorithm::es256})
        EXPECT_FALSE(rs.fits(other));
    const key free = key::from_json(changed(rs.to_public_json(), "alg", nullptr)).value();
    EXPECT_TRUE(free.fits(algorithm::rs256));
    EXPECT_TRUE(free.fits(algorithm::ps512));
    EXPECT_FALSE(free.fits(algorithm::hs256));
}

TEST(Key, J5CurveBindsTheAlgorithm) {
    const key p256 =
        key::from_json(changed(make_key(algorithm::es256, "k").to_public_json(), "alg", nullptr))
            .value();
    EXPECT_TRUE(p256.fits(algorithm::es256));
    EXPECT_FALSE(p256.fits(algorithm::es384));
    EXPECT_FALSE(p256.fits(algorithm::ed25519));
}

TEST(Key, J5UseAndKeyOpsMustAllowVerifying) {
    const bj::object good = make_key(algorithm::es256, "k").to_public_json();
    EXPECT_EQ(fault_of(changed(good, "use", "enc")), errc::key_wrong_use);
    EXPECT_EQ(fault_of(changed(good, "use", "SIG")), errc::key_wrong_use);
    EXPECT_EQ(fault_of(changed(good, "key_ops", bj::array{"encrypt"})), errc::key_wrong_use);
    EXPECT_EQ(fault_of(changed(good, "key_ops", bj::array{"sign"})), errc::key_wrong_use);
    EXPECT_EQ(fault_of(changed(good, "key_ops", "verify")), errc::key_malformed);
    EXPECT_TRUE(key::from_json(changed(good, "key_ops", bj::array{"verify"})).has_value());
    EXPECT_TRUE(key::from_json(changed(good, "use", nullptr)).has_value());
}

TEST(Key, J5AlgThatDoesNotFitTheKeyIsRefused) {
    const bj::object good = make_key(algorithm::es256, "k").to_public_json();
    for (const char* name : {"ES384", "RS256", "HS256", "none", "es256", "ES521", "RSA-OAEP", ""})
        EXPECT_EQ(fault_of(changed(good, "alg", name)), errc::key_wrong_algorithm) << name;
    EXPECT_EQ(fault_of(changed(good, "alg", 256)), errc::key_malformed);
}

TEST(Key, J6WeakRsaKeysAreRefused) {
    const bj::object good{{"kty", "RSA"}, {"n", rfc7638_n}, {"e", "AQAB"}};
    ASSERT_TRUE(key::from_json(good).has_value());
    for (const std::string_view e :
         {std::string_view("\x01", 1), std::string_view("\x02", 1),
          std::string_view("\x01\x00\x00", 3), std::string_view("\x01\x00\x00\x00\x01", 5)})
        EXPECT_EQ(fault_of(changed(good, "e", to_base64url(e))), errc::key_too_weak);
    const std::string n = from_base64url(rfc7638_n).value();
    EXPECT_EQ(fault_of(changed(good, "n", to_base64url(n.substr(0, 255)))), errc::key_too_weak);
    std::string even = n;
    even.back() = '\x02';
    EXPECT_EQ(fault_of(changed(good, "n", to_base64url(even))), errc::key_too_weak);
    EXPECT_EQ(fault_of(changed(good, "n", to_base64url(std::string(1025, '\x7f')))),
              errc::key_too_large);
    // Base64urlUInt has no leading zero octet.
    EXPECT_EQ(fault_of(changed(good, "n", to_base64url('\0' + n))), errc::key_malformed);
    EXPECT_EQ(fault_of(changed(good, "n", "")), errc::key_malformed);
    EXPECT_EQ(fault_of(changed(good, "n", nullptr)), errc::key_malformed);
    EXPECT_EQ(fault_of(changed(good, "n", std::string(rfc7638_n) + "=")), errc::key_malformed);
}

TEST(Key, J6PointsOffTheCurveAreRefused) {
    bj::object ec = make_key(algorithm::es256, "k").to_public_json();
    std::string y = from_base64url(std::string_view(ec["y"].as_string())).value();
    y.back() = static_cast<char>(y.back() ^ 1);
    EXPECT_EQ(fault_of(changed(ec, "y", to_base64url(y))), errc::key_not_on_curve);
    EXPECT_EQ(fault_of(changed(changed(ec, "x", to_base64url(std::string(32, '\0'))), "y",
                               to_base64url(std::string(32, '\0')))),
              errc::key_not_on_curve);
    EXPECT_EQ(fault_of(changed(ec, "x", to_base64url(std::string(31, 'x')))), errc::key_malformed);
    EXPECT_EQ(fault_of(changed(ec, "crv", "P-384")), errc::key_malformed);
    EXPECT_EQ(fault_of(changed(ec, "crv", "secp256k1")), errc::key_unsupported);
    // The neutral element and a point of order 2: anything verifies with them.
    const bj::object okp{{"kty", "OKP"}, {"crv", "Ed25519"}};
    std::string one(32, '\0');
    one[0] = 1;
    EXPECT_EQ(fault_of(changed(okp, "x", to_base64url(one))), errc::key_not_on_curve);
    EXPECT_EQ(fault_of(changed(okp, "x", to_base64url(std::string(32, '\0')))),
              errc::key_not_on_curve);
    EXPECT_EQ(fault_of({{"kty", "OKP"}, {"crv", "X25519"}, {"x", "AA"}}), errc::key_unsupported);
}

TEST(Key, J6SecretsAreAsLongAsTheHash) {
    const auto oct = [](std::size_t bytes, const char* alg) {
        return bj::object{
            {"kty", "oct"}, {"k", to_base64url(std::string(bytes, 's'))}, {"alg", alg}};
    };
    EXPECT_TRUE(key::from_json(oct(32, "HS256")).has_value());
    EXPECT_EQ(fault_of(oct(31, "HS256")), errc::key_too_weak);
    EXPECT_EQ(fault_of(oct(47, "HS384")), errc::key_too_weak);
    EXPECT_EQ(fault_of(oct(63, "HS512")), errc::key_too_weak);
    EXPECT_EQ(fault_of({{"kty", "oct"}, {"k", ""}}), errc::key_too_weak);
    EXPECT_EQ(fault_of({{"kty", "oct"}}), errc::key_malformed);
    const key short_free =
        key::from_json({{"kty", "oct"}, {"k", to_base64url(std::string(40, 's'))}}).value();
    EXPECT_TRUE(short_free.fits(algorithm::hs256));
    EXPECT_FALSE(short_free.fits(algorithm::hs384));
}

TEST(Key, PrivatePartOfAnotherKeyCannotSign) {
    for (const algorithm a : {algorithm::es256, algorithm::ed25519, algorithm::rs256}) {
        const auto random = make_seeded_random(7);
        const key one = generate_key({a, 2048, "a"}, *random).value();
        const key two = generate_key({a, 2048, "b"}, *random).value();
        bj::object mixed = one.to_private_json();
        mixed["d"] = two.to_private_json()["d"];
        const key read = key::from_json(mixed).value();
        EXPECT_EQ(signer::make(read, a).error(), make_error_code(errc::key_inconsistent))
            << to_name(a);
        EXPECT_EQ(signer::make(key::from_json(one.to_public_json()).value(), a).error(),
                  make_error_code(errc::key_not_private));
    }
}

TEST(Key, PublicJsonNeverHoldsAPrivateMember) {
    for (const algorithm a :
         {algorithm::es256, algorithm::ed25519, algorithm::rs256, algorithm::hs256}) {
        const bj::object shown = make_key(a, "k").to_public_json();
        for (const char* name : {"d", "p", "q", "dp", "dq", "qi", "k"})
            EXPECT_FALSE(shown.contains(name));
    }
    EXPECT_TRUE(make_key(algorithm::hs256, "k").to_public_json().empty());
}

TEST(KeySet, J6BadKeysAreSkippedAndListedAmongGoodOnes) {
    const bj::object good = make_key(algorithm::es256, "good").to_public_json();
    const std::string text = to_set_text({changed(changed(good, "use", "enc"), "kid", "enc"),
                                          {{"kty", "future"}, {"kid", "new"}},
                                          good,
                                          {{"kid", 5}},
                                          changed(changed(good, "y", good.at("x")), "kid", "off")});
    const key_set set = key_set::parse(text, key_source::remote).value();
    ASSERT_EQ(set.keys().size(), 1U);
    EXPECT_EQ(set.keys()[0].id(), "good");
    const std::vector<skipped_key> expected = {{0, "enc", errc::key_wrong_use},
                                               {1, "new", errc::key_unsupported},
                                               {3, "", errc::key_malformed},
                                               {4, "off", errc::key_not_on_curve}};
    EXPECT_EQ(std::vector<skipped_key>(set.skipped().begin(), set.skipped().end()), expected);
}

TEST(KeySet, J7TwinsOfOneNameAreBothDropped) {
    const auto random = make_seeded_random(1);
    const auto make = [&random](algorithm a) {
        return generate_key({a, 2048, "same"}, *random).value().to_public_json();
    };
    const key_set set =
        key_set::parse(
            to_set_text({make(algorithm::es256), make(algorithm::ed25519), make(algorithm::es256)}),
            key_source::local)
            .value();
    ASSERT_EQ(set.keys().size(), 1U);  // of another kind: no twin
    EXPECT_EQ(set.keys()[0].type(), key_type::okp);
    ASSERT_EQ(set.skipped().size(), 2U);
    EXPECT_EQ(set.skipped()[0].why, errc::key_duplicate_id);
    EXPECT_EQ(set.skipped()[1].index, 2U);
}

TEST(KeySet, J5SecretsNeverStandBesideOtherKeys) {
    const std::string text = to_set_text({make_key(algorithm::es256, "a").to_public_json(),
                                          make_key(algorithm::hs256, "b").to_private_json()});
    EXPECT_EQ(key_set::parse(text, key_source::local).error(), make_error_code(errc::mixed_keys));
    // From the network the secret is left out, and nothing is mixed.
    EXPECT_EQ(key_set::parse(text, key_source::remote).value().keys().size(), 1U);
}

TEST(KeySet, J6PrivateKeysFromTheNetworkAreIgnored) {
    const std::string text = json::to_text(make_key(algorithm::es256, "a").to_private_json());
    const key_set remote = key_set::parse(text, key_source::remote).value();
    EXPECT_TRUE(remote.keys().empty());
    ASSERT_EQ(remote.skipped().size(), 1U);
    EXPECT_EQ(remote.skipped()[0].why, errc::key_private_in_remote);
    EXPECT_TRUE(key_set::parse(text, key_source::local).value().has_private_keys());
}

TEST(KeySet, J3TextMustBeOneStrictJsonObject) {
    const auto fault = [](std::string_view text) {
        return to_errc(key_set::parse(text, key_source::local).error());
    };
    EXPECT_EQ(fault(""), errc::not_json);
    EXPECT_EQ(fault("-----BEGIN PUBLIC KEY-----"), errc::not_json);
    EXPECT_EQ(fault(R"({"keys":[],"keys":[]})"), errc::not_json);
    EXPECT_EQ(fault(R"({"keys":[]} x)"), errc::not_json);
    EXPECT_EQ(fault("[]"), errc::not_a_key);
    EXPECT_EQ(fault("{}"), errc::not_a_key);
    EXPECT_EQ(fault(R"({"keys":{}})"), errc::not_a_key);
    EXPECT_TRUE(key_set::parse(R"({"keys":[]})", key_source::local).value().keys().empty());
}

TEST(KeySet, HugeSetsAreRefusedBeforeAnyKeyIsRead) {
    std::string many = R"({"keys":[)";
    for (int i = 0; i < 65; ++i) many += i == 0 ? "{}" : ",{}";
    EXPECT_EQ(key_set::parse(many + "]}", key_source::local).error(),
              make_error_code(errc::too_many_keys));
    EXPECT_EQ(
        key_set::parse(std::string(key_set::text_bytes_max + 1, ' '), key_source::local).error(),
        make_error_code(errc::not_json));
    EXPECT_EQ(key_set::parse(std::string(100'000, '['), key_source::local).error(),
              make_error_code(errc::not_json));
}

TEST(Errors, EveryReasonHasItsOwnName) {
    std::vector<std::string_view> seen;
    for (int i = 1; i <= static_cast<int>(errc::crypto_failed); ++i) {
        const std::string_view name = to_reason(static_cast<errc>(i));
        EXPECT_NE(name, "unknown") << i;
        for (const std::string_view other : seen) EXPECT_NE(name, other);
        seen.push_back(name);
    }
}

}  // namespace
}  // namespace lethe::token
