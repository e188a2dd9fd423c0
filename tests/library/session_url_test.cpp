// request::fetch_session and request::change_session: behind a real gateway, and with peers that
// answer what no gateway should.
#include "gateway/running_gateway.hpp"
#include "library/test_service.hpp"
#include "wire/peers.hpp"

#include <gtest/gtest.h>

namespace lethe::test {
namespace {

using answer = boost::asio::awaitable<response>;

template <class T>
std::string word_for(const boost::system::result<T>& of) {
    return of.has_error() ? of.error().message() : "done";
}

// The slot `page` as text, wherever it is.
answer show(request r) {
    const session_view session = co_await r.fetch_session();
    const auto page = session.slot("page").get_or<std::string>("", "nothing");
    co_return response::text(page.has_value() ? *page : page.error().message());
}

answer show_version(request r) {
    const session_view session = co_await r.fetch_session();
    co_return response::text(std::to_string(session.version()));
}

answer show_url(request r) {
    co_return response::text(std::string(r.header("Lethe-Session-Url").value_or("")));
}

// A page of as many letters as the body says, by URL.
answer put_page(request r) {
    const std::string page(std::stoul(std::string(r.body())), 'x');
    const auto made = co_await r.change_session(session_merge().put("page", page));
    co_return response::text(word_for(made));
}

// The same step twice, then another one.
answer count_twice(request r) {
    for (const char* step : {"first", "first", "second"}) {
        const auto made =
            co_await r.change_session(session_change().increment("/count/of", 1), {.step = step});
        if (made.has_error()) co_return response::text(made.error().message());
    }
    const session_view session = co_await r.fetch_session();
    const auto count = session.slot("count").get_or<std::int64_t>("/of", -1);
    co_return response::text(count.has_value() ? std::to_string(*count) : word_for(count));
}

answer change_what_is_not_so(request r) {
    const auto made = co_await r.change_session(session_patch().test("/count", "no number"));
    co_return response::text(word_for(made));
}

answer write_what_is_not_mine(request r) {
    const auto made = co_await r.change_session(session_merge().put("rights", "all"));
    co_return response::text(word_for(made));
}

answer read_and_change(request r) {
    const session_view session = co_await r.fetch_session();
    const auto slots = session.slots();
    const auto made = co_await r.change_session(session_change().increment("/count/of", 1),
                                                {.condition = session_condition::any, .step = "s"});
    co_return response::text(word_for(slots) + "; " + word_for(made));
}

class LibrarySessionUrl : public testing::Test {
 protected:
    LibrarySessionUrl() {
        shop_.get("/show", show)
            .get("/version", show_version)
            .get("/url", show_url)
            .post("/page", put_page)
            .post("/count", count_twice)
            .post("/not-so", change_what_is_not_so)
            .post("/not-mine", write_what_is_not_mine)
            .post("/both", read_and_change);
        on_.emplace(shop_);
    }

    void start_gateway(const std::string& url_rule) {
        gateway_.emplace(
            "store: \"sqlite:${DIR}/state.db\"\n"
            "sessions: {cookie_name: sid, cookie_secure: false, session_bytes_max: 64KiB}\n"
            "session_api: {address: \"127.0.0.1:" +
            std::to_string(free_ports(1)[0]) +
            "\"}\n"
            "upstreams:\n  - {name: shop, replicas: [\"http://127.0.0.1:" +
            std::to_string(on_->port()) +
            "\"]}\nroutes:\n  - match: {prefix: /}\n"
            "    session: {read: [page, count], write: [page, count]" +
            url_rule +
            "}\n"
            "    idempotency: {scope: public}\n    upstream: shop\n");
        ASSERT_TRUE(gateway_->start());
    }
    // What the service makes of a Lethe-Session-Url, asked without a gateway.
    std::string with_url(const std::string& url) {
        client direct(on_->port());
        return direct
            .send({.method = "POST",
                   .target = "/both",
                   .fields = {{"Lethe-Session-Url", '"' + url + '"'}, {"Idempotency-Key", "k"}}})
            .body;
    }
    // The same where the gateway answers `bytes` to everything and closes.
    std::string with_answers(const std::string& bytes) {
        scripted_origin peer([&bytes](raw_socket& connection) {
            connection.read_message();
            connection.send(bytes);
        });
        return with_url(handle_at(peer.port()));
    }
    static std::string handle_at(std::uint16_t port) {
        return "http://127.0.0.1:" + std::to_string(port) + "/lethe/v1/session/hABC";
    }
    static std::string refusal(int status, const std::string& type) {
        const std::string body = R"({"type":"urn:lethe:problem:)" + type + "\"}";
        return "HTTP/1.1 " + std::to_string(status) +
               " No\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    }

    service shop_{on_any_port()};
    std::optional<running> on_;
    std::optional<running_gateway> gateway_;
};

TEST_F(LibrarySessionUrl, AServiceReadsAndWritesWhatFitsIntoNoField) {
    start_gateway(", url: always");
    client browser(gateway_->port);
    EXPECT_EQ(browser.get("/show").body, "nothing");
    // Above 8 KiB, which an answer's field cannot carry, and above the 4 KiB of a request's.
    EXPECT_EQ(browser.post("/page", "20000").body, "done");
    EXPECT_EQ(browser.get("/show").body, std::string(20'000, 'x'));
    EXPECT_EQ(browser.get("/version").body, "1");
    for (const char* size : {"70000", "200000", "20000000"})
        EXPECT_EQ(browser.post("/page", size).body, "the session cannot be changed so") << size;
    EXPECT_EQ(browser.get("/show").body, std::string(20'000, 'x'));
}

TEST_F(LibrarySessionUrl, WithoutAUrlWhatCameInTheFieldIsRead) {
    start_gateway("");
    client browser(gateway_->port);
    EXPECT_EQ(browser.get("/show").body, "nothing");
    EXPECT_EQ(browser.post("/page", "10").body, "the request has no Lethe-Session-Url");
}

TEST_F(LibrarySessionUrl, AStepOfAKeyedRequestIsMadeOnce) {
    start_gateway(", url: always");
    client browser(gateway_->port);
    EXPECT_EQ(browser.post("/count", "").body, "3") << "without a key each change is a new one";
    const auto count = [&browser](const std::string& key) {
        return browser
            .send({.method = "POST", .target = "/count", .fields = {{"Idempotency-Key", key}}})
            .body;
    };
    EXPECT_EQ(count("0b6d5a3c-9b1e-4f6a-8f0e-2f4c7f1f0a11"), "5");
    EXPECT_EQ(count("0b6d5a3c-9b1e-4f6a-8f0e-2f4c7f1f0a12"), "7");
}

TEST_F(LibrarySessionUrl, AHandlerThatIsRunAgainMakesItsStepsOnce) {
    start_gateway(", url: always");
    client browser(gateway_->port);
    EXPECT_EQ(browser.post("/page", "10").body, "done");
    // What a gateway sends that does not know what became of the first attempt.
    const field_list fields = {{"Lethe-Session-Url", browser.get("/url").body},
                               {"Idempotency-Key", "\"order-7\""}};
    client direct(on_->port());
    for (int attempt = 1; attempt <= 3; ++attempt)
        EXPECT_EQ(direct.send({.method = "POST", .target = "/count", .fields = fields}).body, "2")
            << attempt;
}

TEST_F(LibrarySessionUrl, WhatLetheDoesNotMakeIsSaid) {
    start_gateway(", url: always");
    client browser(gateway_->port);
    EXPECT_EQ(browser.post("/count", "").body, "3");
    EXPECT_EQ(browser.post("/not-so", "").body, "others have changed the session");
    EXPECT_EQ(browser.post("/not-mine", "").body, "the session cannot be changed so");
}

TEST_F(LibrarySessionUrl, AGatewayThatIsAwayChangedNothing) {
    EXPECT_EQ(with_url(handle_at(closed_port())),
              "the session cannot be reached now; the session cannot be reached now");
    EXPECT_EQ(with_answers(refusal(503, "session-unavailable")),
              "the session cannot be reached now; the session cannot be reached now");
}

TEST_F(LibrarySessionUrl, ASilentGatewayIsWaitedForTenSeconds) {
    scripted_origin silent([](raw_socket& connection) {
        connection.read_message();
        connection.closed_within(std::chrono::seconds(30));
    });
    client direct(on_->port(), std::chrono::seconds(30));
    EXPECT_EQ(
        direct.get("/show", {{"Lethe-Session-Url", '"' + handle_at(silent.port()) + '"'}}).body,
        "the session cannot be reached now");
}

TEST_F(LibrarySessionUrl, ALostAnswerIsNotTakenForOne) {
    const std::string unknown =
        "the session cannot be reached now; it is not known whether the session was changed";
    EXPECT_EQ(with_answers(""), unknown);
    EXPECT_EQ(with_answers("HTTP/1.1 204 No Con"), unknown);
    EXPECT_EQ(with_answers("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), unknown);
    EXPECT_EQ(with_answers("nonsense\r\n\r\n"), unknown);
    EXPECT_EQ(with_answers(refusal(503, "session-outcome-unknown")), unknown);
    EXPECT_EQ(with_answers(refusal(502, "somebody-else")), unknown);
}

TEST_F(LibrarySessionUrl, ASessionThatEndedIsGone) {
    EXPECT_EQ(with_answers(refusal(410, "session-gone")),
              "the session has ended; the session has ended");
    EXPECT_EQ(with_answers(refusal(404, "session-handle-unknown")),
              "the session has ended; the session has ended");
}

TEST_F(LibrarySessionUrl, WhatLetheDoesNotWriteIsNotFollowed) {
    const std::string malformed =
        "a field of lethe's is malformed; a field of lethe's is malformed";
    scripted_origin peer(echo);
    const std::string at = "127.0.0.1:" + std::to_string(peer.port());
    const std::vector<std::string> urls = {"https://" + at + "/lethe/v1/session/hABC",
                                           "http://" + at + "/admin",
                                           "http://" + at + "/lethe/v1/session/h A",
                                           "http:///lethe/v1/session/hABC",
                                           "http://" + at,
                                           "ftp://x/lethe/v1/session/h",
                                           ""};
    for (const std::string& url : urls) EXPECT_EQ(with_url(url), malformed) << url;
    EXPECT_EQ(peer.connections(), 0);
}

}  // namespace
}  // namespace lethe::test
