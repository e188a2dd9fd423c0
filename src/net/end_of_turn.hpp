// Lets a coroutine go on when the worker has served all else that was ready with it.
//
// Whoever writes then writes in a row with the others: the process at the other end is woken once,
// not for each write that finds it asleep again. To wake it costs more than all else in a request
// that is forwarded.
#pragma once

#include "net/suspension.hpp"

namespace lethe::net {

class reactor;
class worker;

// One worker. Lives in the waiting coroutine:
//     end_of_turn end(on);
//     if (end.worth_waiting()) co_await end.wait();
class end_of_turn {
 public:
    explicit end_of_turn(worker& on) noexcept;
    // There are others to serve in this turn. They take microseconds each, and no more than a few
    // dozen go first.
    [[nodiscard]] bool worth_waiting() const noexcept;
    [[nodiscard]] auto wait() {
        enqueue();
        return waiting_.wait();
    }

 private:
    friend class reactor;

    void enqueue() noexcept;

    reactor& reactor_;
    end_of_turn* next_ = nullptr;
    suspension waiting_;
};

}  // namespace lethe::net
