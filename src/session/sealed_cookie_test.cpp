// Spec, model: "Sealed-cookie mode: AEAD + key id + version; chunks of 3.8 KB, at most 3".
#include "session/sealed_cookie.hpp"

#include "base/bytes.hpp"

#include <gtest/gtest.h>

namespace lethe::session {
namespace {

using detail::found_cookies;

struct SealedCookie : testing::Test {
    std::unique_ptr<random_source> random = make_seeded_random(5);
    std::shared_ptr<const keyring> ring = ring_of({{"k1", 'a'}});
    const std::string name = "__Host-lethe";

    static std::shared_ptr<const keyring> ring_of(
        const std::vector<std::pair<std::string, char>>& ids,
        const std::vector<std::string>& retired = {}) {
        std::vector<key_source> keys;
        for (const auto& [id, of] : ids)
            keys.push_back({id, {}, secret(to_base64(std::string(key_bytes, of)))});
        return load_keyring(keys, retired).ring;
    }
    sealed_session session(std::size_t bytes) {
        sealed_session out;
        out.data.identity = random->bytes(id_bytes);
        out.data.version = 3;
        out.data.created = system_time{std::chrono::milliseconds{1'700'000'000'123}};
        out.data.idle_ttl = std::chrono::minutes{30};
        out.data.absolute_expiry = out.data.created + std::chrono::hours{24};
        out.data.slots = {{"page", 3, '"' + std::string(bytes, 'x') + '"'}};
        out.seen = out.data.created + std::chrono::minutes{5};
        return out;
    }
    std::vector<std::string> seal(const sealed_session& content) {
        return seal_cookies(content, name, *ring, *random).value();
    }
    static found_cookies sent(const std::vector<std::string>& values) {
        found_cookies out;
        for (std::size_t i = 0; i < values.size(); ++i) out[i] = values[i];
        return out;
    }
    error_code why(const found_cookies& of) {
        const auto opened = open_cookies(of, name, *ring);
        return opened.has_error() ? opened.error() : error_code{};
    }
};

TEST_F(SealedCookie, ComesBackWhole) {
    for (const std::size_t bytes : {0U, 100U, 2600U, 2700U, 2800U, 4000U, 5500U, 5600U, 8000U}) {
        const sealed_session content = session(bytes);
        const std::vector<std::string> values = seal(content);
        EXPECT_TRUE(looks_sealed(values[0]));
        for (const std::string& one : values) {
            EXPECT_LE(one.size(), chunk_bytes);
            EXPECT_EQ(one.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                            "0123456789-_."),
                      std::string::npos);
            EXPECT_EQ(one.find("xxxx"), std::string::npos);
        }
        const auto opened = open_cookies(sent(values), name, *ring);
        ASSERT_TRUE(opened.has_value()) << bytes;
        EXPECT_EQ(opened->data, content.data);
        EXPECT_EQ(opened->seen, content.seen);
    }
}

TEST_F(SealedCookie, TakesAtMostThreeCookies) {
    EXPECT_EQ(seal(session(100)).size(), 1U);
    EXPECT_EQ(seal(session(4000)).size(), 2U);
    EXPECT_EQ(seal(session(8000)).size(), 3U);
    EXPECT_EQ(seal_cookies(session(8600), name, *ring, *random).error(),
              make_error_code(errc::too_large));
    // The largest that fits fills the last cookie to a few bytes.
    std::size_t bytes = 8600;
    while (seal_cookies(session(bytes), name, *ring, *random).has_error()) --bytes;
    EXPECT_GT(seal(session(bytes)).back().size(), chunk_bytes - 2);
}

// "wrong/mixed/missing chunks = no session"
TEST_F(SealedCookie, MissingMixedAndDamagedCookiesOpenNothing) {
    const std::vector<std::string> a = seal(session(8000));
    const std::vector<std::string> b = seal(session(8000));
    ASSERT_EQ(a.size(), 3U);
    for (std::size_t i = 0; i < 3; ++i) {
        found_cookies cookies = sent(a);
        cookies[i].reset();
        EXPECT_TRUE(why(cookies)) << i;
        cookies[i] = b[i];
        EXPECT_TRUE(why(cookies)) << i;
        cookies[i] = a[(i + 1) % 3];
        EXPECT_TRUE(why(cookies)) << i;
        const std::string shorter = a[i].substr(0, a[i].size() - 1);
        cookies[i] = shorter;
        EXPECT_TRUE(why(cookies)) << i;
        const std::string quoted = '"' + a[i] + '"';
        cookies[i] = quoted;
        EXPECT_TRUE(why(cookies)) << i;
    }
    const std::vector<std::string> swapped = {a[0], a[2], a[1]};
    EXPECT_TRUE(why(sent(swapped)));
    // One too many is a rest of an earlier value, and harms nothing.
    const std::vector<std::string> longer = {seal(session(100))[0], a[1], a[2]};
    EXPECT_FALSE(why(sent(longer)));
}

TEST_F(SealedCookie, EveryChangedCharacterIsNoticed) {
    const std::string value = seal(session(40))[0];
    for (std::size_t i = 0; i < value.size(); ++i) {
        std::string damaged = value;
        damaged[i] = damaged[i] == 'A' ? 'B' : 'A';
        EXPECT_TRUE(why(sent({damaged}))) << i;
        EXPECT_TRUE(why(sent({value.substr(0, i)}))) << i;
    }
    EXPECT_TRUE(why(sent({value + "A"})));
    EXPECT_TRUE(why(sent({std::string(1'000'000, 'A')})));
    EXPECT_TRUE(why(sent({"v1-1.k1." + std::string(chunk_bytes, 'A')})));
    for (const std::string& text : {"v1-1.k1.", "v1-0.k1.AAAA", "v1-4.k1.AAAA", "v2-1.k1.AAAA",
                                    "v1-1..AAAA", "v1-1.AAAA", "v1-1", ""})
        EXPECT_TRUE(why(sent({text}))) << text;
}

TEST_F(SealedCookie, OpensUnderItsNameWithItsKeyOnly) {
    const std::vector<std::string> values = seal(session(40));
    EXPECT_EQ(open_cookies(sent(values), "__Host-other", *ring).error(),
              make_error_code(errc::not_opened));
    ring = ring_of({{"k1", 'b'}});
    EXPECT_EQ(why(sent(values)), make_error_code(errc::not_opened));
    ring = ring_of({{"k2", 'b'}});
    EXPECT_EQ(why(sent(values)), make_error_code(errc::key_missing));
    ring = ring_of({{"k2", 'b'}}, {"k1"});
    EXPECT_EQ(why(sent(values)), make_error_code(errc::key_retired));
    ring = ring_of({{"k2", 'b'}, {"k1", 'a'}});
    EXPECT_FALSE(why(sent(values)));
    EXPECT_NE(seal(session(40))[0].find(".k2."), std::string::npos);
}

TEST_F(SealedCookie, IsNeverTheSameTwice) {
    const sealed_session content = session(40);
    EXPECT_NE(seal(content), seal(content));
}

}  // namespace
}  // namespace lethe::session
