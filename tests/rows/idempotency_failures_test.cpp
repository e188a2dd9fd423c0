// Rows about what breaks: connections, clients, gateways, stores.
#include "rows/rows.hpp"

#include <csignal>

namespace lethe::test {
namespace {

TEST_P(idempotency, ConnectFailed) {
    const std::string dead = "http://127.0.0.1:" + std::to_string(closed_port());
    start(keyed("mode: required"),
          "upstreams:\n  - {name: app, connect_timeout: 500ms, replicas: [\"" + dead + "\"]}\n");
    const call one{.key = new_key()};
    for (int i = 0; i < 2; ++i) {
        const http_answer refused = send(one);
        EXPECT_EQ(refused.status, 503);
        EXPECT_EQ(slug_of(refused), "upstream-unavailable") << "the key is free: no 409";
        EXPECT_EQ(refused.field_or_empty("Lethe-Outcome"), "");
    }
    // Also when its replicas are left out after so many failures.
    for (int i = 0; i < 8; ++i) EXPECT_EQ(slug_of(send(one)), "upstream-unavailable");
}

TEST_P(idempotency, ConnectFailedAnotherReplica) {
    const std::string dead = "http://127.0.0.1:" + std::to_string(closed_port());
    start(keyed("mode: required"),
          "upstreams:\n  - {name: app, balance: round_robin, replicas: [\"" + dead + "\", \"" +
              service_.url() + "\"]}\n");
    for (int i = 0; i < 4; ++i) {
        const call one{.key = new_key()};
        EXPECT_EQ(send(one).status, 200);
        EXPECT_TRUE(is_replay(send(one)));
    }
    EXPECT_EQ(service_.count(), 4U);
}

TEST_P(idempotency, AnswerLost) {
    start(keyed("mode: required") + "  - match: {prefix: /plain}\n    upstream: app\n",
          "upstreams:\n  - {name: app, answer_timeout: 400ms, replicas: [\"" + service_.url() +
              "\"]}\n");
    const std::vector<service::script> ways = {
        [](const seen_request&, raw_socket& to) {
            to.reset();
            return false;
        },
        [](const seen_request&, raw_socket& to) {
            to.send("HTTP/1.1 200 OK\r\nContent-Le");
            return false;
        },
        [](const seen_request&, raw_socket& to) {
            to.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
            return false;
        },
        [](const seen_request&, raw_socket& to) {
            static_cast<void>(to.closed_within(5s));
            return false;
        }};
    for (std::size_t i = 0; i < ways.size(); ++i) {
        service_.act(ways[i]);
        const std::size_t before = service_.count();
        const call one{.key = new_key()};
        const http_answer first = send(one);
        EXPECT_EQ(first.status, 504) << i;
        EXPECT_EQ(first.field_or_empty("Lethe-Outcome"), "unknown") << i;
        const http_answer again = send(one);
        EXPECT_EQ(again.status, 409) << i;
        EXPECT_EQ(slug_of(again), "outcome-unknown") << i;
        EXPECT_NE(again.field_or_empty("Retry-After"), "") << i;
        EXPECT_EQ(service_.count() - before, 1U) << i << ": never sent twice";
        const http_answer mismatch = send({.key = one.key, .body = "other"});
        EXPECT_EQ(mismatch.status, 422) << i;
    }
}

TEST_P(idempotency, AnswerLostOfIdempotentMethod) {
    std::atomic<int> asked{0};
    const auto every_other = [&asked](const seen_request&, raw_socket& to) {
        if (++asked % 2 == 1) {
            to.reset();
            return false;
        }
        return to.send(to_bytes({}));
    };
    service second;
    service_.act(every_other);
    second.act(every_other);
    start("  - match: {prefix: /}\n    upstream: app\n",
          "upstreams:\n  - {name: app, replicas: [\"" + service_.url() + "\", \"" + second.url() +
              "\"]}\n");
    EXPECT_EQ(send({.body = "", .method = "PUT"}).status, 200)
        << "an idempotent method may go again";
    EXPECT_EQ(asked, 2);
    const http_answer post = send({});
    EXPECT_EQ(post.status, 502) << "a POST without a key never does once a byte was written";
    EXPECT_EQ(post.field_or_empty("Lethe-Outcome"), "unknown");
    EXPECT_EQ(asked, 3);
    gateway_.reset();  // its connections end, and with them the second service
}

TEST_P(idempotency, OwnRetries) {
    start(keyed("on_unknown: resend, backend: dedups", "prefix: /dedups") +
              keyed("mode: required", "prefix: /plain"),
          "upstreams:\n  - {name: app, replicas: [\"" + service_.url() + "\"]}\n");
    std::atomic<int> asked{0};
    service_.act([&asked](const seen_request&, raw_socket& to) {
        if (++asked == 1) {
            to.reset();
            return false;
        }
        return to.send(to_bytes({.status = 201}));
    });
    const call one{.key = new_key(), .target = "/dedups"};
    const http_answer answer = send(one);
    EXPECT_EQ(answer.status, 201) << "sent again by the gateway itself";
    EXPECT_FALSE(is_replay(answer));
    const std::vector<seen_request> seen = service_.all();
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen[0].field("Idempotency-Key"), seen[1].field("Idempotency-Key"));
    EXPECT_EQ(seen[0].field("Lethe-Attempt"), "1");
    EXPECT_EQ(seen[1].field("Lethe-Attempt"), "2");
    EXPECT_EQ(seen[0].body, seen[1].body);
    EXPECT_TRUE(is_replay(send(one)));
    asked = 0;
    EXPECT_EQ(send({.key = new_key(), .target = "/plain"}).status, 504);
    EXPECT_EQ(asked, 1);
}

TEST_P(idempotency, OwnRetriesOfPut) {
    start(keyed("methods: [POST, PUT]"));
    std::atomic<int> asked{0};
    service_.act([&asked](const seen_request&, raw_socket& to) {
        if (++asked == 1) {
            to.reset();
            return false;
        }
        return to.send(to_bytes({.status = 201}));
    });
    const call one{.key = new_key(), .method = "PUT"};
    EXPECT_EQ(send(one).status, 201);
    EXPECT_EQ(asked, 2) << "an idempotent method may run twice";
    EXPECT_EQ(service_.last().field("Lethe-Attempt"), "2") << "told apart all the same";
    EXPECT_TRUE(is_replay(send(one)));
}

TEST_P(idempotency, ClientDisconnects) {
    start(keyed("mode: required"));
    gate gone;
    service_.act([&](const seen_request&, raw_socket& to) {
        gone.wait();
        return to.send(to_bytes({.status = 201, .body = "done"}));
    });
    const call one{.key = new_key()};
    {
        client user(gateway_->port);
        const std::string body = one.body;
        EXPECT_TRUE(user.send_raw(
            "POST /orders HTTP/1.1\r\nHost: a\r\nContent-Type: "
            "application/json\r\nAuthorization: Bearer " +
            token_of("alice") + "\r\nIdempotency-Key: " + one.key +
            "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body));
        ASSERT_TRUE(service_.wait_for_count(1));
    }
    gone.open();
    const http_answer again = send_while("request-in-progress", one);
    EXPECT_TRUE(is_replay(again)) << again.status << again.body;
    EXPECT_EQ(again.body, "done");
    EXPECT_EQ(service_.count(), 1U);
}

TEST_P(idempotency, ClientDisconnectsWithoutKey) {
    start(keyed("mode: optional"));
    std::atomic<bool> cancelled{false};
    service_.act([&](const seen_request&, raw_socket& to) {
        cancelled = to.closed_within(5s);
        return false;
    });
    {
        client user(gateway_->port);
        EXPECT_TRUE(
            user.send_raw("POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"));
        ASSERT_TRUE(service_.wait_for_count(1));
    }
    for (int i = 0; i < 400 && !cancelled; ++i) std::this_thread::sleep_for(10ms);
    EXPECT_TRUE(cancelled) << "the service's work for nobody is called off";
}

// The service has answered in full, and the gateway dies before it has read a byte of that.
TEST_P(idempotency, GatewayDies) {
    start(keyed("lease: 1s"));
    service_.act([&](const seen_request&, raw_socket& to) {
        gateway_->running().freeze();
        to.send(to_bytes({.status = 201, .body = "made"}));
        gateway_->running().send(SIGKILL);
        return false;
    });
    const call one{.key = new_key()};
    const http_answer lost = send(one);
    EXPECT_FALSE(lost.complete());
    EXPECT_EQ(gateway_->running().wait(5s), 128 + SIGKILL);
    service_.answer({});
    ASSERT_TRUE(gateway_->start());
    const http_answer again = send_while("request-in-progress", one);
    EXPECT_EQ(again.status, 409) << "no gateway can hide that";
    EXPECT_EQ(slug_of(again), "outcome-unknown");
    EXPECT_EQ(service_.count(), 1U);
}

// From when the client has its answer on, it is kept: also when the gateway dies that moment.
TEST_P(idempotency, RecordedBeforeAnswering) {
    start(keyed("mode: required"));
    service_.answer({.status = 201, .body = "made"});
    const auto other = start_another();
    for (int i = 0; i < 3; ++i) {
        const call one{.key = new_key()};
        EXPECT_EQ(send(one).status, 201);
        gateway_->running().kill_now();
        const http_answer again = send(one, other->port);
        EXPECT_TRUE(is_replay(again));
        EXPECT_EQ(again.body, "made");
        ASSERT_TRUE(gateway_->start());
    }
    EXPECT_EQ(service_.count(), 3U);
}

TEST_P(idempotency, StoreDownBeforeClaim) {
    start(keyed("mode: required, store_timeout: 300ms", "prefix: /orders") +
          keyed("store_down: pass, store_timeout: 300ms", "prefix: /pass"));
    const call kept{.key = new_key()};
    EXPECT_EQ(send(kept).status, 200);
    store_.go_away(folder_.path(), "state");
    const call one{.key = new_key()};
    const http_answer refused = send(one);
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(slug_of(refused), "idempotency-store-unavailable");
    EXPECT_NE(refused.field_or_empty("Retry-After"), "");
    EXPECT_EQ(send(kept).status, 503) << "no replay from memory";
    EXPECT_EQ(service_.count(), 1U) << "nothing is forwarded";
    const call passes{.key = new_key(), .target = "/pass"};
    const http_answer passed = send(passes);
    EXPECT_EQ(passed.status, 200);
    EXPECT_EQ(passed.field_or_empty("Lethe-Idempotency"), "off");
    store_.come_back();
    const http_answer back = send_while("idempotency-store-unavailable", one);
    EXPECT_EQ(back.status, 200);
    EXPECT_TRUE(is_replay(send(one)));
    EXPECT_TRUE(is_replay(send(kept))) << "what was acknowledged is kept";
}

TEST_P(idempotency, StoreDownAfterAnswer) {
    start(keyed("mode: required, store_timeout: 300ms, lease: 30s"));
    service_.answer_by([this](const seen_request&) {
        store_.go_away(folder_.path(), "state");
        return reply{.status = 201, .body = "made"};
    });
    const call one{.key = new_key()};
    const http_answer first = send(one);
    EXPECT_EQ(first.status, 201) << "the client gets the answer";
    EXPECT_EQ(first.body, "made");
    EXPECT_EQ(first.field_or_empty("Lethe-Idempotency"), "unrecorded");
    store_.come_back();
    http_answer again;
    for (int i = 0; i < 200; ++i) {
        again = send(one);
        if (is_replay(again)) break;
        EXPECT_EQ(service_.count(), 1U);
        std::this_thread::sleep_for(50ms);
    }
    EXPECT_TRUE(is_replay(again)) << "recorded once the store is back";
    EXPECT_EQ(again.body, "made");
    EXPECT_EQ(service_.count(), 1U);
}

TEST_P(idempotency, StoreDownAfterAnswerForTheLease) {
    start(keyed("mode: required, store_timeout: 300ms, lease: 1s"));
    service_.answer_by([this](const seen_request&) {
        store_.go_away(folder_.path(), "state");
        return reply{.status = 201};
    });
    const call one{.key = new_key()};
    EXPECT_EQ(send(one).field_or_empty("Lethe-Idempotency"), "unrecorded");
    std::this_thread::sleep_for(1500ms);
    store_.come_back();
    const http_answer again = send_while("idempotency-store-unavailable", one);
    EXPECT_EQ(slug_of(again), "outcome-unknown");
    EXPECT_EQ(service_.count(), 1U);
}

}  // namespace
}  // namespace lethe::test
