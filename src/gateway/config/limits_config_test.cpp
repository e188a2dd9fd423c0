// `routes[].limits`, `upstreams[].concurrency` and what of `limits` bounds the whole process.
#include "gateway/config/config_world.hpp"

#include <gtest/gtest.h>

namespace lethe::gateway::config::test {
namespace {

using namespace std::chrono_literals;
using limits::client_rule;

outcome parse_limits(const std::string& list, const std::string& more = "") {
    return parse(with_route("  - match: {prefix: /}\n    limits: " + list + "\n" + more +
                            "    upstream: shop\n"));
}

TEST(LimitsConfig, ALimitIsReadWhole) {
    const outcome got = parse_limits(
        "[{rate: 1000/min, burst: 7, by: field X-Api-Key, name: keys, store: default, store_down: "
        "refuse, store_timeout: 50ms, headers: true, clients_max: 1000}]");
    ASSERT_TRUE(got.made) << got.text;
    EXPECT_EQ(got.made->routes[0].limits.at(0),
              (limits::options{.pace = {1000, 1min},
                               .burst = 7,
                               .by = {client_rule::field, "X-Api-Key"},
                               .name = "keys",
                               .store = "default",
                               .store_down = limits::store_down_rule::refuse,
                               .store_timeout = 50ms,
                               .headers = true,
                               .clients_max = 1000}));
}

TEST(LimitsConfig, RatesHaveFourUnits) {
    const outcome got = parse_limits(
        "[{rate: 5/s, name: a}, {rate: 5/min, name: b}, {rate: 5/h, name: c}, "
        "{rate: 5/d, name: d}]");
    ASSERT_TRUE(got.made) << got.text;
    const std::vector<limits::options>& all = got.made->routes[0].limits;
    EXPECT_EQ(all.at(0).pace, (limits::rate{5, 1s}));
    EXPECT_EQ(all.at(1).pace, (limits::rate{5, 1min}));
    EXPECT_EQ(all.at(2).pace, (limits::rate{5, 1h}));
    EXPECT_EQ(all.at(3).pace, (limits::rate{5, 24h}));
    for (const char* wrong : {"5", "0/s", "-1/s", "5/w", "/s", "5/", "1e3/s", "100001/s", "5 /s",
                              "99999999999/s", "\"\""})
        EXPECT_NE(parse_limits(std::string("[{rate: ") + wrong + "}]").text.find("is not a rate"),
                  std::string::npos)
            << wrong;
}

TEST(LimitsConfig, ABurstMayBeLargeWhereTheRateIsHigh) {
    for (const char* list : {"[{rate: 5000/s}]", "[{rate: 100000/s, burst: 1000000}]",
                             "[{rate: 5000/h, burst: 1000}]", "[{rate: 1/d, burst: 30}]"}) {
        const outcome got = parse_limits(list);
        EXPECT_TRUE(got.made) << list << ": " << got.text;
    }
}

TEST(LimitsConfig, WhatCannotHoldIsRefused) {
    const std::pair<const char*, const char*> all[] = {
        {"[{burst: 5}]", "rate: is missing"},
        {"[{rate: 1/s, by: cookie}]", "is nothing to tell clients apart by"},
        {"[{rate: 1/s, by: caller}]", "expected authenticate on this route"},
        {"[{rate: 1/s, by: session}]", "expected session on this route"},
        {"[{rate: 1/d, burst: 100}]", "longer than 30 days"},
        {"[{rate: 1/d, burst: 1000000}]", "longer than 30 days"},
        {"[{rate: 1/s, store: nowhere}]", "there is no store called"},
        {"[{rate: 1/s}, {rate: 5/h}]", "limits[0] is called \"address\" already"},
        {"[{rate: 1/s, burst: 0}]", "out of range"},
    };
    for (const auto& [list, what] : all) {
        const outcome got = parse_limits(list);
        EXPECT_FALSE(got.made) << list;
        EXPECT_NE(got.text.find(what), std::string::npos) << list << "\n" << got.text;
    }
    std::string nine;
    for (char name = 'a'; name < 'j'; ++name)
        nine += std::string(nine.empty() ? "" : ", ") + "{rate: 1/s, name: " + name + "}";
    EXPECT_NE(parse_limits("[" + nine + "]").text.find("at most 8"), std::string::npos);
}

TEST(LimitsConfig, ConcurrencyIsReadAndItsBoundsFit) {
    const auto with = [](const std::string& options) {
        return parse(
            "listen: [{address: \"127.0.0.1:1\"}]\nupstreams:\n  - {name: shop, "
            "replicas: [\"http://a\"], concurrency: " +
            options + "}\nroutes:\n  - match: {prefix: /}\n    upstream: shop\n");
    };
    const outcome got = with("{min: 2, max: 50, queue: 10, queue_time: 30ms}");
    ASSERT_TRUE(got.made) << got.text;
    EXPECT_EQ(got.made->upstreams[0].concurrency,
              (upstream::concurrency_options{
                  .adaptive = true, .min = 2, .max = 50, .queue = 10, .queue_time = 30ms}));
    const outcome plain = with("{}");
    ASSERT_TRUE(plain.made) << plain.text;
    EXPECT_EQ(plain.made->upstreams[0].concurrency, upstream::concurrency_options{});
    EXPECT_NE(with("{min: 9, max: 8}").text.find("min above its max"), std::string::npos);
    EXPECT_TRUE(with("{adaptive: false, max: 2}").made);
}

TEST(LimitsConfig, MemoryMayBeUnlimitedOrNotSaid) {
    const auto memory = [](const std::string& limits) {
        const outcome got = parse(base("limits: " + limits +
                                       "\nroutes:\n  - match: {prefix: /}\n    upstream: "
                                       "shop\n"));
        EXPECT_TRUE(got.made) << got.text;
        return got.made ? got.made->limits : server_limits{};
    };
    EXPECT_FALSE(memory("{}").memory_bytes);
    EXPECT_EQ(memory("{memory_bytes: 0}").memory_bytes, 0U);
    EXPECT_EQ(memory("{memory_bytes: 2MiB}").memory_bytes, 2U * 1024 * 1024);
    EXPECT_EQ(memory("{}").body_rate_min, 500U);
    EXPECT_EQ(memory("{body_rate_min: 4KiB}").body_rate_min, 4096U);
}

}  // namespace
}  // namespace lethe::gateway::config::test
