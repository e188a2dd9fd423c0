// Rows about an outcome that nobody knows, about fencing, and about session changes in outcomes.
#include "rows/rows.hpp"

#include <csignal>

namespace lethe::test {
namespace {

bool lose(raw_socket& to) {
    to.reset();
    return false;
}

TEST_P(idempotency, RetryWhileUnknown) {
    start(keyed("mode: required"));
    service_.act([](const seen_request&, raw_socket& to) { return lose(to); });
    const call one{.key = new_key()};
    EXPECT_EQ(send(one).status, 504);
    service_.answer({});
    for (int i = 0; i < 3; ++i) {
        const http_answer held = send(one);
        EXPECT_EQ(held.status, 409);
        EXPECT_EQ(slug_of(held), "outcome-unknown");
        EXPECT_NE(held.field_or_empty("Retry-After"), "");
    }
    EXPECT_EQ(service_.count(), 1U);
}

TEST_P(idempotency, RetryWhileUnknownReconcile) {
    start(keyed("on_unknown: reconcile, reconcile: \"/by-key/{key}\""));
    std::atomic<int> found{404};
    service_.act([&](const seen_request& of, raw_socket& to) {
        if (of.method == "GET")
            return to.send(to_bytes({.status = found, .body = "found " + of.target}));
        return lose(to);
    });
    const call one{.key = "order/7 "};
    call lost = one;
    lost.key = "\"order/7 \"";
    EXPECT_EQ(send(lost).status, 504);
    found = 503;
    EXPECT_EQ(slug_of(send(lost)), "outcome-unknown") << "all else leaves it unknown";
    found = 200;
    const http_answer settled = send(lost);
    EXPECT_EQ(settled.status, 200);
    EXPECT_TRUE(is_replay(settled));
    EXPECT_EQ(settled.body, "found /by-key/order%2F7%20");
    found = 404;
    EXPECT_EQ(send(lost).body, settled.body) << "that is the outcome from now on";
    EXPECT_FALSE(service_.last().method == "POST");

    const call not_done{.key = new_key()};
    EXPECT_EQ(send(not_done).status, 504);
    service_.answer_by(
        [](const seen_request& of) { return reply{.status = of.method == "GET" ? 404 : 201}; });
    const http_answer forwarded = send(not_done);
    EXPECT_EQ(forwarded.status, 201);
    EXPECT_FALSE(is_replay(forwarded));
    EXPECT_EQ(service_.last().method, "POST");
    EXPECT_EQ(service_.last().field("Lethe-Attempt"), "2");
    EXPECT_TRUE(is_replay(send(not_done)));
}

TEST_P(idempotency, RetryWhileUnknownResend) {
    start(keyed("on_unknown: resend, backend: dedups"));
    service_.act([](const seen_request&, raw_socket& to) { return lose(to); });
    const call one{.key = new_key()};
    EXPECT_EQ(send(one).status, 504);
    const std::size_t before = service_.count();
    service_.answer({.status = 201});
    const http_answer resent = send(one);
    EXPECT_EQ(resent.status, 201);
    EXPECT_FALSE(is_replay(resent));
    EXPECT_EQ(service_.count(), before + 1);
    EXPECT_GT(std::stoi(service_.last().field("Lethe-Attempt")), 1);
    EXPECT_TRUE(is_replay(send(one)));
    running_gateway plain(configuration(keyed("on_unknown: resend"), ""));
    EXPECT_EQ(plain.start_refused().exit, 1) << "only with backend: dedups";
}

TEST_P(idempotency, RetryWhileUnknownFinal) {
    start(keyed("on_unknown: final"));
    service_.act([](const seen_request&, raw_socket& to) { return lose(to); });
    const call one{.key = new_key()};
    EXPECT_EQ(send(one).status, 504);
    service_.answer({});
    const http_answer again = send(one);
    EXPECT_EQ(again.status, 504);
    EXPECT_TRUE(is_replay(again));
    EXPECT_EQ(again.field_or_empty("Lethe-Outcome"), "unknown");
    EXPECT_EQ(service_.count(), 1U);
}

TEST_P(idempotency, OperatorSettles) {
    start(
        "  - match: {prefix: /orders}\n    authenticate: {issuers: [id]}\n    idempotency: "
        "{mode: required}\n    upstream: app\n");
    const std::string who = "operated-" + new_key();
    service_.act([](const seen_request&, raw_socket& to) { return lose(to); });
    const auto unknown_id = [&] {
        const finished_command listed = lethe({"idempotency", "list", "-c", configuration_file(),
                                               "--subject", who, "--unknown", "--json"});
        EXPECT_EQ(listed.exit, 0) << listed.output;
        const std::size_t at = listed.output.find("\"id\":\"");
        if (at == std::string::npos) return std::string();
        return listed.output.substr(at + 6, listed.output.find('"', at + 6) - at - 6);
    };
    const call done{.key = new_key(), .who = who};
    EXPECT_EQ(send(done).status, 504);
    const std::string id = unknown_id();
    ASSERT_NE(id, "");
    const finished_command shown = lethe({"idempotency", "show", id, "-c", configuration_file()});
    EXPECT_EQ(shown.exit, 0) << shown.output;
    const finished_command settled =
        lethe({"idempotency", "resolve", id, "-c", configuration_file(), "--status", "201",
               "--field", "Location: /orders/7"});
    EXPECT_EQ(settled.exit, 0) << settled.output;
    const http_answer replayed = send(done);
    EXPECT_EQ(replayed.status, 201);
    EXPECT_TRUE(is_replay(replayed));
    EXPECT_EQ(replayed.field_or_empty("Location"), "/orders/7");
    EXPECT_NE(lethe({"idempotency", "resolve", id, "-c", configuration_file(), "--not-done"}).exit,
              0)
        << "only unknown outcomes can be settled";

    const call not_done{.key = new_key(), .who = who};
    EXPECT_EQ(send(not_done).status, 504);
    const std::string other = unknown_id();
    ASSERT_NE(other, "");
    EXPECT_EQ(
        lethe({"idempotency", "resolve", other, "-c", configuration_file(), "--not-done"}).exit, 0);
    service_.answer({.status = 202});
    EXPECT_EQ(send(not_done).status, 202);
    EXPECT_EQ(service_.count(), 3U);
}

// A gateway that stood still for longer than its lease comes back with its answer.
TEST_P(idempotency, LateAnswer) {
    start(keyed("lease: 1s"));
    const auto other = start_another();
    gate answered;
    service_.act([&](const seen_request&, raw_socket& to) {
        answered.wait();
        return to.send(to_bytes({.status = 201, .body = "late"}));
    });
    const call one{.key = new_key()};
    const auto first = begin(one);
    ASSERT_TRUE(service_.wait_for_count(1));
    gateway_->running().freeze();
    EXPECT_EQ(slug_of(send_while("request-in-progress", one, other->port)), "outcome-unknown")
        << "the end of a lease means unknown, never free";
    answered.open();
    gateway_->running().thaw();
    EXPECT_EQ(first->answer().status, 201);
    const http_answer again = send_while("outcome-unknown", one, other->port);
    EXPECT_TRUE(is_replay(again)) << "the late answer settles it";
    EXPECT_EQ(again.body, "late");
    EXPECT_EQ(service_.count(), 1U);
}

// Meanwhile another gateway was granted the key: the late answer must not take its outcome's place.
TEST_P(idempotency, Fencing) {
    start(keyed("lease: 1s, on_unknown: resend, backend: dedups"));
    const auto other = start_another();
    gate answered;
    service_.act([&](const seen_request& of, raw_socket& to) {
        const bool is_first = of.field("Lethe-Attempt") == "1";
        if (is_first) answered.wait();
        return to.send(to_bytes({.status = 201, .body = is_first ? "late" : "second"}));
    });
    const call one{.key = new_key()};
    const auto first = begin(one);
    ASSERT_TRUE(service_.wait_for_count(1));
    EXPECT_EQ(service_.last().field("Lethe-Attempt"), "1");
    gateway_->running().freeze();
    const http_answer second = send_while("request-in-progress", one, other->port);
    EXPECT_EQ(second.body, "second");
    EXPECT_EQ(service_.last().field("Lethe-Attempt"), "2") << "so that the service can refuse less";
    answered.open();
    gateway_->running().thaw();
    EXPECT_EQ(first->answer().field_or_empty("Lethe-Idempotency"), "unrecorded");
    for (const std::uint16_t port : {gateway_->port, other->port})
        EXPECT_EQ(send(one, port).body, "second");
}

std::string add_one() {
    return ":" + base64(R"([{"op":"inc","path":"/cart/count","by":1}])") + ":;type=ops";
}

std::string cart_seen(const seen_request& by) {
    return from_base64_text(by.field("Lethe-Session"));
}

TEST_P(idempotency, SessionPatch) {
    start(with_session("prefix: /cart", "read: [cart], write: [cart]",
                       "    idempotency: {mode: optional}\n"));
    service_.answer({.status = 201, .fields = {{"Lethe-Session-Patch", add_one()}}});
    client user(gateway_->port);
    EXPECT_EQ(user.post("/cart", "").status, 201);
    const field_list key = {{"Idempotency-Key", new_key()}};
    EXPECT_EQ(user.post("/cart", "{}", key).status, 201);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(is_replay(user.post("/cart", "{}", key)));
    service_.answer({});
    EXPECT_EQ(user.get("/cart").status, 200);
    EXPECT_EQ(cart_seen(service_.last()), R"({"cart":{"count":2}})");
}

// The outcome is recorded, the session's store does not answer, the gateway is killed: a replay by
// another makes the change that was left, once.
TEST_P(idempotency, SessionPatchBetweenTheWrites) {
    const std::string state = store_.url(folder_.path(), "state");
    const std::string carts = store_.url(folder_.path(), "carts");
    start(with_session("prefix: /cart", "read: [cart], write: [cart], store: carts",
                       "    idempotency: {mode: optional, lease: 1s}\n"),
          "store: {default: \"" + state + "\", carts: \"" + carts + "\"}\n");
    service_.answer({.status = 201, .fields = {{"Lethe-Session-Patch", add_one()}}});
    client user(gateway_->port);
    EXPECT_EQ(user.post("/cart", "").status, 201);
    service_.answer_by([this](const seen_request&) {
        store_.go_away(folder_.path(), "carts");
        return reply{.status = 201, .fields = {{"Lethe-Session-Patch", add_one()}}};
    });
    const std::string key = new_key();
    const field_list fields = {{"Idempotency-Key", key}};
    std::thread killer([this] {
        EXPECT_TRUE(service_.wait_for_count(2));
        // Long enough for the outcome to be recorded, short of the session's time limit.
        std::this_thread::sleep_for(700ms);
        gateway_->running().send(SIGKILL);
    });
    EXPECT_FALSE(user.post("/cart", "{}", fields).complete());
    killer.join();
    EXPECT_EQ(gateway_->running().wait(5s), 128 + SIGKILL);
    store_.come_back();
    ASSERT_TRUE(gateway_->start());
    for (int i = 0; i < 3; ++i) {
        const http_answer again = user.post("/cart", "{}", fields);
        EXPECT_EQ(again.status, 201);
        EXPECT_TRUE(is_replay(again)) << again.body;
    }
    service_.answer({});
    EXPECT_EQ(user.get("/cart").status, 200);
    EXPECT_EQ(cart_seen(service_.last()), R"({"cart":{"count":2}})");
    EXPECT_EQ(service_.count(), 3U);
}

}  // namespace
}  // namespace lethe::test
