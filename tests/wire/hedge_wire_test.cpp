// Slow reads that are sent to another replica too.
#include "support/servers.hpp"
#include "wire/peers.hpp"
#include "wire/proxy.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>

namespace lethe::test {
namespace {

using namespace std::chrono_literals;

const std::string a_get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Is: kept\r\n\r\nok";

// Three replicas, which all do the same by the number of the request, from 1.
class HedgeWire : public ::testing::Test {
 public:
    using script = std::function<void(raw_socket&, int request)>;

    proxy& begin(script each, const std::function<void(upstream::options&)>& adjust = {},
                 const std::function<void(http::exchange&)>& prepare = {}) {
        const auto answer = [this, each = std::move(each)](raw_socket& connection) {
            while (!connection.read_message().empty()) each(connection, ++received);
        };
        for (auto& one : origins) one = std::make_unique<scripted_origin>(answer);
        gateway = std::make_unique<proxy>(proxy_options{
            .replicas = {origins[0]->port(), origins[1]->port(), origins[2]->port()},
            .adjust =
                [adjust](upstream::options& o) {
                    o.hedging = upstream::hedge_options{.after = 20ms, .percent = 100};
                    o.ejection = {.consecutive_failures = 0, .for_how_long = 10s};
                    if (adjust) adjust(o);
                },
            .prepare = prepare});
        return *gateway;
    }
    std::string ask(const std::string& request = a_get) const {
        raw_socket client = raw_socket::connect(gateway->port());
        client.send(request);
        return client.read_message();
    }
    bool wait_for_requests(int count) {
        return wait_for([&] { return received >= count; }, 20s);
    }
    // The other side of the connection closes it, and sends nothing more.
    void expect_closed(raw_socket& connection) {
        EXPECT_TRUE(connection.closed_within(20s));
        ++closed;
    }
    bool wait_for_closed(int count) {
        return wait_for([&] { return closed >= count; }, 20s);
    }

    std::atomic<int> received{0};
    std::atomic<int> closed{0};
    std::array<std::unique_ptr<scripted_origin>, 3> origins;
    std::unique_ptr<proxy> gateway;

    ~HedgeWire() override { gateway.reset(); }
};

TEST_F(HedgeWire, TheQuickOneAnswersForTheSlowOneWhichIsCancelled) {
    begin([this](raw_socket& connection, int request) {
        if (request == 1) return expect_closed(connection);
        connection.send(ok);
    });
    const std::string answer = ask();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
    EXPECT_NE(answer.find("X-Is: kept\r\n"), std::string::npos) << answer;
    EXPECT_TRUE(answer.ends_with("ok")) << answer;
    EXPECT_TRUE(wait_for_closed(1));
    EXPECT_EQ(received, 2);
    for (int i = 0; i < 6; ++i) EXPECT_TRUE(ask().ends_with("ok")) << "all goes on";
}

TEST_F(HedgeWire, TheFirstOneMayStillBeTheQuickerAndTheHedgeIsCancelled) {
    begin([this](raw_socket& connection, int request) {
        if (request == 2) return expect_closed(connection);
        EXPECT_TRUE(wait_for_requests(2));
        connection.send(ok);
    });
    EXPECT_TRUE(ask().ends_with("ok"));
    EXPECT_TRUE(wait_for_closed(1));
    EXPECT_EQ(received, 2);
}

TEST_F(HedgeWire, AFirstOneThatBreaksOffLeavesTheAnswerToTheHedge) {
    begin([this](raw_socket& connection, int request) {
        EXPECT_TRUE(wait_for_requests(2));
        if (request == 1) {
            connection.reset();
            ++closed;
            return;
        }
        EXPECT_TRUE(wait_for_closed(1));
        connection.send(ok);
    });
    EXPECT_TRUE(ask().ends_with("ok"));
    EXPECT_EQ(received, 2) << "and no retry";
}

TEST_F(HedgeWire, WhenBothBreakOffItIsNotSentAThirdTime) {
    begin([this](raw_socket& connection, int) {
        EXPECT_TRUE(wait_for_requests(2));
        connection.reset();
    });
    const std::string answer = ask();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 502 ")) << answer;
    EXPECT_EQ(received, 2);
}

TEST_F(HedgeWire, AClientThatLeavesCancelsBoth) {
    begin([this](raw_socket& connection, int) { expect_closed(connection); });
    {
        raw_socket client = raw_socket::connect(gateway->port());
        client.send(a_get);
        EXPECT_TRUE(wait_for_requests(2));
    }
    EXPECT_TRUE(wait_for_closed(2));
    EXPECT_EQ(received, 2);
}

TEST_F(HedgeWire, AClientThatLeavesWhileOnlyTheHedgeIsWaitedForCancelsIt) {
    begin([this](raw_socket& connection, int request) {
        EXPECT_TRUE(wait_for_requests(2));
        if (request == 1) {
            connection.reset();
            ++closed;
            return;
        }
        EXPECT_TRUE(wait_for_closed(1));
        expect_closed(connection);
    });
    {
        raw_socket client = raw_socket::connect(gateway->port());
        client.send(a_get);
        EXPECT_TRUE(wait_for_closed(1));
    }
    EXPECT_TRUE(wait_for_closed(2));
    EXPECT_EQ(received, 2);
}

TEST_F(HedgeWire, HedgesAreAShareOfTheRequests) {
    // Nobody answers: the timeouts of both are long after the hedge.
    begin([this](raw_socket& connection, int) { expect_closed(connection); },
          [](upstream::options& o) {
              o.hedging = upstream::hedge_options{.after = 20ms, .percent = 50};
              o.answer_timeout = 400ms;
          });
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(ask().starts_with("HTTP/1.1 504 ")) << i;
    EXPECT_TRUE(wait_for_closed(6));
    EXPECT_EQ(received, 6) << "every second one was hedged";
}

TEST_F(HedgeWire, OnlyReadsAreHedged) {
    begin([this](raw_socket& connection, int) { expect_closed(connection); },
          [](upstream::options& o) { o.answer_timeout = 400ms; },
          [](http::exchange& x) {
              if (x.request.path == "/keyed") x.attempt = 1;
              if (x.request.path == "/again") x.upstream_tries = 1;
          });
    for (const char* line : {"POST / HTTP/1.1\r\nContent-Length: 1",
                             "PUT / HTTP/1.1\r\n"
                             "Content-Length: 1",
                             "GET / HTTP/1.1\r\nContent-Length: 1"}) {
        const std::string answer = ask(std::string(line) + "\r\nHost: a\r\n\r\nx");
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 504 ")) << answer;
    }
    for (const char* path : {"/keyed", "/again"}) {
        const std::string answer = ask("GET " + std::string(path) + " HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 504 ")) << answer;
    }
    EXPECT_EQ(received, 5);
}

TEST_F(HedgeWire, ReplicasThatCannotBeReachedAreNoHarm) {
    begin(
        [](raw_socket& connection, int request) {
            // Long enough for the hedge to be refused, most of the time; either way it is answered.
            if (request == 1) EXPECT_FALSE(connection.closed_within(100ms));
            connection.send(ok);
        },
        [](upstream::options& o) {
            o.replicas[1].port = closed_port();
            o.replicas[2].port = closed_port();
        });
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(ask().ends_with("ok")) << i;
    EXPECT_EQ(received, 4);
}

}  // namespace
}  // namespace lethe::test
