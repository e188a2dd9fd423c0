// Runs a task to its end on a loop of its own, for tests of code that awaits.
#pragma once

#include "base/task.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <optional>
#include <utility>
#include <vector>

namespace lethe::test {

// Runs until `work` has ended and nothing is left to do. Also makes bugs abort.
void run_loop(boost::asio::awaitable<void> work);
// Several at once on one loop.
void run_loop(std::vector<boost::asio::awaitable<void>> work);

namespace detail {
template <class T>
boost::asio::awaitable<void> keep(task<T> work, std::optional<result<T>>& out) {
    result<T> got = co_await std::move(work);
    out.emplace(std::move(got));
}
}  // namespace detail

// const auto answer = run(engine.claim(…));
template <class T>
result<T> run(task<T> work) {
    std::optional<result<T>> out;
    run_loop(detail::keep(std::move(work), out));
    return std::move(*out);
}

}  // namespace lethe::test
