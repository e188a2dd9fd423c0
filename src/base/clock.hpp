// Time, through a seam: whatever waits or stamps does it through the clock it was given, so that a
// simulation can run it on a simulated one.
#pragma once

#include "base/task.hpp"

#include <chrono>
#include <string>

namespace lethe {

// Wall-clock time, milliseconds since 1970-01-01T00:00:00Z; may jump. For what is stored or
// compared with a token's claims.
using system_time = std::chrono::sys_time<std::chrono::milliseconds>;
// Never jumps; for deadlines and durations within one process.
using steady_time = std::chrono::steady_clock::time_point;
using duration = std::chrono::steady_clock::duration;

// "2026-01-31T12:00:00Z" (RFC 3339), whole seconds; a time before 1970 or after 9999 as a number of
// seconds.
[[nodiscard]] std::string to_utc_text(system_time at);

class clock {
 public:
    virtual ~clock() = default;

    [[nodiscard]] virtual system_time system_now() const = 0;
    [[nodiscard]] virtual steady_time steady_now() const = 0;

    // Waits on the caller's worker. Answers condition::cancelled when the worker is stopping; at
    // most one timer tick (net::timer_tick) late otherwise, never early.
    [[nodiscard]] virtual task<> sleep_until(steady_time until) = 0;
};

// A clock that stands still until a test moves it; sleeping moves it at once to the wanted moment.
class manual_clock final : public clock {
 public:
    explicit manual_clock(system_time start = system_time{std::chrono::milliseconds{
                              1'700'000'000'000}})
        : system_(start) {}

    system_time system_now() const override { return system_; }
    steady_time steady_now() const override { return steady_; }
    task<> sleep_until(steady_time until) override;

    void advance(std::chrono::milliseconds by) {
        system_ += by;
        steady_ += by;
    }
    // A jump of the wall clock alone, as NTP or an operator makes it.
    void jump_system(std::chrono::milliseconds by) { system_ += by; }

 private:
    system_time system_;
    steady_time steady_{std::chrono::hours{1}};
};

}  // namespace lethe
