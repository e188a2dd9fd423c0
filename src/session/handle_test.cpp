#include "session/handle.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace lethe::session {
namespace {

using namespace std::chrono_literals;

constexpr system_time now{1'700'000'000'000ms};

struct SessionHandle : ::testing::Test {
    std::unique_ptr<random_source> random = make_seeded_random(5);
    handle_keys keys{{"a key that is thirty-two bytes long"}};
    ticket holder = ticket::make(*random);
    handle right{.holder = holder,
                 .reserved = false,
                 .route = route_mark("cart"),
                 .version = 17,
                 .expires = now + 10s};
};

// --- spec: "Lethe-Session-Url: "http://127.0.0.1:3500/lethe/v1/session/h…" (short-lived handle)"

TEST_F(SessionHandle, WhatOneGatewaySealsAnotherWithTheKeyOpens) {
    const std::string text = keys.seal(right, *random);
    EXPECT_EQ(text.front(), 'h');
    const handle_keys other{{"a key that is thirty-two bytes long"}};
    const std::optional<handle> opened = other.open(text, now);
    ASSERT_TRUE(opened);
    EXPECT_EQ(opened->holder.to_bytes(), holder.to_bytes());
    EXPECT_FALSE(opened->reserved);
    EXPECT_EQ(opened->route, route_mark("cart"));
    EXPECT_EQ(opened->version, 17U);
    EXPECT_EQ(opened->expires, right.expires);
    EXPECT_NE(keys.seal(right, *random), text);
}

TEST_F(SessionHandle, IsAlwaysAsLongAndTellsNothing) {
    const std::size_t bytes = keys.seal(right, *random).size();
    right.version = UINT64_MAX;
    right.reserved = true;
    right.route = route_mark(std::string(128, 'x'));
    const std::string text = keys.seal(right, *random);
    EXPECT_EQ(text.size(), bytes);
    EXPECT_LT(text.size(), 200U);
    EXPECT_TRUE(keys.open(text, now)->reserved);
    EXPECT_EQ(text.find(holder.to_cookie_value()), std::string::npos);
}

TEST_F(SessionHandle, IsOverAtItsEnd) {
    const std::string text = keys.seal(right, *random);
    EXPECT_TRUE(keys.open(text, right.expires - 1ms));
    EXPECT_FALSE(keys.open(text, right.expires));
}

TEST_F(SessionHandle, OpensForNoOtherKeyAndNotWithOneCharacterChanged) {
    const std::string text = keys.seal(right, *random);
    EXPECT_FALSE(handle_keys({"another key of thirty-two bytes!!"}).open(text, now));
    for (std::size_t i = 0; i < text.size(); ++i) {
        std::string forged = text;
        forged[i] = forged[i] == 'A' ? 'B' : 'A';
        EXPECT_FALSE(keys.open(forged, now)) << i;
        EXPECT_FALSE(keys.open(text.substr(0, i), now)) << i;
    }
    EXPECT_FALSE(keys.open(text + "A", now));
    EXPECT_FALSE(keys.open("", now));
}

TEST_F(SessionHandle, KeysAreRotatedWithBothInPlace) {
    const std::string earlier = "an earlier key, thirty-two bytes or more";
    const std::string later = "the later key, also thirty-two bytes or more";
    const std::string old_text = handle_keys({earlier}).seal(right, *random);
    EXPECT_TRUE(handle_keys({later, earlier}).open(old_text, now));
    EXPECT_TRUE(handle_keys({earlier, later})
                    .open(handle_keys({later, earlier}).seal(right, *random), now));
    EXPECT_FALSE(handle_keys({later}).open(old_text, now));
}

TEST_F(SessionHandle, WritesAreMarkedByIt) {
    const std::string text = keys.seal(right, *random);
    EXPECT_EQ(write_mark(text), write_mark(text));
    EXPECT_NE(write_mark(text), write_mark(keys.seal(right, *random)));
    EXPECT_NE(write_mark(text), 0U);
}

}  // namespace
}  // namespace lethe::session
