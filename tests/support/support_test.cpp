// The tools of the tests, tested: a client or a process that errs would hide what it should find.
#include "support/client.hpp"
#include "support/process.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <thread>

namespace lethe::test {
namespace {

using namespace std::chrono_literals;

// Accepts one connection, reads once, writes `answer` in two pieces, and closes unless told to
// stay.
class scripted_server {
 public:
    scripted_server(std::string answer, std::size_t cut, std::chrono::milliseconds stay = 0ms) {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof at;
        ::bind(listener_, reinterpret_cast<const sockaddr*>(&at), size);
        ::listen(listener_, 1);
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size);
        port_ = ntohs(at.sin_port);
        thread_ = std::thread([this, answer = std::move(answer), cut, stay] {
            const int one = ::accept(listener_, nullptr, nullptr);
            char buffer[4096];
            const ssize_t got = ::recv(one, buffer, sizeof buffer, 0);
            if (got > 0) request_.assign(buffer, static_cast<std::size_t>(got));
            ::send(one, answer.data(), cut, MSG_NOSIGNAL);
            std::this_thread::sleep_for(5ms);
            ::send(one, answer.data() + cut, answer.size() - cut, MSG_NOSIGNAL);
            std::this_thread::sleep_for(stay);
            ::close(one);
        });
    }
    ~scripted_server() {
        thread_.join();
        ::close(listener_);
    }
    [[nodiscard]] std::uint16_t port() const { return port_; }
    [[nodiscard]] const std::string& request() const { return request_; }

 private:
    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::string request_;
    std::thread thread_;
};

http_answer ask(const std::string& answer, std::size_t cut, std::chrono::milliseconds timeout = 5s,
                std::chrono::milliseconds stay = 0ms) {
    scripted_server server(answer, cut, stay);
    client c(server.port(), timeout);
    return c.get("/");
}

TEST(Client, ReadsChunkedBodiesHoweverTheyAreCut) {
    const std::string answer =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5;x=y\r\nhello\r\n7\r\n, world\r\n0\r\nTrailer: a\r\n\r\n";
    for (std::size_t cut = 0; cut <= answer.size(); cut += 3) {
        const http_answer got = ask(answer, cut);
        ASSERT_TRUE(got.complete()) << cut;
        EXPECT_EQ(got.body, "hello, world") << cut;
    }
}

TEST(Client, SaysWhenAnAnswerIsCutShort) {
    for (const char* text :
         {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "HTTP/1.1 200 OK\r\nContent-Le",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", ""})
        EXPECT_EQ(ask(text, 0).failure, http_failure::lost) << text;
    EXPECT_EQ(ask("nonsense, nonsense\r\n\r\n", 4).failure, http_failure::nonsense);
}

TEST(Client, TellsRefusedFromTimeout) {
    client nobody(free_ports(1).front());
    EXPECT_EQ(nobody.get("/").failure, http_failure::refused);
    EXPECT_EQ(ask("HTTP/1.1 200 OK\r\n", 0, 50ms, 200ms).failure, http_failure::timeout);
}

TEST(Client, KeepsCookiesAndSendsThemBack) {
    client c(1);
    {
        scripted_server server(
            "HTTP/1.1 200 OK\r\nSet-Cookie: __Host-a=b=c; Path=/; Secure\r\nset-cookie: d=e\r\n"
            "Set-Cookie: gone=x; Max-Age=0\r\nContent-Length: 0\r\n\r\n",
            0);
        c.use_port(server.port());
        c.cookies()["gone"] = "y";
        EXPECT_EQ(c.get("/").status, 200);
    }
    EXPECT_EQ(c.cookies(), (std::map<std::string, std::string>{{"__Host-a", "b=c"}, {"d", "e"}}));
    scripted_server server("HTTP/1.1 204 No Content\r\n\r\n", 0);
    c.use_port(server.port());
    EXPECT_EQ(c.get("/").status, 204);
    EXPECT_NE(server.request().find("Cookie: __Host-a=b=c; d=e\r\n"), std::string::npos);
}

TEST(Process, TellsExitStatusAndSignal) {
    process three({.command = {"/bin/sh", "-c", "exit 3"}, .output = {}});
    EXPECT_EQ(three.wait(5s), 3);
    process sleeper({.command = {"/bin/sleep", "60"}, .output = {}});
    EXPECT_TRUE(sleeper.running());
    EXPECT_EQ(sleeper.wait(0ms), std::nullopt);
    sleeper.send(SIGTERM);
    EXPECT_EQ(sleeper.wait(5s), 128 + SIGTERM);
    EXPECT_FALSE(sleeper.running());
}

TEST(Process, RunsACommandAndTakesItsOutput) {
    const finished_command done =
        run_command({"/bin/sh", "-c", "echo out; echo err >&2; exit 1"}, 5s);
    EXPECT_EQ(done.exit, 1);
    EXPECT_EQ(done.output, "out\nerr\n");
    EXPECT_EQ(run_command({"/bin/sleep", "60"}, 20ms).exit, 137);
    EXPECT_EQ(run_command({"/no/such/program"}, 5s).exit, 127);
}

bool is_alive(pid_t id) {
    std::ifstream status("/proc/" + std::to_string(id) + "/stat");
    std::string number, name, state;
    return static_cast<bool>(status >> number >> name >> state) && state != "Z";
}

TEST(Process, DiesWithItsOwnerAndWithTheThreadThatStartedIt) {
    pid_t id = 0;
    {
        const process sleeper({.command = {"/bin/sleep", "60"}, .output = {}});
        id = sleeper.id();
        EXPECT_TRUE(is_alive(id));
    }
    EXPECT_FALSE(is_alive(id));
    std::optional<process> orphan;
    std::thread([&orphan] {
        orphan.emplace(process_options{.command = {"/bin/sleep", "60"}, .output = {}});
        // Until it has become what it shall be, it has not asked to die with this thread.
        for (std::string name; name != "sleep"; std::this_thread::sleep_for(1ms))
            std::ifstream("/proc/" + std::to_string(orphan->id()) + "/comm") >> name;
    }).join();
    EXPECT_EQ(orphan->wait(5s), 128 + SIGKILL);
}

TEST(TemporaryFolder, IsGoneAfterwards) {
    std::filesystem::path where;
    {
        const temporary_folder folder("lethe-support-");
        where = folder.path();
        std::ofstream(where / "file") << "text";
        EXPECT_TRUE(std::filesystem::exists(where / "file"));
    }
    EXPECT_FALSE(std::filesystem::exists(where));
}

}  // namespace
}  // namespace lethe::test
