#include "base/clock.hpp"

#include <fmt/chrono.h>

#include <ctime>

namespace lethe {

std::string to_utc_text(system_time at) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count();
    constexpr std::int64_t year_9999 = 253402300799;
    if (seconds < 0 || seconds > year_9999) return std::to_string(seconds);
    return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

task<> manual_clock::sleep_until(steady_time until) {
    if (until > steady_) advance(std::chrono::ceil<std::chrono::milliseconds>(until - steady_));
    co_return result<>{};
}

}  // namespace lethe
