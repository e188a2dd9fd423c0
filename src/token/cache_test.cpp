// The cache of verified tokens: it never says more than the verification did.
#include "token/cache.hpp"

#include "token/test_tokens.hpp"

namespace lethe::token {
namespace {

std::shared_ptr<const claims> make_claims_of(std::string_view subject, std::size_t padding = 0) {
    const std::string payload =
        R"({"sub":")" + std::string(subject) + R"(","x":")" + std::string(padding, 'x') + "\"}";
    return std::make_shared<const claims>(parse_claims(payload).value());
}

cache_key key_of(std::string_view token, std::uint32_t provider = 0) {
    return {digest_of(token), provider};
}

constexpr steady_time start{std::chrono::hours{1}};

TEST(Cache, AnswersWhatWasPut) {
    cache c({});
    EXPECT_EQ(c.find(key_of("t"), 1, start), nullptr);
    c.put(key_of("t"), 1, start, make_claims_of("alice"));
    const auto found = c.find(key_of("t"), 1, start);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->subject, "alice");
    EXPECT_EQ(c.find(key_of("u"), 1, start), nullptr);
}

TEST(Cache, WhatOneProviderVerifiedIsNothingToAnother) {
    cache c({});
    c.put(key_of("t", 1), 1, start, make_claims_of("alice"));
    EXPECT_EQ(c.find(key_of("t", 2), 1, start), nullptr);
    EXPECT_NE(c.find(key_of("t", 1), 1, start), nullptr);
}

TEST(Cache, AllBytesOfTheDigestCount) {
    cache c({});
    cache_key near_miss = key_of("t");
    c.put(near_miss, 1, start, make_claims_of("alice"));
    for (std::size_t i = 0; i < near_miss.token.size(); ++i) {
        cache_key other = near_miss;
        other.token[i] ^= 1;
        EXPECT_EQ(c.find(other, 1, start), nullptr) << i;
    }
}

TEST(Cache, K5OtherKeySetGenerationForgets) {
    cache c({});
    c.put(key_of("t"), 1, start, make_claims_of("alice"));
    EXPECT_EQ(c.find(key_of("t"), 2, start), nullptr);
    EXPECT_EQ(c.size(), 0U);
    EXPECT_EQ(c.find(key_of("t"), 1, start), nullptr);  // and it does not come back
}

TEST(Cache, EntriesEndWithTheirTtl) {
    cache c({.ttl = std::chrono::seconds{300}});
    c.put(key_of("t"), 1, start, make_claims_of("alice"));
    EXPECT_NE(c.find(key_of("t"), 1, start + std::chrono::seconds{299}), nullptr);
    EXPECT_EQ(c.find(key_of("t"), 1, start + std::chrono::seconds{300}), nullptr);
    EXPECT_EQ(c.bytes(), 0U);
}

TEST(Cache, IsBoundedByBytes) {
    constexpr std::size_t bound = 64 * 1024;
    cache c({.bytes_max = bound});
    const auto random = make_seeded_random(3);
    for (int i = 0; i < 2'000; ++i) {
        c.put(key_of(std::to_string(i)), 1, start, make_claims_of("alice", random->below(3'000)));
        ASSERT_LE(c.bytes(), bound);
        ASSERT_NE(c.find(key_of(std::to_string(i)), 1, start), nullptr);
    }
    EXPECT_GT(c.counted().evictions, 1'900U);
    EXPECT_GT(c.size(), 10U);
}

TEST(Cache, WhatIsUsedStaysLongerThanWhatIsNot) {
    cache c({.bytes_max = 64 * 1024});
    c.put(key_of("often"), 1, start, make_claims_of("alice"));
    for (int i = 0; i < 500; ++i) {
        c.put(key_of(std::to_string(i)), 1, start, make_claims_of("bob", 1'000));
        ASSERT_NE(c.find(key_of("often"), 1, start), nullptr) << i;
    }
    EXPECT_EQ(c.find(key_of("0"), 1, start), nullptr);
}

TEST(Cache, OneHugeTokenDoesNotPushOutTheOthers) {
    cache c({.bytes_max = 64 * 1024});
    c.put(key_of("small"), 1, start, make_claims_of("alice"));
    c.put(key_of("huge"), 1, start, make_claims_of("bob", 9 * 1024));
    EXPECT_EQ(c.find(key_of("huge"), 1, start), nullptr);
    EXPECT_NE(c.find(key_of("small"), 1, start), nullptr);
}

TEST(Cache, PuttingAgainReplaces) {
    cache c({});
    c.put(key_of("t"), 1, start, make_claims_of("alice"));
    const std::size_t once = c.bytes();
    c.put(key_of("t"), 2, start, make_claims_of("carol"));
    EXPECT_EQ(c.bytes(), once);
    EXPECT_EQ(c.find(key_of("t"), 2, start)->subject, "carol");
    c.clear();
    EXPECT_EQ(c.bytes(), 0U);
    EXPECT_EQ(c.find(key_of("t"), 2, start), nullptr);
}

TEST(Cache, FingerprintIsShortAndOfTheDigest) {
    const digest of = digest_of("abc");
    EXPECT_EQ(fingerprint(of), "ba7816bf8f01cfea");
}

}  // namespace
}  // namespace lethe::token
