// Services as users make them, asked over real connections by a client that shares no code with
// them.
#include "lethe/lethe.hpp"
#include "library/routes.hpp"
#include "library/test_service.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include <signal.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <stdexcept>
#include <thread>

namespace lethe {
namespace {

using answer = boost::asio::awaitable<response>;
using namespace std::chrono_literals;

answer greet(request r) {
    co_return response::text("hello, " + std::string(r.path_parameter("name")));
}

answer tell_what_lethe_said(request r) {
    const boost::system::result<json_value> session = r.session().slots();
    std::string text = session.has_value() ? session->to_text() : session.error().message();
    text += '|' + r.session_id() + '|' + std::to_string(r.attempt()) + '|' + r.idempotency_key();
    co_return response::text(std::move(text));
}

answer fail(request) {
    throw std::runtime_error("a secret of the service");
    co_return response();
}

answer answer_nonsense(request) {
    response out;
    out.set("X-Evil", "a\r\nSet-Cookie: b=c");
    co_return out;
}

answer echo(request r) {
    co_return response::text(std::string(r.body()));
}

answer work_elsewhere(request) {
    const auto caller = std::this_thread::get_id();
    const boost::system::result<bool> moved =
        co_await blocking([caller] { return std::this_thread::get_id() != caller; });
    co_return response::text(moved.has_value() && *moved ? "elsewhere" : "here");
}

answer throw_elsewhere(request) {
    std::string caught;
    try {
        const boost::system::result<int> never =
            co_await blocking([]() -> int { throw std::runtime_error("from the pool"); });
        static_cast<void>(never);
    } catch (const std::runtime_error& e) {
        caught = e.what();
    }
    co_return response::text(caught);
}

// What the threads of the pool wait for, and how many of them do.
struct gate {
    std::promise<void> opener;
    std::shared_future<void> opened = opener.get_future().share();
    std::atomic<int> waiting{0};
};

answer wait_at(gate& at, request) {
    const auto wait = [&at] {
        ++at.waiting;
        at.opened.wait();
    };
    const boost::system::result<void> waited = co_await blocking(wait);
    if (waited.has_error()) co_return response::problem(503, waited.error().message());
    co_return response::text("done");
}

answer sleep_a_little(std::atomic<bool>& begun, request) {
    const boost::asio::any_io_executor executor = co_await boost::asio::this_coro::executor;
    begun = true;
    boost::asio::steady_timer timer(executor, 300ms);
    co_await timer.async_wait(boost::asio::use_awaitable);
    co_return response::text("slept");
}

TEST(Service, RoutesByPathAndMethodAndDecodesItsPlaces) {
    service s(on_any_port());
    s.get("/hello/{name}", greet).get("/hello/world", echo).post("/echo", echo);
    running on(s);
    test::client c(on.port());
    EXPECT_EQ(c.get("/hello/a%20b%2Fc").body, "hello, a b/c");
    EXPECT_EQ(c.get("/hello/world").body, "");
    EXPECT_EQ(c.get("/hello/").status, 404);
    EXPECT_EQ(c.get("/nothing").status, 404);
    EXPECT_EQ(c.post("/echo", "{}").body, "{}");
    const test::http_answer wrong = c.get("/echo");
    EXPECT_EQ(wrong.status, 405);
    EXPECT_EQ(wrong.field("Allow"), "POST");
    const test::http_answer head = c.send({.method = "HEAD", .target = "/hello/x"});
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.field("Content-Length"), "8");
}

TEST(Service, AnswersOnAllItsWorkers) {
    service_options options = on_any_port();
    options.workers = 3;
    service s(options);
    s.get("/hello/{name}", greet);
    running on(s);
    for (int i = 0; i < 30; ++i) {
        test::client c(on.port());
        EXPECT_EQ(c.get("/hello/x").body, "hello, x");
    }
}

TEST(Service, AHandlerThatThrowsBecomesA500ThatTellsNothing) {
    service s(on_any_port());
    s.get("/fail", fail).get("/nonsense", answer_nonsense);
    running on(s);
    test::client c(on.port());
    const test::http_answer failed = c.get("/fail");
    EXPECT_EQ(failed.status, 500);
    EXPECT_EQ(failed.body.find("secret"), std::string::npos);
    const test::http_answer nonsense = c.get("/nonsense");
    EXPECT_EQ(nonsense.status, 500);
    EXPECT_FALSE(nonsense.field("Set-Cookie").has_value());
}

TEST(Service, RefusesABodyAboveItsLimit) {
    service_options options = on_any_port();
    options.body_bytes_max = 100;
    service s(options);
    s.post("/echo", echo);
    running on(s);
    test::client c(on.port());
    EXPECT_EQ(c.post("/echo", std::string(100, 'a')).body, std::string(100, 'a'));
    EXPECT_EQ(c.post("/echo", std::string(101, 'a')).status, 413);
    test::client chunked(on.port());
    ASSERT_TRUE(
        chunked.send_raw("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                         "64\r\n" +
                         std::string(100, 'b') + "\r\n1\r\nc\r\n0\r\n\r\n"));
    EXPECT_EQ(chunked.read_answer().status, 413);
}

TEST(Service, ReadsWhatLetheHandsOver) {
    service s(on_any_port());
    s.get("/said", tell_what_lethe_said);
    running on(s);
    test::client c(on.port());
    const test::http_answer all = c.get("/said", {{"Lethe-Session", ":eyJjYXJ0Ijp7fX0=:"},
                                                  {"Lethe-Session-Id", "\"p8\""},
                                                  {"Lethe-Attempt", "2"},
                                                  {"Idempotency-Key", "\"a-b\""}});
    EXPECT_EQ(all.body, "{\"cart\":{}}|p8|2|a-b");
    EXPECT_EQ(c.get("/said").body, "{}||0|");
    EXPECT_EQ(c.get("/said", {{"Idempotency-Key", "bare"}}).body, "{}||0|bare");
    EXPECT_EQ(c.get("/said", {{"Lethe-Session", "e30="}}).body,
              "a field of lethe's is malformed||0|");
    EXPECT_EQ(c.get("/said", {{"Lethe-Session-Url", "\"http://x\""}}).body,
              "the session is too large for a field||0|");
}

TEST(Service, BlockingWorkRunsOnThePoolAndThrowsToItsCaller) {
    service s(on_any_port());
    s.get("/work", work_elsewhere).get("/throw", throw_elsewhere);
    running on(s);
    test::client c(on.port());
    EXPECT_EQ(c.get("/work").body, "elsewhere");
    EXPECT_EQ(c.get("/throw").body, "from the pool");
}

TEST(Service, AFullPoolRefusesAtOnce) {
    service_options options = on_any_port();
    options.blocking_threads = 1;
    options.blocking_queue_max = 1;
    service s(options);
    gate at;
    s.get("/wait", [&at](request r) { return wait_at(at, std::move(r)); });
    running on(s);
    const auto ask = [&on] {
        test::client c(on.port());
        return c.get("/wait").status;
    };
    std::vector<std::future<int>> asking;
    asking.push_back(std::async(std::launch::async, ask));
    while (at.waiting == 0) std::this_thread::yield();
    // One holds the thread, so that of the others one gets the queue's place.
    for (int i = 0; i < 5; ++i) asking.push_back(std::async(std::launch::async, ask));
    std::ptrdiff_t refused = 0;
    while (refused < 4)
        refused = std::ranges::count_if(
            asking, [](auto& one) { return one.wait_for(5ms) == std::future_status::ready; });
    at.opener.set_value();
    const auto done = std::ranges::count_if(asking, [](auto& one) { return one.get() == 200; });
    EXPECT_EQ(refused, 4);
    EXPECT_EQ(done, 2);
}

TEST(Service, StopAnswersWhatIsUnderWay) {
    service s(on_any_port());
    std::atomic<bool> begun{false};
    s.get("/sleep", [&begun](request r) { return sleep_a_little(begun, std::move(r)); });
    running on(s);
    std::future<test::http_answer> slow = std::async(std::launch::async, [&on] {
        test::client c(on.port());
        return c.get("/sleep");
    });
    while (!begun) std::this_thread::yield();
    EXPECT_TRUE(on.stop());
    const test::http_answer got = slow.get();
    EXPECT_EQ(got.body, "slept");
    EXPECT_EQ(got.field("Connection"), "close");
    test::client late(on.port());
    EXPECT_EQ(late.get("/sleep").failure, test::http_failure::refused);
}

TEST(Service, SigtermStopsIt) {
    service s(on_any_port());
    s.get("/hello/{name}", greet);
    running on(s);
    ASSERT_EQ(::kill(::getpid(), SIGTERM), 0);
    EXPECT_TRUE(on.join());
}

TEST(Service, APortInUseIsAnErrorNotACrash) {
    service first(on_any_port());
    running on(first);
    service_options options = on_any_port();
    options.port = on.port();
    service second(options);
    EXPECT_EQ(second.run().error(), make_error_code(service_errc::address_in_use));
    options.address = "not an address";
    service third(options);
    EXPECT_EQ(third.run().error(), make_error_code(service_errc::cannot_listen));
}

TEST(Service, ABadPatternIsAnErrorOfRun) {
    for (const char* pattern : {"", "no-slash", "/a/{}", "/{a}/{a}", "/a{b}", "/a?b"}) {
        service s(on_any_port());
        s.get(pattern, greet);
        EXPECT_EQ(s.run().error(), make_error_code(service_errc::bad_route)) << pattern;
    }
}

TEST(Service, EveryAnswerCarriesItsOwnField) {
    service s(on_any_port());
    s.set_on_every_answer("X-Replica", "a").get("/hello/{name}", greet).get("/fail", fail);
    running on(s);
    test::client c(on.port());
    for (const char* target : {"/hello/x", "/fail", "/nothing"})
        EXPECT_EQ(c.get(target).field("X-Replica"), "a") << target;
}

TEST(Routes, ALiteralSegmentGoesBeforeAName) {
    library::route_table table;
    ASSERT_TRUE(table.add("GET", "/a/{x}/c", greet));
    ASSERT_TRUE(table.add("GET", "/a/b/{y}", greet));
    const library::found_route found = table.find("GET", "/a/b/c");
    ASSERT_EQ(found.places.size(), 1U);
    EXPECT_EQ(found.places[0].first, "y");
}

TEST(SessionChange, WritesOperationsInOrder) {
    session_change change;
    change.set_add("/cart/items", "sku \"1\"").increment("/cart/count", 1, {.min = {}, .max = 9});
    change.put_if_absent("/cart/" + escape_pointer("a/b~c"),
                         json_value::parse("{\"d\":[]}").value());
    change.append("/log", 7, 3).set_remove("/cart/items", true);
    EXPECT_EQ(change.to_json(), R"([{"op":"set_add","path":"/cart/items","value":"sku \"1\""},)"
                                R"({"op":"inc","path":"/cart/count","by":1,"max":9},)"
                                R"({"op":"put_if_absent","path":"/cart/a~1b~0c","value":{"d":[]}},)"
                                R"({"op":"append","path":"/log","value":7,"limit":3},)"
                                R"({"op":"set_remove","path":"/cart/items","value":true}])");
}

TEST(Response, SaysWhatLetheShallDo) {
    response out;
    out.change_session(session_merge().remove("cart"))
        .bind_session("a\"b")
        .set_outcome(outcome_wish::release);
    out.change_session(session_change().set_add("/a", 1));
    ASSERT_EQ(out.fields().size(), 3U);
    EXPECT_EQ(out.fields()[0].second, R"(bind;subject="a\"b")");
    EXPECT_EQ(out.fields()[1].second, "release");
    EXPECT_EQ(out.fields()[2].second,
              ":W3sib3AiOiJzZXRfYWRkIiwicGF0aCI6Ii9hIiwidmFsdWUiOjF9XQ==:;type=ops");
}

}  // namespace
}  // namespace lethe
