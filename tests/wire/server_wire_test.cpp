// The server's side of the wire: what a client meets.
#include "wire/peers.hpp"
#include "wire/proxy.hpp"

#include <gtest/gtest.h>

#include <future>
#include <string>
#include <vector>

namespace lethe::test {
namespace {

using namespace std::chrono_literals;

int count(std::string_view text, std::string_view what) {
    int found = 0;
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string_view::npos;
         at += what.size())
        ++found;
    return found;
}

bool contains(const std::string& text, std::string_view what) {
    return text.find(what) != std::string::npos;
}

TEST(ServerWire, KeepsTheConnectionForTheNextRequest) {
    scripted_origin origin(echo);
    proxy gateway({.replicas = {origin.port()}});
    raw_socket client = raw_socket::connect(gateway.port());
    for (int i = 0; i < 5; ++i) {
        client.send("GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n");
        const std::string answer = client.read_message();
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
        EXPECT_TRUE(contains(answer, "GET /" + std::to_string(i) + " HTTP/1.1")) << answer;
    }
    EXPECT_EQ(origin.connections(), 1);
}

TEST(ServerWire, PipelinedRequestsAreAnsweredInOrderWhereverThePacketsEnd) {
    scripted_origin origin(echo);
    proxy gateway({.replicas = {origin.port()}});
    std::string all;
    for (int i = 0; i < 4; ++i)
        all += "POST /p" + std::to_string(i) +
               " HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" + "POST /c" +
               std::to_string(i) +
               " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
               "chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
    for (const std::size_t size : {std::size_t{1}, std::size_t{7}, std::size_t{64}, all.size()}) {
        raw_socket client = raw_socket::connect(gateway.port());
        client.send_in_pieces(all, size);
        for (int i = 0; i < 4; ++i) {
            const std::string plain = client.read_message();
            EXPECT_TRUE(contains(plain, "POST /p" + std::to_string(i))) << plain;
            EXPECT_TRUE(plain.ends_with("abc")) << plain;
            const std::string chunked = client.read_message();
            EXPECT_TRUE(contains(chunked, "POST /c" + std::to_string(i))) << chunked;
            EXPECT_TRUE(contains(chunked, "Transfer-Encoding: chunked")) << chunked;
        }
    }
}

TEST(ServerWire, ExpectContinueIsAnsweredBeforeTheBodyIsAskedFor) {
    scripted_origin origin(echo);
    proxy gateway({.replicas = {origin.port()}});
    raw_socket client = raw_socket::connect(gateway.port());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello");
    const std::string answer = client.read_message();
    EXPECT_TRUE(answer.ends_with("hello")) << answer;
    EXPECT_FALSE(contains(answer, "Expect")) << "the gateway has answered the expectation itself";
}

TEST(ServerWire, WhoSendsTheBodyWithoutWaitingIsNotInvited) {
    scripted_origin origin(echo);
    proxy gateway({.replicas = {origin.port()}});
    raw_socket client = raw_socket::connect(gateway.port());
    client.send(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello");
    const std::string answer = client.read_message();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
    EXPECT_TRUE(answer.ends_with("hello")) << answer;
}

TEST(ServerWire, ARefusedExpectationNeverAsksForTheBody) {
    http::server_settings settings;
    settings.body_bytes_max = 10;
    proxy gateway({.replicas = {closed_port()}, .server = settings});
    raw_socket client = raw_socket::connect(gateway.port());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n");
    const std::string answer = client.read_all();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 413 ")) << answer;
    EXPECT_FALSE(contains(answer, "100 Continue")) << answer;
    EXPECT_TRUE(contains(answer, "urn:lethe:problem:body-too-large")) << answer;
}

TEST(ServerWire, AChunkedBodyAboveTheLimitIsRefusedWhereItPassesIt) {
    scripted_origin origin(echo);
    http::server_settings settings;
    settings.body_bytes_max = 10;
    proxy gateway({.replicas = {origin.port()}, .server = settings});
    raw_socket client = raw_socket::connect(gateway.port());
    client.send(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
        "chunked\r\n\r\n8\r\n12345678\r\n8\r\n12345678\r\n0\r\n\r\n");
    const std::string answer = client.read_all();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 413 ")) << answer;
}

TEST(ServerWire, AnAnswerToAnUnreadBodyArrivesAndEndsTheConnection) {
    http::server_settings settings;
    settings.body_bytes_max = 1000;
    proxy gateway({.replicas = {closed_port()}, .server = settings});
    raw_socket client = raw_socket::connect(gateway.port());
    // The client sends all of it before it reads: a reset would lose the answer.
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" +
                std::string(200'000, 'x'));
    const std::string answer = client.read_all();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 413 ")) << answer;
    EXPECT_TRUE(contains(answer, "Connection: close\r\n")) << answer;
}

TEST(ServerWire, AHeadAboveTheLimitsIsRefused) {
    http::server_settings settings;
    settings.head.head_bytes_max = 1024;
    settings.head.fields_max = 10;
    proxy gateway({.replicas = {closed_port()}, .server = settings});
    raw_socket big = raw_socket::connect(gateway.port());
    big.send("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(2000, 'x') + "\r\n\r\n");
    EXPECT_TRUE(big.read_all().starts_with("HTTP/1.1 431 "));
    raw_socket many = raw_socket::connect(gateway.port());
    std::string fields;
    for (int i = 0; i < 11; ++i) fields += "X: y\r\n";
    many.send("GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n");
    EXPECT_TRUE(many.read_all().starts_with("HTTP/1.1 431 "));
}

TEST(ServerWire, AClientThatEndsItsSideWithTheRequestIsAnsweredAndThenLetGo) {
    scripted_origin origin(echo);
    proxy gateway({.replicas = {origin.port()}});
    for (int i = 0; i < 20; ++i) {
        raw_socket client = raw_socket::connect(gateway.port());
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        client.end_sending();
        EXPECT_TRUE(client.read_message().starts_with("HTTP/1.1 200 OK\r\n"));
        EXPECT_TRUE(client.closed_within(2s)) << "not after the time for an idle connection";
    }
}

TEST(ServerWire, ASlowHeadIsRefusedAsAWholeHoweverItTrickles) {
    http::server_settings settings;
    settings.header_timeout = 200ms;
    proxy gateway({.replicas = {closed_port()}, .server = settings});
    raw_socket client = raw_socket::connect(gateway.port());
    const auto begun = std::chrono::steady_clock::now();
    client.send("GET / HTTP/1.1\r\n");
    while (std::chrono::steady_clock::now() - begun < 2s && client.send("X: y\r\n"))
        std::this_thread::sleep_for(50ms);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 3s);
    EXPECT_GE(gateway.finished_count(), 1);
}

TEST(ServerWire, AnIdleConnectionIsClosed) {
    http::server_settings settings;
    settings.keep_alive_timeout = 100ms;
    proxy gateway({.replicas = {closed_port()}, .server = settings});
    raw_socket client = raw_socket::connect(gateway.port());
    EXPECT_TRUE(client.closed_within(3s));
}

TEST(ServerWire, ManyConnectionsTakeTurns) {
    scripted_origin origin(echo);
    proxy gateway({.replicas = {origin.port()}});
    std::vector<raw_socket> clients;
    for (int i = 0; i < 300; ++i) clients.push_back(raw_socket::connect(gateway.port()));
    for (int round = 0; round < 3; ++round) {
        for (raw_socket& one : clients) one.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        for (raw_socket& one : clients)
            EXPECT_TRUE(one.read_message().starts_with("HTTP/1.1 200 OK\r\n"));
    }
    gateway.abort();
    for (raw_socket& one : clients) EXPECT_TRUE(one.closed_within(10s));
    EXPECT_EQ(gateway.finished_count(), 900);
}

TEST(ServerWire, OtherSettingsAreForConnectionsThatComeThen) {
    scripted_origin origin(echo);
    proxy gateway({.replicas = {origin.port()}});
    const std::string large =
        "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(2000, 'x') + "\r\n\r\n";
    raw_socket before = raw_socket::connect(gateway.port());
    before.send(large);
    EXPECT_TRUE(before.read_message().starts_with("HTTP/1.1 200 "));
    http::server_settings settings;
    settings.head.head_bytes_max = 1024;
    gateway.use(settings);
    raw_socket behind = raw_socket::connect(gateway.port());
    behind.send(large);
    EXPECT_TRUE(behind.read_all().starts_with("HTTP/1.1 431 "));
    before.send(large);
    EXPECT_TRUE(before.read_message().starts_with("HTTP/1.1 200 "));
}

TEST(ServerWire, AServerThatIsDestroyedFinishesWhatIsUnderWayAndDropsTheRest) {
    std::promise<void> asked;
    std::promise<void> go_on;
    scripted_origin origin([&](raw_socket& connection) {
        connection.read_until("\r\n\r\n");
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        connection.read_until("\r\n\r\n");
        asked.set_value();
        go_on.get_future().wait();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        connection.read_all();
    });
    proxy gateway({.replicas = {origin.port()}});
    raw_socket idle = raw_socket::connect(gateway.port());
    idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_TRUE(idle.read_message().ends_with("ok"));
    raw_socket busy = raw_socket::connect(gateway.port());
    busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    asked.get_future().wait();
    gateway.destroy_server();
    go_on.set_value();
    EXPECT_TRUE(busy.read_message().ends_with("ok"));
    EXPECT_TRUE(busy.closed_within(10s));
    EXPECT_TRUE(idle.closed_within(10s));
}

TEST(ServerWire, UpgradesAreRefusedClearlyAndHttp2OffersAreIgnored) {
    scripted_origin origin(echo);
    proxy gateway({.replicas = {origin.port()}});
    raw_socket socket = raw_socket::connect(gateway.port());
    socket.send(
        "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    const std::string refused = socket.read_message();
    EXPECT_TRUE(refused.starts_with("HTTP/1.1 501 ")) << refused;
    EXPECT_TRUE(contains(refused, "urn:lethe:problem:upgrade-not-supported")) << refused;
    raw_socket curl = raw_socket::connect(gateway.port());
    curl.send(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: "
        "h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n");
    const std::string served = curl.read_message();
    EXPECT_TRUE(served.starts_with("HTTP/1.1 200 ")) << served;
    EXPECT_FALSE(contains(served, "HTTP2-Settings")) << served;
}

TEST(ServerWire, HeadHasTheLengthAndNoBody) {
    scripted_origin origin([](raw_socket& connection) {
        while (!connection.read_until("\r\n\r\n").empty())
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nX-A: b\r\n\r\n");
    });
    proxy gateway({.replicas = {origin.port()}});
    raw_socket client = raw_socket::connect(gateway.port());
    for (int i = 0; i < 2; ++i) {
        client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
        const std::string answer = client.read_until("\r\n\r\n");
        EXPECT_EQ(count(answer, "Content-Length: 1234\r\n"), 1) << answer;
    }
    EXPECT_EQ(origin.connections(), 1);
}

TEST(ServerWire, Http10GetsTheBodyUntilTheEndOfTheConnection) {
    scripted_origin origin([](raw_socket& connection) {
        connection.read_until("\r\n\r\n");
        connection.send(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        connection.read_all();
    });
    proxy gateway({.replicas = {origin.port()}});
    raw_socket client = raw_socket::connect(gateway.port());
    client.send("GET / HTTP/1.0\r\n\r\n");
    const std::string answer = client.read_all();
    EXPECT_TRUE(answer.ends_with("\r\n\r\nhello")) << answer;
    EXPECT_FALSE(contains(answer, "chunked")) << answer;
}

TEST(ServerWire, ADrainAnswersWhatIsUnderWayAndThenCloses) {
    scripted_origin origin([](raw_socket& connection) {
        connection.read_until("\r\n\r\n");
        std::this_thread::sleep_for(300ms);
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        connection.read_all();
    });
    proxy gateway({.replicas = {origin.port()}});
    raw_socket busy = raw_socket::connect(gateway.port());
    raw_socket idle = raw_socket::connect(gateway.port());
    busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    std::this_thread::sleep_for(100ms);
    gateway.drain();
    const std::string answer = busy.read_message();
    EXPECT_TRUE(answer.ends_with("ok")) << answer;
    EXPECT_TRUE(contains(answer, "Connection: close\r\n")) << answer;
    EXPECT_TRUE(idle.closed_within(3s));
    std::this_thread::sleep_for(200ms);
    EXPECT_TRUE(raw_socket::connect(gateway.port()).closed_within(1s))
        << "nothing listens any more";
}

// A proxy's header, in pieces of each size, with a request behind it in the same packets.
TEST(ServerWire, TheProxyHeaderIsTakenOffAndTheRestLeft) {
    scripted_origin origin(echo);
    proxy_options options{.replicas = {origin.port()}};
    options.door.proxies = [](std::string_view from) { return from == "127.0.0.1"; };
    proxy gateway(std::move(options));
    const std::string v1 = "PROXY TCP6 2001:db8::7 ::1 1 2\r\n";
    const std::string v2("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\7\xc0\0\2\2\0\1\0\2", 28);
    const std::string request = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
    for (const std::size_t size : {std::size_t{1}, std::size_t{5}, std::size_t{1000}}) {
        for (const auto& [header, address] :
             {std::pair(v1, "\"[2001:db8::7]\""), std::pair(v2, "192.0.2.7")}) {
            raw_socket client = raw_socket::connect(gateway.port());
            client.send_in_pieces(header + request, size);
            const std::string answer = client.read_message();
            EXPECT_TRUE(contains(answer, std::string("Forwarded: for=") + address)) << answer;
            client.send(request);
            EXPECT_TRUE(contains(client.read_message(), address)) << "for all of the connection";
        }
    }
}

TEST(ServerWire, WithoutTheProxyHeaderAConnectionIsClosed) {
    scripted_origin origin(echo);
    proxy_options options{.replicas = {origin.port()}};
    options.door.proxies = [](std::string_view) { return true; };
    options.server.header_timeout = 200ms;
    proxy gateway(std::move(options));
    raw_socket plain = raw_socket::connect(gateway.port());
    plain.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_TRUE(plain.closed_within(2s));
    raw_socket slow = raw_socket::connect(gateway.port());
    slow.send("PROXY TCP4 ");
    EXPECT_TRUE(slow.closed_within(2s));
    raw_socket half = raw_socket::connect(gateway.port());
    half.send("PROXY TCP4 ");
    half.end_sending();
    EXPECT_TRUE(half.closed_within(150ms)) << "no need to wait for what cannot come";
    EXPECT_EQ(origin.connections(), 0);
}

TEST(ServerWire, FromOthersThanTheProxiesNoConnectionIsTaken) {
    scripted_origin origin(echo);
    proxy_options options{.replicas = {origin.port()}};
    options.door.proxies = [](std::string_view from) { return from == "192.0.2.1"; };
    proxy gateway(std::move(options));
    raw_socket stranger = raw_socket::connect(gateway.port());
    stranger.send("PROXY TCP4 192.0.2.7 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_TRUE(stranger.closed_within(2s));
    EXPECT_EQ(origin.connections(), 0);
}

}  // namespace
}  // namespace lethe::test
