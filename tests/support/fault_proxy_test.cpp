// The proxy that plays a bad network does what it is told, and nothing by itself.
#include "support/fault_proxy.hpp"

#include "support/plain_socket.hpp"
#include "support/servers.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

namespace lethe::test {
namespace {

using namespace std::chrono_literals;

class FaultProxy : public ::testing::Test {
 protected:
    plain_socket connect(std::chrono::milliseconds timeout = 5s) {
        return plain_socket::to_port(proxy_.port(), timeout);
    }
    static std::string ask(plain_socket& over, const std::string& what = "version\r\n") {
        over.send(what);
        return over.receive_line();
    }

    memcached_server server_;
    fault_proxy proxy_{server_.port()};
};

TEST_F(FaultProxy, PassesEverythingBothWays) {
    plain_socket one = connect();
    const std::string value(300'000, 'v');
    EXPECT_EQ(ask(one, "ms k 300000\r\n" + value + "\r\n"), "HD");
    EXPECT_EQ(ask(one, "mg k v\r\n"), "VA 300000");
    EXPECT_EQ(one.receive_exactly(300'000), value);
    EXPECT_EQ(proxy_.accepted(), 1U);
    EXPECT_GT(proxy_.answered_bytes(), 300'000U);
    EXPECT_EQ(proxy_.open(), 1U);
    one.send("quit\r\n");
    EXPECT_EQ(one.receive_exactly(2), "\r\n");
    EXPECT_EQ(one.receive(), "") << "the server's end of the connection comes through";
}

TEST_F(FaultProxy, CutsAllOfThem) {
    plain_socket one = connect();
    EXPECT_TRUE(ask(one).starts_with("VERSION"));
    proxy_.cut();
    EXPECT_EQ(proxy_.open(), 0U);
    EXPECT_EQ(one.receive(), std::nullopt);
    plain_socket two = connect();
    EXPECT_TRUE(ask(two).starts_with("VERSION"));
}

TEST_F(FaultProxy, CutsInTheMiddleOfAnAnswer) {
    plain_socket one = connect();
    EXPECT_TRUE(ask(one).starts_with("VERSION"));
    proxy_.cut_after(5);
    one.send("version\r\n");
    std::string got;
    while (true) {
        const std::optional<std::string> more = one.receive();
        if (!more || more->empty()) break;
        got += *more;
    }
    EXPECT_LE(got.size(), 5U) << "a reset may overtake what was sent before it";
    plain_socket two = connect();
    EXPECT_TRUE(ask(two).starts_with("VERSION")) << "once";
}

TEST_F(FaultProxy, HoldsAnswersThatComeLater) {
    plain_socket one = connect(200ms);
    EXPECT_TRUE(ask(one).starts_with("VERSION"));
    proxy_.hold_answers(true);
    one.send("ms k 1\r\nv\r\n");
    EXPECT_EQ(one.receive(), std::nullopt);
    proxy_.hold_answers(false);
    EXPECT_EQ(one.receive_line(), "HD");
}

TEST_F(FaultProxy, HoldsRequestsToo) {
    plain_socket one = connect(200ms);
    EXPECT_TRUE(ask(one).starts_with("VERSION"));
    proxy_.hold_all(true);
    one.send("ms k 1\r\nv\r\n");
    EXPECT_EQ(one.receive(), std::nullopt);
    plain_socket direct = plain_socket::to_port(server_.port());
    EXPECT_EQ(ask(direct, "mg k v\r\n"), "EN") << "it was never sent";
    proxy_.heal();
    EXPECT_EQ(one.receive_line(), "HD");
}

TEST_F(FaultProxy, DropsAnswersOfWhatWasDone) {
    plain_socket one = connect(200ms);
    EXPECT_TRUE(ask(one).starts_with("VERSION"));
    proxy_.drop_answers(true);
    one.send("ms k 1\r\nv\r\n");
    EXPECT_EQ(one.receive(), std::nullopt);
    proxy_.heal();
    one.send("version\r\n");
    EXPECT_EQ(one.receive(), std::nullopt) << "an answer behind a lost one would be out of order";
    plain_socket two = connect();
    EXPECT_EQ(ask(two, "mg k v\r\n"), "VA 1");
}

TEST_F(FaultProxy, DropsTheAnswerOfItsNumber) {
    plain_socket one = connect(200ms);
    proxy_.drop_piece(2);
    EXPECT_TRUE(ask(one).starts_with("VERSION"));
    one.send("version\r\n");
    EXPECT_EQ(one.receive(), std::nullopt);
    plain_socket two = connect();
    EXPECT_TRUE(ask(two).starts_with("VERSION"));
}

TEST_F(FaultProxy, RefusesNewConnectionsOnly) {
    plain_socket one = connect();
    EXPECT_TRUE(ask(one).starts_with("VERSION"));
    proxy_.refuse(true);
    EXPECT_THROW(static_cast<void>(connect()), std::runtime_error);
    EXPECT_TRUE(ask(one).starts_with("VERSION"));
    proxy_.refuse(false);
    plain_socket two = connect();
    EXPECT_TRUE(ask(two).starts_with("VERSION"));
}

TEST_F(FaultProxy, DelaysInOrder) {
    plain_socket one = connect();
    EXPECT_TRUE(ask(one).starts_with("VERSION"));
    proxy_.delay(50ms);
    const auto begin = std::chrono::steady_clock::now();
    one.send("ms k 1\r\na\r\n");
    one.send("mg k v\r\n");
    EXPECT_EQ(one.receive_line(), "HD");
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 100ms) << "each way";
    EXPECT_EQ(one.receive_line(), "VA 1");
}

TEST_F(FaultProxy, LeadsToAnotherServer) {
    memcached_server other;
    plain_socket one = connect();
    EXPECT_EQ(ask(one, "ms k 1\r\nv\r\n"), "HD");
    proxy_.lead_to(other.port());
    plain_socket two = connect();
    EXPECT_EQ(ask(two, "mg k v\r\n"), "EN");
    EXPECT_EQ(ask(one, "mg k v\r\n"), "VA 1");
}

TEST_F(FaultProxy, TellsOfThePieceThatDoesNotPassAndOfTheOneThatWasAnswered) {
    using instant = fault_proxy::instant;
    std::atomic<int> told = 0;
    plain_socket one = connect();
    proxy_.at_request(2, instant::before, [&told] { ++told; });
    EXPECT_EQ(ask(one, "ms a 1\r\n1\r\n"), "HD");
    EXPECT_EQ(told, 0);
    one.send("ms b 1\r\n1\r\n");
    EXPECT_EQ(one.receive(), std::nullopt);
    EXPECT_EQ(told, 1);
    plain_socket two = connect();
    EXPECT_EQ(ask(two, "mg b v\r\n"), "EN") << "it did not pass";

    proxy_.at_request(1, instant::answered, [&told] { ++told; });
    two.send("ms c 1\r\n1\r\n");
    EXPECT_EQ(two.receive(), std::nullopt);
    EXPECT_EQ(told, 2);
    plain_socket three = connect();
    EXPECT_EQ(ask(three, "mg c v\r\n"), "VA 1") << "it passed";
    EXPECT_EQ(told, 2);
}

TEST_F(FaultProxy, WhatIsTakenBackHarmsNoAnswerThatIsStillToCome) {
    using instant = fault_proxy::instant;
    plain_socket one = connect();
    plain_socket two = connect();
    proxy_.at_request(1, instant::answered, [] { ADD_FAILURE() << "it was taken back"; });
    // Half of a command: the proxy has it before what comes later by way of another connection.
    one.send("ms a 1\r\n");
    EXPECT_TRUE(ask(two).starts_with("VERSION"));
    proxy_.at_request(0, instant::before, {});
    one.send("1\r\n");
    EXPECT_EQ(one.receive_line(), "HD");
}

}  // namespace
}  // namespace lethe::test
