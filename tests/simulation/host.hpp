// A machine with one gateway on it: its wall clock, and whether the process runs, stands still
// (SIGSTOP) or is dead. Whatever comes to the process comes through deliver().
#pragma once

#include "simulation/process.hpp"
#include "simulation/scenario.hpp"

#include <functional>
#include <memory>
#include <set>
#include <utility>
#include <vector>

namespace lethe::simulation {

class host;

// Wall clocks begin here, give or take their error.
inline constexpr system_time epoch{std::chrono::milliseconds{1'700'000'000'000}};
inline constexpr steady_time steady_epoch{std::chrono::hours{1}};

[[nodiscard]] inline system_time to_system(moment at) {
    return epoch + std::chrono::floor<std::chrono::milliseconds>(at);
}
[[nodiscard]] moment to_moment(steady_time at);

class host_clock final : public clock {
 public:
    explicit host_clock(host& on) : host_(on) {}
    system_time system_now() const override;
    steady_time steady_now() const override;
    task<> sleep_until(steady_time until) override;

 private:
    host& host_;
};

class host {
 public:
    // What a machine runs: made anew after each death.
    class program {
     public:
        virtual ~program() = default;
        virtual process& inside() = 0;
        // All that waits is told to give up: the process is about to end.
        virtual void stops() = 0;
        // Told before it ends.
        virtual void dies() = 0;
    };

    host(schedule& time, unsigned index, std::uint64_t seed)
        : time_(time), index_(index), dice_(mix(seed, 0x686f7374 + index)) {}

    [[nodiscard]] unsigned index() const noexcept { return index_; }
    [[nodiscard]] schedule& time() noexcept { return time_; }
    [[nodiscard]] clock& wall() noexcept { return clock_; }
    [[nodiscard]] program* running() noexcept { return program_.get(); }
    [[nodiscard]] process& inside() noexcept { return program_->inside(); }
    // Which life this is.
    [[nodiscard]] unsigned life() const noexcept { return life_; }
    [[nodiscard]] bool paused() const noexcept { return paused_; }
    [[nodiscard]] std::chrono::milliseconds wall_error() const noexcept { return wall_error_; }
    // How often it stood still.
    [[nodiscard]] unsigned pauses() const noexcept { return pauses_; }
    [[nodiscard]] dice& random() noexcept { return dice_; }

    // A new life begins: its program is made, then booted.
    void begin_life() noexcept {
        ++life_;
        stopping_ = false;
        sleepers_.clear();
    }
    void boot(std::unique_ptr<program> what);
    // Something reaches the process of that life: now, when it goes on again, or never. Then all
    // that is ready in it runs.
    void deliver(unsigned life, std::function<void()> what);
    void deliver_at(moment when, std::function<void()> what);

    // From inside the process: dies, or stands still, before its next step.
    void die_soon() noexcept { dies_soon_ = true; }
    void pause_soon(microseconds how_long) noexcept { pause_soon_ = how_long; }
    // From outside.
    void kill();
    // As with SIGTERM: waits answer cancelled, and a second later it is dead.
    void stop();
    [[nodiscard]] bool stopping() const noexcept { return stopping_; }
    void pause(microseconds how_long);
    void go_on();
    void jump_wall(std::chrono::milliseconds by) noexcept { wall_error_ += by; }
    // Messages that the process has handed over but that have not left while it stands still, or
    // are lost when it dies.
    [[nodiscard]] moment held_until() const noexcept { return held_until_; }

    std::function<void()> died;  // told after each death

 private:
    friend class host_clock;

    void run();

    schedule& time_;
    unsigned index_;
    dice dice_;
    host_clock clock_{*this};
    std::unique_ptr<program> program_;
    unsigned life_ = 0;
    bool paused_ = false;
    unsigned pauses_ = 0;
    bool stopping_ = false;
    std::set<std::uint64_t> sleepers_;  // waits of the clock
    bool dies_soon_ = false;
    microseconds pause_soon_{0};
    moment held_until_{0};
    std::chrono::milliseconds wall_error_{0};
    std::vector<std::pair<unsigned, std::function<void()>>> waiting_;
};

}  // namespace lethe::simulation
