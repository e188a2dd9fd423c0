// Timers for connections: many, mostly set again before they fire, none exact.
//
// A wheel of slots, each `timer_tick` wide. Setting a timer later than it stands costs one store:
// the entry stays where it is and moves on when its old slot comes round.
#pragma once

#include "base/clock.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace lethe::net {

inline constexpr std::chrono::milliseconds timer_tick{16};

class timer_wheel;

// One worker. Derive, and override expired(). Leaves the wheel when destroyed.
class timer {
 public:
    timer() = default;
    timer(const timer&) = delete;
    timer& operator=(const timer&) = delete;

    // Fires once, at `due` or up to a tick later; replaces an earlier setting.
    void set(timer_wheel& wheel, steady_time due);
    // Does not fire. Cheap: the entry is unlinked when its slot comes round.
    void clear() noexcept { due_ = steady_time::max(); }

 protected:
    ~timer();
    virtual void expired() = 0;

 private:
    friend class timer_wheel;

    void unlink() noexcept;

    timer* next_ = nullptr;
    timer** at_ = nullptr;  // what points at this entry; null: not in a wheel
    steady_time due_ = steady_time::max();
    std::uint64_t slot_tick_ = 0;
    timer_wheel* wheel_ = nullptr;
};

class timer_wheel {
 public:
    // Fires what is due. Call about once a tick while armed() holds; a late call catches up.
    void advance(steady_time now);
    [[nodiscard]] bool armed() const noexcept { return entries_ > 0; }
    // Called when the first entry comes into an empty wheel, so that the owner starts ticking.
    void (*on_armed)(void* owner) = nullptr;
    void* owner = nullptr;

    void start(steady_time now) noexcept { origin_ = now; }

 private:
    friend class timer;

    static constexpr std::size_t slots = 1024;

    [[nodiscard]] std::uint64_t tick_of(steady_time t) const noexcept;
    void link(timer& entry);

    std::array<timer*, slots> slot_{};
    steady_time origin_{};
    std::uint64_t current_ = 0;
    std::size_t entries_ = 0;
};

}  // namespace lethe::net
