#include "upstream/retry_budget.hpp"

#include <algorithm>

namespace lethe::upstream {

retry_budget::part& retry_budget::part_of(steady_time now) {
    const std::int64_t second =
        std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    const auto at = [](std::int64_t of) { return static_cast<std::size_t>(of % seconds_kept); };
    if (second > second_) {
        for (std::int64_t next = std::max(second_ + 1, second - seconds_kept + 1); next <= second;
             ++next) {
            part& old = parts_[at(next)];
            sum_.requests -= old.requests;
            sum_.retries -= old.retries;
            old = {};
        }
        second_ = second;
    }
    return parts_[at(second_)];
}

void retry_budget::note_request(steady_time now) {
    ++part_of(now).requests;
    ++sum_.requests;
}

void retry_budget::note_retry(steady_time now) {
    ++part_of(now).retries;
    ++sum_.retries;
}

bool retry_budget::take(steady_time now) {
    part& current = part_of(now);
    const std::uint64_t allowed =
        sum_.requests * how_.percent / 100 + std::uint64_t{how_.per_second} * seconds_kept;
    if (sum_.retries >= allowed) return false;
    ++current.retries;
    ++sum_.retries;
    return true;
}

}  // namespace lethe::upstream
