// The issuers of one worker: rules J14, K5, and the cache's own bugs.
#include "identity/issuers.hpp"

#include "token/test_tokens.hpp"

namespace lethe::identity {
namespace {

namespace bj = boost::json;
using namespace token::test;
using token::algorithm;

class Issuers : public ::testing::Test {
 protected:
    static issuer_options make_options(std::string name, std::string issuer,
                                       std::vector<std::string> audience) {
        issuer_options out;
        out.name = std::move(name);
        out.issuer = std::move(issuer);
        out.audience = std::move(audience);
        out.algorithms = {algorithm::es256};
        return out;
    }
    // "" when the token is good.
    std::string reason(issuer_table& by, const std::string& token,
                       std::vector<std::size_t> allowed) {
        const verdict found = by.verify(token, allowed, time_);
        if (found.claims) return "";
        return found.undecided ? "undecided" : std::string(token::to_reason(found.reason));
    }
    std::string sign(const token::key& with, std::string_view payload) {
        return sign_parts(with, algorithm::es256, good_header(with, algorithm::es256), payload);
    }

    token::key key_a_ = make_key(algorithm::es256, "k1");
    token::key key_b_ = make_key(algorithm::es256, "k1");
    issuer_options a_ = make_options("a", "https://id.example", {"shop"});
    issuer_options b_ = make_options("b", "https://b.example", {"shop"});
    lethe::metrics::registry registry_;
    manual_clock time_;
};

TEST_F(Issuers, J14IssuerIsOneOfThoseTheRouteAllows) {
    const std::vector<trusted_issuer> both = {{a_, make_set({key_a_})}, {b_, make_set({key_b_})}};
    issuer_table table(both, registry_);
    const std::string of_a = sign(key_a_, good_payload());
    const std::string of_b = sign(key_b_, with_claim("iss", "https://b.example"));
    EXPECT_EQ(reason(table, of_a, {0}), "");
    EXPECT_EQ(reason(table, of_b, {1}), "");
    EXPECT_EQ(reason(table, of_a, {0, 1}), "");
    EXPECT_EQ(reason(table, of_b, {0, 1}), "");
    EXPECT_EQ(reason(table, of_b, {0}), "unknown_issuer");
    EXPECT_EQ(reason(table, of_a, {1}), "unknown_issuer");
    // B's key proves nothing about A's issuer, although the key's name is the same.
    EXPECT_EQ(reason(table, sign(key_b_, good_payload()), {0, 1}), "bad_signature");
}

// One party, two audiences: what one entry let through must not come out of the cache for the
// other.
TEST_F(Issuers, CacheNeverLendsOneIssuersVerdictToAnother) {
    const issuer_options admin = make_options("admin", "https://id.example", {"admin"});
    const std::vector<trusted_issuer> both = {{a_, make_set({key_a_})},
                                              {admin, make_set({key_a_})}};
    issuer_table table(both, registry_);
    const std::string token = sign(key_a_, good_payload());
    EXPECT_EQ(reason(table, token, {0}), "");
    EXPECT_EQ(reason(table, token, {1}), "wrong_audience");
    EXPECT_EQ(reason(table, token, {1, 0}), "");
    EXPECT_EQ(reason(table, sign(key_a_, with_claim("aud", "admin")), {0, 1}), "");
}

TEST_F(Issuers, CachedTokenStillExpires) {
    issuer_table table(std::vector<trusted_issuer>{{a_, make_set({key_a_})}}, registry_);
    const std::string token = sign(key_a_, with_claim("exp", noon + 100));
    EXPECT_EQ(reason(table, token, {0}), "");
    EXPECT_EQ(reason(table, token, {0}), "");
    EXPECT_EQ(table.counters().cache_hits.value(), 1U);
    time_.advance(std::chrono::seconds{129});
    EXPECT_EQ(reason(table, token, {0}), "");
    time_.advance(std::chrono::seconds{1});
    EXPECT_EQ(reason(table, token, {0}), "expired");
    EXPECT_EQ(table.counters().cache_misses.value(), 1U);
}

TEST_F(Issuers, CachedTokenIsNotTakenBeforeItsTimeWhenTheClockJumpsBack) {
    issuer_table table(std::vector<trusted_issuer>{{a_, make_set({key_a_})}}, registry_);
    const std::string token = sign(key_a_, with_claim("nbf", noon));
    EXPECT_EQ(reason(table, token, {0}), "");
    time_.jump_system(std::chrono::seconds{-31});
    EXPECT_EQ(reason(table, token, {0}), "not_yet_valid");
}

TEST_F(Issuers, K5RemovedKeyEndsItsTokensAtOnce) {
    issuer_table table(std::vector<trusted_issuer>{{a_, make_set({key_a_})}}, registry_);
    const std::string token = sign(key_a_, good_payload());
    EXPECT_EQ(reason(table, token, {0}), "");
    table.replace_keys(0, make_set({make_key(algorithm::es256, "k2")}));
    EXPECT_EQ(reason(table, token, {0}), "unknown_key");
    table.replace_keys(0, make_set({key_b_}));  // the same name, another key
    EXPECT_EQ(reason(table, token, {0}), "bad_signature");
    table.replace_keys(0, make_set({key_a_}));
    EXPECT_EQ(reason(table, token, {0}), "");
}

TEST_F(Issuers, RefusalsAreNotCached) {
    issuer_table table(std::vector<trusted_issuer>{{a_, make_set({key_b_})}}, registry_);
    const std::string token = sign(key_a_, good_payload());
    EXPECT_EQ(reason(table, token, {0}), "bad_signature");
    table.replace_keys(0, make_set({key_a_}));
    EXPECT_EQ(reason(table, token, {0}), "");
}

TEST_F(Issuers, OtherSpellingOfATokenIsNotTheToken) {
    issuer_table table(std::vector<trusted_issuer>{{a_, make_set({key_a_})}}, registry_);
    std::string token = sign(key_a_, good_payload());
    EXPECT_EQ(reason(table, token, {0}), "");
    // 64 bytes end in two bits that carry nothing: the other three letters decode to the same
    // bytes.
    const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const std::size_t value = alphabet.find(token.back());
    for (std::size_t extra = 1; extra < 16; ++extra) {
        token.back() = alphabet[value + extra];
        EXPECT_EQ(reason(table, token, {0}), "bad_encoding");
    }
}

TEST_F(Issuers, WithoutKeysIsUndecidedAndNeverARefusal) {
    issuer_table table(std::vector<trusted_issuer>{{a_, nullptr}, {b_, make_set({key_b_})}},
                       registry_);
    EXPECT_EQ(reason(table, sign(key_a_, good_payload()), {0, 1}), "undecided");
    EXPECT_EQ(reason(table, sign(key_b_, with_claim("iss", "https://b.example")), {0, 1}), "");
    EXPECT_EQ(reason(table, "junk", {0, 1}), "not_compact");
}

TEST_F(Issuers, EachIssuersOwnTokenSizeCounts) {
    a_.token_bytes_max = 200;
    b_.token_bytes_max = 8192;
    issuer_table table(
        std::vector<trusted_issuer>{{a_, make_set({key_a_})}, {b_, make_set({key_b_})}}, registry_);
    const std::string token = sign(key_a_, good_payload());
    ASSERT_GT(token.size(), 200U);
    EXPECT_EQ(reason(table, token, {0}), "too_large");
    EXPECT_EQ(reason(table, token, {0, 1}), "too_large");
}

TEST_F(Issuers, MetricsCoverEveryReason) {
    identity::metrics counters(registry_);
    for (int i = 1; i <= static_cast<int>(token::errc::crypto_failed); ++i)
        counters.count(static_cast<token::errc>(i));
    const lethe::metrics::registry* all[] = {&registry_};
    const std::string text = lethe::metrics::to_prometheus(all);
    for (std::size_t i = 1; i <= token::token_reason_count; ++i)
        EXPECT_NE(text.find("reason=\"" +
                            std::string(token::to_reason(static_cast<token::errc>(i))) + "\"} 1"),
                  std::string::npos)
            << i;
    EXPECT_NE(text.find("reason=\"no_keys\"} 0"), std::string::npos);
}

}  // namespace
}  // namespace lethe::identity
