// The inside of a worker, for the sources of net/ alone.
#pragma once

#include "net/reactor.hpp"
#include "net/worker.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <thread>

namespace lethe::net {

class worker_clock final : public clock {
 public:
    explicit worker_clock(worker::impl& owner) : owner_(owner) {}
    system_time system_now() const override;
    steady_time steady_now() const override { return std::chrono::steady_clock::now(); }
    task<> sleep_until(steady_time until) override;

 private:
    worker::impl& owner_;
};

struct worker::impl {
    impl(worker& self_, unsigned index_);

    void tick();
    void arm();

    worker& self;
    unsigned index;
    boost::asio::io_context loop{1};
    reactor& sockets = reactor::install(loop);
    // The time of a turn of the loop, read once; see worker::turn_time().
    steady_time turn_began{};
    std::uint64_t turn_read = ~std::uint64_t{0};  // of no turn yet
    std::atomic<bool> stopping{false};
    std::atomic<std::size_t> spawned{0};
    stoppable* first = nullptr;
    worker_clock time{*this};
    std::unique_ptr<random_source> random = make_buffered_random();
    std::uint64_t cheap_state;
    lethe::metrics::registry metrics;
    timer_wheel wheel;
    boost::asio::steady_timer ticker{loop};
    bool ticking = false;
    std::thread thread;
};

}  // namespace lethe::net
