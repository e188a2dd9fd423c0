// Looking up all addresses of a name, at a real name server.
#include "net/names.hpp"

#include "net/errors.hpp"
#include "support/dns_server.hpp"
#include "support/on_worker.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace lethe::net {
namespace {

using namespace std::chrono_literals;
using found = std::vector<named_address>;

class Names : public ::testing::Test {
 public:
    result<found> ask(const std::string& name, name_kind kind = name_kind::host) {
        return on.run(look_up_all(
            on.get(), {.name = name, .kind = kind, .server = address{"127.0.0.1", server.port()}},
            on.get().time().steady_now() + 20s));
    }

    test::dns_server server;
    test::running_worker on;
};

TEST_F(Names, AHostsAddressesComeInOrderAndOnceEach) {
    server.set_addresses("shop.test", {"127.0.0.9", "::1", "127.0.0.3", "127.0.0.9"});
    const result<found> got = ask("shop.test");
    ASSERT_TRUE(got.has_value()) << describe(got.error());
    EXPECT_EQ(*got, (found{{"127.0.0.3"}, {"127.0.0.9"}, {"::1"}}));
}

TEST_F(Names, AServiceHasThePortsAndWeightsOfItsLowestPriority) {
    server.set_addresses("one.test", {"127.0.0.1", "127.0.0.2"});
    server.set_addresses("two.test", {"127.0.0.3"});
    server.set_services("_http._tcp.shop.test",
                        {{.priority = 10, .weight = 5, .port = 81, .target = "one.test"},
                         {.priority = 10, .port = 82, .target = "two.test"},
                         {.priority = 10, .port = 83, .target = "gone.test"},
                         {.priority = 20, .port = 84, .target = "two.test"}});
    const result<found> got = ask("_http._tcp.shop.test", name_kind::service);
    ASSERT_TRUE(got.has_value()) << describe(got.error());
    EXPECT_EQ(*got, (found{{"127.0.0.1", 81, 5}, {"127.0.0.2", 81, 5}, {"127.0.0.3", 82, 0}}));
}

TEST_F(Names, NothingFoundAndNoAnswerAreTold) {
    EXPECT_EQ(ask("nobody.test").error(), errc::unknown_host);
    EXPECT_EQ(ask("_http._tcp.nobody.test", name_kind::service).error(), errc::unknown_host);
    server.fail(true);
    EXPECT_EQ(ask("shop.test").error(), errc::name_server_failed);
    EXPECT_EQ(ask("_http._tcp.shop.test", name_kind::service).error(), errc::name_server_failed);
}

TEST_F(Names, TheSystemKnowsItsHostsFile) {
    const result<found> got =
        on.run(look_up_all(on.get(), {.name = "localhost"}, on.get().time().steady_now() + 20s));
    ASSERT_TRUE(got.has_value()) << describe(got.error());
    EXPECT_NE(std::ranges::find(*got, named_address{"127.0.0.1"}), got->end());
}

// A socket that answers nothing.
class SilentNames : public ::testing::Test {
 public:
    static task<> keep(worker& on, address server, steady_time deadline, error_code& out) {
        const result<found> got =
            co_await look_up_all(on, {.name = "shop.test", .server = std::move(server)}, deadline);
        out = got.has_error() ? got.error() : error_code();
        co_return result<>{};
    }
    test::dns_server silent{test::dns_server::silent{}};
    address server{"127.0.0.1", silent.port()};
};

TEST_F(SilentNames, AreNotWaitedForBeyondTheDeadline) {
    test::running_worker on;
    const result<found> got = on.run(look_up_all(on.get(), {.name = "shop.test", .server = server},
                                                 on.get().time().steady_now() + 50ms));
    EXPECT_EQ(got.error(), errc::timeout);
}

TEST_F(SilentNames, StoppingTheWorkerEndsTheWait) {
    error_code ended;
    worker on;
    on.spawn(keep(on, server, steady_time::max(), ended));
    on.start();
    EXPECT_TRUE(silent.wait_for_questions(1));
    on.stop();
    EXPECT_EQ(ended, errc::cancelled);
}

}  // namespace
}  // namespace lethe::net
