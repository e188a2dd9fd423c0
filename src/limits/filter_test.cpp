// The filter: who counts as one client, what a refusal says, several limits at once, a store away.
#include "limits/filter.hpp"

#include "limits/test_counting_store.hpp"
#include "support/run.hpp"

#include <gtest/gtest.h>

namespace lethe::limits {
namespace {

using namespace std::chrono_literals;

class fake_upstream final : public http::handler {
 public:
    task<> handle(http::exchange& x) override {
        ++calls;
        x.response.status = 200;
        co_return result<>{};
    }
    int calls = 0;
};

class LimitsFilter : public ::testing::Test {
 protected:
    void limit_to(std::vector<options> all) {
        std::vector<limit> made;
        for (options& one : all) {
            store::store* const in = one.store.empty() ? nullptr : &store_;
            made.emplace_back(std::move(one), std::make_shared<client_table>(1024, *random_), in,
                              time_);
        }
        filters_.clear();
        filters_.push_back(
            std::make_unique<filter>(std::move(made), "shop", metrics(registry_, "shop")));
    }
    // One request; its answer stays until the next.
    http::exchange& send(std::string_view address = "192.0.2.1") {
        exchange_.reset();
        memory_.reset();
        exchange_.emplace(memory_, time_);
        exchange_->remote_address = address;
        if (!field_.empty()) exchange_->request.header.add("X-Api-Key", field_);
        if (!subject_.empty()) exchange_->principal = http::principal{issuer_, subject_, "{}"};
        const result<> done = test::run(http::next(filters_, upstream_)(*exchange_));
        EXPECT_TRUE(done.has_value());
        return *exchange_;
    }
    int admitted(int requests, std::string_view address = "192.0.2.1") {
        int out = 0;
        for (int i = 0; i < requests; ++i) out += send(address).response.status == 200 ? 1 : 0;
        return out;
    }
    std::string field(std::string_view name) const {
        std::string all;
        for (const http::field_line& line : exchange_->response.header)
            if (line.name == name) all += (all.empty() ? "" : ", ") + std::string(line.value);
        return all;
    }
    std::uint64_t counted(const char* name) {
        return registry_.make_counter(name, "", {{"route", "shop"}}).value();
    }

    std::unique_ptr<random_source> random_ = make_seeded_random(3);
    lethe::metrics::registry registry_;
    manual_clock time_;
    testing::shared_records records_;
    testing::counting_store store_{records_};
    fake_upstream upstream_;
    std::vector<std::unique_ptr<http::filter>> filters_;
    arena memory_;
    std::optional<http::exchange> exchange_;
    std::string field_;
    std::string issuer_ = "https://id.example";
    std::string subject_;
};

TEST_F(LimitsFilter, RefusesWith429AndSaysWhenToComeBack) {
    limit_to({{.pace = {10, 1min}, .burst = 2}});
    EXPECT_EQ(admitted(5), 2);
    EXPECT_EQ(upstream_.calls, 2);
    EXPECT_EQ(exchange_->response.status, 429);
    EXPECT_EQ(exchange_->problem, "rate-exceeded");
    EXPECT_EQ(field("Retry-After"), "6");
    EXPECT_EQ(field("Cache-Control"), "no-store");
    EXPECT_EQ(field("RateLimit"), "");
    EXPECT_EQ(counted("lethe_limits_refused_total"), 3U);
    time_.advance(5'001ms);
    EXPECT_EQ(send().response.status, 429);
    EXPECT_EQ(field("Retry-After"), "1");
    time_.advance(1s);
    EXPECT_EQ(admitted(5), 1);
}

TEST_F(LimitsFilter, TellsWhatIsLeft) {
    limit_to({{.pace = {10, 1s}, .burst = 20, .headers = true},
              {.pace = {1, 1min}, .burst = 2, .name = "slow", .headers = true}});
    send();
    EXPECT_EQ(field("RateLimit-Policy"), "\"address\";q=20;w=2, \"slow\";q=2;w=120");
    EXPECT_EQ(field("RateLimit"), "\"address\";r=19;t=1, \"slow\";r=1;t=60");
    send();
    send();
    EXPECT_EQ(exchange_->response.status, 429);
    EXPECT_EQ(field("RateLimit"), "\"address\";r=17;t=1, \"slow\";r=0;t=120");
    EXPECT_EQ(field("Retry-After"), "60");
}

TEST_F(LimitsFilter, AnIPv6ClientIsItsNetwork) {
    limit_to({{.pace = {1, 1min}, .burst = 1}});
    EXPECT_EQ(admitted(1, "2001:db8:1:2::1"), 1);
    EXPECT_EQ(admitted(1, "2001:db8:1:2:ffff::9"), 0);
    EXPECT_EQ(admitted(1, "2001:db8:1:3::1"), 1);
    EXPECT_EQ(admitted(1, "192.0.2.7"), 1);
    EXPECT_EQ(admitted(1, "::ffff:192.0.2.7"), 0);
    EXPECT_EQ(admitted(1, "unix:"), 1);
    EXPECT_EQ(admitted(1, "unix:"), 0);
}

TEST_F(LimitsFilter, CallersCountByIssuerAndSubjectAndOthersByAddress) {
    limit_to({{.pace = {1, 1min}, .burst = 1, .by = {client_rule::caller, {}}}});
    subject_ = "anna";
    EXPECT_EQ(admitted(2), 1);
    EXPECT_EQ(admitted(1, "192.0.2.99"), 0);
    issuer_ = "https://other.example";
    EXPECT_EQ(admitted(1), 1);
    subject_ = "";
    EXPECT_EQ(admitted(2), 1);
    EXPECT_EQ(admitted(1, "192.0.2.99"), 1);
}

TEST_F(LimitsFilter, AFieldsValueIsOneClient) {
    limit_to({{.pace = {1, 1min}, .burst = 1, .by = {client_rule::field, "X-Api-Key"}}});
    field_ = "key-1";
    EXPECT_EQ(admitted(2), 1);
    field_ = "key-2";
    EXPECT_EQ(admitted(2), 1);
    field_ = "";
    EXPECT_EQ(admitted(2), 1);
}

TEST_F(LimitsFilter, WhatOneLimitRefusesDoesNotCountInAnother) {
    limit_to({{.pace = {1, 1h}, .burst = 5, .name = "hourly"},
              {.pace = {1, 1s}, .burst = 1, .name = "quick"}});
    EXPECT_EQ(admitted(50), 1);
    for (int i = 0; i < 4; ++i) {
        time_.advance(1s);
        EXPECT_EQ(admitted(50), 1) << i;
    }
    time_.advance(1s);
    EXPECT_EQ(admitted(50), 0);
}

TEST_F(LimitsFilter, AStoredLimitCostsARoundTripOnlyWhereItAdmits) {
    limit_to({{.pace = {1, 1min}, .burst = 3, .store = "default"}});
    EXPECT_EQ(admitted(10), 3);
    EXPECT_EQ(store_.trips, 3);
}

TEST_F(LimitsFilter, AnotherGatewaysRequestsCount) {
    limit_to({{.pace = {1, 1min}, .burst = 3, .store = "default"}});
    stored_count other(store_, time_);
    const pace by{.interval = 1min, .burst = 3};
    const std::string key = stored_count::make_key("shop", "address", "a192.0.2.1");
    for (int i = 0; i < 2; ++i)
        EXPECT_TRUE(test::run(other.take(key, by, time_.steady_now() + 1s)).has_value());
    EXPECT_EQ(admitted(5), 1);
    EXPECT_EQ(exchange_->problem, "rate-exceeded");
}

TEST_F(LimitsFilter, AStoreThatIsAwayLeavesTheLimitToEachGateway) {
    limit_to({{.pace = {1, 1min}, .burst = 3, .store = "default"}});
    store_.away = true;
    EXPECT_EQ(admitted(10), 3);
    EXPECT_EQ(counted("lethe_limits_store_unusable_total"), 3U);
}

TEST_F(LimitsFilter, AStoreThatIsAwayRefusesWhereTheUserSaysSo) {
    limit_to({{.pace = {1, 1min},
               .burst = 3,
               .store = "default",
               .store_down = store_down_rule::refuse}});
    store_.away = true;
    EXPECT_EQ(admitted(1), 0);
    EXPECT_EQ(exchange_->response.status, 503);
    EXPECT_EQ(exchange_->problem, "rate-count-unavailable");
    EXPECT_EQ(field("Retry-After"), "1");
}

}  // namespace
}  // namespace lethe::limits
