// The generic cell rate algorithm: one time per client says all that it has used up.
//
// That time (the theoretical arrival time) is when the client's debt is paid. Each admitted request
// adds one interval of the rate to it; a request is refused when the debt would be more than the
// burst. A time that has passed is the same as none, so idle clients need no memory.
//
//      now            tat                  now + burst
//       |--- debt -----|------ free -------|
//
// Pure functions of their arguments, in nanoseconds since whatever moment the caller counts from.
#pragma once

#include "limits/options.hpp"

#include <chrono>
#include <cstdint>

namespace lethe::limits {

using std::chrono::nanoseconds;

// A limit, as the algorithm takes it.
struct pace {
    nanoseconds interval{1};  // between two requests of the rate; > 0
    std::uint32_t burst = 1;  // > 0

    // The largest debt.
    [[nodiscard]] nanoseconds depth() const noexcept { return interval * burst; }
};

// The interval is rounded up: never more than the rate.
[[nodiscard]] pace make_pace(const options& from) noexcept;

// A debt above it would not fit where times are kept: the configuration check refuses the limit.
inline constexpr std::chrono::hours depth_max{24 * 30};

struct verdict {
    bool admitted = false;
    nanoseconds tat{};            // to be kept when admitted
    std::uint32_t remaining = 0;  // requests that would be admitted now, after this one
    nanoseconds retry_after{};    // when refused: until one is admitted
    nanoseconds full_in{};        // until the whole burst is there again
};

[[nodiscard]] verdict decide(const pace& by, nanoseconds tat, nanoseconds now) noexcept;

// The time without one request that was admitted and then did not count.
[[nodiscard]] inline nanoseconds without_one(const pace& by, nanoseconds tat) noexcept {
    return tat - by.interval;
}

// Whole seconds, rounded up, and 1 at least: for Retry-After.
[[nodiscard]] std::chrono::seconds whole_seconds(nanoseconds wait) noexcept;

}  // namespace lethe::limits
