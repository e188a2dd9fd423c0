// Stores whose disk is full for a while: changes are refused or unknown, never answered as done and
// lost; nothing is half done, and with room again all goes on.
#include "stores/rig.hpp"
#include "support/servers.hpp"
#include "support/small_disk.hpp"

#include <algorithm>
#include <functional>
#include <iostream>

namespace lethe::store {
namespace {

using namespace std::chrono_literals;

// A store on the disk. `heal` brings a server that could not go on back.
struct on_disk {
    std::string url;
    std::function<void()> heal;
    std::shared_ptr<void> keep;
};

struct disk_user {
    const char* name;
    std::size_t bytes;
    on_disk (*start)(const std::filesystem::path& disk);
};

on_disk start_redis(const std::filesystem::path& disk) {
    // Rewriting the log makes room, which would be a race with the filling of it.
    auto server = std::make_shared<test::redis_server>(
        test::redis_options{.lines = {"auto-aof-rewrite-percentage 0"}, .parent = disk});
    // One that cannot write its log ends itself.
    return {server->url(), [server] { server->restart(); }, server};
}

on_disk start_postgres(const std::filesystem::path& disk) {
    auto server = std::make_shared<test::postgres_server>(
        test::postgres_options{.lines = {"max_wal_size = 32MB"}, .parent = disk});
    // One that cannot write its log ends itself, too.
    return {server->url(), [server] { server->restart(); }, server};
}

constexpr disk_user users[] = {
    {.name = "sqlite",
     .bytes = std::size_t{24} << 20,
     .start = [](const std::filesystem::path& disk) -> on_disk {
         return {"sqlite:" + (disk / "store.db").string(), [] {}, nullptr};
     }},
    {.name = "redis", .bytes = std::size_t{200} << 20, .start = start_redis},
    {.name = "postgres", .bytes = std::size_t{200} << 20, .start = start_postgres},
};

std::vector<const char*> names() {
    std::vector<const char*> out;
    for (const disk_user& one : users) out.push_back(one.name);
    return out;
}

class Disk : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Stores, Disk, ::testing::ValuesIn(names()), name_of);

TEST_P(Disk, WhenItIsFullChangesAreRefusedAndNothingIsLost) {
    const disk_user& user =
        *std::ranges::find(users, std::string_view(GetParam()), &disk_user::name);
    test::small_disk disk(user.bytes);
    if (!disk.usable()) {
        std::cout << "this user may not mount a disk: not tested\n";
        return;
    }
    const on_disk store = user.start(disk.path());
    {
        rig load(store.url, {.seed = seed_of_this_run(), .keys = 8, .prefix = "disk/"});
        for (int round = 0; round < 2; ++round) {
            const std::size_t before = load.kept().count(event::outcome::not_done) +
                                       load.kept().count(event::outcome::unknown);
            // More than one failure, so that it meets different steps.
            EXPECT_TRUE(test::wait_for(
                [&] {
                    disk.fill();
                    return load.kept().count(event::outcome::not_done) +
                               load.kept().count(event::outcome::unknown) >
                           before + 20;
                },
                30s))
                << "the full disk was not noticed";
            disk.empty();
            store.heal();
            load.expect_progress("there is room again");
        }
        load.expect_explained(GetParam());
    }
}

}  // namespace
}  // namespace lethe::store
