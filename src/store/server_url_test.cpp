#include "store/server_url.hpp"

#include <gtest/gtest.h>

namespace lethe::store {
namespace {

server_url read(std::string_view text) {
    std::string why;
    const result<server_url> got = parse_server_url(text, 6379, why);
    EXPECT_TRUE(got.has_value()) << text << ": " << why;
    return got.has_value() ? *got : server_url{};
}

TEST(ServerUrl, EveryPartIsRead) {
    const server_url got = read(
        "postgres://al%20ice:p%40ss%3Aword@db1:5432,[::1]:99,10.0.0.1/da%2Fta?sslmode=verify"
        "-full&empty=&x=%26%3D");
    EXPECT_EQ(got.scheme, "postgres");
    EXPECT_EQ(got.user, "al ice");
    EXPECT_EQ(got.password.reveal(), "p@ss:word");
    const std::vector<net::address> hosts = {{"db1", 5432}, {"::1", 99}, {"10.0.0.1", 6379}};
    EXPECT_EQ(got.hosts, hosts);
    EXPECT_EQ(got.path, "da/ta");
    const std::vector<std::pair<std::string, std::string>> options = {
        {"sslmode", "verify-full"}, {"empty", ""}, {"x", "&="}};
    EXPECT_EQ(got.options, options);
}

TEST(ServerUrl, WhatIsLeftOutIsEmpty) {
    const server_url got = read("Redis+Cluster://host");
    EXPECT_EQ(got.scheme, "redis+cluster");
    EXPECT_EQ(got.user, "");
    EXPECT_TRUE(got.password.empty());
    EXPECT_EQ(got.hosts, (std::vector<net::address>{{"host", 6379}}));
    EXPECT_EQ(got.path, "");
    EXPECT_TRUE(got.options.empty());
    EXPECT_EQ(read("redis://host/").path, "");
    EXPECT_EQ(read("redis://[fe80::1]").hosts.front().host, "fe80::1");
    EXPECT_EQ(read("redis://host?a=b").options.size(), 1U);
}

TEST(ServerUrl, APasswordMayStandAloneAndHoldMostBytes) {
    const server_url alone = read("redis://:se:cr@et@host:1");
    EXPECT_EQ(alone.user, "");
    EXPECT_EQ(alone.password.reveal(), "se:cr@et") << "only the last @ ends it";
    const server_url user = read("redis://alice@host");
    EXPECT_EQ(user.user, "alice");
    EXPECT_TRUE(user.password.empty());
}

TEST(ServerUrl, AMistakeIsToldWithoutTheSecret) {
    for (const char* text : {"",
                             "redis",
                             "redis:host",
                             "redis:/host",
                             "://host",
                             "1redis://host",
                             "redis://",
                             "redis://host:",
                             "redis://host:0",
                             "redis://host:65536",
                             "redis://host:12x",
                             "redis://a,,b",
                             "redis://a,",
                             "redis://[::1",
                             "redis://[::1]x",
                             "redis://::1",
                             "redis://[]",
                             "redis://ho st",
                             "redis://tom:hunter2/hunter2@host",
                             "redis://tom:hunter2#@host",
                             "redis://tom:hunter2%zz@host",
                             "redis://tom:hunter2%4@host",
                             "redis://tom:hunter2%00@host",
                             "redis://%:hunter2@host",
                             "redis://tom:hunter2@",
                             "redis://tom:hunter2@host:hunter2",
                             "redis://h/%0",
                             "redis://h/a?b",
                             "redis://h?=c",
                             "redis://h?a=b&&c=d",
                             "redis://h?a=%x0"}) {
        std::string why;
        const result<server_url> got = parse_server_url(text, 6379, why);
        ASSERT_TRUE(got.has_error()) << text;
        EXPECT_EQ(got.error(), condition::malformed);
        EXPECT_FALSE(why.empty()) << text;
        EXPECT_EQ(why.find("hunter2"), std::string::npos) << why;
        EXPECT_EQ(why.find("tom"), std::string::npos) << why;
    }
    std::string why;
    EXPECT_TRUE(parse_server_url("redis://" + std::string(9000, 'a'), 1, why).has_error());
}

}  // namespace
}  // namespace lethe::store
