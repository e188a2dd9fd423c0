#include "gateway/memory_watch.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace lethe::gateway {
namespace {

using enum memory_pressure;

TEST(MemoryWatch, KnowsWhatTheProcessTakes) {
    const auto before = resident_bytes();
    ASSERT_TRUE(before);
    EXPECT_GT(*before, 1'000'000U);
    constexpr std::size_t more = 64 * 1024 * 1024;
    const std::vector<char> touched(more, 'x');
    EXPECT_GT(*resident_bytes(), *before + more / 2);
    EXPECT_EQ(touched.back(), 'x');
}

TEST(MemoryWatch, WhatIsConfiguredCounts) {
    EXPECT_EQ(memory_max(123), 123U);
    EXPECT_EQ(memory_max(0), 0U);
    EXPECT_EQ(memory_max(std::nullopt), cgroup_bytes_max());
}

TEST(MemoryWatch, LevelsAreLeftWellBelowWhereTheyBegin) {
    EXPECT_EQ(next_pressure(none, 900, 1000), none);
    EXPECT_EQ(next_pressure(none, 901, 1000), high);
    EXPECT_EQ(next_pressure(high, 851, 1000), high);
    EXPECT_EQ(next_pressure(high, 850, 1000), none);
    EXPECT_EQ(next_pressure(high, 1001, 1000), full);
    EXPECT_EQ(next_pressure(none, 5000, 1000), full);
    EXPECT_EQ(next_pressure(full, 951, 1000), full);
    EXPECT_EQ(next_pressure(full, 950, 1000), high);
    EXPECT_EQ(next_pressure(full, 100, 1000), none);
    EXPECT_EQ(next_pressure(full, 1'000'000, 0), none);
}

TEST(MemoryWatch, LargeBodiesAreRefusedFirst) {
    arena memory;
    manual_clock time;
    http::exchange x(memory, time);
    EXPECT_TRUE(has_memory_for(x, high));
    EXPECT_FALSE(has_memory_for(x, full));
    x.request_body = http::make_borrowed_body(memory, "small");
    EXPECT_TRUE(has_memory_for(x, high));
    const std::string large(100'000, 'x');
    x.request_body = http::make_borrowed_body(memory, large);
    EXPECT_FALSE(has_memory_for(x, high));
    EXPECT_TRUE(has_memory_for(x, none));
}

}  // namespace
}  // namespace lethe::gateway
