// Sockets that several workers listen at, and those that are no TCP.
#include "net/listening.hpp"

#include "net/errors.hpp"
#include "net/service_manager.hpp"
#include "support/plain_socket.hpp"
#include "support/process.hpp"

#include <gtest/gtest.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace lethe::net {
namespace {

using namespace std::chrono_literals;
using lethe::test::plain_socket;

// Says its number to whoever connects, on a thread of its own.
class greeter {
 public:
    greeter(listening_socket& at, char name) : door_(*listen(worker_, at)), name_(1, name) {
        worker_.spawn(greet_all());
        worker_.start();
    }
    ~greeter() { worker_.stop(); }

 private:
    task<> greet_all() {
        while (true) {
            result<stream> one = co_await door_.accept();
            if (one.has_error()) co_return one.error();
            remote = one->remote_address() == "unix:";
            const std::array<std::string_view, 1> said = {name_};
            static_cast<void>(co_await one->write(said));
        }
    }

    worker worker_;
    listener door_;
    std::string name_;

 public:
    std::atomic<bool> remote{false};
};

class Listening : public ::testing::Test {
 protected:
    [[nodiscard]] address at(const std::string& file) const {
        return {folder_.path() / file, 0, address_kind::path};
    }
    lethe::test::temporary_folder folder_{"lethe-listening"};
};

TEST_F(Listening, AddressesInEveryForm) {
    for (const std::string good : {"127.0.0.1:80", "[::1]:80", "unix:/run/a.sock", "systemd:web"})
        EXPECT_EQ(to_text(*parse_listen_address(good)), good);
    EXPECT_EQ(parse_listen_address("unix:/run/a.sock")->kind, address_kind::path);
    EXPECT_EQ(parse_listen_address("systemd:web")->kind, address_kind::inherited);
    for (const std::string bad :
         {"unix:a.sock", "unix:", "unix:/", "unix:/a b", "systemd:", "systemd:a:b", "systemd:a b"})
        EXPECT_TRUE(parse_listen_address(bad).has_error()) << bad;
    EXPECT_TRUE(parse_listen_address("unix:/" + std::string(107, 'a')).has_error());
    EXPECT_TRUE(parse_listen_address("unix:/" + std::string(106, 'a')).has_value());
    EXPECT_TRUE(parse_peer_address("systemd:web").has_error());
    EXPECT_TRUE(parse_address("unix:/run/a.sock").has_error());
}

TEST_F(Listening, WorkersShareAPortOrAPath) {
    for (const address& where : {address{"127.0.0.1", 0}, at("shared")}) {
        listening_socket open = *open_listening(where);
        const greeter first(open, '1');
        const greeter second(open, '2');
        std::string said;
        for (int i = 0; i < 200; ++i) {
            plain_socket one = where.kind == address_kind::path
                                   ? plain_socket::to_path(open.local().host)
                                   : plain_socket::to_port(open.local().port);
            said += one.receive_exactly(1);
        }
        EXPECT_EQ(said.find_first_not_of("12"), std::string::npos);
        if (where.kind == address_kind::path) EXPECT_TRUE(first.remote || second.remote);
    }
}

TEST_F(Listening, APathHasItsModeAndIsTakenAwayAtTheEnd) {
    const address where = at("mode");
    const mode_t before = ::umask(077);
    {
        const listening_socket open = *open_listening(where, 0662);
        struct stat found{};
        ASSERT_EQ(::stat(where.host.c_str(), &found), 0);
        EXPECT_EQ(found.st_mode & 0777U, 0662U) << "whatever the umask";
    }
    ::umask(before);
    EXPECT_FALSE(std::filesystem::exists(where.host));
}

TEST_F(Listening, APathInUseIsRefusedAndOneLeftBehindTaken) {
    const address where = at("used");
    {
        const listening_socket open = *open_listening(where);
        EXPECT_EQ(open_listening(where).error(), errc::address_in_use);
    }
    std::ofstream(where.host) << "a file";
    EXPECT_EQ(open_listening(where).error(), errc::address_in_use) << "not ours to remove";
    std::filesystem::remove(where.host);
    {
        // As a process that was killed leaves it.
        listening_socket killed = *open_listening(where);
        std::filesystem::rename(where.host, at("kept").host);
    }
    std::filesystem::rename(at("kept").host, where.host);
    ASSERT_TRUE(std::filesystem::exists(where.host));
    EXPECT_TRUE(open_listening(where).has_value());
}

TEST_F(Listening, AnothersPathIsLeftAlone) {
    const address where = at("replaced");
    {
        const listening_socket open = *open_listening(where);
        std::filesystem::remove(where.host);
        std::ofstream(where.host) << "another's";
    }
    EXPECT_TRUE(std::filesystem::exists(where.host));
}

// As systemd passes it: number 3, and three variables.
class Inherited : public ::testing::Test {
 protected:
    void pass(const std::string& names) {
        ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
        ::setenv("LISTEN_FDS", "1", 1);
        ::setenv("LISTEN_FDNAMES", names.c_str(), 1);
    }
    void SetUp() override {
        saved_ = ::dup(3);  // whatever the test program has there
        const int made = ::socket(AF_INET, SOCK_STREAM, 0);
        ASSERT_EQ(::listen(made, 10), 0);
        sockaddr_in own{};
        socklen_t size = sizeof own;
        ASSERT_EQ(::getsockname(made, reinterpret_cast<sockaddr*>(&own), &size), 0);
        port_ = ntohs(own.sin_port);
        if (made != 3) {
            ASSERT_EQ(::dup2(made, 3), 3);
            ::close(made);
        }
    }
    void TearDown() override {
        for (const char* one : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(one);
        ::close(3);
        if (saved_ >= 0) {
            ::dup2(saved_, 3);
            ::close(saved_);
        }
    }

    int saved_ = -1;
    std::uint16_t port_ = 0;
};

TEST_F(Inherited, IsFoundByItsNameOrNumber) {
    pass("web");
    for (const std::string name : {"web", "0"}) {
        listening_socket open = *open_listening({name, 0, address_kind::inherited});
        const greeter one(open, '1');
        EXPECT_EQ(plain_socket::to_port(port_).receive_exactly(1), "1") << name;
    }
    for (const std::string name : {"admin", "1", "-1", ""})
        EXPECT_EQ(take_inherited(name).error(), errc::not_inherited) << name;
}

TEST_F(Inherited, WhatIsForAnotherProcessIsNotTaken) {
    pass("web");
    ::setenv("LISTEN_PID", "1", 1);
    EXPECT_EQ(take_inherited("web").error(), errc::not_inherited);
    ::unsetenv("LISTEN_PID");
    EXPECT_EQ(take_inherited("web").error(), errc::not_inherited);
}

TEST_F(Inherited, StaysOpenForWhoComesAfterUs) {
    pass("web");
    {
        const listening_socket open = *open_listening({"web", 0, address_kind::inherited});
    }
    plain_socket waits = plain_socket::to_port(port_);
    listening_socket again = *open_listening({"web", 0, address_kind::inherited});
    const greeter next(again, '2');
    EXPECT_EQ(waits.receive_exactly(1), "2");
}

}  // namespace
}  // namespace lethe::net
