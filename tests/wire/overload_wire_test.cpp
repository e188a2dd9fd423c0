// More than the replicas can take, and clients that take their time: on real sockets.
#include "wire/peers.hpp"
#include "wire/proxy.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace lethe::test {
namespace {

using namespace std::chrono_literals;

bool contains(const std::string& text, std::string_view what) {
    return text.find(what) != std::string::npos;
}

const std::string a_get = "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";
const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

// Works on so many requests at once; the others wait inside.
class slow_service {
 public:
    slow_service(int at_once, std::chrono::milliseconds takes) : at_once_(at_once), takes_(takes) {}

    void serve(raw_socket& connection) {
        while (!connection.read_message().empty()) {
            most_ = std::max(most_.load(), ++inside_);
            {
                std::unique_lock lock(mutex_);
                changed_.wait(lock, [this] { return working_ < at_once_; });
                ++working_;
            }
            // lint: allow(sleep) because the service takes its time
            std::this_thread::sleep_for(takes_.load());
            {
                const std::lock_guard lock(mutex_);
                --working_;
            }
            changed_.notify_one();
            --inside_;
            connection.send(ok);
        }
    }
    void take(std::chrono::milliseconds each) { takes_ = each; }
    [[nodiscard]] int most_inside() { return most_.exchange(0); }

 private:
    std::mutex mutex_;
    std::condition_variable changed_;
    int at_once_;
    int working_ = 0;
    std::atomic<std::chrono::milliseconds> takes_;
    std::atomic<int> inside_{0};
    std::atomic<int> most_{0};
};

struct crowd_outcome {
    int answered = 0;
    int refused = 0;
    int other = 0;
    std::chrono::milliseconds slowest_refusal{0};
};

// So many clients, each asking again as soon as it has its answer, for a while.
crowd_outcome send_crowd(std::uint16_t port, int clients, std::chrono::milliseconds how_long) {
    const auto end = std::chrono::steady_clock::now() + how_long;
    std::mutex mutex;
    crowd_outcome out;
    std::vector<std::thread> all;
    for (int i = 0; i < clients; ++i)
        all.emplace_back([&] {
            raw_socket client = raw_socket::connect(port);
            while (std::chrono::steady_clock::now() < end) {
                const auto began = std::chrono::steady_clock::now();
                client.send(a_get);
                const std::string answer = client.read_message();
                const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
                    std::chrono::steady_clock::now() - began);
                const bool refused = answer.starts_with("HTTP/1.1 503 ") &&
                                     contains(answer, "Retry-After: 1\r\n") &&
                                     contains(answer, "upstream-overloaded");
                {
                    const std::lock_guard lock(mutex);
                    if (answer.starts_with("HTTP/1.1 200 "))
                        ++out.answered;
                    else if (refused)
                        ++out.refused, out.slowest_refusal = std::max(out.slowest_refusal, took);
                    else
                        ++out.other;
                }
                if (refused) std::this_thread::sleep_for(5ms);
            }
        });
    for (std::thread& one : all) one.join();
    return out;
}

TEST(OverloadWire, AFixedLimitHoldsAndTheRestWaitsOrIsRefused) {
    slow_service service(100, 200ms);
    scripted_origin origin([&service](raw_socket& c) { service.serve(c); });
    proxy gateway({.replicas = {origin.port()}, .adjust = [](upstream::options& o) {
                       o.concurrency = upstream::concurrency_options{
                           .adaptive = false, .max = 3, .queue = 2, .queue_time = 20s};
                   }});
    std::atomic<int> answered{0};
    std::atomic<int> refused{0};
    std::vector<std::thread> clients;
    for (int i = 0; i < 12; ++i)
        clients.emplace_back([&] {
            raw_socket client = raw_socket::connect(gateway.port());
            client.send(a_get);
            const std::string answer = client.read_message();
            answered += answer.starts_with("HTTP/1.1 200 ") ? 1 : 0;
            refused += answer.starts_with("HTTP/1.1 503 ") ? 1 : 0;
        });
    for (std::thread& one : clients) one.join();
    EXPECT_EQ(answered + refused, 12);
    EXPECT_GE(answered, 5);
    EXPECT_LE(service.most_inside(), 3);
}

TEST(OverloadWire, WhoWaitsTooLongIsRefusedThoughTheServiceHangs) {
    slow_service service(100, 3s);
    scripted_origin origin([&service](raw_socket& c) { service.serve(c); });
    proxy gateway({.replicas = {origin.port()}, .adjust = [](upstream::options& o) {
                       o.concurrency = upstream::concurrency_options{
                           .adaptive = false, .max = 1, .queue = 10, .queue_time = 50ms};
                   }});
    raw_socket first = raw_socket::connect(gateway.port());
    first.send(a_get);
    // Until the first is inside.
    for (int i = 0; i < 500 && service.most_inside() == 0; ++i) std::this_thread::sleep_for(10ms);
    raw_socket second = raw_socket::connect(gateway.port());
    second.send(a_get);
    const std::string refused = second.read_message();
    EXPECT_TRUE(refused.starts_with("HTTP/1.1 503 ")) << refused;
    EXPECT_TRUE(contains(refused, "Retry-After: 1\r\n")) << refused;
    const std::string answer = first.read_message();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
    // The place is free again.
    service.take(0ms);
    second.send(a_get);
    EXPECT_TRUE(second.read_message().starts_with("HTTP/1.1 200 "));
}

TEST(OverloadWire, TenTimesTheLoadIsAnsweredAtFullSpeedAndExcessIsRefused) {
    slow_service service(4, 20ms);
    scripted_origin origin([&service](raw_socket& c) { service.serve(c); });
    proxy gateway({.replicas = {origin.port()}, .adjust = [](upstream::options& o) {
                       o.concurrency = upstream::concurrency_options{
                           .min = 2, .max = 100, .queue = 8, .queue_time = 60ms};
                   }});
    (void)send_crowd(gateway.port(), 40, 1500ms);
    (void)service.most_inside();
    const crowd_outcome out = send_crowd(gateway.port(), 40, 3s);
    EXPECT_EQ(out.other, 0);
    // 4 at once in 20 ms each: 600 in three seconds on a free machine.
    EXPECT_GT(out.answered, 60);
    EXPECT_GT(out.refused, 50);
    // Without the limit all 40 would be inside.
    EXPECT_LT(service.most_inside(), 30);
}

TEST(OverloadWire, ABodyThatTricklesInIsEnded) {
    scripted_origin origin(echo);
    proxy_options options{.replicas = {origin.port()}};
    options.server.body_timeout = 400ms;
    proxy gateway(std::move(options));
    raw_socket client = raw_socket::connect(gateway.port());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    // Each byte comes well within body_timeout: alone that would go on for a day.
    const auto began = std::chrono::steady_clock::now();
    while (client.send("x") && !client.closed_within(100ms) &&
           std::chrono::steady_clock::now() - began < 20s) {
    }
    EXPECT_LT(std::chrono::steady_clock::now() - began, 20s);
    EXPECT_EQ(gateway.finished_count(), 1);
}

TEST(OverloadWire, ABodyAtAGoodPaceMayTakeLongerThanTheTimeout) {
    scripted_origin origin([](raw_socket& connection) {
        EXPECT_EQ(connection.read_message().size() > 60'000, true);
        connection.send(ok);
    });
    proxy_options options{.replicas = {origin.port()}};
    options.server.body_timeout = 1500ms;
    proxy gateway(std::move(options));
    raw_socket client = raw_socket::connect(gateway.port());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n");
    const std::string piece(3000, 'x');
    for (int i = 0; i < 20; ++i) {
        std::this_thread::sleep_for(100ms);
        ASSERT_TRUE(client.send(piece));
    }
    EXPECT_TRUE(client.read_message().starts_with("HTTP/1.1 200 "));
}

TEST(OverloadWire, AClientThatTakesNothingIsEnded) {
    scripted_origin origin([](raw_socket& connection) {
        (void)connection.read_until("\r\n\r\n");
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
        const std::string piece(64 * 1024, 'x');
        std::size_t sent = 0;
        while (sent < 100'000'000 && connection.send(piece)) sent += piece.size();
    });
    proxy_options options{.replicas = {origin.port()}};
    options.server.write_timeout = 300ms;
    proxy gateway(std::move(options));
    raw_socket client = raw_socket::connect(gateway.port());
    client.send(a_get);
    for (int i = 0; i < 1000 && gateway.finished_count() == 0; ++i)
        std::this_thread::sleep_for(20ms);
    EXPECT_EQ(gateway.finished_count(), 1);
    EXPECT_LT(client.read_all().size(), 100'000'000U);
}

}  // namespace
}  // namespace lethe::test
