// The set-ups that the conformance suite runs on: an engine with the real server behind it.
#pragma once

#include "store/open.hpp"
#include "support/on_worker.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace lethe::store {

struct set_up {
    const char* name;  // of its tests: Stores/Conformance.X/name
    // What is promised here, as docs/stores.md says it: a set-up gets the tests of what it promises
    // and is tested to refuse the rest.
    engine_promises promises;
    // Expiry goes by open_options.now: the test moves the time. Elsewhere it passes.
    bool time_is_ours = false;
    // Starts what stands behind the URLs, which goes with `keep`. Two URLs: the primary and the
    // previous store of a move.
    struct place {
        std::vector<std::string> urls;
        std::shared_ptr<void> keep;
    };
    place (*start)();
    // Left out where this program is not installed, which not every supported system has.
    const char* needs = nullptr;
};

[[nodiscard]] std::span<const set_up> set_ups();
// The names of those that can run here, for INSTANTIATE_TEST_SUITE_P.
[[nodiscard]] std::vector<const char*> names_of(bool (*wanted)(const set_up&));
[[nodiscard]] inline std::string name_of(const ::testing::TestParamInfo<const char*>& info) {
    return info.param;
}

// One URL, or two of a move.
[[nodiscard]] result<std::unique_ptr<engine>> open_urls(const std::vector<std::string>& urls,
                                                        const open_options& options,
                                                        std::string& why);

// A set-up that runs, once per process for all tests; and its time.
class stage {
 public:
    [[nodiscard]] static stage& of(const char* name);
    // Stops all: called when the tests are over, while the program is still whole.
    static void stop_all();

    explicit stage(const set_up& what) : what_(what), place_(what.start()) {}

    [[nodiscard]] const set_up& what() const noexcept { return what_; }
    [[nodiscard]] const std::vector<std::string>& urls() const noexcept { return place_.urls; }
    [[nodiscard]] net::worker& worker() noexcept { return worker_.get(); }
    // Null when it could not be opened, which is a failure of the test.
    [[nodiscard]] std::unique_ptr<engine> open();

    // The time that expiry goes by.
    [[nodiscard]] system_time now() const;
    // Waits until now() >= moment, or makes it so.
    void pass_until(system_time moment);

 private:
    const set_up& what_;
    set_up::place place_;
    test::running_worker worker_;
    std::atomic<std::int64_t> moved_{0};  // milliseconds, ahead of the real time
};

// Made on `on`, used and destroyed there.
class store_on {
 public:
    store_on(engine& of, net::worker& on) : worker_(on), store_(of.make_store(on)) {}
    ~store_on() {
        test::do_on_worker(worker_, [this] { store_.reset(); });
    }
    store_on(const store_on&) = delete;
    store_on& operator=(const store_on&) = delete;

    store* operator->() const noexcept { return store_.get(); }
    store& operator*() const noexcept { return *store_; }

 private:
    net::worker& worker_;
    std::unique_ptr<store> store_;
};

}  // namespace lethe::store
