// Replicas that are names: what becomes of requests while their addresses come and go.
#include "support/dns_server.hpp"
#include "support/servers.hpp"
#include "wire/peers.hpp"
#include "wire/proxy.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>

namespace lethe::test {
namespace {

using namespace std::chrono_literals;

const std::string a_get = "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";
const std::string service = "_http._tcp.shop.test";

std::string ask(std::uint16_t port) {
    raw_socket client = raw_socket::connect(port);
    client.send(a_get);
    return client.read_message();
}

std::string answer_of(const std::string& name) {
    return "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + name;
}

scripted_origin::script answer_with(std::string name) {
    return [name = std::move(name)](raw_socket& connection) {
        while (!connection.read_message().empty()) connection.send(answer_of(name));
    };
}

// Opened once.
class gate {
 public:
    void open() {
        const std::scoped_lock lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    bool wait() {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, 20s, [this] { return open_; });
    }

 private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = false;
};

class NamesWire : public ::testing::Test {
 public:
    [[nodiscard]] proxy_options by(upstream::replica name) const {
        return {.replicas = {}, .adjust = [name, at = names.port()](upstream::options& o) {
                    o.replicas = {name};
                    o.resolver = net::address{"127.0.0.1", at};
                }};
    }
    [[nodiscard]] proxy_options by_service() const {
        return by({.host = service, .kind = upstream::replica_kind::services, .refresh = 20ms});
    }
    void set(const std::vector<std::uint16_t>& ports) {
        std::vector<dns_service> all;
        for (const std::uint16_t port : ports)
            all.push_back({.weight = 1, .port = port, .target = "host.test"});
        names.set_services(service, all);
    }
    // Who answers the next ten requests.
    static std::string answers(std::uint16_t port) {
        std::set<char> out;
        for (int i = 0; i < 10; ++i) out.insert(ask(port).back());
        return {out.begin(), out.end()};
    }
    // A look-up asks for the service and two kinds of addresses: what was set is in use after it.
    void wait_for_look_up() { EXPECT_TRUE(names.wait_for_questions(7)); }

    dns_server names;

    NamesWire() { names.set_addresses("host.test", {"127.0.0.1"}); }
};

TEST_F(NamesWire, EachAddressIsAReplicaAndTheFirstRequestsWaitForThem) {
    scripted_origin first(answer_with("1"));
    scripted_origin second(answer_with("2"));
    set({first.port(), second.port()});
    proxy gateway(by_service());
    EXPECT_EQ(answers(gateway.port()), "12");
}

TEST_F(NamesWire, AHostIsAskedAtThePortThatIsGiven) {
    scripted_origin origin(answer_with("1"));
    proxy gateway(by(
        {.host = "host.test", .port = origin.port(), .kind = upstream::replica_kind::addresses}));
    EXPECT_EQ(answers(gateway.port()), "1");
}

TEST_F(NamesWire, WhoIsGoneEndsWhatItHasAndGetsNothingMore) {
    gate asked;
    gate go_on;
    std::atomic<bool> held{false};
    scripted_origin leaving([&](raw_socket& connection) {
        while (!connection.read_message().empty()) {
            if (!held.exchange(true)) {
                asked.open();
                EXPECT_TRUE(go_on.wait());
            }
            connection.send(answer_of("1"));
        }
    });
    scripted_origin joining(answer_with("2"));
    set({leaving.port()});
    proxy gateway(by_service());
    raw_socket client = raw_socket::connect(gateway.port());
    client.send(a_get);
    ASSERT_TRUE(asked.wait());
    set({joining.port()});
    EXPECT_TRUE(wait_for([&] { return ask(gateway.port()).back() == '2'; }, 20s));
    EXPECT_EQ(answers(gateway.port()), "2");
    go_on.open();
    EXPECT_EQ(client.read_message().back(), '1') << "what is under way ends";
    EXPECT_EQ(answers(gateway.port()), "2");
}

TEST_F(NamesWire, WhoIsBackIsAReplicaAgain) {
    scripted_origin first(answer_with("1"));
    scripted_origin second(answer_with("2"));
    set({first.port(), second.port()});
    proxy gateway(by_service());
    EXPECT_EQ(answers(gateway.port()), "12");
    set({first.port()});
    EXPECT_TRUE(wait_for([&] { return answers(gateway.port()) == "1"; }, 20s));
    set({second.port(), first.port()});
    EXPECT_TRUE(wait_for([&] { return answers(gateway.port()) == "12"; }, 20s));
}

TEST_F(NamesWire, ALookUpThatFailsOrFindsNothingChangesNothing) {
    scripted_origin origin(answer_with("1"));
    set({origin.port()});
    proxy gateway(by_service());
    EXPECT_EQ(answers(gateway.port()), "1");
    names.fail(true);
    wait_for_look_up();
    EXPECT_EQ(answers(gateway.port()), "1");
    names.fail(false);
    set({});
    wait_for_look_up();
    EXPECT_EQ(answers(gateway.port()), "1");
    scripted_origin other(answer_with("2"));
    set({other.port()});
    EXPECT_TRUE(wait_for([&] { return ask(gateway.port()).back() == '2'; }, 20s));
}

TEST_F(NamesWire, ANameThatNobodyKnowsIsAnUpstreamWithoutReplicas) {
    proxy gateway(by_service());
    const std::string answer = ask(gateway.port());
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 503 ")) << answer;
    EXPECT_NE(answer.find("urn:lethe:problem:upstream-unavailable"), std::string::npos) << answer;
    scripted_origin origin(answer_with("1"));
    set({origin.port()});
    EXPECT_TRUE(wait_for([&] { return ask(gateway.port()).back() == '1'; }, 20s));
}

TEST_F(NamesWire, HealthIsAskedOfEachAddressByItsName) {
    std::mutex mutex;
    std::set<std::string> hosts;
    const auto healthy = [&](raw_socket& connection) {
        for (std::string request; !(request = connection.read_message()).empty();) {
            const bool health = request.starts_with("GET /healthz ");
            const std::size_t at = request.find("Host: ");
            const std::scoped_lock lock(mutex);
            if (health) hosts.insert(request.substr(at, request.find("\r\n", at) - at));
            connection.send(answer_of("1"));
        }
    };
    const auto ill = [](raw_socket& connection) {
        for (std::string request; !(request = connection.read_message()).empty();)
            connection.send(request.starts_with("GET /healthz ")
                                ? "HTTP/1.1 500 Ill\r\nContent-Length: 0\r\n\r\n"
                                : answer_of("2"));
    };
    scripted_origin first(healthy);
    scripted_origin second(ill);
    set({first.port(), second.port()});
    proxy_options options = by_service();
    options.adjust = [before = options.adjust](upstream::options& o) {
        before(o);
        o.health = upstream::health_options{.interval = 100ms, .unhealthy_after = 1};
    };
    proxy gateway(std::move(options));
    EXPECT_TRUE(wait_for(
        [&] {
            const std::scoped_lock lock(mutex);
            return !hosts.empty();
        },
        20s));
    EXPECT_TRUE(wait_for([&] { return answers(gateway.port()) == "1"; }, 20s));
    const std::scoped_lock lock(mutex);
    EXPECT_EQ(hosts, (std::set<std::string>{"Host: shop.test:" + std::to_string(first.port())}));
}

}  // namespace
}  // namespace lethe::test
