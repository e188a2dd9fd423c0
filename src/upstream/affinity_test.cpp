// The cookie that leads back to a replica.
#include "upstream/affinity.hpp"

#include "base/bytes.hpp"

#include <gtest/gtest.h>

#include <set>

namespace lethe::upstream {
namespace {

using namespace std::chrono_literals;

struct Affinity : ::testing::Test {
    manual_clock time;
    arena memory;
    std::unique_ptr<random_source> random = make_seeded_random(7);
    affinity_options how{.keys = {secret("the-key-of-today-which-is-long-enough")}};

    affinity make(const std::string& upstream = "shop") { return {how, upstream, *random}; }
    // The whole Set-Cookie.
    std::string set(affinity by, std::uint64_t place, bool secure = false) {
        http::exchange x(memory, time);
        x.secure = secure;
        by.set(x, place, time.system_now());
        return std::string(x.response.header.first("Set-Cookie").value_or(""));
    }
    std::string value_of(affinity by, std::uint64_t place) {
        const std::string all = set(std::move(by), place);
        const std::size_t from = all.find('=') + 1;
        return all.substr(from, all.find(';') - from);
    }
    std::optional<affinity_mark> find(const affinity& by, const std::string& value) {
        http::fields request(memory);
        request.add("Cookie", "a=1; lethe-replica=" + value + "; b=2");
        return by.find(request, time.system_now());
    }
};

TEST_F(Affinity, TheCookieLeadsBackAndTellsNothing) {
    std::set<std::string> all;
    for (int i = 0; i < 20; ++i) all.insert(value_of(make(), 42));
    EXPECT_EQ(all.size(), 20U) << "equal places look different";
    for (const std::string& one : all) EXPECT_EQ(find(make(), one)->place, 42U);
}

TEST_F(Affinity, ItHasTheAttributesThatKeepItFromScriptsAndOtherSites) {
    EXPECT_TRUE(set(make(), 1).ends_with("; Path=/; HttpOnly; SameSite=Lax")) << set(make(), 1);
    EXPECT_TRUE(set(make(), 1, true).ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"));
    how.max_age = 1h;
    EXPECT_TRUE(set(make(), 1).ends_with("; SameSite=Lax; Max-Age=3600"));
}

TEST_F(Affinity, WhatIsForgedOrOfAnotherUpstreamIsIgnored) {
    const std::string good = value_of(make(), 42);
    EXPECT_TRUE(find(make(), good).has_value());
    EXPECT_FALSE(find(make("search"), good).has_value());
    EXPECT_FALSE(find(make(), "").has_value());
    EXPECT_FALSE(find(make(), good + "A").has_value());
    for (std::size_t i = 0; i < good.size(); ++i) {
        std::string forged = good;
        forged[i] = forged[i] == 'A' ? 'B' : 'A';
        EXPECT_FALSE(find(make(), forged).has_value()) << i;
    }
}

TEST_F(Affinity, KeysChangeWithoutLosingWhatTheOldOnesSealed) {
    const std::string old = value_of(make(), 42);
    how.keys.insert(how.keys.begin(), secret("the-key-of-tomorrow-which-is-longer"));
    EXPECT_TRUE(find(make(), old).has_value());
    const std::string fresh = value_of(make(), 42);
    how.keys.pop_back();
    EXPECT_FALSE(find(make(), old).has_value());
    EXPECT_TRUE(find(make(), fresh).has_value());
}

TEST_F(Affinity, ItAgesAndEnds) {
    how.max_age = 100s;
    const std::string value = value_of(make(), 42);
    time.advance(50s);
    EXPECT_FALSE(find(make(), value)->ages);
    time.advance(10s);
    EXPECT_TRUE(find(make(), value)->ages);
    time.advance(50s);
    EXPECT_FALSE(find(make(), value).has_value());
}

}  // namespace
}  // namespace lethe::upstream
