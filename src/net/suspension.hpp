// Lets one coroutine wait until other code of its worker lets it go on: the cheapest wait there is,
// for what happens once per request. No allocation, no system call, no deadline of its own.
#pragma once

#include "base/error.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

namespace lethe::net {

// One worker. Lives in the waiting coroutine; whoever keeps a pointer to it must call resume() one
// time, before the worker ends.
class suspension {
 public:
    suspension() = default;
    suspension(const suspension&) = delete;
    suspension& operator=(const suspension&) = delete;

    // co_await one.wait();
    [[nodiscard]] auto wait() {
        return boost::asio::async_initiate<const boost::asio::deferred_t&, void()>(
            keep_handler{this}, boost::asio::deferred);
    }

    // The same without a coroutine: resume() calls next(object), and nothing is held but this.
    void wait_with(void (*next)(void* object), void* object) noexcept {
        LETHE_ASSERT(!waiting());
        object_ = object;
        go_on_ = next;
    }

    [[nodiscard]] bool waiting() const noexcept { return go_on_ != nullptr; }

    // Runs the coroutine, within this call, up to its next wait. It may destroy the suspension.
    void resume() {
        LETHE_ASSERT(waiting());
        std::exchange(go_on_, nullptr)(object_);
    }

 private:
    struct keep_handler {
        suspension* self;
        template <class Handler>
        void operator()(Handler&& handler) const {
            self->keep(std::forward<Handler>(handler));
        }
    };

    template <class Handler>
    void keep(Handler&& handler) {
        using kept = std::decay_t<Handler>;
        static_assert(sizeof(kept) <= sizeof place_ && alignof(kept) <= alignof(void*));
        LETHE_ASSERT(!waiting());
        ::new (place_) kept(std::forward<Handler>(handler));
        object_ = place_;
        go_on_ = [](void* at) {
            kept* held = std::launder(static_cast<kept*>(at));
            // The coroutine holds the place the handler is in, and may end: first move out.
            kept mine(std::move(*held));
            held->~kept();
            std::move(mine)();
        };
    }

    void (*go_on_)(void*) = nullptr;
    void* object_ = nullptr;  // what it is called with
    alignas(void*) std::byte place_[sizeof(void*)];
};

}  // namespace lethe::net
