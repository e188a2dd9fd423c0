// Engines behind a network while that network and their server fail, under load: every call ends in
// time, what is unknown is said to be, the answers are explained by one order of all operations,
// and afterwards all goes on.
#include "stores/rig.hpp"
#include "support/fault_proxy.hpp"
#include "support/servers.hpp"

#include <algorithm>
#include <functional>
#include <random>
#include <thread>

namespace lethe::store {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

// How long a fault lasts; not a wait for anything.
void last(std::chrono::milliseconds time) {
    std::this_thread::sleep_for(time);
}

// A server that can be killed, frozen and started again.
struct victim {
    std::function<std::string(std::uint16_t port)> url;
    std::uint16_t port = 0;
    std::function<void()> kill;
    std::function<void()> start;
    std::function<void()> freeze;
    std::function<void()> thaw;
    std::shared_ptr<void> keep;
};

template <class Server>
victim make_victim(std::shared_ptr<Server> server,
                   std::function<std::string(std::uint16_t port)> url) {
    return {.url = std::move(url),
            .port = server->port(),
            .kill = [server] { server->kill_now(); },
            .start = [server] { server->start(); },
            .freeze = [server] { server->freeze(); },
            .thaw = [server] { server->thaw(); },
            .keep = server};
}

std::string at_port(const std::string& before, std::uint16_t port, const std::string& behind = {}) {
    return before + "127.0.0.1:" + std::to_string(port) + behind;
}

struct subject_of_faults {
    const char* name;
    victim (*start)();
    bool forgets_when_killed = false;
    const char* needs = nullptr;
    // Records move here from SQLite meanwhile.
    bool moves = false;
};

constexpr subject_of_faults engines[] = {
    {.name = "redis",
     .start =
         [] {
             return make_victim(std::make_shared<test::redis_server>(),
                                [](std::uint16_t port) { return at_port("redis://", port); });
         }},
    {.name = "valkey",
     .start =
         [] {
             return make_victim(std::make_shared<test::redis_server>(
                                    test::redis_options{.program = "valkey-server"}),
                                [](std::uint16_t port) { return at_port("redis://", port); });
         },
     .needs = "valkey-server"},
    {.name = "moving_to_redis",
     .start =
         [] {
             return make_victim(std::make_shared<test::redis_server>(),
                                [](std::uint16_t port) { return at_port("redis://", port); });
         },
     .moves = true},
    {.name = "memcached",
     .start =
         [] {
             return make_victim(
                 std::make_shared<test::memcached_server>(std::vector<std::string>{"-m", "512"}),
                 [](std::uint16_t port) { return at_port("memcached://", port); });
         },
     .forgets_when_killed = true},
    {.name = "postgres",
     .start =
         [] {
             return make_victim(std::make_shared<test::postgres_server>(), [](std::uint16_t port) {
                 return at_port("postgres://lethe@", port, "/lethe");
             });
         }},
};

std::vector<const char*> names() {
    std::vector<const char*> out;
    for (const subject_of_faults& one : engines)
        if (one.needs == nullptr || test::has_program(one.needs)) out.push_back(one.name);
    return out;
}

class Faults : public ::testing::TestWithParam<const char*> {
 protected:
    struct fault {
        const char* name;
        std::function<void()> happen;  // and end
    };

    Faults()
        : engine_kind_(*std::ranges::find(engines, std::string_view(GetParam()),
                                          &subject_of_faults::name)) {}

    void begin(std::size_t value_bytes_max = 2000) {
        load_options options{.seed = random_(), .value_bytes_max = value_bytes_max};
        // Many, so that there are some to be moved all the time.
        if (engine_kind_.moves) options.keys = 300;
        std::vector<std::string> urls = {server_.url(proxy_.port())};
        std::vector<event> before;
        if (engine_kind_.moves) {
            urls.push_back("sqlite:" + (previous_.path() / "store.db").string());
            load_options filling = options;
            filling.number = 1000;
            before = filled(urls[1], filling);
        }
        rig_ = std::make_unique<rig>(urls, options);
        rig_->kept().add(before);
    }
    [[nodiscard]] std::vector<fault> network_faults();
    [[nodiscard]] std::vector<fault> server_faults();
    // Each at least once, in random order, and then for a while.
    void suffer(std::vector<fault> faults);
    void expect_explained(bool forgets);
    std::chrono::milliseconds some(unsigned from, unsigned to) {
        return std::chrono::milliseconds(from + random_() % (to - from));
    }

    const subject_of_faults& engine_kind_;
    std::mt19937_64 random_{seed_of_this_run()};
    victim server_ = engine_kind_.start();
    test::fault_proxy proxy_{server_.port};
    const test::temporary_folder previous_{"lethe-previous-"};
    std::unique_ptr<rig> rig_;
};
INSTANTIATE_TEST_SUITE_P(Stores, Faults, ::testing::ValuesIn(names()), name_of);

std::vector<Faults::fault> Faults::network_faults() {
    return {
        {"all connections are cut", [this] { proxy_.cut(); }},
        {"an answer is cut in its middle", [this] { proxy_.cut_after(1 + random_() % 20'000); }},
        {"the next answer is cut", [this] { proxy_.cut_after(1 + random_() % 40); }},
        {"answers are late",
         [this] {
             proxy_.hold_answers(true);
             last(some(100, 900));
             proxy_.heal();
         }},
        {"the network is away for a while",
         [this] {
             proxy_.hold_all(true);
             last(some(100, 900));
             proxy_.heal();
         }},
        {"answers are lost",
         [this] {
             proxy_.drop_answers(true);
             last(some(50, 500));
             proxy_.cut();
             proxy_.heal();
         }},
        {"one answer is lost",
         [this] {
             proxy_.drop_piece(1 + random_() % 20);
             last(some(300, 600));
             proxy_.cut();
             proxy_.heal();
         }},
        {"connections are refused",
         [this] {
             proxy_.refuse(true);
             proxy_.cut();
             last(some(50, 500));
             proxy_.heal();
         }},
        {"everything is slow",
         [this] {
             proxy_.delay(some(5, 50));
             last(some(100, 500));
             proxy_.heal();
         }},
        {"the server is frozen",
         [this] {
             server_.freeze();
             last(some(100, 900));
             server_.thaw();
         }},
    };
}

std::vector<Faults::fault> Faults::server_faults() {
    return {
        {"the server is killed and started again",
         [this] {
             server_.kill();
             last(some(1, 300));
             server_.start();
         }},
        {"the server is killed while the network is away",
         [this] {
             proxy_.hold_answers(true);
             last(some(1, 50));
             server_.kill();
             proxy_.heal();
             server_.start();
         }},
        {"the server is frozen and killed",
         [this] {
             server_.freeze();
             last(some(1, 300));
             server_.kill();
             server_.start();
         }},
    };
}

void Faults::suffer(std::vector<fault> faults) {
    const auto until = steady_clock::now() + fault_time(5);
    for (bool first = true; first || steady_clock::now() < until; first = false) {
        std::ranges::shuffle(faults, random_);
        for (const fault& one : faults) {
            if (HasFailure() || (!first && steady_clock::now() > until)) return;
            one.happen();
            rig_->expect_progress(one.name);
        }
    }
}

void Faults::expect_explained(bool forgets) {
    proxy_.heal();
    rig_->expect_explained(GetParam(), {.forgets = forgets, .moves = engine_kind_.moves});
    EXPECT_GT(rig_->kept().count(event::outcome::unknown), 0U) << "no fault has struck";
}

TEST_P(Faults, ABadNetworkAndAFrozenServerChangeNoPromise) {
    begin();
    suffer(network_faults());
    expect_explained(false);
}

TEST_P(Faults, AServerThatIsKilledKeepsWhatItAnswered) {
    begin();
    suffer(server_faults());
    // What one that keeps nothing had is gone, but never comes back.
    expect_explained(engine_kind_.forgets_when_killed);
}

// Values of up to 4 MB: the cuts fall into them.
TEST_P(Faults, LargeValuesAreWholeOrNotThere) {
    begin(80'000);
    std::vector<fault> all = network_faults();
    std::erase_if(all, [](const fault& one) {
        return std::string_view(one.name).find("cut") == std::string_view::npos;
    });
    suffer(std::move(all));
    expect_explained(false);
}

// A call that waits for a server that is not there ends by its deadline, each time.
TEST_P(Faults, WithoutAServerCallsEndByTheirDeadlineAndChangeNothing) {
    begin();
    rig_->stop_load();
    server_.kill();
    const std::string key = rig_->options().prefix + "new";
    for (int i = 0; i < 20; ++i) {
        const steady_time now = steady_clock::now();
        const result<answer> refused =
            rig_->run(rig_->first().run(put{key, "v", 1h, anything{}, ""}, now + 50ms));
        ASSERT_TRUE(refused.has_error());
        EXPECT_LT(steady_clock::now(), now + 50ms + rig_->options().slack);
        // The first may have been sent on a connection that was dying.
        if (i > 0)
            EXPECT_TRUE(refused.error() == condition::timeout ||
                        refused.error() == condition::unavailable)
                << describe(refused.error());
    }
    server_.start();
    std::optional<record> found;
    EXPECT_TRUE(test::wait_for(
        [&] {
            const auto read = rig_->run(rig_->first().read(key, steady_clock::now() + 5s));
            if (read.has_value()) found = *read;
            return read.has_value();
        },
        30s));
    EXPECT_FALSE(found.has_value());
}

}  // namespace
}  // namespace lethe::store
