// A service that remembers what reached it: one replica of it. What it does is small (a line in a
// journal, a number in the session), so that everything about it can be judged afterwards.
//
//     POST /w/hold/work, /w/resend/work, /w/reconcile/work ?delay=MS   keyed work of three routes
//     GET  /w/effects/{key}   whether a key of the caller had its effect; for reconcile
//     GET  /w/ledger          what the session holds
//     POST /w/login, /w/logout
//     POST /w/cart            {"article": "c1", "item": "c1-7"}: adds to the session's cart
//     GET  /w/cart
#include "witness/journal.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <lethe/lethe.hpp>
#include <string>
#include <string_view>

namespace asio = boost::asio;
namespace json = boost::json;
using lethe::request;
using lethe::response;
using answer = asio::awaitable<response>;

namespace lethe::witness {
namespace {

// One worker, so one at a time.
struct premises {
    journal& book;
    std::string name;
    unsigned effects = 0;
};

// Everybody else waits meanwhile.
struct turn {
    explicit turn(journal& book) : book_(book) { book_.lock(); }
    ~turn() { book_.unlock(); }
    turn(const turn&) = delete;
    turn& operator=(const turn&) = delete;

 private:
    journal& book_;
};

std::string user_of(const request& r) {
    return std::string(r.header("X-User").value_or("nobody"));
}

json::object session_of(const request& r) {
    const boost::system::result<json_value> slots = r.session().slots();
    if (slots.has_error()) return {{"unreadable", true}};
    boost::system::error_code error;
    json::value root = json::parse(slots->to_text(), error);
    return !error && root.is_object() ? std::move(root.as_object()) : json::object{};
}

response json_answer(const json::object& body, int status = 200) {
    return response::json_text(json::serialize(body) + '\n', status);
}

asio::awaitable<void> wait_half(const request& r) {
    const long wish = std::strtol(r.query_parameter("delay").value_or("0").c_str(), nullptr, 10);
    if (wish <= 0) co_return;
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor, std::chrono::microseconds(wish * 500));
    co_await timer.async_wait(asio::use_awaitable);
}

bool repeats(const std::string& rule) {
    return rule == "resend" || rule == "reconcile";
}

enum class entrance { open, refused };

// A request arrives. A service that takes repetitions refuses an attempt below one it has seen.
entrance arrive(premises& with, const entry& one) {
    const turn mine(with.book);
    const key_past past = with.book.past_of(one.user, one.key);
    const bool late = one.attempt < past.highest || one.attempt <= past.barred;
    if (repeats(one.rule) && late) {
        entry refused = one;
        refused.what = event::refused;
        with.book.write(refused);
        return entrance::refused;
    }
    with.book.write(one);
    return entrance::open;
}

// "" when a later attempt has come in meanwhile. The effect there is, where repetitions are taken.
std::string take_effect(premises& with, entry one) {
    const turn mine(with.book);
    const key_past past = with.book.past_of(one.user, one.key);
    if (repeats(one.rule)) {
        if (one.attempt < past.highest || one.attempt <= past.barred) return {};
        if (!past.effect.empty()) return past.effect;
    }
    one.what = event::effect;
    one.effect =
        with.name + '-' + std::to_string(::getpid()) + '-' + std::to_string(++with.effects);
    with.book.write(one);
    return one.effect;
}

// An attempt that did nothing; a later one decides.
response too_late() {
    response out = response::problem(412, "An attempt after this one has arrived");
    out.set_outcome(outcome_wish::unknown);
    return out;
}

lethe::session_change change_for(const std::string& user, const std::string& key) {
    lethe::session_change change;
    change.increment("/ledger/" + key, 1).put_if_absent("/owner", user);
    return change;
}

// Work that is done once for a key: a line, and 1 in the session's ledger.
answer do_work(premises& with, request r, std::string rule) {
    const entry one{event::forward, rule, user_of(r), r.idempotency_key(), r.attempt(), {}};
    if (one.key.empty()) co_return response::problem(400, "Only with a key");
    const bool let_in = arrive(with, one) == entrance::open;
    if (!let_in) co_return too_late();
    co_await wait_half(r);
    const std::string effect = take_effect(with, one);
    if (effect.empty()) co_return too_late();
    const json::object session = session_of(r);
    const json::value* const owner = session.if_contains("owner");
    response out = json_answer({{"user", one.user},
                                {"key", one.key},
                                {"attempt", one.attempt},
                                {"effect", effect},
                                {"owner", owner == nullptr ? json::value("") : *owner}},
                               201);
    if (rule == "logout") {
        out.destroy_session();
    } else {
        out.change_session(change_for(one.user, one.key));
        if (rule == "login") out.bind_session(one.user);
    }
    co_await wait_half(r);
    co_return out;
}

answer show_effect(premises& with, request r) {
    const turn mine(with.book);
    const std::string user = user_of(r);
    const std::string key(r.path_parameter("key"));
    const key_past past = with.book.past_of(user, key);
    if (past.effect.empty()) {
        const std::uint64_t below = r.attempt() == 0 ? past.highest : r.attempt() - 1;
        with.book.write({event::barred, "reconcile", user, key, below, {}});
        co_return response::problem(404, "It was not done");
    }
    response out = json_answer({{"user", user},
                                {"key", key},
                                {"attempt", r.attempt()},
                                {"effect", past.effect},
                                {"owner", ""}});
    out.change_session(change_for(user, key));
    co_return out;
}

answer show_session(request r) {
    co_return json_answer(
        {{"user", user_of(r)}, {"session", r.session_id()}, {"slots", session_of(r)}});
}

answer add_to_cart(request r) {
    boost::system::error_code error;
    const json::value body = json::parse(r.body(), error);
    if (error || !body.is_object() || !body.as_object().contains("article"))
        co_return response::problem(400, "Not an article");
    lethe::session_change change;
    change.increment("/cart/all", 1)
        .increment("/cart/of/" + std::string(body.as_object().at("article").as_string()), 1);
    if (const json::value* const item = body.as_object().if_contains("item"))
        change.set_add("/cart/items", std::string_view(item->as_string()));
    response out = json_answer({{"added", body}}, 201);
    out.change_session(change);
    co_return out;
}

answer show_health(request) {
    co_return json_answer({{"status", "ok"}});
}

void add_pages(lethe::service& to, premises& with) {
    const auto work = [&with](std::string rule) {
        return [&with, rule](request r) { return do_work(with, std::move(r), rule); };
    };
    to.get("/healthz", show_health)
        .post("/w/hold/work", work("hold"))
        .post("/w/resend/work", work("resend"))
        .post("/w/reconcile/work", work("reconcile"))
        .post("/w/login", work("login"))
        .post("/w/logout", work("logout"))
        .get("/w/effects/{key}", [&with](request r) { return show_effect(with, std::move(r)); })
        .get("/w/ledger", show_session)
        .get("/w/cart", show_session)
        .post("/w/cart", add_to_cart);
}

int serve(const std::string& port, const std::string& file, const std::string& name) {
    journal book(file);
    premises with{book, name};
    lethe::service_options settings;
    settings.port = static_cast<std::uint16_t>(std::strtoul(port.c_str(), nullptr, 10));
    lethe::service service(settings);
    add_pages(service, with);
    const boost::system::result<void> served = service.run();
    if (served.has_value()) return 0;
    std::fprintf(stderr, "lethe_witness: %s\n", served.error().message().c_str());
    return 1;
}

}  // namespace
}  // namespace lethe::witness

int main(int count, char** arguments) {
    if (count != 4) {
        std::fputs("usage: lethe_witness PORT JOURNAL NAME\n", stderr);
        return 2;
    }
    try {
        return lethe::witness::serve(arguments[1], arguments[2], arguments[3]);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "lethe_witness: %s\n", e.what());
        return 1;
    }
}
