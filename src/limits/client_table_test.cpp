// Memory of a fixed size, workers at the same time, clients without number.
#include "limits/client_table.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace lethe::limits {
namespace {

using namespace std::chrono_literals;

class ClientTable : public ::testing::Test {
 protected:
    std::unique_ptr<random_source> random_ = make_seeded_random(7);
    steady_time now_{1h};
};

TEST_F(ClientTable, ClientsHaveTheirOwnBursts) {
    client_table table(1024, *random_);
    const pace by{.interval = 1s, .burst = 2};
    for (const char* client : {"a", "b"}) {
        EXPECT_TRUE(table.take(client, by, now_).what.admitted);
        EXPECT_TRUE(table.take(client, by, now_).what.admitted);
        EXPECT_FALSE(table.take(client, by, now_).what.admitted);
    }
    EXPECT_FALSE(table.take("a", by, now_ + 999ms).what.admitted);
    EXPECT_TRUE(table.take("a", by, now_ + 1s).what.admitted);
}

TEST_F(ClientTable, WhatIsGivenBackDoesNotCount) {
    client_table table(1024, *random_);
    const pace by{.interval = 1s, .burst = 1};
    EXPECT_TRUE(table.take("a", by, now_).what.admitted);
    table.give_back("a", by, now_);
    EXPECT_TRUE(table.take("a", by, now_).what.admitted);
    EXPECT_FALSE(table.take("a", by, now_).what.admitted);
    table.give_back("somebody else", by, now_);
    EXPECT_FALSE(table.take("a", by, now_).what.admitted);
}

TEST_F(ClientTable, ItsSizeIsRoundedUpToAPowerOfTwo) {
    EXPECT_EQ(client_table(1, *random_).clients_max(), 8U);
    EXPECT_EQ(client_table(65'536, *random_).clients_max(), 65'536U);
    EXPECT_EQ(client_table(100'000, *random_).clients_max(), 65'536U * 2);
}

TEST_F(ClientTable, AFullTableForgetsWhoOwesLeast) {
    client_table table(8, *random_);
    const pace by{.interval = 1s, .burst = 100};
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(table.take("heavy", by, now_).what.admitted);
    bool displaced = false;
    for (int i = 0; i < 5'000; ++i)
        displaced |= table.take("client " + std::to_string(i), by, now_).displaced;
    EXPECT_TRUE(displaced);
    // A crowd of addresses does not wash out the one that owes most. (One of the crowd may share
    // its word, with a chance of 1 in 13: then it owes one more.)
    EXPECT_LE(table.take("heavy", by, now_).what.remaining, 49U);
}

TEST_F(ClientTable, ClientsWhoseDebtIsPaidTakeNoRoom) {
    client_table table(8, *random_);
    const pace by{.interval = 1ms, .burst = 1};
    for (int i = 0; i < 1'000; ++i) {
        now_ += 2ms;
        const client_table::taken got = table.take("client " + std::to_string(i), by, now_);
        EXPECT_TRUE(got.what.admitted);
        EXPECT_FALSE(got.displaced);
    }
}

// With the hash's key the same crowd falls elsewhere: nobody can choose whom to meet.
TEST_F(ClientTable, FewClientsOfAFullTableShareAWord) {
    client_table table(65'536, *random_);
    const pace by{.interval = 1h, .burst = 1};
    int refused = 0;
    constexpr int clients = 32'768;
    for (int i = 0; i < clients; ++i)
        refused += table.take("client " + std::to_string(i), by, now_).what.admitted ? 0 : 1;
    // 4 words in use on average, each the same with a chance of 1 in 65536: about 1.
    EXPECT_LT(refused, 20);
}

TEST_F(ClientTable, WorkersTogetherAdmitExactlyTheBurst) {
    constexpr std::uint32_t burst = 10'000;
    client_table table(64, *random_);
    const pace by{.interval = 1s, .burst = burst};
    std::atomic<std::uint32_t> admitted{0};
    std::vector<std::thread> workers;
    for (int i = 0; i < 4; ++i)
        workers.emplace_back([&] {
            std::uint32_t mine = 0;
            for (std::uint32_t k = 0; k < burst; ++k)
                mine += table.take("one", by, now_).what.admitted ? 1 : 0;
            admitted += mine;
        });
    for (std::thread& one : workers) one.join();
    EXPECT_EQ(admitted.load(), burst);
}

}  // namespace
}  // namespace lethe::limits
