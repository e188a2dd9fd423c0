// Clients that are led back to their replica by a cookie.
#include "wire/peers.hpp"
#include "wire/proxy.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <set>

namespace lethe::test {
namespace {

using namespace std::chrono_literals;

class AffinityWire : public ::testing::Test {
 public:
    AffinityWire() {
        for (const char name : {'1', '2', '3'})
            origins_.push_back(std::make_unique<scripted_origin>([this, name](raw_socket& to) {
                for (std::string request; !(request = to.read_message()).empty();) {
                    {
                        const std::scoped_lock lock(mutex_);
                        last_request = request;
                        if (name == down_) return to.reset();
                    }
                    to.send(
                        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nSet-Cookie: "
                        "lethe-replica=mine\r\nSet-Cookie: a=b\r\n\r\n" +
                        std::string(1, name));
                }
            }));
        gateway = std::make_unique<proxy>(proxy_options{
            .replicas = {origins_[0]->port(), origins_[1]->port(), origins_[2]->port()},
            .adjust = [](upstream::options& o) {
                o.affinity.emplace();
                o.affinity->keys = {secret("a-key-that-is-long-enough-for-this")};
                o.ejection = {.consecutive_failures = 1, .for_how_long = 1h};
            }});
    }
    ~AffinityWire() override { gateway.reset(); }

    std::string ask(const std::string& cookie) const {
        raw_socket client = raw_socket::connect(gateway->port());
        client.send("GET / HTTP/1.1\r\nHost: a\r\n" +
                    (cookie.empty() ? "" : "Cookie: " + cookie + "\r\n") + "\r\n");
        return client.read_message();
    }
    // "lethe-replica=…" of an answer; "": none was set.
    static std::string cookie_of(const std::string& answer) {
        const std::size_t at = answer.find("lethe-replica=");
        return at == std::string::npos ? "" : answer.substr(at, answer.find(';', at) - at);
    }
    void take_down(char name) {
        const std::scoped_lock lock(mutex_);
        down_ = name;
    }
    std::string seen() {
        const std::scoped_lock lock(mutex_);
        return last_request;
    }

    std::unique_ptr<proxy> gateway;

 private:
    std::mutex mutex_;
    std::string last_request;
    char down_ = '-';
    std::vector<std::unique_ptr<scripted_origin>> origins_;
};

TEST_F(AffinityWire, AClientComesBackToItsReplicaWhichNeverSeesTheCookie) {
    std::set<char> all;
    for (int client = 0; client < 6; ++client) {
        const std::string first = ask("");
        const std::string cookie = cookie_of(first);
        EXPECT_GT(cookie.size(), 80U) << first;
        EXPECT_EQ(first.find("lethe-replica=mine"), std::string::npos) << first;
        EXPECT_NE(first.find("Set-Cookie: a=b\r\n"), std::string::npos) << first;
        all.insert(first.back());
        for (int i = 0; i < 4; ++i) {
            const std::string answer = ask("x=1; " + cookie + "; y=2");
            EXPECT_EQ(answer.back(), first.back());
            EXPECT_NE(seen().find("Cookie: x=1; y=2\r\n"), std::string::npos) << seen();
        }
        static_cast<void>(ask(cookie));
        EXPECT_EQ(seen().find("Cookie"), std::string::npos) << seen();
    }
    EXPECT_EQ(all.size(), 3U) << "clients are spread";
}

TEST_F(AffinityWire, WhoseReplicaIsGoneGetsAnotherAndKeepsThat) {
    const std::string first = ask("");
    const std::string cookie = cookie_of(first);
    take_down(first.back());
    const std::string second = ask(cookie);
    EXPECT_TRUE(second.starts_with("HTTP/1.1 200 ")) << second;
    EXPECT_NE(second.back(), first.back());
    const std::string other = cookie_of(second);
    EXPECT_GT(other.size(), 80U) << second;
    for (int i = 0; i < 4; ++i) EXPECT_EQ(ask(other).back(), second.back());
}

TEST_F(AffinityWire, AForgedCookieIsNoCookie) {
    const std::string forged = "lethe-replica=" + std::string(75, 'A');
    std::set<char> all;
    for (int i = 0; i < 6; ++i) {
        const std::string answer = ask(forged);
        EXPECT_GT(cookie_of(answer).size(), 80U) << answer;
        EXPECT_EQ(seen().find("Cookie"), std::string::npos) << seen();
        all.insert(answer.back());
    }
    EXPECT_EQ(all.size(), 3U);
}

}  // namespace
}  // namespace lethe::test
