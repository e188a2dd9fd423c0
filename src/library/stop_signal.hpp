// "Stop now", said from any thread or from a signal handler, waited for by one thread.
#pragma once

#include <chrono>

namespace lethe::library {

class stop_signal {
 public:
    stop_signal();
    ~stop_signal();
    stop_signal(const stop_signal&) = delete;
    stop_signal& operator=(const stop_signal&) = delete;

    // Async-signal-safe.
    void raise() noexcept;
    // True when it was raised since the last time it answered true; false after `at_most`.
    [[nodiscard]] bool wait(std::chrono::milliseconds at_most) noexcept;

 private:
    friend class signal_subscription;
    int descriptor_;
};

// SIGTERM and SIGINT raise `target` as long as this lives; then they do what they did before. While
// one lives, others have no effect: the first service that runs in a process gets the signals.
class signal_subscription {
 public:
    explicit signal_subscription(stop_signal& target) noexcept;
    ~signal_subscription();
    signal_subscription(const signal_subscription&) = delete;
    signal_subscription& operator=(const signal_subscription&) = delete;

 private:
    bool active_ = false;
};

}  // namespace lethe::library
