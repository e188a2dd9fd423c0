// Kills, pauses and restarts of the processes on stage, at random.
#pragma once

#include "support/shop_stage.hpp"
#include "witness/replicas.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace lethe::faults {

struct kills {
    std::size_t replicas = 0;  // of both services
    std::size_t gateways = 0;
    std::size_t stores = 0;
    std::size_t pauses = 0;  // of gateways, longer than a lease
    // Processes that ended without being killed: a crash, which a new start would hide.
    std::vector<std::string> crashed;
};

// On the thread that started the processes. One is down at a time, beside a gateway that stands
// still.
class chaos {
 public:
    chaos(test::shop_stage& stage, std::size_t shops, std::size_t gateways,
          witness::replicas& witnesses, std::chrono::milliseconds pause, std::uint64_t seed)
        : stage_(stage),
          witnesses_(witnesses),
          shops_(shops),
          gateways_(gateways),
          pause_(pause),
          random_(seed) {}

    // Afterwards all of them run.
    void run(std::chrono::seconds how_long);
    void note_crashes();
    [[nodiscard]] const kills& done() const noexcept { return done_; }

 private:
    using time_point = std::chrono::steady_clock::time_point;
    void strike();
    void kill_service(std::size_t which);
    void kill_gateway(std::size_t which);
    void kill_store();
    void pause_gateway(std::size_t which);
    void wake_sleeper();
    void wake_when_due();
    void wait_between(unsigned from, unsigned to);
    [[nodiscard]] std::size_t below(std::size_t bound) {
        return static_cast<std::size_t>(random_() % bound);
    }

    test::shop_stage& stage_;
    witness::replicas& witnesses_;
    std::size_t shops_;
    std::size_t gateways_;
    std::chrono::milliseconds pause_;
    std::mt19937_64 random_;
    std::optional<std::size_t> sleeper_;
    time_point wake_at_;
    kills done_;
};

}  // namespace lethe::faults
