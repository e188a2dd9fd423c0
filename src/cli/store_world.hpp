// For tests: runs `lethe store …` and its neighbours, and fills stores.
#pragma once

#include "cli/idempotency_command.hpp"
#include "cli/session_command.hpp"
#include "cli/store_command.hpp"
#include "cli/test_run.hpp"
#include "store/open.hpp"
#include "store/tools/workbench.hpp"
#include "support/process.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

namespace lethe::cli::testing {

inline outcome run_lethe(std::vector<std::string> arguments) {
    return run_with(
        [](CLI::App& app, int& exit_code) {
            add_store_command(app, exit_code);
            add_session_command(app, exit_code);
            add_idempotency_command(app, exit_code);
        },
        std::move(arguments));
}
inline outcome run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "store");
    return run_lethe(std::move(arguments));
}

class store_world : public ::testing::Test {
 protected:
    std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
    std::string url(const std::string& name) const {
        return "sqlite:" + path(name) + "?synchronous=normal";
    }
    // A configuration whose `store` is that.
    std::string configure(const std::string& store) const {
        std::ofstream(path("lethe.yaml"))
            << "listen: [{address: \"127.0.0.1:0\"}]\n"
               "upstreams: [{name: shop, replicas: [\"http://127.0.0.1:9\"]}]\n"
               "routes: [{match: {prefix: /}, upstream: shop}]\nstore: "
            << store << '\n';
        return path("lethe.yaml");
    }
    // Opens the store for this alone.
    std::vector<store::answer> ask(const std::string& name, std::vector<store::operation> what) {
        store::tools::workbench bench;
        std::string why;
        store::store* const opened = bench.open(url(name), "", "test", why).value();
        auto got = bench.run<std::vector<store::answer>>([&] {
            return opened->batch(what,
                                 bench.worker().time().steady_now() + std::chrono::seconds{20});
        });
        EXPECT_TRUE(got.has_value());
        return got.has_value() ? *got : std::vector<store::answer>{};
    }
    void put(const std::string& name, const std::string& key, const std::string& value,
             const std::string& subject = {},
             std::chrono::milliseconds ttl = std::chrono::hours{1}) {
        ask(name, {store::put{key, value, ttl, store::anything{}, subject}});
    }
    void fill(const std::string& name, std::size_t count) {
        std::vector<store::operation> all;
        for (std::size_t i = 0; i < count; ++i)
            all.emplace_back(store::put{"s:" + std::to_string(i), "v" + std::to_string(i),
                                        std::chrono::hours{1}, store::anything{}, "alice"});
        ask(name, std::move(all));
    }
    std::optional<store::record> find(const std::string& name, const std::string& key) {
        return ask(name, {store::get{key}}).at(0).present;
    }

    test::temporary_folder folder_{"lethe-store-"};
};

}  // namespace lethe::cli::testing
