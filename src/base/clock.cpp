#include "base/clock.hpp"

namespace lethe {

task<> manual_clock::sleep_until(steady_time until) {
    if (until > steady_) advance(std::chrono::ceil<std::chrono::milliseconds>(until - steady_));
    co_return result<>{};
}

}  // namespace lethe
