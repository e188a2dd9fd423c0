// Which route a request takes.
#include "gateway/route_table.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace lethe::gateway {
namespace {

class RouteTable : public ::testing::Test {
 protected:
    config::route_options& add() { return routes_.emplace_back(); }
    void add_path(std::string path, std::vector<std::string> methods = {}) {
        config::route_match& match = add().match;
        match.path = std::move(path);
        match.methods = std::move(methods);
    }
    void add_prefix(std::string prefix, std::vector<std::string> methods = {}) {
        config::route_match& match = add().match;
        match.prefix = std::move(prefix);
        match.methods = std::move(methods);
    }
    void add_hosts(std::vector<std::string> hosts) {
        config::route_match& match = add().match;
        match.prefix = "/";
        match.hosts = std::move(hosts);
    }

    void fill(http::request_head& head, std::string_view method, std::string_view path,
              std::string_view authority) {
        head.method = http::parse_method(method);
        head.method_text = method;
        head.path = path;
        head.authority = authority;
    }
    // The place of the route, -1 for none.
    int find(std::string_view method, std::string_view path,
             std::string_view authority = "shop.example") {
        http::request_head head(memory_);
        fill(head, method, path, authority);
        const auto found = route_table(routes_).find(head);
        return found ? static_cast<int>(*found) : -1;
    }
    std::string allowed(std::string_view method, std::string_view path,
                        std::string_view authority = "shop.example") {
        http::request_head head(memory_);
        fill(head, method, path, authority);
        return route_table(routes_).allowed_methods(head);
    }

    arena memory_;
    std::vector<config::route_options> routes_;
};

TEST_F(RouteTable, TheFirstMatchInOrderCounts) {
    add_prefix("/a");
    add_path("/a/b");
    add_prefix("/");
    EXPECT_EQ(find("GET", "/a/b"), 0);
    EXPECT_EQ(find("GET", "/b"), 2);
}

TEST_F(RouteTable, APrefixHoldsAtTheEndOfASegmentOnly) {
    add_prefix("/api");
    EXPECT_EQ(find("GET", "/api"), 0);
    EXPECT_EQ(find("GET", "/api/"), 0);
    EXPECT_EQ(find("GET", "/api/x/y"), 0);
    EXPECT_EQ(find("GET", "/apix"), -1);
    EXPECT_EQ(find("GET", "/ap"), -1);
    EXPECT_EQ(find("GET", "/API"), -1);
    EXPECT_EQ(find("GET", "/api%2Fx"), -1) << "an escaped slash is not a slash";
}

TEST_F(RouteTable, APathIsExact) {
    add_path("/orders");
    EXPECT_EQ(find("GET", "/orders"), 0);
    EXPECT_EQ(find("GET", "/orders/"), -1);
    EXPECT_EQ(find("GET", "//orders"), -1);
}

TEST_F(RouteTable, GetStandsForHeadAndOtherMethodsForThemselves) {
    add_path("/a", {"GET", "PURGE"});
    EXPECT_EQ(find("GET", "/a"), 0);
    EXPECT_EQ(find("HEAD", "/a"), 0);
    EXPECT_EQ(find("PURGE", "/a"), 0);
    EXPECT_EQ(find("purge", "/a"), -1);
    EXPECT_EQ(find("LINK", "/a"), -1);
    EXPECT_EQ(find("POST", "/a"), -1);
    add_path("/b");
    EXPECT_EQ(find("LINK", "/b"), 1);
}

TEST_F(RouteTable, HostsAreComparedWithoutPortAndCase) {
    add_hosts({"shop.example", "*.wild.example", "[::1]"});
    EXPECT_EQ(find("GET", "/", "shop.example"), 0);
    EXPECT_EQ(find("GET", "/", "SHOP.example:8080"), 0);
    EXPECT_EQ(find("GET", "/", "shop.example."), 0);
    EXPECT_EQ(find("GET", "/", "a.wild.example"), 0);
    EXPECT_EQ(find("GET", "/", "a.b.WILD.example:1"), 0);
    EXPECT_EQ(find("GET", "/", "wild.example"), -1);
    EXPECT_EQ(find("GET", "/", "evilwild.example"), -1);
    EXPECT_EQ(find("GET", "/", "[::1]:8080"), 0);
    EXPECT_EQ(find("GET", "/", "[::2]:8080"), -1);
    EXPECT_EQ(find("GET", "/", ""), -1);
    add_prefix("/");
    EXPECT_EQ(find("GET", "/", ""), 1);
}

TEST_F(RouteTable, WhatIsAllowedIsToldWhenOnlyTheMethodDiffers) {
    add_path("/a", {"POST", "GET"});
    add_prefix("/a", {"DELETE", "PURGE"});
    add_hosts({"other.example"});
    EXPECT_EQ(find("PUT", "/a"), -1);
    EXPECT_EQ(allowed("PUT", "/a"), "GET, HEAD, POST, DELETE, PURGE");
    EXPECT_EQ(allowed("PUT", "/a/b"), "DELETE, PURGE");
    EXPECT_EQ(allowed("PUT", "/b"), "");
}

TEST_F(RouteTable, TheTargetOfOptionsForAllIsNoPath) {
    add_path("/a");
    EXPECT_EQ(find("OPTIONS", "*"), -1);
    EXPECT_EQ(allowed("OPTIONS", "*"), "");
}

TEST_F(RouteTable, NoRoutesMatchNothing) {
    EXPECT_EQ(find("GET", "/"), -1);
    EXPECT_EQ(allowed("GET", "/"), "");
}

}  // namespace
}  // namespace lethe::gateway
