// Lets coroutines of one worker wait for something to happen, first come first served.
#pragma once

#include "net/worker.hpp"

#include <cstddef>
#include <memory>

namespace lethe::net {

// One worker. Outlives its waiters.
class signal {
 public:
    explicit signal(worker& on);
    ~signal();
    signal(const signal&) = delete;
    signal& operator=(const signal&) = delete;

    // Errors: timeout (exactly at `deadline`, not a tick later), cancelled (the worker stops).
    [[nodiscard]] task<> wait(steady_time deadline);
    // Wakes the one that has waited longest, if any.
    void notify_one() noexcept;
    // Wakes the one that came last, if any: under overload the others are near their end anyway.
    void notify_newest() noexcept;
    // The wait of the one that has waited longest, if any, ends with timeout.
    void expire_oldest() noexcept;
    [[nodiscard]] std::size_t waiting() const noexcept;

 private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace lethe::net
