// HTTP/2 as clients meet it: requests side by side, bodies and windows, heads that are refused.
#include "wire/http2_peer.hpp"
#include "wire/proxy.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

namespace lethe::test {
namespace {

using namespace std::chrono_literals;

bool contains(const std::string& text, std::string_view what) {
    return text.find(what) != std::string::npos;
}

// Answers of a fixed size; where the path is /slow only when it is let go.
class gated_origin {
 public:
    [[nodiscard]] std::uint16_t port() const { return origin_.port(); }
    void let_go() {
        const std::scoped_lock lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    bool wait_for_slow() {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, 10s, [this] { return slow_ > 0; });
    }
    bool wait_until_left() {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, 10s, [this] { return left_; });
    }
    ~gated_origin() { let_go(); }

 private:
    void serve(raw_socket& connection) {
        while (true) {
            const std::string request = connection.read_until("\r\n\r\n");
            if (!request.ends_with("\r\n\r\n")) break;
            if (contains(request, " /watched ")) {
                tell_slow();
                const std::string rest = connection.read_all();
                const std::scoped_lock lock(mutex_);
                left_ = true;
                changed_.notify_all();
                return;
            }
            if (contains(request, " /slow ")) {
                tell_slow();
                std::unique_lock lock(mutex_);
                changed_.wait_for(lock, 10s, [this] { return open_; });
            }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    }
    void tell_slow() {
        const std::scoped_lock lock(mutex_);
        ++slow_;
        changed_.notify_all();
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = false;
    bool left_ = false;
    int slow_ = 0;
    scripted_origin origin_{[this](raw_socket& c) { serve(c); }};
};

// An origin that answers with one body.
class one_answer {
 public:
    explicit one_answer(std::string answer)
        : answer_(std::move(answer)), origin_([this](raw_socket& c) {
              while (c.read_until("\r\n\r\n").ends_with("\r\n\r\n"))
                  if (!c.send(answer_)) return;
          }) {}
    [[nodiscard]] std::uint16_t port() const { return origin_.port(); }

 private:
    std::string answer_;
    scripted_origin origin_;
};

TEST(Http2Wire, RequestsAreServedSideBySide) {
    gated_origin origin;
    proxy gateway({.replicas = {origin.port()}});
    http2_peer client(gateway.port());
    const std::uint32_t slow = client.request(get("/slow"));
    ASSERT_TRUE(origin.wait_for_slow());
    for (int i = 0; i < 20; ++i) {
        const http2_answer& quick = client.answer(client.request(get("/quick")));
        ASSERT_TRUE(quick.complete);
        EXPECT_EQ(quick.status(), "200");
        EXPECT_EQ(quick.body, "ok");
        EXPECT_EQ(quick.field("content-length"), "2");
        EXPECT_NE(quick.field("date"), "");
        EXPECT_EQ(quick.field("connection"), "");
    }
    origin.let_go();
    EXPECT_EQ(client.answer(slow).body, "ok");
}

TEST(Http2Wire, TheServiceSeesAnHttp11Request) {
    scripted_origin origin(echo);
    proxy gateway({.replicas = {origin.port()}});
    http2_peer client(gateway.port());
    const std::uint32_t stream = client.request(
        get("/a%2fb/../c?q=1", {{"cookie", "a=1"}, {"x-own", "v"}, {"cookie", "b=2"}}));
    const std::string seen = client.answer(stream).body;
    EXPECT_TRUE(seen.starts_with("GET /c?q=1 HTTP/1.1\r\nHost: shop.example\r\n")) << seen;
    EXPECT_TRUE(contains(seen, "\r\ncookie: a=1; b=2\r\n")) << seen;
    EXPECT_TRUE(contains(seen, "\r\nx-own: v\r\n")) << seen;
    EXPECT_TRUE(contains(seen, "\r\nVia: 2 lethe\r\n")) << seen;
    EXPECT_FALSE(contains(seen, ":path")) << seen;
    EXPECT_FALSE(contains(seen, "Content-Length")) << seen;
    EXPECT_FALSE(contains(seen, "Transfer-Encoding")) << seen;
}

TEST(Http2Wire, BodiesComeWithTheirLengthOrInChunks) {
    scripted_origin origin(echo);
    proxy gateway({.replicas = {origin.port()}});
    http2_peer client(gateway.port());
    const std::uint32_t known = client.request(post("/", {{"content-length", "5"}}), false);
    client.body(known, "hel", false);
    client.body(known, "lo", true);
    const std::string first = client.answer(known).body;
    EXPECT_TRUE(contains(first, "Content-Length: 5\r\n")) << first;
    EXPECT_TRUE(first.ends_with("\r\n\r\nhello")) << first;
    // Without a length, and still under way when the head goes on.
    const std::uint32_t open = client.request(post("/"), false);
    ASSERT_TRUE(client.still_there());
    client.body(open, "hel", false);
    ASSERT_TRUE(client.still_there());
    client.body(open, "lo", true);
    const std::string second = client.answer(open).body;
    EXPECT_TRUE(contains(second, "Transfer-Encoding: chunked\r\n")) << second;
    EXPECT_TRUE(contains(second, "hel")) << second;
    const std::uint32_t none = client.request(post("/"));
    const std::string third = client.answer(none).body;
    EXPECT_TRUE(contains(third, "Content-Length: 0\r\n")) << third;
}

TEST(Http2Wire, LargeBodiesFlowBothWaysWithinTheWindows) {
    // Counts what it gets and sends as much.
    scripted_origin origin([](raw_socket& connection) {
        const std::string head = connection.read_until("\r\n\r\n");
        const std::size_t at = head.find("Content-Length: ");
        if (at == std::string::npos) return;
        const std::size_t size = std::stoul(head.substr(at + 16));
        const std::string body = connection.read_bytes(size);
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" +
                        body);
        connection.read_all();
    });
    proxy gateway({.replicas = {origin.port()}});
    http2_peer client(gateway.port(), 20'000);
    std::string sent;
    for (std::size_t i = 0; sent.size() < 3'000'000; ++i) sent += std::to_string(i) + ' ';
    const std::uint32_t stream =
        client.request(post("/", {{"content-length", std::to_string(sent.size())}}), false);
    for (std::string_view left = sent; !left.empty();) {
        const std::int64_t room = client.room(stream);
        if (room <= 0) {
            ASSERT_TRUE(client.next()) << left.size() << " bytes left";
            continue;
        }
        const std::size_t size = std::min({left.size(), std::size_t(room), std::size_t{16'384}});
        client.body(stream, left.substr(0, size), size == left.size());
        left.remove_prefix(size);
    }
    const http2_answer& answer = client.answer(stream);
    ASSERT_TRUE(answer.complete);
    EXPECT_EQ(answer.body.size(), sent.size());
    EXPECT_TRUE(answer.body == sent);
}

TEST(Http2Wire, EachPieceOfAnAnswerMayBeAnsweredByWindowUpdates) {
    // 1,500 pieces: far more updates than a client has to spare.
    constexpr std::size_t size = 1'500'000;
    scripted_origin origin([](raw_socket& connection) {
        connection.read_until("\r\n\r\n");
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" +
                        std::string(size, 'x'));
        connection.read_all();
    });
    proxy gateway({.replicas = {origin.port()}});
    http2_peer client(gateway.port(), 1'000);
    const http2_answer& answer = client.answer(client.request(get("/")));
    ASSERT_TRUE(answer.complete);
    EXPECT_EQ(answer.body.size(), size);
}

TEST(Http2Wire, AnUnreadBodyStopsAtItsWindow) {
    gated_origin origin;
    proxy gateway({.replicas = {origin.port()}});
    http2_peer client(gateway.port());
    // The service reads no body before it is let go; sockets take some of it.
    const std::uint32_t stream = client.request(post("/slow"), false);
    ASSERT_TRUE(origin.wait_for_slow());
    std::size_t sent = 0;
    while (sent < 64U * 1024 * 1024) {
        const std::int64_t room = client.room(stream);
        if (room > 0) {
            const std::size_t size = std::min(std::size_t(room), std::size_t{16'384});
            client.body(stream, std::string(size, 'x'), false);
            sent += size;
        } else {
            ASSERT_TRUE(client.still_there());
            if (client.room(stream) <= 0) break;
        }
    }
    EXPECT_LT(sent, 32U * 1024 * 1024);
    EXPECT_GE(sent, 65'535U);
}

TEST(Http2Wire, AnswersWithoutABodyEndWithTheirHead) {
    one_answer origin("HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n");
    proxy gateway({.replicas = {origin.port()}});
    http2_peer client(gateway.port());
    const http2_answer& none = client.answer(client.request(get("/")));
    EXPECT_TRUE(none.complete);
    EXPECT_EQ(none.status(), "204");
    EXPECT_EQ(none.field("x-a"), "b");
    one_answer heads("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n");
    proxy other({.replicas = {heads.port()}});
    http2_peer asks(other.port());
    header_list head = get("/");
    head[0].second = "HEAD";
    const http2_answer& length = asks.answer(asks.request(head));
    EXPECT_TRUE(length.complete);
    EXPECT_EQ(length.field("content-length"), "1234");
    EXPECT_EQ(length.body, "");
}

TEST(Http2Wire, ConnectionFieldsOfTheServiceEndThere) {
    one_answer origin(
        "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Gone\r\nX-Gone: 1\r\nKeep-Alive: "
        "timeout=5\r\nTransfer-Encoding: chunked\r\nX-UPPER: Stays\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    proxy gateway({.replicas = {origin.port()}});
    http2_peer client(gateway.port());
    const http2_answer& got = client.answer(client.request(get("/")));
    ASSERT_TRUE(got.complete);
    EXPECT_EQ(got.body, "ok");
    EXPECT_EQ(got.field("x-upper"), "Stays");
    for (const char* name : {"connection", "x-gone", "keep-alive", "transfer-encoding"})
        EXPECT_EQ(got.field(name), "") << name;
}

TEST(Http2Wire, ABrokenAnswerIsResetAndTheConnectionGoesOn) {
    scripted_origin origin([](raw_socket& connection) {
        connection.read_until("\r\n\r\n");
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        connection.close();
    });
    proxy gateway({.replicas = {origin.port()}});
    http2_peer client(gateway.port());
    const http2_answer& broken = client.answer(client.request(get("/")));
    EXPECT_FALSE(broken.complete);
    EXPECT_EQ(broken.reset, 2U) << "INTERNAL_ERROR";
    EXPECT_TRUE(client.still_there());
}

TEST(Http2Wire, ExpectContinueIsAnsweredBeforeTheBodyIsAskedFor) {
    scripted_origin origin(echo);
    proxy gateway({.replicas = {origin.port()}});
    http2_peer client(gateway.port());
    const std::uint32_t stream =
        client.request(post("/", {{"content-length", "5"}, {"expect", "100-continue"}}), false);
    while (true) {
        const std::optional<http2_frame> frame = client.next();
        ASSERT_TRUE(frame);
        if (frame->type == frame_type::headers) break;
    }
    client.body(stream, "hello", true);
    const http2_answer& answer = client.answer(stream);
    ASSERT_EQ(answer.interim.size(), 1U);
    EXPECT_EQ(answer.interim[0].second, "100");
    EXPECT_EQ(answer.status(), "200");
    EXPECT_TRUE(answer.body.ends_with("hello")) << answer.body;
    EXPECT_FALSE(contains(answer.body, "expect"));
}

TEST(Http2Wire, ABodyAboveTheLimitIsRefused) {
    scripted_origin origin(echo);
    http::server_settings settings;
    settings.body_bytes_max = 10;
    proxy gateway({.replicas = {origin.port()}, .server = settings});
    http2_peer client(gateway.port());
    const std::uint32_t said = client.request(post("/", {{"content-length", "11"}}), false);
    EXPECT_EQ(client.answer(said).status(), "413");
    const std::uint32_t unsaid = client.request(post("/"), false);
    client.body(unsaid, std::string(11, 'x'), true);
    EXPECT_EQ(client.answer(unsaid).status(), "413");
    EXPECT_TRUE(client.still_there());
}

struct bad_head {
    const char* name;
    header_list head;
    const char* status;  // "": the stream is reset
};

// The head of a good request with one field otherwise.
header_list with(const std::string& name, const std::string& value) {
    header_list out = get("/");
    for (auto& [known, old] : out)
        if (known == name) {
            old = value;
            return out;
        }
    out.emplace_back(name, value);
    return out;
}

header_list without(const std::string& name) {
    header_list out = get("/");
    std::erase_if(out, [&](const auto& one) { return one.first == name; });
    return out;
}

std::vector<bad_head> bad_heads() {
    header_list many = get("/");
    for (int i = 0; i < 21; ++i) many.emplace_back("x", "y");
    header_list late = {{"x", "y"}};
    for (const auto& one : get("/")) late.push_back(one);
    return {
        {"no method", without(":method"), ""},
        {"no scheme", without(":scheme"), ""},
        {"no path", without(":path"), ""},
        {"no authority and no host", without(":authority"), ""},
        {"pseudo field behind a field", late, ""},
        {"unknown pseudo field", with(":other", "x"), ""},
        {"upper-case name", with("X-Upper", "x"), ""},
        {"connection", with("connection", "close"), ""},
        {"keep-alive", with("keep-alive", "timeout=5"), ""},
        {"transfer-encoding", with("transfer-encoding", "chunked"), ""},
        {"upgrade", with("upgrade", "websocket"), ""},
        {"te", with("te", "gzip"), ""},
        {"line break in a value", with("x", "a\r\nb: c"), "400"},
        {"NUL in a value", with("x", std::string("a\0b", 3)), "400"},
        {"line break in the path", with(":path", "/a\r\nHost: b"), ""},
        {"space in the path", with(":path", "/a b"), ""},
        {"absolute form", with(":path", "http://b/"), ""},
        {"path above the root", with(":path", "/../a"), "400"},
        {"authority with a user", with(":authority", "a@b"), "400"},
        {"host of another place", with("host", "other.example"), "400"},
        {"scheme of another kind", with(":scheme", "ftp"), "400"},
        {"imitated field", with("lethe_session", "x"), "400"},
        {"two lengths", with("content-length", "3"), ""},
        {"CONNECT", {{":method", "CONNECT"}, {":authority", "a:1"}}, "501"},
        {"TRACE", with(":method", "TRACE"), "501"},
        {"long path", with(":path", "/" + std::string(1100, 'a')), "414"},
        {"large head", with("x", std::string(5000, 'a')), "431"},
        {"many fields", many, "431"},
        {"other expectation", with("expect", "miracles"), "417"},
    };
}

TEST(Http2Wire, HeadsThatOthersCouldReadDifferentlyAreRefused) {
    scripted_origin origin(echo);
    http::server_settings settings;
    settings.head.head_bytes_max = 4096;
    settings.head.target_bytes_max = 1024;
    settings.head.fields_max = 20;
    proxy gateway({.replicas = {origin.port()}, .server = settings});
    for (const bad_head& one : bad_heads()) {
        http2_peer client(gateway.port());
        const http2_answer& got = client.answer(client.request(one.head));
        if (*one.status == '\0')
            EXPECT_EQ(got.reset, 1U) << one.name << ": " << got.status() << got.body;
        else
            EXPECT_EQ(got.status(), one.status) << one.name;
        EXPECT_EQ(client.answer(client.request(get("/"))).status(), "200") << one.name;
    }
}

TEST(Http2Wire, WhatTheClientLeavesIsCancelled) {
    gated_origin origin;
    proxy gateway({.replicas = {origin.port()}});
    http2_peer client(gateway.port());
    const std::uint32_t stream = client.request(get("/watched"));
    ASSERT_TRUE(origin.wait_for_slow());
    client.send({frame_type::rst_stream, 0, stream, number32(8)});
    EXPECT_TRUE(origin.wait_until_left());
    EXPECT_TRUE(client.still_there());
}

TEST(Http2Wire, AClientThatGoesCancelsAllOfItsRequests) {
    gated_origin origin;
    proxy gateway({.replicas = {origin.port()}});
    {
        http2_peer client(gateway.port());
        client.request(get("/watched"));
        ASSERT_TRUE(origin.wait_for_slow());
    }
    EXPECT_TRUE(origin.wait_until_left());
}

TEST(Http2Wire, PriorKnowledgeHoldsForTheFirstBytesOnly) {
    scripted_origin origin(echo);
    proxy gateway({.replicas = {origin.port()}});
    raw_socket late = raw_socket::connect(gateway.port());
    late.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_TRUE(late.read_message().starts_with("HTTP/1.1 200 "));
    late.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    EXPECT_TRUE(late.read_all().starts_with("HTTP/1.1 505 "));
    // A preface that comes byte by byte, and one that breaks off in its middle.
    raw_socket slow = raw_socket::connect(gateway.port());
    slow.send_in_pieces(
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + to_bytes({frame_type::settings, 0, 0, {}}), 1);
    EXPECT_EQ(slow.read_bytes(9).substr(3, 1), std::string("\4"));
    raw_socket other = raw_socket::connect(gateway.port());
    other.send("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n" + to_bytes({frame_type::settings, 0, 0, {}}));
    EXPECT_FALSE(contains(other.read_all(), "200"));
}

TEST(Http2Wire, ADoorMayBeWithoutIt) {
    scripted_origin origin(echo);
    proxy_options options{.replicas = {origin.port()}};
    options.door.http2 = false;
    proxy gateway(std::move(options));
    raw_socket client = raw_socket::connect(gateway.port());
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    EXPECT_TRUE(client.read_all().starts_with("HTTP/1.1 505 "));
}

TEST(Http2Wire, ADrainSaysGoodbyeAndServesWhatIsUnderWay) {
    gated_origin origin;
    proxy gateway({.replicas = {origin.port()}});
    http2_peer busy(gateway.port());
    http2_peer idle(gateway.port());
    ASSERT_TRUE(idle.still_there());
    const std::uint32_t slow = busy.request(get("/slow"));
    ASSERT_TRUE(origin.wait_for_slow());
    gateway.drain();
    const auto first = busy.goaway();
    ASSERT_TRUE(first);
    EXPECT_EQ(first->last_stream, 0x7fffffffU) << "first a notice: what is on its way is served";
    EXPECT_EQ(first->code, 0U);
    const std::uint32_t on_its_way = busy.request(get("/quick"));
    EXPECT_EQ(busy.answer(on_its_way).body, "ok");
    const auto second = busy.goaway();
    ASSERT_TRUE(second);
    EXPECT_EQ(second->last_stream, on_its_way);
    origin.let_go();
    EXPECT_EQ(busy.answer(slow).body, "ok");
    EXPECT_FALSE(busy.next()) << "then it ends";
    ASSERT_TRUE(idle.goaway());
    ASSERT_TRUE(idle.goaway());
    EXPECT_FALSE(idle.next());
}

TEST(Http2Wire, AnIdleConnectionIsClosedWithAGoodbye) {
    http::server_settings settings;
    settings.keep_alive_timeout = 300ms;
    proxy gateway({.replicas = {closed_port()}, .server = settings});
    http2_peer client(gateway.port());
    const auto said = client.goaway();
    ASSERT_TRUE(said);
    EXPECT_EQ(said->code, 0U);
    EXPECT_FALSE(client.next());
}

TEST(Http2Wire, PingsDoNotKeepAnIdleConnection) {
    http::server_settings settings;
    settings.keep_alive_timeout = 300ms;
    proxy gateway({.replicas = {closed_port()}, .server = settings});
    http2_peer client(gateway.port());
    const auto began = std::chrono::steady_clock::now();
    while (client.still_there() && std::chrono::steady_clock::now() - began < 10s)
        std::this_thread::sleep_for(50ms);
    EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
}

}  // namespace
}  // namespace lethe::test
