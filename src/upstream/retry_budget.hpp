// Keeps retries a share of the live traffic, so that replicas that fail under load are not led to
// fail more: a request that breaks off costs one more request, never a storm of them. No I/O.
#pragma once

#include "base/clock.hpp"
#include "upstream/options.hpp"

#include <array>
#include <cstdint>

namespace lethe::upstream {

// One worker. `now` never goes back.
class retry_budget {
 public:
    explicit retry_budget(const retry_options& how) : how_(how) {}

    void note_request(steady_time now);
    // A request that was sent again by who decides that himself: it counts, whatever is left.
    void note_retry(steady_time now);
    // True: a request may be sent again, and counts as sent.
    [[nodiscard]] bool take(steady_time now);

 private:
    static constexpr std::int64_t seconds_kept = 10;

    struct part {
        std::uint64_t requests = 0;
        std::uint64_t retries = 0;
    };

    // Lets go of what is older than ten seconds.
    part& part_of(steady_time now);

    const retry_options how_;
    std::array<part, seconds_kept> parts_{};  // one a second
    std::int64_t second_ = 0;                 // the newest part's
    part sum_{};
};

}  // namespace lethe::upstream
