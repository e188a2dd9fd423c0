#include "faults/chaos.hpp"

#include <signal.h>

#include <thread>

namespace lethe::faults {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Of so many strikes, in the order of strike().
constexpr std::size_t weights = 12;
constexpr std::size_t on_gateways = 3;
constexpr std::size_t on_store = 2;
constexpr std::size_t on_pauses = 3;

}  // namespace

void chaos::wait_between(unsigned from, unsigned to) {
    std::this_thread::sleep_for(milliseconds(from + below(to - from)));
}

void chaos::note_crashes() {
    const auto look = [this](const std::string& name, test::process& one) {
        const std::optional<int> exit = one.wait(milliseconds{0});
        if (exit) done_.crashed.push_back(name + " ended by itself with " + std::to_string(*exit));
    };
    for (std::size_t i = 0; i < shops_; ++i) look(stage_.replica_name(i), stage_.replica(i));
    for (std::size_t i = 0; i < witnesses_.count(); ++i) look(witnesses_.name(i), witnesses_.at(i));
    for (std::size_t i = 0; i < gateways_; ++i)
        look("lethe-" + std::to_string(i + 1), stage_.gateway(i));
}

void chaos::kill_service(std::size_t which) {
    const bool is_shop = which < shops_;
    const std::size_t index = is_shop ? which : which - shops_;
    (is_shop ? stage_.replica(index) : witnesses_.at(index)).kill_now();
    wait_between(10, 400);
    if (is_shop)
        stage_.start_replica(index);
    else
        witnesses_.start(index);
    ++done_.replicas;
}

void chaos::kill_gateway(std::size_t which) {
    if (sleeper_ == which) return;
    stage_.gateway(which).kill_now();
    wait_between(10, 400);
    stage_.start_gateway(which);
    ++done_.gateways;
}

void chaos::kill_store() {
    const test::store_control& store = *stage_.store_server();
    store.kill_now();
    wait_between(10, 400);
    store.start();
    ++done_.stores;
}

void chaos::pause_gateway(std::size_t which) {
    if (sleeper_) return;
    stage_.gateway(which).freeze();
    sleeper_ = which;
    wake_at_ = steady_clock::now() + pause_;
    ++done_.pauses;
}

void chaos::wake_sleeper() {
    stage_.gateway(*sleeper_).thaw();
    sleeper_.reset();
}

void chaos::wake_when_due() {
    if (sleeper_ && steady_clock::now() >= wake_at_) wake_sleeper();
}

void chaos::strike() {
    const std::size_t die = below(weights);
    if (die < on_gateways) return kill_gateway(below(gateways_));
    if (die < on_gateways + on_store && stage_.store_server() != nullptr) return kill_store();
    if (die >= weights - on_pauses) return pause_gateway(below(gateways_));
    kill_service(below(shops_ + witnesses_.count()));
}

void chaos::run(std::chrono::seconds how_long) {
    const auto until = steady_clock::now() + how_long;
    // One that stands still may hold SQLite's lock, and then nobody gets ready before it goes on.
    stage_.while_waiting([this] { wake_when_due(); });
    while (steady_clock::now() < until) {
        wait_between(50, 700);
        note_crashes();
        wake_when_due();
        strike();
    }
    stage_.while_waiting({});
    // Only once its leases are over, as the others.
    if (sleeper_) std::this_thread::sleep_until(wake_at_);
    if (sleeper_) wake_sleeper();
}

}  // namespace lethe::faults
