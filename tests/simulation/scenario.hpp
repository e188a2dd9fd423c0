// What one seed is about: how many of whom, which options, how bad the weather is.
#pragma once

#include "idempotency/options.hpp"
#include "session/options.hpp"
#include "simulation/schedule.hpp"

#include <optional>
#include <set>
#include <string_view>
#include <vector>

namespace lethe::simulation {

struct scenario {
    unsigned gateways = 3;
    unsigned clients = 3;
    unsigned stores = 1;     // 2: keys in the first, sessions in the second
    unsigned requests = 60;  // that clients begin
    bool transactions = false;
    // The first store forgets its last writes when it fails over: level G1.
    bool lossy = false;
    // So often all gateways are stopped and started with another configuration of their stores:
    // {primary: B, previous: A} in place of A, then the two exchanged.
    unsigned moves = 0;
    // Wall clocks of gateways jump by minutes. Only where records outlive the jumps by far.
    bool clocks_jump = false;
    // Of a thousand messages between a gateway and a store or the service.
    unsigned mishaps = 30;
    unsigned timed_faults = 4;     // clock jumps, stores away, failovers, the service away
    unsigned client_mishaps = 30;  // answers lost, requests doubled
    idempotency::route_options key_rules;
    session::settings session_settings;
    session::route_options session_rules;
    // Both tabs of a client change the same slot at the same time.
    bool wizards = false;
    std::chrono::seconds route_timeout{20};

    // An outcome whose session change met a conflict may be replaced.
    [[nodiscard]] bool replaces_outcomes() const noexcept {
        return key_rules.backend_dedups &&
               session_rules.on_conflict == session::conflict_rule::retry;
    }
    // The service answers a repeated key with a change made from the session that it sees. Not
    // where two attempts may end at the same time.
    [[nodiscard]] bool looks_again() const noexcept {
        return replaces_outcomes() && key_rules.on_unknown == idempotency::unknown_rule::hold;
    }
};

// `requests`: instead of the seed's own number.
[[nodiscard]] scenario make_scenario(std::uint64_t seed, std::optional<unsigned> requests);

// What happens to one message and to who waits for its answer.
enum class mishap : std::uint8_t {
    none,
    refused,  // nobody there: certainly not done
    request_lost,
    answer_lost,
    cut,  // the first operations of a batch arrive, no answer
    slow_request,
    slow_answer,
    dies_sending,    // the gateway, while the message leaves (or not)
    dies_waiting,    // the gateway, once the message was acted on
    pauses_sending,  // the gateway stands still before the message has left
    pauses_waiting,  // …, once the message was acted on
};
[[nodiscard]] std::string_view name_of(mishap what) noexcept;

// Which faults there are. Each has a name that does not depend on the others, so that a run can be
// repeated with fewer of them.
class faults {
 public:
    // `only`: these and no others.
    faults(std::uint64_t seed, std::optional<std::set<std::uint32_t>> only)
        : seed_(seed), only_(std::move(only)) {}

    // Whether the fault of that name takes place; noted if so.
    [[nodiscard]] bool happens(std::uint32_t name);
    // For the n-th message of a stream: what happens to it, so many of a thousand.
    [[nodiscard]] mishap of_message(std::uint64_t stream, std::uint64_t n, unsigned of_a_thousand);
    [[nodiscard]] dice dice_for(std::uint64_t stream, std::uint64_t n) const noexcept {
        return dice(mix(mix(seed_, stream), n));
    }
    // From now on nothing fails.
    void stop() noexcept { stopped_ = true; }
    [[nodiscard]] bool stopped() const noexcept { return stopped_; }
    [[nodiscard]] const std::vector<std::uint32_t>& happened() const noexcept { return happened_; }

 private:
    std::uint64_t seed_;
    std::optional<std::set<std::uint32_t>> only_;
    bool stopped_ = false;
    std::vector<std::uint32_t> happened_;
};

}  // namespace lethe::simulation
