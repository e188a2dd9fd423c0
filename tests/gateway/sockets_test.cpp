// Unix sockets, sockets that systemd passes on, and what it is told.
#include "gateway/running_gateway.hpp"
#include "support/plain_socket.hpp"
#include "wire/peers.hpp"

#include <gtest/gtest.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>

namespace lethe::test {
namespace {

using namespace std::chrono_literals;

bool contains(const std::string& text, std::string_view what) {
    return text.find(what) != std::string::npos;
}

std::string to(const std::string& replica, const std::string& more = {}) {
    return "upstreams:\n  - {name: app, replicas: [\"" + replica + "\"]" + more +
           "}\nroutes: [{match: {prefix: /}, upstream: app}]\n";
}

std::string ask(plain_socket& at) {
    at.send("GET /hello HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n");
    return at.receive().value_or("");
}

class Sockets : public ::testing::Test {
 protected:
    [[nodiscard]] std::string path() const { return gateway_.folder.path() / "lethe.sock"; }
    [[nodiscard]] std::string service() const {
        return "http://127.0.0.1:" + std::to_string(origin_.port());
    }

    scripted_origin origin_{echo};
    running_gateway gateway_{""};
};

TEST_F(Sockets, AGatewayListensAtAPathAndAnotherTakesItForAReplica) {
    gateway_.address = "unix:" + path();
    gateway_.listener_options = ", mode: \"0600\"";
    gateway_.rewrite("trusted_proxies: [unix]\n" + to(service()));
    ASSERT_TRUE(gateway_.start());
    struct stat found{};
    ASSERT_EQ(::stat(path().c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777U, 0600U);
    running_gateway front(to("unix:" + path(), ", health: {interval: 100ms}"));
    ASSERT_TRUE(front.start());
    client user(front.port);
    const http_answer answer = user.get("/hello");
    EXPECT_EQ(answer.status, 200);
    EXPECT_TRUE(contains(answer.body, "X-Forwarded-For: 127.0.0.1, unix:\r\n")) << answer.body;
    EXPECT_TRUE(contains(answer.body, ", for=unknown;proto=http;")) << answer.body;
    client admin(front.admin_port);
    EXPECT_TRUE(contains(admin.get("/metrics").body, "replica=\"unix:" + path() + "\"} 1\n"));
    gateway_.running().send(SIGTERM);
    EXPECT_EQ(gateway_.running().wait(10s), 0);
    EXPECT_FALSE(std::filesystem::exists(path()));
    EXPECT_EQ(user.get("/hello").status, 503);
}

TEST_F(Sockets, WhoComesByAPathIsNotBelievedUnlessSaid) {
    gateway_.address = "unix:" + path();
    gateway_.rewrite(to(service()));
    ASSERT_TRUE(gateway_.start());
    plain_socket user = plain_socket::to_path(path());
    const std::string answer = ask(user);
    EXPECT_TRUE(contains(answer, "X-Forwarded-For: unix:\r\n")) << answer;
}

TEST_F(Sockets, APathOfAKilledGatewayIsTakenOverAndOneInUseIsNot) {
    gateway_.address = "unix:" + path();
    gateway_.rewrite(to(service()));
    ASSERT_TRUE(gateway_.start());
    running_gateway second("");
    second.address = gateway_.address;
    second.rewrite(to(service()));
    const auto refused = second.start_refused();
    EXPECT_EQ(refused.exit, 1);
    EXPECT_TRUE(contains(refused.output, "cannot listen on unix:" + path())) << refused.output;
    gateway_.running().kill_now();
    ASSERT_TRUE(std::filesystem::exists(path()));
    ASSERT_TRUE(second.start());
    plain_socket user = plain_socket::to_path(path());
    EXPECT_TRUE(contains(ask(user), "GET /hello"));
}

// What systemd does: it holds the socket, and is told of states.
class manager {
 public:
    explicit manager(std::string path)
        : listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
          told_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        EXPECT_EQ(::listen(listening_, 100), 0);
        sockaddr_in own{};
        socklen_t size = sizeof own;
        EXPECT_EQ(::getsockname(listening_, reinterpret_cast<sockaddr*>(&own), &size), 0);
        port_ = ntohs(own.sin_port);
        sockaddr_un at{};
        at.sun_family = AF_UNIX;
        path.copy(at.sun_path, sizeof at.sun_path - 1);
        EXPECT_EQ(::bind(told_, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
        const timeval limit{10, 0};
        ::setsockopt(told_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }
    ~manager() {
        ::close(listening_);
        ::close(told_);
    }
    manager(const manager&) = delete;
    manager& operator=(const manager&) = delete;

    [[nodiscard]] int listening() const { return listening_; }
    [[nodiscard]] std::uint16_t port() const { return port_; }
    // The next message; "" when none comes.
    [[nodiscard]] std::string next() const {
        std::array<char, 256> bytes;
        const ssize_t got = ::recv(told_, bytes.data(), bytes.size(), 0);
        return {bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
    }

 private:
    int listening_;
    int told_;
    std::uint16_t port_ = 0;
};

TEST_F(Sockets, OfSystemdAreServedAndKeptAcrossARestart) {
    const manager systemd(gateway_.folder.path() / "notify");
    gateway_.address = "systemd:web";
    gateway_.third = systemd.listening();
    gateway_.variables = {"LISTEN_FDS=1", "LISTEN_FDNAMES=web",
                          "NOTIFY_SOCKET=" + (gateway_.folder.path() / "notify").string()};
    gateway_.rewrite(to(service()));
    ASSERT_TRUE(gateway_.start());
    EXPECT_EQ(systemd.next(), "READY=1");
    for (int i = 0; i < 20; ++i) {
        plain_socket user = plain_socket::to_port(systemd.port());
        EXPECT_TRUE(contains(ask(user), "GET /hello")) << i;
    }
    gateway_.running().send(SIGHUP);
    EXPECT_TRUE(systemd.next().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    EXPECT_EQ(systemd.next(), "READY=1");
    gateway_.running().send(SIGTERM);
    EXPECT_EQ(systemd.next(), "STOPPING=1");
    EXPECT_EQ(gateway_.running().wait(10s), 0);
    // Nobody is refused between two processes.
    plain_socket waits = plain_socket::to_port(systemd.port());
    waits.send("GET /waited HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_TRUE(gateway_.start());
    EXPECT_TRUE(contains(waits.receive().value_or(""), "GET /waited"));
}

TEST_F(Sockets, WithoutSystemdItsSocketIsMissedPlainly) {
    gateway_.address = "systemd:web";
    gateway_.rewrite(to(service()));
    const auto refused = gateway_.start_refused();
    EXPECT_EQ(refused.exit, 1);
    EXPECT_TRUE(contains(refused.output, "FileDescriptorName")) << refused.output;
}

}  // namespace
}  // namespace lethe::test
