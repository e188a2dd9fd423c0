// Clients that all ask for the same few records at once, and write down what they were answered.
#pragma once

#include "net/worker.hpp"
#include "store/store.hpp"
#include "stores/history.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <string>
#include <vector>

namespace lethe::store {

struct load_options {
    std::uint64_t seed = 0;
    // Tells the clients of several loads on the same records apart; below 2^20.
    std::uint64_t number = 0;
    std::size_t clients = 8;
    std::size_t keys = 4;
    std::string prefix = "load/";
    std::chrono::milliseconds deadline{400};
    // What a call may end behind its deadline, on a busy machine.
    std::chrono::milliseconds slack{1000};
    // Between two calls of a client: 0 to so long.
    std::chrono::microseconds pause_max{3000};
    std::size_t value_bytes_max = 2000;
    // Some calls are transactions; and one client puts two records always together, while another
    // looks whether they are ever of different puts.
    bool transactions = false;
};
inline constexpr std::size_t subjects_of_load = 2;

[[nodiscard]] inline std::string key_of(const load_options& options, std::size_t key) {
    return options.prefix + std::to_string(key);
}
[[nodiscard]] inline std::string subject_of(const load_options& options, std::size_t subject) {
    return options.prefix + "subject" + std::to_string(subject);
}

class load {
 public:
    // `to` belongs to `on`; all outlive the load.
    load(store& to, net::worker& on, load_options options, history& kept);
    // Waits for the calls under way.
    ~load() { stop(); }
    load(const load&) = delete;
    load& operator=(const load&) = delete;

    void stop();
    // Calls that were answered, with a value or an error; calls that were done.
    [[nodiscard]] std::size_t done() const noexcept { return done_; }

 private:
    std::atomic<bool> stopping_{false};
    std::atomic<std::size_t> done_{0};
    // Of the worker: what its clients took to make and to check values, during which no call of
    // another can end.
    steady_time::duration own_work_{};
    std::vector<std::future<result<>>> clients_;
};

// The two records of the transactions, now: whether they are of one put.
[[nodiscard]] task<> look_at_pair(store& in, const load_options& options, steady_time deadline,
                                  history& kept);

// Reads every key, and once more until it is answered: what the store holds in the end.
[[nodiscard]] task<> read_all(store& from, net::worker& on, load_options options, history& kept);

// From the environment's LETHE_SEED, or drawn; printed once per process, so that a failure can be
// repeated.
[[nodiscard]] std::uint64_t seed_of_this_run();

}  // namespace lethe::store
