#include "stores/set_ups.hpp"

#include "store/moving/moving.hpp"
#include "support/process.hpp"
#include "support/servers.hpp"

#include <algorithm>
#include <map>
#include <thread>

namespace lethe::store {
namespace {

using namespace std::chrono_literals;

set_up::place start_memory() {
    return {{"memory:"}, nullptr};
}

set_up::place start_sqlite() {
    auto folder = std::make_shared<test::temporary_folder>("lethe-stores-");
    return {{"sqlite:" + (folder->path() / "store.db").string()}, folder};
}

set_up::place start_memcached() {
    // Room for all that the tests put, so that nothing is evicted.
    struct two {
        test::memcached_server first{{"-m", "512"}};
        test::memcached_server second{{"-m", "512"}};
    };
    auto servers = std::make_shared<two>();
    return {{servers->first.url() + "," + servers->second.host()}, servers};
}

set_up::place start_postgres() {
    auto server = std::make_shared<test::postgres_server>(test::postgres_options{.syncs = true});
    return {{server->url()}, server};
}

set_up::place start_redis() {
    auto server = std::make_shared<test::redis_server>();
    return {{server->url()}, server};
}

set_up::place start_valkey() {
    auto server =
        std::make_shared<test::redis_server>(test::redis_options{.program = "valkey-server"});
    return {{server->url()}, server};
}

set_up::place start_redis_resp2() {
    auto server = std::make_shared<test::redis_server>();
    return {{server->url() + "?proto=2&prefix=two:"}, server};
}

// Nobody dies here. A server that a busy machine holds up must not be taken for dead: what its
// replica does not have yet would be lost, as is allowed, and be taken for the engine's mistake.
constexpr std::chrono::milliseconds patience{30'000};

set_up::place start_redis_sentinel() {
    auto servers = std::make_shared<test::redis_sentinels>(
        test::redis_sentinels_options{.down_after = patience});
    return {{servers->url()}, servers};
}

set_up::place start_moving() {
    return {{"memory:", "memory:"}, nullptr};
}

set_up::place start_moving_to_redis() {
    struct both {
        test::redis_server primary;
        test::temporary_folder previous{"lethe-stores-"};
    };
    auto kept = std::make_shared<both>();
    return {{kept->primary.url(), "sqlite:" + (kept->previous.path() / "store.db").string()}, kept};
}

set_up::place start_redis_cluster() {
    auto servers = std::make_shared<test::redis_cluster>(
        test::redis_cluster_options{.node_timeout = patience});
    return {{servers->url()}, servers};
}

// What Redis and Valkey promise, however they are reached; their settings decide the rest.
constexpr engine_promises of_redis = {.settings_decide = true,
                                      .linearizable = true,
                                      .transactions = true,
                                      .shared = true,
                                      .scans = true};

constexpr set_up all[] = {
    {.name = "memory",
     .promises = {.linearizable = true, .transactions = true, .scans = true},
     .time_is_ours = true,
     .start = start_memory},
    {.name = "sqlite",
     .promises = {.durable = true,
                  .linearizable = true,
                  .transactions = true,
                  .shared = true,
                  .scans = true},
     .time_is_ours = true,
     .start = start_sqlite},
    {.name = "postgres",
     .promises = {.durable = true,
                  .linearizable = true,
                  .transactions = true,
                  .shared = true,
                  .scans = true},
     .start = start_postgres},
    {.name = "memcached",
     .promises = {.linearizable = true, .may_evict = true, .shared = true},
     .time_is_ours = true,
     .start = start_memcached},
    {.name = "redis", .promises = of_redis, .start = start_redis},
    {.name = "valkey", .promises = of_redis, .start = start_valkey, .needs = "valkey-server"},
    {.name = "redis_resp2", .promises = of_redis, .start = start_redis_resp2},
    {.name = "redis_sentinel", .promises = of_redis, .start = start_redis_sentinel},
    {.name = "moving",
     .promises = {.linearizable = true, .transactions = true, .scans = true},
     .time_is_ours = true,
     .start = start_moving},
    {.name = "moving_to_redis", .promises = of_redis, .start = start_moving_to_redis},
    {.name = "redis_cluster",
     .promises = {.settings_decide = true, .linearizable = true, .shared = true, .scans = true},
     .start = start_redis_cluster},
};

std::map<std::string, std::unique_ptr<stage>>& stages() {
    static std::map<std::string, std::unique_ptr<stage>> made;
    return made;
}

system_time real_time() {
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

}  // namespace

std::span<const set_up> set_ups() {
    return all;
}

std::vector<const char*> names_of(bool (*wanted)(const set_up&)) {
    std::vector<const char*> out;
    for (const set_up& one : set_ups())
        if (wanted(one) && (one.needs == nullptr || test::has_program(one.needs)))
            out.push_back(one.name);
    return out;
}

result<std::unique_ptr<engine>> open_urls(const std::vector<std::string>& urls,
                                          const open_options& options, std::string& why) {
    result<std::unique_ptr<engine>> primary = lethe::store::open(urls.at(0), options, why);
    if (primary.has_error() || urls.size() == 1) return primary;
    open_options old = options;
    old.name += "-previous";
    LETHE_TRY(std::unique_ptr<engine> previous, lethe::store::open(urls.at(1), old, why));
    return make_moving(*std::move(primary), std::move(previous), options);
}

stage& stage::of(const char* name) {
    std::unique_ptr<stage>& at = stages()[name];
    if (at == nullptr) {
        const auto what = std::ranges::find(set_ups(), std::string_view(name), &set_up::name);
        at = std::make_unique<stage>(*what);
    }
    return *at;
}

void stage::stop_all() {
    stages().clear();
}

std::unique_ptr<engine> stage::open() {
    open_options options;
    if (what_.time_is_ours) options.now = [this] { return now(); };
    std::string why;
    auto opened = open_urls(place_.urls, options, why);
    EXPECT_TRUE(opened.has_value()) << why;
    return opened.has_value() ? *std::move(opened) : nullptr;
}

system_time stage::now() const {
    return real_time() + std::chrono::milliseconds(moved_.load());
}

void stage::pass_until(system_time moment) {
    const auto left = moment - now();
    if (left <= 0ms) return;
    if (what_.time_is_ours)
        moved_ += left.count();
    else
        while (now() < moment) std::this_thread::sleep_for(moment - now());
}

}  // namespace lethe::store
