// One life of a simulated process: its event loop, what waits in it, its clock. When it dies, all
// that it was doing is dropped at its await, as with SIGKILL.
#pragma once

#include "base/clock.hpp"
#include "idempotency/spawner.hpp"
#include "simulation/schedule.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <map>
#include <memory>

namespace lethe::simulation {

class process {
 public:
    process() = default;
    ~process() { die(); }
    process(const process&) = delete;
    process& operator=(const process&) = delete;

    // A wait has a number; whoever ends it needs nothing else. wake() of a wait that is over does
    // nothing.
    [[nodiscard]] std::uint64_t next_wait() noexcept { return ++waits_; }
    [[nodiscard]] boost::asio::awaitable<void> wait(std::uint64_t number);
    void wake(std::uint64_t number);

    // Dropped when the process is dying.
    void start(boost::asio::awaitable<void> work);
    // One ready step; false when all wait.
    bool turn();
    void die() noexcept;

 private:
    struct waiter {
        virtual ~waiter() = default;
        virtual void go() = 0;
    };
    template <class Handler>
    struct waiter_of;

    bool dying_ = false;
    std::uint64_t waits_ = 0;
    std::unique_ptr<boost::asio::io_context> loop_ = std::make_unique<boost::asio::io_context>(1);
    std::map<std::uint64_t, std::unique_ptr<waiter>> waiting_;
};

// The worker's gate.
class process_spawner final : public idempotency::spawner {
 public:
    explicit process_spawner(process& in) : process_(in) {}
    void spawn(task<> work) override;

 private:
    process& process_;
};

}  // namespace lethe::simulation
