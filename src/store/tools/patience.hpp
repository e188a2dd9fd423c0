// Asks a store again while it is away for a moment: a walk over a million records should not end
// because a server was restarted.
#pragma once

#include "base/clock.hpp"
#include "store/store.hpp"

#include <algorithm>
#include <chrono>
#include <functional>

namespace lethe::store::tools {

struct patience {
    clock& time;
    std::chrono::milliseconds step_timeout{5'000};  // for one call
    std::chrono::milliseconds give_up_after{60'000};
    // Asked between two tries; true ends them. Empty: never.
    std::function<bool()> stopped = {};

    [[nodiscard]] bool is_stopped() const { return stopped && stopped(); }
};

[[nodiscard]] inline bool may_pass(const error_code& error) noexcept {
    return error == condition::unavailable || error == condition::timeout ||
           error == condition::overloaded || error == condition::outcome_unknown;
}

// `ask` starts the call; it may take place several times, so asking twice must come to the same as
// asking once. Answers the last error when time is up.
template <class T>
task<T> ask_patiently(const patience& with, std::function<task<T>(steady_time)> ask) {
    const steady_time give_up = with.time.steady_now() + with.give_up_after;
    std::chrono::milliseconds pause{50};
    while (true) {
        result<T> got = co_await ask(with.time.steady_now() + with.step_timeout);
        if (got.has_value() || !may_pass(got.error()) || with.is_stopped()) co_return got;
        const steady_time next = with.time.steady_now() + pause;
        if (next >= give_up) co_return got;
        const result<> slept = co_await with.time.sleep_until(next);
        if (slept.has_error()) co_return slept.error();
        pause = std::min(pause * 2, std::chrono::milliseconds{2'000});
    }
}

}  // namespace lethe::store::tools
