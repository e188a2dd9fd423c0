// The door to an upstream that takes only so many requests at once: who is beyond the limit waits,
// for a short time and among few, and is then refused, early and cheaply.
//
// A queue that is empty now and then takes up bursts: first come, first served. One that has stood
// for longer than `queue_time` is overload: those in front have waited in vain already, and their
// clients may be gone. Then the newest goes first and waits least, and a full queue refuses its
// oldest. (The idea is CoDel's and adaptive LIFO's.)
#pragma once

#include "net/signal.hpp"
#include "upstream/concurrency_limit.hpp"
#include "upstream/metrics.hpp"

namespace lethe::upstream {

// One worker and upstream. Outlives who is inside.
class admission {
 public:
    admission(net::worker& on, const concurrency_options& how, metrics& counts);

    // Whoever is let in calls leave() once. False: wait().
    [[nodiscard]] bool try_enter();
    enum class verdict : std::uint8_t { entered, refused };
    // Errors: cancelled (the worker stops).
    [[nodiscard]] task<verdict> wait(steady_time deadline);

    // The upstream answered the request that entered then, or did not in time.
    void note_answer(steady_time began_at);
    // With the head of the answer: how fast a client reads its body says nothing of the service.
    void leave();

 private:
    [[nodiscard]] bool is_overload() const;
    void hand_on();
    void count_waiting();

    net::worker& worker_;
    const concurrency_options how_;
    metrics& metrics_;
    concurrency_limit limit_;
    std::uint32_t in_flight_ = 0;
    net::signal turn_;
    steady_time standing_since_ = steady_time::max();  // the queue; max: it is empty
};

}  // namespace lethe::upstream
