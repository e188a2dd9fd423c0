// The filter in a world of its own, for its tests.
#pragma once

#include "idempotency/filter.hpp"
#include "idempotency/test_world.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string_view>
#include <vector>

namespace lethe::idempotency::test {

class Filter : public ::testing::Test {
 protected:
    gateway& at(route_options options = {}) { return at(std::move(options), world_.large); }
    gateway& at(route_options options, http::spool& large) {
        gateways_.push_back(std::make_unique<gateway>(world_, std::move(options), large));
        return *gateways_.back();
    }
    static request with_key(std::string_view key) {
        request out;
        out.header[0].second = key;
        return out;
    }
    static request without_key() {
        request out;
        out.header.erase(out.header.begin());
        return out;
    }
    void expect_replayed(const reply& again, const reply& first) {
        EXPECT_TRUE(again.replayed);
        EXPECT_EQ(again.status, first.status);
        EXPECT_EQ(again.body, first.body);
        EXPECT_EQ(again.operation_id, first.operation_id);
        EXPECT_EQ(again.first("Idempotent-Replayed"), "true");
    }
    void expect_problem(const reply& got, int status, std::string_view slug) {
        EXPECT_EQ(got.status, status);
        EXPECT_EQ(got.problem, slug);
        EXPECT_EQ(got.first("Content-Type"), "application/problem+json");
        EXPECT_EQ(got.first("Cache-Control"), "no-store");
        EXPECT_FALSE(got.replayed);
    }

    world world_;
    service_script& service_ = world_.service;
    std::vector<std::unique_ptr<gateway>> gateways_;
};

}  // namespace lethe::idempotency::test
