// Chooses the replica for a request and leaves out those that fail. No I/O.
#pragma once

#include "base/clock.hpp"
#include "upstream/options.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace lethe::upstream {

// One worker. Replicas are named by their place in options::replicas.
class balancer {
 public:
    // `random` answers any 64 bits.
    balancer(const options& of, std::function<std::uint64_t()> random);

    // A replica that is in use, has room and is not marked in `excluded`, which may be
    // shorter than the list; nullopt: none. When every
    // replica was ejected, the ejected ones are tried: some answer is better than none.
    [[nodiscard]] std::optional<std::size_t> pick(steady_time now,
                                                  const std::vector<bool>& excluded);
    // There is a replica that pick() would answer if it had room.
    [[nodiscard]] bool any_usable(const std::vector<bool>& excluded) const;

    void begin(std::size_t replica) { ++state_[replica].under_way; }
    void end(std::size_t replica) { --state_[replica].under_way; }
    [[nodiscard]] std::uint32_t under_way(std::size_t replica) const {
        return state_[replica].under_way;
    }

    void succeeded(std::size_t replica) { state_[replica].failures = 0; }
    // True: this failure ejected the replica.
    bool failed(std::size_t replica, steady_time now);

    // What the active check says.
    void set_healthy(std::size_t replica, bool yes);

 private:
    struct state {
        std::uint32_t under_way = 0;
        std::uint32_t failures = 0;  // in a row
        steady_time ejected_until{};
        bool healthy = true;
    };

    [[nodiscard]] std::optional<std::size_t> choose(const std::vector<std::size_t>& among);

    const options& options_;
    std::function<std::uint64_t()> random_;
    std::vector<state> state_;
    std::vector<std::size_t> candidates_;  // kept to spare an allocation per request
    std::size_t turn_ = 0;
};

}  // namespace lethe::upstream
