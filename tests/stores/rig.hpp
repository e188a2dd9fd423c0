// A store under load by two workers, for tests that make it fail meanwhile.
#pragma once

#include "stores/linearizable.hpp"
#include "stores/load.hpp"
#include "stores/set_ups.hpp"

#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace lethe::store {

class rig {
 public:
    // Begins the load and waits until it goes. Throws std::runtime_error when the store cannot be
    // opened.
    rig(const std::string& url, load_options options) : rig(std::vector{url}, std::move(options)) {}
    // Of two URLs: the primary and the previous store of a move.
    rig(const std::vector<std::string>& urls, load_options options);

    [[nodiscard]] store& first() { return **stores_[0]; }
    [[nodiscard]] net::worker& worker() { return workers_[0].get(); }
    template <class T>
    result<T> run(task<T> work) {
        return workers_[0].run(std::move(work));
    }
    [[nodiscard]] const load_options& options() const noexcept { return options_; }
    [[nodiscard]] history& kept() noexcept { return kept_; }
    [[nodiscard]] std::size_t done(std::size_t worker) const { return loads_[worker]->done(); }

    // Both workers get something done again; a failure of the test otherwise.
    void expect_progress(const std::string& after);
    void stop_load();
    // Stops the load, reads what the store holds in the end, and expects that one order explains
    // all, that nothing was complained about, and that the index names what is there.
    void expect_explained(const std::string& name, check_options how = {});
    // That, but for the order: where a failover may lose what was answered.
    void expect_sound(const std::string& name);

 private:
    test::running_worker workers_[2];
    std::unique_ptr<engine> engine_;
    std::unique_ptr<store_on> stores_[2];
    load_options options_;
    history kept_;
    std::unique_ptr<load> loads_[2];
};

// Loads a store for a moment, and answers what was done: for what must be there already.
[[nodiscard]] std::vector<event> filled(const std::string& url, const load_options& options);

// How long tests under faults go on: LETHE_FAULT_SECONDS, or so many.
[[nodiscard]] std::chrono::seconds fault_time(int seconds);

}  // namespace lethe::store
