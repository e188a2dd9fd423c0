// Blocking work (a database's client, a file, a long computation) off the worker's event loop.
//
//     boost::system::result<int> stored = co_await lethe::blocking([&] { return
//     database.insert(row); });
//
// Await into a named local, then go on.
#pragma once

#include "lethe/errors.hpp"

#include <boost/asio/awaitable.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace lethe {
inline namespace v1 {

namespace internal {

// Answers when `work` has ended on a thread of the service's pool, or at once with an error.
boost::asio::awaitable<boost::system::error_code> run_blocking(std::function<void()> work);

template <class T>
struct blocking_state {
    std::optional<boost::system::result<T>> value;
    std::exception_ptr failure;
};

}  // namespace internal

// Runs `function` on the service's bounded pool and answers what it returned. What it throws is
// thrown here. service_errc::pool_full when every thread is busy and the queue is full.
//
// A service that is told to stop waits for work that has begun. The function is kept until it has
// ended, even where the awaiting coroutine has been given up; what it refers to must be, too.
template <class Function>
boost::asio::awaitable<boost::system::result<std::invoke_result_t<Function&>>> blocking(
    Function function) {
    using value_type = std::invoke_result_t<Function&>;
    auto state = std::make_shared<internal::blocking_state<value_type>>();
    std::function<void()> work = [state, function = std::move(function)]() mutable {
        try {
            if constexpr (std::is_void_v<value_type>) {
                function();
                state->value.emplace();
            } else {
                state->value.emplace(function());
            }
        } catch (...) {
            state->failure = std::current_exception();
        }
    };
    const boost::system::error_code refused = co_await internal::run_blocking(std::move(work));
    if (refused)
        co_return boost::system::result<value_type>(boost::system::in_place_error, refused);
    if (state->failure) std::rethrow_exception(state->failure);
    co_return std::move(*state->value);
}

}  // namespace v1
}  // namespace lethe
