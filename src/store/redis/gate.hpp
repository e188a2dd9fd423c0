// Counts the calls under way in all stores of an engine, so that closing it can wait for them.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

namespace lethe::store::redis {

// Any thread.
class gate {
 public:
    // Held during a call. False: the engine is closed.
    class pass {
     public:
        explicit pass(gate& of) : gate_(of.enter() ? &of : nullptr) {}
        ~pass() {
            if (gate_ != nullptr) gate_->leave();
        }
        pass(const pass&) = delete;
        pass& operator=(const pass&) = delete;
        explicit operator bool() const noexcept { return gate_ != nullptr; }

     private:
        gate* gate_;
    };

    // Lets no more in, and waits until all are out.
    void close() noexcept {
        closed_ = true;
        for (int inside = inside_; inside != 0; inside = inside_) inside_.wait(inside);
    }
    [[nodiscard]] bool closed() const noexcept { return closed_; }

 private:
    bool enter() noexcept {
        ++inside_;
        if (!closed_) return true;
        leave();
        return false;
    }
    void leave() noexcept {
        --inside_;
        if (closed_) inside_.notify_all();
    }

    std::atomic<int> inside_{0};
    std::atomic<bool> closed_{false};
};

}  // namespace lethe::store::redis
