// 64 clients add to one cart through three gateways: every acknowledged article is there.
// LETHE_CROWD_SECONDS sets how long on each store; else 30 s on Redis and 10 s on the others.
#include "support/shop_stage.hpp"
#include "witness/caller.hpp"
#include "witness/replicas.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <thread>

namespace lethe::witness {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t clients = 64;
constexpr std::size_t gateways = 3;
// Of each client; further ones are pieces of its article, so that the cart stays within a field.
constexpr std::size_t items_max = 4;
// On a busy machine who has had no turn by the end goes on alone for a while.
constexpr std::chrono::seconds overtime{60};

struct tally {
    std::size_t added = 0;    // acknowledged
    std::size_t refused = 0;  // told that nothing was changed
    std::size_t open = 0;     // nobody knows
    std::vector<std::string> items = {};
    std::string strange = {};
};

bool is_refusal(const test::http_answer& answer) {
    return answer.complete() && answer.status >= 400 &&
           answer.body.find("outcome-unknown") == std::string::npos && answer.status != 504 &&
           answer.status != 502;
}

void add_until(std::chrono::steady_clock::time_point end, std::uint16_t port, std::size_t number,
               const std::map<std::string, std::string>& cookies, tally& into) {
    const std::string article = "c" + std::to_string(number);
    test::client over(port, 20s);
    const auto goes_on = [&] {
        const auto now = std::chrono::steady_clock::now();
        return now < end || (into.added == 0 && now < end + overtime);
    };
    while (goes_on()) {
        over.cookies() = cookies;
        std::string body = R"({"article":")" + article + '"';
        std::string item;
        if (into.items.size() < items_max) {
            item = article + '-' + std::to_string(into.items.size());
            body += R"(,"item":")" + item + '"';
        }
        const test::http_answer answer =
            over.post("/w/cart", body + '}', {{"Content-Type", "application/json"}});
        if (answer.complete() && answer.status == 201) {
            ++into.added;
            if (!item.empty()) into.items.push_back(item);
        } else if (is_refusal(answer)) {
            ++into.refused;
            if (answer.status != 503) into.strange = answer.body;
        } else {
            ++into.open;
        }
    }
}

std::chrono::seconds time_for(const std::string& store) {
    if (const char* const wanted = std::getenv("LETHE_CROWD_SECONDS"))
        return std::chrono::seconds(std::strtoul(wanted, nullptr, 10));
    return store == "redis" ? 30s : 10s;
}

class Crowd : public ::testing::TestWithParam<const char*> {
 protected:
    Crowd() {
        test::stage_options options;
        options.lethe = LETHE_BINARY;
        options.shop = {SHOP_BINARY};
        options.replicas = 1;
        options.gateways = gateways;
        options.log_level = "warn";
        if (std::string(GetParam()) != "sqlite") options.store = GetParam();
        services_.add_to(options, "30s");
        stage_ = std::make_unique<test::shop_stage>(options);
        services_.start_all(stage_->folder());
        stage_->open();
    }

    replicas services_{WITNESS_BINARY, 2};
    std::unique_ptr<test::shop_stage> stage_;
};

TEST_P(Crowd, WhatSixtyFourClientsAddToOneCartThroughThreeGatewaysIsAllThere) {
    test::client first(stage_->gateway_port(0));
    ASSERT_EQ(first.post("/w/cart", R"({"article":"first"})").status, 201);
    std::vector<tally> told(clients);
    {
        const auto end = std::chrono::steady_clock::now() + time_for(GetParam());
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < clients; ++i)
            threads.emplace_back(add_until, end, stage_->gateway_port(i % gateways), i,
                                 std::cref(first.cookies()), std::ref(told[i]));
    }
    const test::http_answer answer = first.get("/w/cart");
    ASSERT_EQ(answer.status, 200) << answer.body;
    std::map<std::string, long> pieces = numbers_of(answer.body, "of");
    tally sum;
    long total = 1;
    for (std::size_t i = 0; i < clients; ++i) {
        const tally& one = told[i];
        const std::string article = "c" + std::to_string(i);
        EXPECT_GT(one.added, 0U) << article << " never got in";
        EXPECT_GE(pieces[article], long(one.added)) << article << ": acknowledged ones are lost";
        EXPECT_LE(pieces[article], long(one.added + one.open)) << article << ": too many";
        for (const std::string& item : one.items)
            EXPECT_NE(answer.body.find('"' + item + '"'), std::string::npos) << item << " is lost";
        EXPECT_EQ(one.strange, "");
        sum.added += one.added;
        sum.refused += one.refused;
        sum.open += one.open;
        total += pieces[article];
    }
    EXPECT_EQ(member_of(answer.body, "all"), std::to_string(total));
    std::printf("%zu added, %zu refused, %zu without an answer\n", sum.added, sum.refused,
                sum.open);
}

INSTANTIATE_TEST_SUITE_P(Stores, Crowd, ::testing::Values("sqlite", "redis", "postgres"),
                         [](const auto& name) { return std::string(name.param); });

}  // namespace
}  // namespace lethe::witness
