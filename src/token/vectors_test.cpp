// The public test vectors: Wycheproof and the JOSE cookbook.
#include "support/source_tree.hpp"
#include "token/test_tokens.hpp"

#include <fstream>
#include <functional>
#include <iterator>

namespace lethe::token {
namespace {

using namespace test;
namespace bj = boost::json;

bj::value read_vectors(const std::string& path) {
    std::ifstream file(lethe::test::source_tree() / "tests/vectors" / path);
    const std::string text(std::istreambuf_iterator<char>(file), {});
    EXPECT_FALSE(text.empty()) << path;
    return json::parse(text, {.bytes_max = 4 * 1024 * 1024}).value();
}

std::string_view text_of(const bj::value& in, std::string_view name) {
    return in.as_object().at(name).as_string();
}

// The JOSE layer alone: the payloads of these vectors are no claims.
bool verify_jws(const key_set& keys, std::string_view token) {
    jws parts;
    if (parse_jws(token, token_bytes_limit, parts).has_error() || !parts.algorithm) return false;
    bool good = false;
    int candidates = 0;
    for (const key& one : keys.keys()) {
        if (parts.key_id && !one.id().empty() && one.id() != *parts.key_id) continue;
        result<signature_checker> checker = signature_checker::make(one, *parts.algorithm);
        if (checker.has_error()) continue;
        ++candidates;
        good = checker->check(parts.signing_input, parts.signature);
    }
    return good && candidates == 1;
}

// What is right for a case: "valid", "invalid" or "policy".
std::string expected_of(const bj::value& disputed, const bj::value& test) {
    const std::string id = json::to_text(test.as_object().at("tcId"));
    if (const bj::value* other = disputed.as_object().if_contains(id)) {
        const std::string_view expect = text_of(*other, "expect");
        if (expect == "accept") return "valid";
        return expect == "reject" ? "invalid" : "policy";
    }
    return std::string(text_of(test, "result"));
}

int run_jose_vectors(const std::string& name) {
    const bj::value all = read_vectors("wycheproof/" + name + ".json");
    const bj::value every_disputed = read_vectors("wycheproof/disputed-cases.json");
    const bj::value& disputed = every_disputed.as_object().at(name);
    int count = 0;
    for (const bj::value& group : all.as_object().at("testGroups").as_array()) {
        const bj::object& in = group.as_object();
        const bj::value& jwk = in.contains("public") ? in.at("public") : in.at("private");
        const result<key_set> parsed = key_set::parse(json::to_text(jwk), key_source::local);
        for (const bj::value& test : in.at("tests").as_array()) {
            const bool accepted = parsed.has_value() && verify_jws(*parsed, text_of(test, "jws"));
            const std::string expected = expected_of(disputed, test);
            ++count;
            if (expected == "policy") continue;
            EXPECT_EQ(accepted, expected == "valid")
                << name << " " << json::to_text(test.as_object().at("tcId")) << ": "
                << text_of(test, "comment");
        }
    }
    return count;
}

TEST(Vectors, WycheproofJsonWebSignatures) {
    EXPECT_EQ(run_jose_vectors("json_web_signature_test"), 301);
}

TEST(Vectors, WycheproofJsonWebKeys) {
    EXPECT_GE(run_jose_vectors("json_web_key_test"), 20);
}

TEST(Vectors, WycheproofPolicyCasesGoTheStrictWay) {
    const bj::value all = read_vectors("wycheproof/json_web_key_test.json");
    int seen = 0;
    for (const bj::value& group : all.as_object().at("testGroups").as_array()) {
        const bj::object& in = group.as_object();
        const std::string id =
            json::to_text(in.at("tests").as_array().at(0).as_object().at("tcId"));
        const bj::value& jwk = in.contains("public") ? in.at("public") : in.at("private");
        if (id == "1") {  // J5: secrets and other keys in one set
            ++seen;
            const result<key_set> parsed = key_set::parse(json::to_text(jwk), key_source::local);
            EXPECT_EQ(parsed.error(), make_error_code(errc::mixed_keys));
        }
        if (id == "7") {  // J6: the mark of CVE-2017-16007
            ++seen;
            const key_set parsed = key_set::parse(json::to_text(jwk), key_source::local).value();
            ASSERT_EQ(parsed.skipped().size(), 1U);
            EXPECT_EQ(parsed.skipped()[0].why, errc::key_too_weak);
        }
        if (id == "2") {  // J5: secrets from the network
            ++seen;
            const key_set parsed = key_set::parse(json::to_text(jwk), key_source::remote).value();
            EXPECT_TRUE(parsed.keys().empty());
            ASSERT_EQ(parsed.skipped().size(), 2U);
            EXPECT_EQ(parsed.skipped()[0].why, errc::key_symmetric_in_remote);
        }
    }
    EXPECT_EQ(seen, 3);
}

// `jwk_of` answers a group's key as a JWK.
int run_signature_vectors(const std::string& name, algorithm a,
                          const std::function<bj::object(const bj::object&)>& jwk_of) {
    const bj::value all = read_vectors("wycheproof/" + name + ".json");
    int count = 0;
    for (const bj::value& group : all.as_object().at("testGroups").as_array()) {
        const bj::object jwk = jwk_of(group.as_object());
        const result<key> with = key::from_json(jwk);
        EXPECT_TRUE(with.has_value()) << json::to_text(jwk);
        if (with.has_error()) continue;
        signature_checker checker = signature_checker::make(*with, a).value();
        for (const bj::value& test : group.as_object().at("tests").as_array()) {
            const std::string message = from_hex(text_of(test, "msg")).value();
            const std::string signature = from_hex(text_of(test, "sig")).value();
            const std::string_view expected = text_of(test, "result");
            ++count;
            if (expected == "acceptable") continue;
            EXPECT_EQ(checker.check(message, signature), expected == "valid")
                << name << " " << json::to_text(test.as_object().at("tcId")) << ": "
                << text_of(test, "comment");
        }
    }
    return count;
}

// J10, for each family of signatures.
// A coordinate as DER had it: with a zero before it, or without those it begins with.
std::string to_coordinate(std::string_view hex) {
    std::string bytes = from_hex(hex).value();
    if (bytes.size() > 32) bytes.erase(0, bytes.size() - 32);
    return to_base64url(std::string(32 - bytes.size(), '\0') + bytes);
}

TEST(Vectors, WycheproofEcdsaP256) {
    // Not every group has the key as a JWK too.
    const auto jwk_of = [](const bj::object& group) {
        const bj::value& point = group.at("publicKey");
        return bj::object{{"kty", "EC"},
                          {"crv", "P-256"},
                          {"x", to_coordinate(text_of(point, "wx"))},
                          {"y", to_coordinate(text_of(point, "wy"))}};
    };
    EXPECT_EQ(run_signature_vectors("ecdsa_secp256r1_sha256_p1363_test", algorithm::es256, jwk_of),
              197);
}

TEST(Vectors, WycheproofEd25519) {
    EXPECT_EQ(
        run_signature_vectors("ed25519_test", algorithm::ed25519,
                              [](const bj::object& g) { return g.at("publicKeyJwk").as_object(); }),
        114);
}

TEST(Vectors, WycheproofRsaPkcs1) {
    EXPECT_EQ(run_signature_vectors("rsa_signature_2048_sha256_test", algorithm::rs256,
                                    [](const bj::object& g) { return g.at("keyJwk").as_object(); }),
              195);
}

TEST(Vectors, WycheproofRsaPss) {
    EXPECT_EQ(
        run_signature_vectors("rsa_pss_2048_sha256_mgf1_32_test", algorithm::ps256,
                              [](const bj::object& g) { return g.at("publicKeyJwk").as_object(); }),
        81);
}

TEST(Vectors, WycheproofHmacTakesOnlyWholeTagsAndLongKeys) {
    const bj::value all = read_vectors("wycheproof/hmac_sha256_test.json");
    int checked = 0;
    for (const bj::value& group : all.as_object().at("testGroups").as_array())
        for (const bj::value& test : group.as_object().at("tests").as_array()) {
            const std::string secret_bytes = from_hex(text_of(test, "key")).value();
            const std::string tag = from_hex(text_of(test, "tag")).value();
            const result<key> with =
                key::from_json({{"kty", "oct"}, {"k", to_base64url(secret_bytes)}});
            EXPECT_EQ(with.has_value(), secret_bytes.size() >= 32);  // J6
            if (with.has_error()) continue;
            signature_checker checker = signature_checker::make(*with, algorithm::hs256).value();
            const bool expected = text_of(test, "result") == "valid" && tag.size() == 32;
            EXPECT_EQ(checker.check(from_hex(text_of(test, "msg")).value(), tag), expected);
            ++checked;
        }
    EXPECT_GT(checked, 80);
}

bool verify_cookbook(const bj::value& example) {
    const bj::object& input = example.as_object().at("input").as_object();
    const result<key_set> keys = key_set::parse(json::to_text(input.at("key")), key_source::local);
    EXPECT_TRUE(keys.has_value());
    return verify_jws(*keys, text_of(example.as_object().at("output"), "compact"));
}

TEST(Vectors, CookbookSignaturesVerify) {
    for (const char* name :
         {"jws/4_1.rsa_v15_signature", "jws/4_2.rsa-pss_signature", "jws/4_3.ecdsa_signature",
          "jws/4_4.hmac-sha2_integrity_protection", "curve25519/jws"})
        EXPECT_TRUE(verify_cookbook(read_vectors(std::string("jose-cookbook/") + name + ".json")))
            << name;
}

TEST(Vectors, CookbookReproducibleSignaturesAreMadeToTheByte) {
    for (const char* name : {"jws/4_1.rsa_v15_signature", "jws/4_4.hmac-sha2_integrity_protection",
                             "curve25519/jws"}) {
        const bj::value example = read_vectors(std::string("jose-cookbook/") + name + ".json");
        const bj::value& input = example.as_object().at("input");
        const bj::value& signing = example.as_object().at("signing");
        const key with = key::from_json(input.as_object().at("key").as_object()).value();
        signer by = signer::make(with, parse_algorithm(text_of(input, "alg")).value()).value();
        EXPECT_EQ(to_base64url(by.sign(text_of(signing, "sig-input")).value()),
                  text_of(signing, "sig"))
            << name;
    }
}

// J1, J9: only the compact form, and no unencoded payload.
TEST(Vectors, CookbookOtherFormsAreRefused) {
    jws parts;
    const bj::value detached =
        read_vectors("jose-cookbook/jws/4_5.signature_with_detached_content.json");
    const bj::value keys = detached.as_object().at("input").as_object().at("key");
    const key_set set = key_set::parse(json::to_text(keys), key_source::local).value();
    EXPECT_FALSE(verify_jws(set, text_of(detached.as_object().at("output"), "compact")));

    const bj::value many = read_vectors("jose-cookbook/jws/4_8.multiple_signatures.json");
    const std::string serialised =
        json::to_text(many.as_object().at("output").as_object().at("json"));
    EXPECT_EQ(parse_jws(serialised, token_bytes_limit, parts).error(),
              make_error_code(errc::not_compact));

    const bj::value unencoded = read_vectors("jose-cookbook/rfc7797/hmac-sha2_b64_false.json");
    const bj::value& output = unencoded.as_object().at("output");
    EXPECT_TRUE(parse_jws(text_of(output, "compact"), token_bytes_limit, parts).has_error());
    const std::string header(text_of(output.as_object().at("json_flat"), "protected"));
    EXPECT_EQ(parse_jws(header + ".YQ.YQ", token_bytes_limit, parts).error(),
              make_error_code(errc::critical_header));
}

TEST(Vectors, CookbookKeysAreRead) {
    const auto read = [](const char* name) {
        const bj::value jwk = read_vectors(std::string("jose-cookbook/jwk/") + name + ".json");
        return key::from_json(jwk.as_object());
    };
    EXPECT_FALSE(read("3_1.ec_public_key").value().is_private());
    EXPECT_TRUE(read("3_2.ec_private_key").value().is_private());
    EXPECT_EQ(read("3_2.ec_private_key").value().thumbprint(),
              read("3_1.ec_public_key").value().thumbprint());
    EXPECT_FALSE(read("3_3.rsa_public_key").value().is_private());
    EXPECT_TRUE(signer::make(read("3_4.rsa_private_key").value(), algorithm::rs256).has_value());
    EXPECT_TRUE(read("3_5.symmetric_key_mac_computation").value().is_symmetric());
    EXPECT_EQ(read("3_6.symmetric_key_encryption").error(), make_error_code(errc::key_wrong_use));
}

}  // namespace
}  // namespace lethe::token
