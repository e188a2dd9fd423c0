#include "net/worker.hpp"

#include "base/log.hpp"
#include "net/errors.hpp"
#include "net/worker_impl.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <utility>

namespace lethe::net {
namespace {

boost::asio::awaitable<void> forget_result(task<> work) {
    // Whoever spawned the work has handled its errors inside it; there is nobody left to tell.
    static_cast<void>(co_await std::move(work));
}

class sleeper final : public stoppable {
 public:
    sleeper(worker& owner, steady_time until) : owner_(owner), timer_(owner.inside().loop, until) {
        owner_.enlist(*this);
    }
    ~sleeper() { owner_.delist(*this); }
    sleeper(const sleeper&) = delete;
    sleeper& operator=(const sleeper&) = delete;

    void stop_waiting() noexcept override { timer_.cancel(); }
    boost::asio::steady_timer& timer() { return timer_; }

 private:
    worker& owner_;
    boost::asio::steady_timer timer_;
};

}  // namespace

system_time worker_clock::system_now() const {
    return std::chrono::time_point_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now());
}

task<> worker_clock::sleep_until(steady_time until) {
    if (owner_.stopping) co_return LETHE_ERR(errc::cancelled);
    sleeper waiting(owner_.self, until);
    const auto [error] =
        co_await waiting.timer().async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    if (error || owner_.stopping) co_return LETHE_ERR(errc::cancelled);
    co_return result<>{};
}

worker::impl::impl(worker& self_, unsigned index_) : self(self_), index(index_) {
    random->fill({reinterpret_cast<unsigned char*>(&cheap_state), sizeof cheap_state});
    cheap_state |= 1;
    wheel.start(time.steady_now());
    wheel.owner = this;
    wheel.on_armed = [](void* owner) { static_cast<impl*>(owner)->arm(); };
}

void worker::impl::arm() {
    // The wheel may empty and fill many times within a tick: the wait under way serves all of them.
    if (std::exchange(ticking, true)) return;
    // The wheel stood still while it was empty; what is set now counts from now.
    ticker.expires_after(timer_tick);
    ticker.async_wait([this](const boost::system::error_code& error) {
        ticking = false;
        if (!error) tick();
    });
}

void worker::impl::tick() {
    wheel.advance(time.steady_now());
    if (wheel.armed()) arm();
}

worker::worker(unsigned index) : impl_(std::make_unique<impl>(*this, index)) {}

worker::~worker() {
    stop();
    LETHE_ASSERT(impl_->spawned == 0);
}

void worker::start() {
    LETHE_ASSERT(!impl_->thread.joinable());
    impl_->thread = std::thread([this] {
        auto guard = boost::asio::make_work_guard(impl_->loop);
        impl_->loop.run();
    });
}

void worker::run() {
    impl_->loop.run();
}

void worker::stop() {
    impl& in = *impl_;
    const auto give_up = [&in] {
        in.stopping = true;
        for (stoppable* one = in.first; one != nullptr;) {
            stoppable* following = one->next_;
            one->stop_waiting();
            one = following;
        }
    };
    if (in.thread.joinable()) {
        // The loop ends by itself once all spawned work has: the guard is dropped by stop() below.
        boost::asio::post(in.loop, give_up);
        while (in.spawned != 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        in.loop.stop();
        in.thread.join();
    } else if (in.spawned != 0) {
        give_up();
        in.loop.restart();
        while (in.spawned != 0 && in.loop.run_one() != 0) {
        }
    }
}

bool worker::stopping() const noexcept {
    return impl_->stopping;
}

void worker::post(std::function<void()> work) {
    boost::asio::post(impl_->loop, std::move(work));
}

void worker::spawn(task<> work) {
    ++impl_->spawned;
    boost::asio::co_spawn(impl_->loop, forget_result(std::move(work)),
                          [this](std::exception_ptr failure) {
                              if (failure) {
                                  try {
                                      std::rethrow_exception(failure);
                                  } catch (const std::exception& e) {
                                      log::error("net.task_threw", {{"what", e.what()}});
                                  } catch (...) {
                                      log::error("net.task_threw");
                                  }
                                  LETHE_BUG("an exception left a task");
                              }
                              --impl_->spawned;
                          });
}

std::size_t worker::under_way() const noexcept {
    return impl_->spawned;
}
unsigned worker::index() const noexcept {
    return impl_->index;
}
boost::asio::any_io_executor worker::executor() noexcept {
    return impl_->loop.get_executor();
}
clock& worker::time() noexcept {
    return impl_->time;
}
steady_time worker::turn_time() noexcept {
    impl& in = *impl_;
    if (in.turn_read != in.sockets.turns()) {
        in.turn_began = in.time.steady_now();
        in.turn_read = in.sockets.turns();
    }
    return in.turn_began;
}
random_source& worker::random() noexcept {
    return *impl_->random;
}
metrics::registry& worker::metrics() noexcept {
    return impl_->metrics;
}
timer_wheel& worker::timers() noexcept {
    return impl_->wheel;
}

// xorshift64*: see Vigna, "An experimental exploration of Marsaglia's xorshift generators,
// scrambled".
std::uint64_t worker::cheap_random() noexcept {
    std::uint64_t& s = impl_->cheap_state;
    s ^= s >> 12;
    s ^= s << 25;
    s ^= s >> 27;
    return s * 0x2545F4914F6CDD1DULL;
}

void worker::enlist(stoppable& one) noexcept {
    one.previous_ = nullptr;
    one.next_ = impl_->first;
    if (one.next_ != nullptr) one.next_->previous_ = &one;
    impl_->first = &one;
}

void worker::delist(stoppable& one) noexcept {
    if (one.previous_ != nullptr)
        one.previous_->next_ = one.next_;
    else
        impl_->first = one.next_;
    if (one.next_ != nullptr) one.next_->previous_ = one.previous_;
}

}  // namespace lethe::net
