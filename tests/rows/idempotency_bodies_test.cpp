// Rows about large bodies and streams, times, and requests at the same time.
#include "rows/rows.hpp"

namespace lethe::test {
namespace {

std::string megabytes(std::size_t count, char last = 'x') {
    std::string out(count * 1024 * 1024, 'x');
    out.back() = last;
    return out;
}

TEST_P(idempotency, LargeRequest) {
    start(keyed("mode: required"), "limits: {body_bytes: 16MiB}\n");
    const call one{.key = new_key(), .body = megabytes(3), .type = "application/octet-stream"};
    EXPECT_EQ(send(one).status, 200);
    EXPECT_EQ(service_.last().body, one.body);
    EXPECT_TRUE(is_replay(send(one))) << "read whole, hashed, compared";
    call other = one;
    other.body = megabytes(3, 'y');
    EXPECT_EQ(send(other).status, 422) << "the last byte counts";
    EXPECT_EQ(service_.count(), 1U);
}

TEST_P(idempotency, LargeRequestStreamed) {
    start(keyed("mode: required"), "limits: {body_bytes: 16MiB}\n");
    const std::string key = new_key();
    const auto stream = [&](const std::string& body) {
        client user(gateway_->port);
        std::string head = "POST /orders HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n";
        head += "Authorization: Bearer " + token_of("alice") + "\r\nIdempotency-Key: " + key +
                "\r\n\r\n";
        EXPECT_TRUE(user.send_raw(head));
        char size[32];
        for (std::size_t at = 0; at < body.size(); at += 65536) {
            const std::string piece = body.substr(at, 65536);
            std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
            EXPECT_TRUE(user.send_raw(size + piece + "\r\n"));
        }
        EXPECT_TRUE(user.send_raw("0\r\n\r\n"));
        return user.read_answer();
    };
    EXPECT_EQ(stream(megabytes(2)).status, 200);
    EXPECT_EQ(service_.last().body.size(), megabytes(2).size());
    EXPECT_TRUE(is_replay(stream(megabytes(2))));
    EXPECT_EQ(stream(megabytes(2, 'y')).status, 422);
    EXPECT_EQ(service_.count(), 1U);
    // An upload that breaks off leaves no trace.
    const std::string broken = new_key();
    {
        client user(gateway_->port);
        EXPECT_TRUE(
            user.send_raw("POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n"
                          "Authorization: Bearer " +
                          token_of("alice") + "\r\nIdempotency-Key: " + broken + "\r\n\r\nhalf"));
    }
    EXPECT_EQ(send({.key = broken}).status, 200);
}

TEST_P(idempotency, LargeAnswer) {
    start(keyed("mode: required", "prefix: /orders") +
          keyed("answer_bytes_max: 2MiB", "prefix: /capped"));
    for (const std::size_t count : {1U, 5U}) {
        service_.answer(
            {.status = 201, .fields = {{"X-Of", "blob"}}, .body = megabytes(count, 'z')});
        const call one{.key = new_key()};
        const http_answer first = send(one);
        EXPECT_TRUE(first.complete());
        EXPECT_EQ(first.body.size(), megabytes(count).size());
        const http_answer again = send(one);
        EXPECT_TRUE(again.complete());
        EXPECT_TRUE(is_replay(again)) << count << again.body.substr(0, 200);
        EXPECT_EQ(again.status, 201);
        EXPECT_EQ(again.field_or_empty("X-Of"), "blob");
        EXPECT_TRUE(again.body == first.body) << again.body.size();
    }
    EXPECT_EQ(service_.count(), 2U);
    service_.answer({.status = 201, .fields = {{"Location", "/orders/7"}}, .body = megabytes(3)});
    const call capped{.key = new_key(), .target = "/capped"};
    EXPECT_EQ(send(capped).body.size(), megabytes(3).size()) << "it passes";
    const http_answer again = send(capped);
    EXPECT_EQ(again.status, 409);
    EXPECT_EQ(slug_of(again), "replay-unavailable");
    EXPECT_EQ(again.field_or_empty("Location"), "/orders/7");
    EXPECT_EQ(again.field_or_empty("Cache-Control"), "no-store");
    EXPECT_EQ(service_.count(), 3U);
}

TEST_P(idempotency, LargeAnswerSurvivesItsGateway) {
    start(keyed("mode: required"));
    service_.act([](const seen_request&, raw_socket& to) {
        // Of unknown length.
        std::string out = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (int i = 0; i < 48; ++i)
            out += "10000\r\n" + std::string(65536, static_cast<char>('a' + i % 26)) + "\r\n";
        return to.send(out + "0\r\n\r\n");
    });
    const call one{.key = new_key()};
    const http_answer first = send(one);
    ASSERT_TRUE(first.complete());
    ASSERT_EQ(first.body.size(), 3U * 1024 * 1024);
    kill_and_start_again();
    const http_answer again = send(one);
    EXPECT_TRUE(is_replay(again));
    EXPECT_TRUE(again.complete() && again.body == first.body) << again.body.size();
    EXPECT_EQ(service_.count(), 1U);
}

TEST_P(idempotency, LargeAnswerThatBreaksOff) {
    start(keyed("mode: required"));
    service_.act([](const seen_request&, raw_socket& to) {
        to.send("HTTP/1.1 200 OK\r\nContent-Length: 4194304\r\n\r\n" + megabytes(2));
        to.reset();
        return false;
    });
    const call one{.key = new_key()};
    EXPECT_FALSE(send(one).complete());
    service_.answer({});
    EXPECT_EQ(slug_of(send_while("request-in-progress", one)), "outcome-unknown");
    EXPECT_EQ(service_.count(), 1U);
}

TEST_P(idempotency, EventStream) {
    start(keyed("mode: required"));
    service_.answer({.fields = {{"Content-Type", "text/event-stream"}, {"Location", "/runs/1"}},
                     .body = "data: 1\n\ndata: 2\n\n"});
    const call one{.key = new_key()};
    EXPECT_EQ(send(one).body, "data: 1\n\ndata: 2\n\n");
    const http_answer again = send(one);
    EXPECT_EQ(again.status, 409);
    EXPECT_EQ(slug_of(again), "replay-unavailable");
    EXPECT_EQ(again.field_or_empty("Location"), "/runs/1");
    EXPECT_EQ(service_.count(), 1U);
}

TEST_P(idempotency, Concurrent) {
    start(keyed("mode: required", "prefix: /orders") + keyed("wait: 10s", "prefix: /wait") +
          keyed("wait: 300ms", "prefix: /short"));
    gate answered;
    service_.act([&](const seen_request&, raw_socket& to) {
        answered.wait();
        return to.send(to_bytes({.status = 201, .body = "once"}));
    });
    const call at_once{.key = new_key()};
    const call waits{.key = new_key(), .target = "/wait"};
    const call gives_up{.key = new_key(), .target = "/short"};
    const auto first = begin(at_once);
    const auto first_of_waits = begin(waits);
    const auto first_of_short = begin(gives_up);
    ASSERT_TRUE(service_.wait_for_count(3));
    for (const call* one : {&at_once, &gives_up}) {
        const http_answer second = send(*one);
        EXPECT_EQ(second.status, 409);
        EXPECT_EQ(slug_of(second), "request-in-progress");
        EXPECT_NE(second.field_or_empty("Retry-After"), "");
        EXPECT_EQ(second.field_or_empty("Cache-Control"), "no-store");
    }
    const auto other = start_another();
    const auto second = begin(waits);
    const auto elsewhere = begin(waits, other->port);
    answered.open();
    EXPECT_EQ(first->answer().status, 201);
    EXPECT_FALSE(is_replay(first_of_waits->answer()));
    EXPECT_EQ(first_of_short->answer().status, 201);
    for (const auto* pending : {&second, &elsewhere}) {
        const http_answer waited = (*pending)->answer();
        EXPECT_EQ(waited.status, 201);
        EXPECT_EQ(waited.body, "once");
        EXPECT_TRUE(is_replay(waited));
    }
    EXPECT_EQ(service_.count(), 3U);
    running_gateway too_long(configuration(keyed("wait: 11s"), ""));
    EXPECT_EQ(too_long.start_refused().exit, 1) << "10 s at most";
}

TEST_P(idempotency, ConcurrentCrowd) {
    start(keyed("wait: 10s"));
    service_.answer({.body = "once"});
    const auto other = start_another();
    const call one{.key = new_key()};
    std::vector<std::unique_ptr<pending_call>> crowd;
    for (int i = 0; i < 16; ++i) crowd.push_back(begin(one, i % 2 == 0 ? 0 : other->port));
    int originals = 0;
    for (const auto& each : crowd) {
        const http_answer answer = each->answer();
        EXPECT_EQ(answer.body, "once") << answer.status;
        originals += is_replay(answer) ? 0 : 1;
    }
    EXPECT_EQ(originals, 1);
    EXPECT_EQ(service_.count(), 1U);
}

TEST_P(idempotency, LeaseRenewed) {
    start(keyed("lease: 2s"));
    gate answered;
    service_.act([&](const seen_request&, raw_socket& to) {
        answered.wait();
        return to.send(to_bytes({}));
    });
    const call one{.key = new_key()};
    const auto first = begin(one);
    ASSERT_TRUE(service_.wait_for_count(1));
    std::this_thread::sleep_for(4500ms);  // two leases and more
    EXPECT_EQ(slug_of(send(one)), "request-in-progress") << "it is alive, and not unknown";
    answered.open();
    EXPECT_EQ(first->answer().status, 200);
    EXPECT_TRUE(is_replay(send(one)));
}

TEST_P(idempotency, Expiry) {
    start(keyed("ttl: 1s, lease: 1s", "prefix: /orders") +
          keyed("ttl: 1s, lease: 1s, expired: reject, tombstone: 2s", "prefix: /reject") +
          keyed("mode: required", "prefix: /day"));
    const call renewed{.key = new_key()};
    const call rejected{.key = new_key(), .target = "/reject"};
    const call of_the_day{.key = new_key(), .target = "/day"};
    for (const call* one : {&renewed, &rejected, &of_the_day}) EXPECT_EQ(send(*one).status, 200);
    std::this_thread::sleep_for(1100ms);
    EXPECT_FALSE(is_replay(send(renewed))) << "a new request";
    EXPECT_EQ(service_.count(), 4U);
    call another_body = renewed;
    std::this_thread::sleep_for(1100ms);
    another_body.body = "other";
    EXPECT_EQ(send(another_body).status, 200) << "the fingerprint is forgotten, too";
    EXPECT_TRUE(is_replay(send(of_the_day))) << "24 h are not over";
}

TEST_P(idempotency, ExpiryRejected) {
    start(keyed("ttl: 1s, lease: 1s, expired: reject, tombstone: 2s"));
    const call one{.key = new_key()};
    EXPECT_EQ(send(one).status, 200);
    std::this_thread::sleep_for(1200ms);
    const http_answer refused = send(one);
    EXPECT_EQ(refused.status, 409);
    EXPECT_EQ(slug_of(refused), "key-expired");
    EXPECT_EQ(refused.field_or_empty("Cache-Control"), "no-store");
    call other = one;
    other.body = "other";
    EXPECT_EQ(slug_of(send(other)), "key-expired") << "a tombstone knows the key alone";
    EXPECT_EQ(service_.count(), 1U);
    EXPECT_EQ(send_while("key-expired", one).status, 200) << "tombstones end, too";
}

}  // namespace
}  // namespace lethe::test
