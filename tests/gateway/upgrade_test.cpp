// "SIGUSR2 or socket hand-over upgrades the binary with no refused connection under load."
#include "gateway/running_gateway.hpp"
#include "net/test_tls.hpp"
#include "support/plain_socket.hpp"
#include "wire/peers.hpp"

#include <gtest/gtest.h>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace lethe::test {
namespace {

using namespace std::chrono_literals;

bool contains(const std::string& text, std::string_view what) {
    return text.find(what) != std::string::npos;
}

void answer(raw_socket& connection) {
    while (!connection.read_message().empty())
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine");
}

// Takes a while.
void answer_slowly(raw_socket& connection) {
    while (!connection.read_message().empty()) {
        std::this_thread::sleep_for(1s);
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow");
    }
}

std::string to(std::uint16_t port) {
    return "upstreams:\n  - {name: app, replicas: [\"http://127.0.0.1:" + std::to_string(port) +
           "\"]}\nroutes: [{match: {prefix: /}, upstream: app}]\n";
}

class Upgrade : public ::testing::Test {
 protected:
    // Successors are ours to wait for when their parent has gone.
    Upgrade() { ::prctl(PR_SET_CHILD_SUBREAPER, 1); }
    ~Upgrade() override {
        for (const pid_t one : successors_) static_cast<void>(end(one, SIGKILL));
        ::prctl(PR_SET_CHILD_SUBREAPER, 0);
    }
    // How it exits by this signal. It is our child only once its parent has gone.
    static std::optional<int> end(pid_t successor, int signal) {
        ::kill(successor, signal);
        int status = 0;
        for (int i = 0; i < 2000; ++i) {
            if (::waitpid(successor, &status, WNOHANG) == successor)
                return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            std::this_thread::sleep_for(5ms);
        }
        return std::nullopt;
    }
    // The last process that was started in place of another; below 0: none.
    [[nodiscard]] pid_t last_successor() const {
        const std::string log = gateway_.log();
        constexpr std::string_view event = "\"event\":\"gateway.upgrade_started\",\"pid\":";
        const std::size_t at = log.rfind(event);
        return at == std::string::npos ? -1 : std::stoi(log.substr(at + event.size()));
    }
    // Sends SIGUSR2 to the process that serves, and waits until its successor does alone.
    void upgrade(pid_t from) {
        ::kill(from, SIGUSR2);
        ASSERT_TRUE(gateway_.wait_for_event("gateway.upgrade_started", ++started_));
        successors_.push_back(last_successor());
        ASSERT_TRUE(gateway_.wait_for_event("gateway.stopped", ++stopped_)) << gateway_.log();
    }

    scripted_origin origin_{answer};
    running_gateway gateway_{""};
    std::vector<pid_t> successors_;
    int started_ = 0;
    int stopped_ = 0;
};

// Clients that come and go, and one that stays as long as it is let.
class load {
 public:
    load(std::uint16_t port, std::uint16_t admin_port) {
        clients_.emplace_back([this, admin_port] {
            while (!stop_) {
                client fresh(admin_port);
                const http_answer got = fresh.get("/readyz");
                if (got.status != 200) note("readyz " + std::to_string(got.status));
            }
        });
        for (int i = 0; i < 4; ++i)
            clients_.emplace_back([this, port, i] {
                client kept(port);
                while (!stop_) {
                    client fresh(port);
                    const http_answer got = (i == 0 ? kept : fresh).get("/hello");
                    if (got.status == 200 && got.body == "fine")
                        ++good_;
                    else
                        note(std::to_string(got.status) + " " + std::string(to_text(got.failure)));
                }
            });
    }
    ~load() { end(); }
    void end() {
        stop_ = true;
        for (std::thread& one : clients_)
            if (one.joinable()) one.join();
    }
    [[nodiscard]] int good() const { return good_; }
    [[nodiscard]] std::string bad() {
        const std::scoped_lock lock(mutex_);
        return bad_;
    }

 private:
    void note(const std::string& what) {
        const std::scoped_lock lock(mutex_);
        bad_ += what + "; ";
    }

    std::atomic<bool> stop_{false};
    std::atomic<int> good_{0};
    std::mutex mutex_;
    std::string bad_;
    std::vector<std::thread> clients_;
};

TEST_F(Upgrade, NobodyIsRefusedUnderLoad) {
    gateway_.rewrite(to(origin_.port()));
    ASSERT_TRUE(gateway_.start());
    load clients(gateway_.port, gateway_.admin_port);
    pid_t serves = gateway_.running().id();
    for (int times = 1; times <= 3; ++times) {
        ASSERT_NO_FATAL_FAILURE(upgrade(serves));
        serves = successors_.back();
        const int before = clients.good();
        for (int i = 0; i < 1000 && clients.good() < before + 20; ++i)
            std::this_thread::sleep_for(5ms);
        EXPECT_GE(clients.good(), before + 20) << "the successor serves";
    }
    clients.end();
    EXPECT_EQ(clients.bad(), "");
    EXPECT_EQ(gateway_.running().wait(10s), 0);
}

TEST_F(Upgrade, WhatIsUnderWayIsAnsweredByTheProcessThatHasIt) {
    scripted_origin slow(answer_slowly);
    gateway_.rewrite(to(slow.port()));
    ASSERT_TRUE(gateway_.start());
    std::thread waits([&] {
        client user(gateway_.port);
        EXPECT_EQ(user.get("/slow").body, "slow");
    });
    std::this_thread::sleep_for(200ms);
    upgrade(gateway_.running().id());
    waits.join();
    client user(gateway_.port);
    EXPECT_EQ(user.get("/again").body, "slow");
}

TEST_F(Upgrade, OneThatCannotStartChangesNothing) {
    gateway_.rewrite(to(origin_.port()));
    ASSERT_TRUE(gateway_.start());
    gateway_.rewrite("routes: [{match: {prefix: /}, upstream: nobody}]\n");
    gateway_.running().send(SIGUSR2);
    ASSERT_TRUE(gateway_.wait_for_event("gateway.upgrade_failed"));
    EXPECT_TRUE(contains(gateway_.log(), "there is no upstream called \"nobody\""))
        << gateway_.log();
    for (int i = 0; i < 20; ++i) {
        client user(gateway_.port);
        EXPECT_EQ(user.get("/hello").body, "fine");
    }
    // And the next one may.
    started_ = 1;
    gateway_.rewrite(to(origin_.port()));
    ASSERT_NO_FATAL_FAILURE(upgrade(gateway_.running().id()));
    client user(gateway_.port);
    EXPECT_EQ(user.get("/hello").body, "fine");
}

TEST_F(Upgrade, TicketsOfTheProcessBeforeStillResume) {
    const net::test::authority ours("ours");
    const net::test::identity shop = ours.sign();
    net::test::write_certificate(gateway_.folder.path() / "shop.pem", shop.certificate.get());
    net::test::write_key(gateway_.folder.path() / "shop.key", shop.key.get());
    gateway_.listener_options = ", tls: {certificates: [{file: shop.pem, key_file: shop.key}]}";
    gateway_.rewrite(to(origin_.port()));
    ASSERT_TRUE(gateway_.start());
    constexpr std::string_view request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    net::test::session_ptr ticket;
    {
        net::test::tls_visitor first(gateway_.port, {});
        EXPECT_TRUE(first.send(request));
        EXPECT_TRUE(contains(first.read(), "fine"));
        ticket = first.session();
    }
    ASSERT_NO_FATAL_FAILURE(upgrade(gateway_.running().id()));
    const net::test::tls_visitor second(gateway_.port, {.resumes = ticket.get()});
    EXPECT_TRUE(second.resumed());
}

TEST_F(Upgrade, AfterAKillInBetweenTheSuccessorServesAlone) {
    gateway_.rewrite(to(origin_.port()));
    ASSERT_TRUE(gateway_.start());
    gateway_.running().send(SIGUSR2);
    ASSERT_TRUE(gateway_.wait_for_event("gateway.upgrade_started"));
    gateway_.running().kill_now();
    successors_.push_back(last_successor());
    ASSERT_TRUE(gateway_.wait_for_event("gateway.listening", 2)) << gateway_.log();
    for (int i = 0; i < 20; ++i) {
        client user(gateway_.port);
        EXPECT_EQ(user.get("/hello").body, "fine");
    }
    EXPECT_EQ(end(successors_.back(), SIGTERM), 0);
    successors_.clear();
}

TEST_F(Upgrade, APathStaysUntilTheLastOneEnds) {
    const std::string path = gateway_.folder.path() / "lethe.sock";
    gateway_.address = "unix:" + path;
    gateway_.rewrite(to(origin_.port()));
    ASSERT_TRUE(gateway_.start());
    ASSERT_NO_FATAL_FAILURE(upgrade(gateway_.running().id()));
    for (int i = 0; i < 20; ++i) {
        plain_socket user = plain_socket::to_path(path);
        user.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        EXPECT_TRUE(contains(user.receive().value_or(""), "200 OK"));
    }
    EXPECT_EQ(end(successors_.back(), SIGTERM), 0);
    successors_.clear();
    EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace lethe::test
