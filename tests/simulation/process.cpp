#include "simulation/process.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <utility>

namespace lethe::simulation {

namespace asio = boost::asio;

template <class Handler>
struct process::waiter_of final : waiter {
    waiter_of(asio::io_context& in, Handler&& h) : loop(in), handler(std::move(h)) {}
    void go() override { asio::post(loop, std::move(handler)); }
    asio::io_context& loop;
    Handler handler;
};

asio::awaitable<void> process::wait(std::uint64_t number) {
    co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(
        [this, number](auto handler) {
            waiting_.emplace(
                number, std::make_unique<waiter_of<decltype(handler)>>(*loop_, std::move(handler)));
        },
        asio::use_awaitable);
}

void process::wake(std::uint64_t number) {
    const auto at = waiting_.find(number);
    if (at == waiting_.end()) return;
    const std::unique_ptr<waiter> who = std::move(at->second);
    waiting_.erase(at);
    who->go();
}

void process::start(asio::awaitable<void> work) {
    if (dying_) return;
    asio::co_spawn(*loop_, std::move(work), [](std::exception_ptr failure) {
        if (failure) std::rethrow_exception(failure);
    });
}

bool process::turn() {
    loop_->restart();
    return loop_->poll_one() > 0;
}

void process::die() noexcept {
    dying_ = true;
    waiting_.clear();
    loop_.reset();
}

namespace {
asio::awaitable<void> run(task<> work) {
    [[maybe_unused]] const result<> done = co_await std::move(work);
}
}  // namespace

void process_spawner::spawn(task<> work) {
    process_.start(run(std::move(work)));
}

}  // namespace lethe::simulation
