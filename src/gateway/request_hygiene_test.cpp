// Tests of what every request loses and gains at the door.
#include "gateway/request_hygiene.hpp"

#include <gtest/gtest.h>

namespace lethe::gateway {
namespace {

trusted_peers trusting(const std::vector<std::string>& networks) {
    std::vector<config::network> parsed;
    for (const std::string& one : networks) parsed.push_back(*config::parse_network(one));
    return trusted_peers(std::move(parsed));
}

class Hygiene : public ::testing::Test {
 protected:
    arena memory;
    manual_clock time;
    http::exchange x{memory, time};
};

TEST_F(Hygiene, NetworksAreMatchedByPrefixInBothFamilies) {
    const trusted_peers trusted = trusting({"10.0.0.0/8", "192.168.1.7", "fd00::/8"});
    for (const char* inside : {"10.1.2.3", "192.168.1.7", "fd12::1", "::ffff:10.0.0.1"})
        EXPECT_TRUE(trusted.contains(inside)) << inside;
    for (const char* outside : {"11.0.0.1", "192.168.1.8", "fe80::1", "", "10.1"})
        EXPECT_FALSE(trusted.contains(outside)) << outside;
    EXPECT_FALSE(trusted_peers().contains("10.1.2.3"));
    EXPECT_TRUE(trusting({"0.0.0.0/0"}).contains("8.8.8.8"));
    EXPECT_FALSE(trusting({"0.0.0.0/0"}).contains("2001:db8::1"));
}

TEST_F(Hygiene, E3ForwardingIsBelievedOnlyFromTrustedPeers) {
    for (const bool believed : {false, true}) {
        x.request.header.clear();
        x.request.header.add("X-Forwarded-For", "6.6.6.6");
        x.request.header.add("x-forwarded-proto", "https");
        x.request.header.add("Forwarded", "for=6.6.6.6");
        x.request.header.add("LETHE-Attempt", "3");
        x.request.header.add("Accept", "*/*");
        x.remote_address = "10.0.0.9";
        clean_request(x, believed ? trusting({"10.0.0.0/8"}) : trusting({"10.0.0.8"}));
        EXPECT_EQ(x.request.header.size(), believed ? 4U : 1U);
        EXPECT_EQ(x.request.header.count("Lethe-Attempt"), 0U) << "not even from a trusted peer";
    }
}

TEST_F(Hygiene, TraceparentIsPassedOnWhenValidAndMadeOtherwise) {
    const std::string good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    EXPECT_TRUE(is_traceparent(good));
    EXPECT_TRUE(is_traceparent("01" + good.substr(2) + "-more")) << "a later version may append";
    for (const std::string& bad :
         {std::string(), good.substr(1), good + "-x", "ff" + good.substr(2),
          "00-" + std::string(32, '0') + good.substr(35),
          good.substr(0, 36) + std::string(16, '0') + "-01",
          std::string("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01")})
        EXPECT_FALSE(is_traceparent(bad)) << bad;

    x.request.header.add("traceparent", good);
    EXPECT_EQ(ensure_traceparent(x, 1, 2, 3), good.substr(3, 32));
    EXPECT_EQ(x.request.header.first("traceparent"), good);
    x.request.header.set("traceparent", "nonsense");
    x.request.header.add("tracestate", "vendor=1");
    static_cast<void>(ensure_traceparent(x, 0, 0, 0));
    EXPECT_TRUE(is_traceparent(*x.request.header.first("traceparent")))
        << *x.request.header.first("traceparent");
    EXPECT_EQ(x.request.header.count("tracestate"), 0U);
}

TEST_F(Hygiene, WhatBackendsSayToFiltersNeverReachesTheClient) {
    x.response.header.add("Lethe-Session-Patch", ":e30=:");
    x.response.header.add("Lethe-Session-Op", "destroy");
    x.response.header.add("Lethe-Outcome", "unknown");
    clean_answer_for_client(x);
    EXPECT_EQ(x.response.header.size(), 1U);
    EXPECT_EQ(x.response.header.count("Lethe-Outcome"), 1U);
}

}  // namespace
}  // namespace lethe::gateway
