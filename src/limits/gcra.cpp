#include "limits/gcra.hpp"

#include "base/error.hpp"

#include <algorithm>

namespace lethe::limits {

pace make_pace(const options& from) noexcept {
    LETHE_ASSERT(from.pace.count > 0);
    const nanoseconds period = from.pace.period;
    const auto count = static_cast<std::int64_t>(from.pace.count);
    const std::int64_t in_a_second = count / from.pace.period.count();
    return {.interval = nanoseconds((period.count() + count - 1) / count),
            .burst = from.burst.value_or(
                static_cast<std::uint32_t>(std::max<std::int64_t>(1, in_a_second)))};
}

verdict decide(const pace& by, nanoseconds tat, nanoseconds now) noexcept {
    verdict out;
    const nanoseconds owed = std::max(tat, now) - now;
    const nanoseconds free = by.depth() - owed;
    out.admitted = free >= by.interval;
    const nanoseconds left = out.admitted ? free - by.interval : free;
    out.tat = now + (by.depth() - left);
    out.remaining = static_cast<std::uint32_t>(std::max(left, nanoseconds(0)) / by.interval);
    out.retry_after = out.admitted ? nanoseconds(0) : by.interval - free;
    out.full_in = by.depth() - left;
    return out;
}

std::chrono::seconds whole_seconds(nanoseconds wait) noexcept {
    return std::max(std::chrono::ceil<std::chrono::seconds>(wait), std::chrono::seconds(1));
}

}  // namespace lethe::limits
