#include "net/signal.hpp"

#include "net/errors.hpp"
#include "net/worker_impl.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <list>

namespace lethe::net {

namespace {

class waiter final : public stoppable {
 public:
    waiter(worker& owner, steady_time deadline)
        : timer(owner.inside().loop, deadline), owner_(owner) {
        owner_.enlist(*this);
    }
    ~waiter() { owner_.delist(*this); }
    waiter(const waiter&) = delete;
    waiter& operator=(const waiter&) = delete;

    void stop_waiting() noexcept override { timer.cancel(); }

    boost::asio::steady_timer timer;
    bool notified = false;
    bool expired = false;  // by expire_oldest()

 private:
    worker& owner_;
};

}  // namespace

struct signal::impl {
    worker& owner;
    std::list<waiter*> waiters;
};

signal::signal(worker& on) : impl_(new impl{on, {}}) {}
signal::~signal() {
    LETHE_ASSERT(impl_->waiters.empty());
}

task<> signal::wait(steady_time deadline) {
    impl& in = *impl_;
    if (in.owner.stopping()) co_return LETHE_ERR(errc::cancelled);
    waiter self(in.owner, deadline);
    const auto place = in.waiters.insert(in.waiters.end(), &self);
    const auto [error] =
        co_await self.timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    if (self.notified) co_return result<>{};
    if (self.expired) co_return LETHE_ERR(errc::timeout);
    in.waiters.erase(place);
    if (error) co_return LETHE_ERR(errc::cancelled);
    co_return LETHE_ERR(errc::timeout);
}

void signal::notify_one() noexcept {
    if (impl_->waiters.empty()) return;
    waiter* first = impl_->waiters.front();
    impl_->waiters.pop_front();
    first->notified = true;
    first->timer.cancel();
}

void signal::notify_newest() noexcept {
    if (impl_->waiters.empty()) return;
    waiter* last = impl_->waiters.back();
    impl_->waiters.pop_back();
    last->notified = true;
    last->timer.cancel();
}

void signal::expire_oldest() noexcept {
    if (impl_->waiters.empty()) return;
    waiter* first = impl_->waiters.front();
    impl_->waiters.pop_front();
    first->expired = true;
    first->timer.cancel();
}

std::size_t signal::waiting() const noexcept {
    return impl_->waiters.size();
}

}  // namespace lethe::net
