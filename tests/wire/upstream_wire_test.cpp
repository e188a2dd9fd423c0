// The upstream's side of the wire: what a replica meets, and what its failures lead to.
#include "wire/peers.hpp"
#include "wire/proxy.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <set>

namespace lethe::test {
namespace {

using namespace std::chrono_literals;

bool contains(const std::string& text, std::string_view what) {
    return text.find(what) != std::string::npos;
}

std::string ask(std::uint16_t port, const std::string& request) {
    raw_socket client = raw_socket::connect(port);
    client.send(request);
    return client.read_message();
}

const std::string a_get = "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";
const std::string a_post = "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 3\r\n\r\nabc";
const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

void answer_ok(raw_socket& connection) {
    while (!connection.read_message().empty()) connection.send(ok);
}

TEST(UpstreamWire, FieldsOfTheConnectionStayBehindAndForwardingIsAdded) {
    std::string seen;
    scripted_origin origin([&](raw_socket& connection) {
        seen = connection.read_until("\r\n\r\n");
        connection.send(
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: X-Private\r\nX-Private: "
            "1\r\nKeep-Alive: timeout=5\r\n"
            "Lethe-Outcome: forged\r\nLethe-Session-Patch: kept-for-the-filter\r\n\r\n");
        connection.read_all();
    });
    proxy gateway({.replicas = {origin.port()}});
    const std::string answer = ask(gateway.port(),
                                   "GET /a/../b?q=1 HTTP/1.1\r\nHost: shop.example\r\nConnection: "
                                   "keep-alive, X-Hop\r\nX-Hop: 1\r\n"
                                   "Keep-Alive: 5\r\nTE: trailers\r\nProxy-Authorization: Basic "
                                   "eDp5\r\nX-End: to-end\r\n\r\n");
    EXPECT_TRUE(seen.starts_with("GET /b?q=1 HTTP/1.1\r\n")) << seen;
    for (const char* line :
         {"Host: shop.example\r\n", "X-End: to-end\r\n", "X-Forwarded-For: 127.0.0.1\r\n",
          "X-Forwarded-Proto: http\r\n", "X-Forwarded-Host: shop.example\r\n",
          "Forwarded: for=127.0.0.1;proto=http;host=\"shop.example\"\r\n", "Via: 1.1 lethe\r\n"})
        EXPECT_TRUE(contains(seen, line)) << line << seen;
    for (const char* line : {"X-Hop", "Keep-Alive", "TE:", "Proxy-Authorization", "Connection"})
        EXPECT_FALSE(contains(seen, line)) << line << seen;
    for (const char* line : {"X-Private", "Keep-Alive", "Lethe-Outcome"})
        EXPECT_FALSE(contains(answer, line)) << answer;
}

TEST(UpstreamWire, RefusedConnectionsLeadToAnotherReplicaAlsoForPost) {
    scripted_origin origin(answer_ok);
    proxy gateway({.replicas = {closed_port(), origin.port(), closed_port()}});
    for (int i = 0; i < 6; ++i) {
        const std::string posted = ask(gateway.port(), a_post);
        EXPECT_TRUE(posted.starts_with("HTTP/1.1 200 ")) << posted;
        const std::string got = ask(gateway.port(), a_get);
        EXPECT_TRUE(got.starts_with("HTTP/1.1 200 ")) << got;
    }
}

TEST(UpstreamWire, WithoutAnyReplicaNothingRanAndTheClientMayRetry) {
    proxy gateway({.replicas = {closed_port(), closed_port()}});
    const std::string answer = ask(gateway.port(), a_post);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 503 ")) << answer;
    EXPECT_TRUE(contains(answer, "urn:lethe:problem:upstream-unavailable")) << answer;
    EXPECT_TRUE(contains(answer, "Retry-After: ")) << answer;
    EXPECT_FALSE(contains(answer, "Lethe-Outcome")) << answer;
    EXPECT_FALSE(contains(answer, "127.0.0.1"))
        << "a backend's address is nobody's business: " << answer;
}

TEST(UpstreamWire, APostThatMayHaveRunIsNeverSentAgain) {
    std::atomic<int> received{0};
    const auto die_after_request = [&](raw_socket& connection) {
        if (!connection.read_message().empty()) ++received;
        connection.reset();
    };
    scripted_origin first(die_after_request);
    scripted_origin second(die_after_request);
    proxy gateway({.replicas = {first.port(), second.port()}});
    const std::string answer = ask(gateway.port(), a_post);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 502 ")) << answer;
    EXPECT_TRUE(contains(answer, "Lethe-Outcome: unknown\r\n")) << answer;
    EXPECT_EQ(received, 1);
}

TEST(UpstreamWire, AGetIsTriedOnceMoreElsewhereAndNotOnAllReplicas) {
    std::atomic<int> received{0};
    const auto die_after_request = [&](raw_socket& connection) {
        if (!connection.read_message().empty()) ++received;
        connection.reset();
    };
    scripted_origin first(die_after_request);
    scripted_origin second(die_after_request);
    scripted_origin third(die_after_request);
    proxy gateway({.replicas = {first.port(), second.port(), third.port()}});
    const std::string answer = ask(gateway.port(), a_get);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 502 ")) << answer;
    EXPECT_FALSE(contains(answer, "Lethe-Outcome")) << "a GET may simply be sent again";
    EXPECT_EQ(received, 2);
}

TEST(UpstreamWire, RetriesEndWithTheirShare) {
    std::atomic<int> received{0};
    const auto die_after_request = [&](raw_socket& connection) {
        if (!connection.read_message().empty()) ++received;
        connection.reset();
    };
    scripted_origin first(die_after_request);
    scripted_origin second(die_after_request);
    proxy gateway({.replicas = {first.port(), second.port()}, .adjust = [](upstream::options& o) {
                       o.retries = {.percent = 50, .per_second = 0};
                       o.ejection = {.consecutive_failures = 0, .for_how_long = 10s};
                   }});
    for (int i = 0; i < 8; ++i)
        EXPECT_TRUE(ask(gateway.port(), a_get).starts_with("HTTP/1.1 502 ")) << i;
    EXPECT_EQ(received, 12) << "every second one was sent again";
}

TEST(UpstreamWire, WhatAFilterSendsAgainTakesOfTheShareOfRetriesAndIsNotHeldBack) {
    std::atomic<int> died{0};
    const auto die_unless_again = [&](raw_socket& connection) {
        for (std::string request; !(request = connection.read_message()).empty();) {
            if (!request.starts_with("GET /again ")) {
                ++died;
                return connection.reset();
            }
            connection.send(ok);
        }
    };
    scripted_origin first(die_unless_again);
    scripted_origin second(die_unless_again);
    proxy gateway({.replicas = {first.port(), second.port()},
                   .adjust =
                       [](upstream::options& o) {
                           // Ten in ten seconds.
                           o.retries = {.percent = 0, .per_second = 1};
                           o.ejection = {.consecutive_failures = 0, .for_how_long = 10s};
                       },
                   .prepare =
                       [](http::exchange& x) {
                           if (x.request.path == "/again") x.upstream_tries = 1;
                       }});
    EXPECT_TRUE(ask(gateway.port(), a_get).starts_with("HTTP/1.1 502 "));
    EXPECT_EQ(died, 2) << "sent again: the first of the ten";
    for (int i = 0; i < 12; ++i)
        EXPECT_TRUE(ask(gateway.port(), "GET /again HTTP/1.1\r\nHost: a\r\n\r\n")
                        .starts_with("HTTP/1.1 200 "))
            << i;
    EXPECT_TRUE(ask(gateway.port(), a_get).starts_with("HTTP/1.1 502 "));
    EXPECT_EQ(died, 3) << "nothing is left for this one";
}

TEST(UpstreamWire, RefusedConnectionsAreNoRetries) {
    scripted_origin origin(answer_ok);
    proxy gateway({.replicas = {closed_port(), origin.port()}, .adjust = [](upstream::options& o) {
                       o.retries = {.percent = 0, .per_second = 0};
                       o.ejection = {.consecutive_failures = 0, .for_how_long = 10s};
                   }});
    for (int i = 0; i < 10; ++i)
        EXPECT_TRUE(ask(gateway.port(), a_get).starts_with("HTTP/1.1 200 ")) << i;
}

TEST(UpstreamWire, HashLeadsEqualFieldsToOneReplica) {
    const auto answer_with = [](std::string name) {
        return [name = std::move(name)](raw_socket& connection) {
            while (!connection.read_message().empty())
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + name);
        };
    };
    scripted_origin first(answer_with("1"));
    scripted_origin second(answer_with("2"));
    scripted_origin third(answer_with("3"));
    proxy gateway({.replicas = {first.port(), second.port(), third.port()},
                   .adjust = [](upstream::options& o) {
                       o.balance = upstream::balance_rule::hash;
                       o.hash_by = {.by = upstream::hash_source::field, .field = "X-Tenant"};
                   }});
    std::set<char> all;
    for (int tenant = 0; tenant < 30; ++tenant) {
        std::set<char> of_one;
        for (int i = 0; i < 3; ++i)
            of_one.insert(ask(gateway.port(), "GET / HTTP/1.1\r\nHost: a\r\nX-Tenant: t" +
                                                  std::to_string(tenant) + "\r\n\r\n")
                              .back());
        EXPECT_EQ(of_one.size(), 1U) << tenant;
        all.insert(of_one.begin(), of_one.end());
    }
    EXPECT_EQ(all, (std::set<char>{'1', '2', '3'}));
}

TEST(UpstreamWire, AKeptConnectionThatDiedCostsNoRequest) {
    std::atomic<int> posts{0};
    scripted_origin origin([&](raw_socket& connection) {
        const std::string request = connection.read_message();
        if (request.starts_with("POST")) ++posts;
        connection.send(ok);  // and closes, without having said so
    });
    proxy gateway({.replicas = {origin.port()}});
    for (int i = 0; i < 10; ++i) {
        EXPECT_TRUE(ask(gateway.port(), a_get).starts_with("HTTP/1.1 200 "));
        std::this_thread::sleep_for(10ms);
        EXPECT_TRUE(ask(gateway.port(), a_post).starts_with("HTTP/1.1 200 "));
        std::this_thread::sleep_for(10ms);
    }
    EXPECT_EQ(posts, 10);
}

TEST(UpstreamWire, AnAnswerThatBreaksOffNeverLooksComplete) {
    scripted_origin origin([](raw_socket& connection) {
        const std::string request = connection.read_message();
        if (contains(request, "/chunked"))
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        else
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
    });
    proxy gateway({.replicas = {origin.port()}});
    const std::string chunked = ask(gateway.port(), "GET /chunked HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_FALSE(contains(chunked, "0\r\n\r\n")) << chunked;
    raw_socket client = raw_socket::connect(gateway.port());
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_LT(client.read_all().size(), 300U);
}

TEST(UpstreamWire, NonsenseFromAReplicaIsABadGateway) {
    for (const char* nonsense :
         {"SSH-2.0-OpenSSH_9.2\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
          "\x16\x03\x01\x02", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
          "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 200 OK\nA: b\n\n"}) {
        scripted_origin origin([&](raw_socket& connection) {
            connection.read_message();
            connection.send(nonsense);
        });
        proxy gateway({.replicas = {origin.port()}});
        const std::string answer = ask(gateway.port(), a_post);
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 502 ")) << nonsense << "\n" << answer;
        EXPECT_TRUE(contains(answer, "Lethe-Outcome: unknown")) << answer;
    }
}

TEST(UpstreamWire, ASlowReplicaIsAGatewayTimeout) {
    scripted_origin origin([](raw_socket& connection) {
        connection.read_message();
        connection.closed_within(3s);
    });
    proxy gateway({.replicas = {origin.port()},
                   .adjust = [](upstream::options& o) { o.answer_timeout = 150ms; }});
    const std::string answer = ask(gateway.port(), a_post);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 504 ")) << answer;
    EXPECT_TRUE(contains(answer, "Lethe-Outcome: unknown")) << answer;
}

TEST(UpstreamWire, InterimAnswersAreSkipped) {
    scripted_origin origin([](raw_socket& connection) {
        connection.read_message();
        connection.send(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok);
        connection.read_all();
    });
    proxy gateway({.replicas = {origin.port()}});
    const std::string answer = ask(gateway.port(), a_get);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
    EXPECT_TRUE(answer.ends_with("ok")) << answer;
}

TEST(UpstreamWire, AnAnswerBeforeTheEndOfTheBodyReachesTheClient) {
    scripted_origin origin([](raw_socket& connection) {
        connection.read_until("\r\n\r\n");
        connection.send(
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
        connection.closed_within(3s);
    });
    http::server_settings settings;
    proxy gateway({.replicas = {origin.port()}, .server = settings});
    raw_socket client = raw_socket::connect(gateway.port());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n");
    std::thread sender([&] {
        const std::string piece(100'000, 'x');
        for (int i = 0; i < 80 && client.send(piece); ++i) {
        }
    });
    const std::string answer = client.read_message();
    sender.join();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 403 ")) << answer;
}

TEST(UpstreamWire, TheClientsDisappearanceCancelsUnlessTheExchangeSurvivesIt) {
    for (const bool survives : {false, true}) {
        std::atomic<bool> broken_off{false};
        std::atomic<bool> done{false};
        scripted_origin origin([&](raw_socket& connection) {
            connection.read_message();
            broken_off = connection.closed_within(1s);
            connection.send(ok);
            done = true;
        });
        proxy gateway({.replicas = {origin.port()}, .survives_client = survives});
        raw_socket client = raw_socket::connect(gateway.port());
        client.send(a_post);
        std::this_thread::sleep_for(50ms);
        client.close();
        while (!done) std::this_thread::sleep_for(10ms);
        EXPECT_EQ(broken_off, !survives);
    }
}

TEST(UpstreamWire, BigBodiesStreamBothWaysUnchanged) {
    const std::size_t size = 5'000'000;
    scripted_origin origin([&](raw_socket& connection) {
        const std::string request = connection.read_message();
        const std::string body = request.substr(request.find("\r\n\r\n") + 4);
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) +
                        "\r\n\r\n" + body);
        connection.read_all();
    });
    proxy gateway({.replicas = {origin.port()}});
    std::string body;
    while (body.size() < size) body += std::to_string(body.size()) + ",";
    raw_socket client = raw_socket::connect(gateway.port());
    std::thread sender([&] {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) +
                    "\r\n\r\n" + body);
    });
    const std::string answer = client.read_message();
    sender.join();
    EXPECT_TRUE(answer.ends_with("\r\n\r\n" + body));
}

TEST(UpstreamWire, SlowReplicasDoNotMixUpTheHeadsOfTheirRequests) {
    // Each reads nothing for a while, so that the kernel's buffers fill and writes must wait.
    std::mutex mutex;
    std::vector<std::string> heads;
    scripted_origin origin([&](raw_socket& connection) {
        std::this_thread::sleep_for(200ms);
        const std::string request = connection.read_message();
        {
            const std::lock_guard lock(mutex);
            heads.push_back(request.substr(0, request.find('\r')));
        }
        connection.send(ok);
        connection.read_all();
    });
    proxy gateway({.replicas = {origin.port()}});
    std::vector<std::thread> clients;
    for (int i = 0; i < 8; ++i)
        clients.emplace_back([&, i] {
            const std::string answer =
                ask(gateway.port(), "PUT /" + std::to_string(i) + std::string(3000, 'x') +
                                        " HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n" +
                                        std::string(5'000'000, 'y'));
            EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
        });
    for (std::thread& one : clients) one.join();
    std::sort(heads.begin(), heads.end());
    EXPECT_EQ(std::unique(heads.begin(), heads.end()), heads.end()) << "each its own";
    EXPECT_EQ(heads.size(), 8U);
}

TEST(UpstreamWire, AFailingReplicaIsEjectedAfterSomeFailures) {
    std::atomic<int> bad_requests{0};
    scripted_origin bad([&](raw_socket& connection) {
        if (!connection.read_message().empty()) ++bad_requests;
        connection.reset();
    });
    scripted_origin good(answer_ok);
    proxy gateway({.replicas = {bad.port(), good.port()}, .adjust = [](upstream::options& o) {
                       o.ejection = {.consecutive_failures = 3, .for_how_long = 60s};
                   }});
    for (int i = 0; i < 40; ++i)
        EXPECT_TRUE(ask(gateway.port(), a_get).starts_with("HTTP/1.1 200 "));
    EXPECT_EQ(bad_requests, 3);
}

TEST(UpstreamWire, AFullUpstreamMakesRequestsWaitAndThenRefusesThem) {
    scripted_origin origin([](raw_socket& connection) {
        while (!connection.read_message().empty()) {
            std::this_thread::sleep_for(200ms);
            connection.send(ok);
        }
    });
    proxy gateway({.replicas = {origin.port()}, .adjust = [](upstream::options& o) {
                       o.connections_max = 1;
                       o.requests_waiting_max = 1;
                   }});
    std::mutex mutex;
    std::vector<std::string> answers;
    std::vector<std::thread> clients;
    for (int i = 0; i < 3; ++i)
        clients.emplace_back([&] {
            std::string answer = ask(gateway.port(), a_get);
            const std::lock_guard lock(mutex);
            answers.push_back(std::move(answer));
        });
    for (std::thread& one : clients) one.join();
    int refused = 0;
    for (const std::string& answer : answers)
        refused += answer.starts_with("HTTP/1.1 503 ") &&
                   contains(answer, "urn:lethe:problem:upstream-overloaded");
    EXPECT_EQ(refused, 1);
    EXPECT_EQ(origin.connections(), 1);
}

}  // namespace
}  // namespace lethe::test
