// Chooses the replica for a request and leaves out those that fail. No I/O.
#pragma once

#include "base/clock.hpp"
#include "upstream/options.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace lethe::upstream {

// Whether pick() tries those that were ejected when there is no other.
enum class ejected_replicas : std::uint8_t { last, never };

// One worker. Replicas are named by the number that join() answered.
class balancer {
 public:
    // Knows no replica yet. `random` answers any 64 bits.
    balancer(const options& of, std::function<std::uint64_t()> random);

    // Takes one up. The number may be that of a replica that has left and has no request under way.
    // `slowly_from`: it gets its whole part by and by (options::slow_start).
    std::size_t join(const replica& one, std::optional<steady_time> slowly_from = {});
    // One that has left is back, as if it were new.
    void join_again(std::size_t replica, steady_time now);
    // It gets no more requests; those under way go on.
    void leave(std::size_t replica) { state_[replica].joined = false; }
    [[nodiscard]] bool joined(std::size_t replica) const { return state_[replica].joined; }
    void set_weight(std::size_t replica, std::uint32_t weight) { state_[replica].weight = weight; }

    // A replica that is in use, has room and is not marked in `excluded`, which may be shorter than
    // the list; nullopt: none. When every replica was ejected, the ejected ones are tried: some
    // answer is better than none. `key` is what balance_rule::hash goes by; requests without one
    // go by least_requests.
    [[nodiscard]] std::optional<std::size_t> pick(
        steady_time now, const std::vector<bool>& excluded, std::optional<std::uint64_t> key = {},
        ejected_replicas ejected = ejected_replicas::last);
    // Whether that replica can be chosen: in use, not left out, has room, not marked.
    [[nodiscard]] bool usable(std::size_t replica, steady_time now,
                              const std::vector<bool>& excluded) const;
    // What a replica is known by everywhere, and who is known by it; nullopt: none that is in use.
    [[nodiscard]] std::uint64_t place(std::size_t replica) const { return state_[replica].place; }
    [[nodiscard]] std::optional<std::size_t> find(std::uint64_t place) const;
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
    void set_healthy(std::size_t replica, bool yes, steady_time now);

 private:
    struct state {
        std::uint64_t place = 0;  // what rendezvous hashing knows it by: the same for all gateways
        std::uint32_t weight = 1;
        bool joined = true;
        std::uint32_t under_way = 0;
        std::uint32_t failures = 0;  // in a row
        steady_time ejected_until{};
        bool healthy = true;
        std::optional<steady_time> back_since{};  // in use again since; from when it is, if ahead
        std::int64_t credit = 0;                  // of round_robin: who has most is next
    };

    // One that may be chosen, and its part of the requests as things are.
    struct candidate {
        std::size_t replica = 0;
        std::int64_t share = 0;
    };

    [[nodiscard]] std::int64_t share_of(std::size_t replica, steady_time now) const;
    [[nodiscard]] std::size_t in_turn();
    [[nodiscard]] std::size_t less_busy();
    [[nodiscard]] std::size_t by_hash(std::uint64_t key) const;

    const options& options_;
    std::function<std::uint64_t()> random_;
    std::vector<state> state_;
    std::vector<candidate> candidates_;  // kept to spare an allocation per request
};

}  // namespace lethe::upstream
