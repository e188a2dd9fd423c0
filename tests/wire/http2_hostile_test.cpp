// Clients of HTTP/2 that mean no good: each is sent away at a bounded cost, and others are served.
#include "wire/http2_peer.hpp"
#include "wire/proxy.hpp"

#include <gtest/gtest.h>

#include <atomic>

namespace lethe::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t enhance_your_calm = 11;
constexpr std::uint32_t refused_stream = 7;
constexpr std::uint32_t cancel = 8;

class Http2Hostile : public ::testing::Test {
 protected:
    // Sends the same again and again until the server has enough of it; how it ends.
    std::optional<std::uint32_t> flood(const std::string& bytes, int times) {
        http2_peer client(gateway_.port());
        if (!client.still_there()) return std::nullopt;
        for (int i = 0; i < times; ++i)
            if (!client.socket().send(bytes)) break;
        const auto end = client.goaway();
        if (!end) return std::nullopt;
        return end->code;
    }
    void others_are_served() {
        http2_peer client(gateway_.port());
        EXPECT_EQ(client.answer(client.request(get("/"))).status(), "200");
    }
    void expect_sent_away(const std::string& bytes, int times) {
        EXPECT_EQ(flood(bytes, times), enhance_your_calm);
        others_are_served();
    }

    scripted_origin origin_{echo};
    proxy gateway_{{.replicas = {origin_.port()}}};
};

TEST_F(Http2Hostile, RapidReset) {
    http2_peer client(gateway_.port());
    ASSERT_TRUE(client.still_there());
    std::string all;
    for (std::uint32_t stream = 1; stream < 4'000; stream += 2)
        all += to_bytes(
                   {frame_type::headers, end_headers | end_stream, stream, encode_head(get("/"))}) +
               to_bytes({frame_type::rst_stream, 0, stream, number32(cancel)});
    client.socket().send(all);
    const auto end = client.goaway();
    ASSERT_TRUE(end);
    EXPECT_EQ(end->code, enhance_your_calm);
    others_are_served();
}

TEST_F(Http2Hostile, AHundredRequestsThatAreLeftAtOnceAreFine) {
    http2_peer client(gateway_.port());
    for (std::uint32_t i = 0; i < 100; ++i) {
        const std::uint32_t stream = client.request(get("/"));
        client.send({frame_type::rst_stream, 0, stream, number32(cancel)});
    }
    EXPECT_TRUE(client.still_there());
    EXPECT_EQ(client.answer(client.request(get("/"))).status(), "200");
}

TEST_F(Http2Hostile, PingFlood) {
    expect_sent_away(to_bytes({frame_type::ping, 0, 0, "12345678"}), 5'000);
}

TEST_F(Http2Hostile, SettingsFlood) {
    expect_sent_away(to_bytes({frame_type::settings, 0, 0, {}}), 5'000);
}

TEST_F(Http2Hostile, PriorityFlood) {
    expect_sent_away(to_bytes({frame_type::priority, 0, 1, std::string("\0\0\0\3\x10", 5)}), 5'000);
}

TEST_F(Http2Hostile, WindowUpdateFlood) {
    expect_sent_away(to_bytes({frame_type::window_update, 0, 0, number32(1)}), 5'000);
}

TEST_F(Http2Hostile, AReaderOfAFewBytesAtATimeIsSentAway) {
    scripted_origin large([](raw_socket& connection) {
        connection.read_until("\r\n\r\n");
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" +
                        std::string(100'000, 'x'));
        connection.read_all();
    });
    proxy gateway({.replicas = {large.port()}});
    http2_peer client(gateway.port(), 10);
    const std::uint32_t stream = client.request(get("/"));
    const auto end = client.goaway();
    ASSERT_TRUE(end);
    EXPECT_EQ(end->code, enhance_your_calm);
    EXPECT_LT(client.so_far(stream).body.size(), 20'000U);
}

TEST_F(Http2Hostile, EmptyDataFlood) {
    http2_peer client(gateway_.port());
    const std::uint32_t stream = client.request(post("/"), false);
    const std::string empty = to_bytes({frame_type::data, 0, stream, {}});
    for (int i = 0; i < 5'000; ++i)
        if (!client.socket().send(empty)) break;
    const auto end = client.goaway();
    ASSERT_TRUE(end);
    EXPECT_EQ(end->code, enhance_your_calm);
    others_are_served();
}

TEST_F(Http2Hostile, ContinuationFlood) {
    http2_peer client(gateway_.port());
    ASSERT_TRUE(client.still_there());
    client.send({frame_type::headers, end_stream, 1, encode_head(get("/"))});
    const std::string more =
        to_bytes({frame_type::continuation, 0, 1, encode_head({{"x", std::string(100, 'y')}})});
    for (int i = 0; i < 50'000; ++i)
        if (!client.socket().send(more)) break;
    EXPECT_TRUE(client.goaway());
    others_are_served();
}

// One large entry in the table, named a thousand times by one byte each.
TEST_F(Http2Hostile, HpackBomb) {
    http2_peer client(gateway_.port());
    ASSERT_TRUE(client.still_there());
    std::string block = encode_head(get("/"));
    block += '\x40';  // literal with indexing, a new name
    block += std::string("\x01x", 2) + "\x7f\xa1\x1e" + std::string(4'000, 'a');
    block += std::string(12'000, '\xbe');  // index 62: that entry
    client.send({frame_type::headers, end_headers | end_stream, 1, block});
    const auto end = client.goaway();
    ASSERT_TRUE(end);
    EXPECT_EQ(end->code, enhance_your_calm);
    others_are_served();
}

// Answers nothing before it is let go.
class held_origin {
 public:
    ~held_origin() { let_go(); }
    [[nodiscard]] std::uint16_t port() const { return origin_.port(); }
    void let_go() { open_ = true; }

 private:
    void serve(raw_socket& connection) const {
        connection.read_until("\r\n\r\n");
        for (int i = 0; i < 500 && !open_; ++i) std::this_thread::sleep_for(20ms);
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    }

    std::atomic<bool> open_{false};
    scripted_origin origin_{[this](raw_socket& c) { serve(c); }};
};

TEST_F(Http2Hostile, MoreRequestsThanAgreedEndTheConnection) {
    http::server_settings settings;
    settings.http2_streams_max = 5;
    held_origin slow;
    proxy gateway({.replicas = {slow.port()}, .server = settings});
    http2_peer client(gateway.port());
    ASSERT_TRUE(client.still_there());
    for (int i = 0; i < 6; ++i) client.request(get("/"));
    const auto end = client.goaway();
    ASSERT_TRUE(end);
    EXPECT_NE(end->code, 0U);
}

// Their clients have left, their keys keep them alive: there is a bound on these too.
TEST_F(Http2Hostile, RequestsThatGoOnWithoutTheirClientCount) {
    http::server_settings settings;
    settings.http2_streams_max = 5;
    held_origin slow;
    proxy gateway({.replicas = {slow.port()}, .server = settings, .survives_client = true});
    http2_peer client(gateway.port());
    ASSERT_TRUE(client.still_there());
    for (int i = 0; i < 10; ++i) {
        const std::uint32_t stream = client.request(get("/"));
        ASSERT_TRUE(client.still_there()) << "it has begun";
        client.send({frame_type::rst_stream, 0, stream, number32(cancel)});
        ASSERT_TRUE(client.still_there());
    }
    EXPECT_EQ(client.answer(client.request(get("/"))).reset, refused_stream);
    slow.let_go();
}

TEST_F(Http2Hostile, AReaderThatGivesNoRoomIsLeft) {
    http::server_settings settings;
    settings.write_timeout = 300ms;
    scripted_origin large([](raw_socket& connection) {
        connection.read_until("\r\n\r\n");
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" +
                        std::string(100'000, 'x'));
        connection.read_all();
    });
    proxy gateway({.replicas = {large.port()}, .server = settings});
    http2_peer client(gateway.port(), 1'000);
    client.opens_windows = false;
    const http2_answer& got = client.answer(client.request(get("/")));
    EXPECT_EQ(got.reset, cancel);
    EXPECT_EQ(got.body.size(), 1'000U);
    EXPECT_TRUE(client.still_there());
}

TEST_F(Http2Hostile, AHeadThatDoesNotComeToItsEndIsNotWaitedFor) {
    http::server_settings settings;
    settings.header_timeout = 300ms;
    proxy gateway({.replicas = {origin_.port()}, .server = settings});
    http2_peer client(gateway.port());
    ASSERT_TRUE(client.still_there());
    client.send({frame_type::headers, end_stream, 1, encode_head(get("/"))});
    EXPECT_TRUE(client.goaway());
}

// The time counts from where the trailers begin, not from the head long before.
TEST_F(Http2Hostile, TrailersHaveATimeOfTheirOwn) {
    http::server_settings settings;
    settings.header_timeout = 1s;
    proxy gateway({.replicas = {origin_.port()}, .server = settings});
    http2_peer client(gateway.port());
    const std::uint32_t stream = client.request(post("/"), false);
    std::this_thread::sleep_for(1200ms);
    client.body(stream, "x", false);
    client.send({frame_type::headers, end_stream, stream, encode_head({{"x-a", "b"}})});
    std::this_thread::sleep_for(100ms);
    client.send({frame_type::continuation, end_headers, stream, encode_head({{"x-b", "c"}})});
    const http2_answer& got = client.answer(stream);
    EXPECT_EQ(got.status(), "200");
    EXPECT_FALSE(got.body.ends_with("c")) << "trailers end here";
}

TEST_F(Http2Hostile, ABodyThatDoesNotComeIsNotWaitedFor) {
    http::server_settings settings;
    settings.body_timeout = 300ms;
    proxy gateway({.replicas = {origin_.port()}, .server = settings});
    http2_peer client(gateway.port());
    const std::uint32_t stream = client.request(post("/"), false);
    const http2_answer& got = client.answer(stream);
    EXPECT_EQ(got.status(), "408") << got.reset.value_or(99);
    EXPECT_TRUE(client.still_there());
}

// Each byte comes well within the time for one: alone that would go on for long.
TEST_F(Http2Hostile, ABodyThatTricklesInIsNotWaitedFor) {
    http::server_settings settings;
    settings.body_timeout = 400ms;
    proxy gateway({.replicas = {origin_.port()}, .server = settings});
    http2_peer client(gateway.port());
    const std::uint32_t stream = client.request(post("/"), false);
    const auto by = std::chrono::steady_clock::now() + 20s;
    while (client.so_far(stream).status().empty() && std::chrono::steady_clock::now() < by) {
        client.body(stream, "x", false);
        std::this_thread::sleep_for(50ms);
        ASSERT_TRUE(client.still_there());
    }
    EXPECT_EQ(client.answer(stream).status(), "408");
}

TEST_F(Http2Hostile, FramesThatNoClientMaySendEndTheConnection) {
    struct row {
        const char* name;
        http2_frame frame;
    };
    const row rows[] = {
        {"data on no stream", {frame_type::data, 0, 0, "x"}},
        {"data on an idle stream", {frame_type::data, 0, 7, "x"}},
        {"head on an even stream", {frame_type::headers, end_headers, 2, encode_head(get("/"))}},
        {"settings on a stream", {frame_type::settings, 0, 1, {}}},
        {"settings of odd size", {frame_type::settings, 0, 0, "12345"}},
        {"short ping", {frame_type::ping, 0, 0, "1234"}},
        {"window update of nothing", {frame_type::window_update, 0, 0, number32(0)}},
        {"window above its limit", {frame_type::window_update, 0, 0, number32(0x7fffffff)}},
        {"head of nonsense", {frame_type::headers, end_headers, 1, std::string(20, '\xff')}},
        {"continuation of nothing", {frame_type::continuation, end_headers, 1, "x"}},
        {"push", {static_cast<frame_type>(5), 0, 1, number32(2)}},
        {"too large", {frame_type::data, 0, 1, std::string(17'000, 'x')}},
    };
    for (const row& one : rows) {
        http2_peer client(gateway_.port());
        ASSERT_TRUE(client.still_there());
        client.send(one.frame);
        const auto end = client.goaway();
        EXPECT_TRUE(end) << one.name;
        if (end) EXPECT_NE(end->code, 0U) << one.name;
        EXPECT_FALSE(client.next()) << one.name;
    }
    others_are_served();
}

}  // namespace
}  // namespace lethe::test
