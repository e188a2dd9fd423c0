// A worker: one thread with its own event loop, timers, random numbers and metrics. Workers share
// nothing that changes; work crosses by post().
#pragma once

#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "base/random.hpp"
#include "base/task.hpp"
#include "net/timer.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>

namespace lethe::net {

// Something of a worker that waits and must be told when the worker stops.
class stoppable {
 public:
    virtual void stop_waiting() noexcept = 0;

 protected:
    ~stoppable() = default;

 private:
    friend class worker;
    stoppable* previous_ = nullptr;
    stoppable* next_ = nullptr;
};

// Made and destroyed on the thread that owns the gateway; everything else on its own thread unless
// it says otherwise.
class worker {
 public:
    explicit worker(unsigned index = 0);
    ~worker();
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;

    // Runs the loop on a thread of its own, until stop(). Any thread, once.
    void start();
    // Runs the loop on the calling thread until no spawned work is left or stop() is called.
    void run();
    // Tells all that waits to give up, runs what then ends, joins the thread. Any thread but the
    // worker's own; may be called twice.
    void stop();
    // True once stop() has begun: waits answer cancelled at once.
    [[nodiscard]] bool stopping() const noexcept;

    // Any thread: runs `work` on the worker, later.
    void post(std::function<void()> work);
    // Runs a coroutine to its end on the worker; its error is nobody's but its own. The worker's
    // stop waits for it. On the worker's thread (or before start()).
    void spawn(task<> work);
    // Spawned work that has not ended.
    [[nodiscard]] std::size_t under_way() const noexcept;

    [[nodiscard]] unsigned index() const noexcept;
    [[nodiscard]] boost::asio::any_io_executor executor() noexcept;
    // The real time.
    [[nodiscard]] clock& time() noexcept;
    // The steady time at some point of this turn of the loop: exact enough for deadlines, and read
    // from the system once a turn.
    [[nodiscard]] steady_time turn_time() noexcept;
    [[nodiscard]] random_source& random() noexcept;
    // Quick and good enough for jitter, balancing and trace ids; never for secrets.
    [[nodiscard]] std::uint64_t cheap_random() noexcept;
    [[nodiscard]] metrics::registry& metrics() noexcept;
    [[nodiscard]] timer_wheel& timers() noexcept;

    void enlist(stoppable& one) noexcept;
    void delist(stoppable& one) noexcept;

    struct impl;
    // For the other sources of net/ alone.
    [[nodiscard]] impl& inside() noexcept { return *impl_; }

 private:
    std::unique_ptr<impl> impl_;
};

}  // namespace lethe::net
