// Tells a worker's sockets when they can go on; for the sources of net/ alone.
//
// Asio runs the loop, the coroutines, the timers and what other folders wait for. Its sockets cost
// an attempt that fails for nearly every read, or a change of the epoll set for every wait. So the
// sockets of this folder are in an epoll set of ours, edge-triggered, and Asio's own set is one
// more member of it. A turn of the loop is one epoll_wait, all that can go on, then what waits for
// the turn's end.
#pragma once

#include <boost/asio/detail/epoll_reactor.hpp>
#include <boost/asio/detail/scheduler.hpp>
#include <boost/asio/detail/scheduler_operation.hpp>

#include <cstddef>
#include <cstdint>

namespace lethe::net {

class end_of_turn;
class reactor;

// A socket in the set. One worker.
class watched {
 public:
    watched(const watched&) = delete;
    watched& operator=(const watched&) = delete;

 protected:
    explicit watched(reactor& by) noexcept : reactor_(by) {}
    ~watched();

    // Called in a turn when something was heard of the socket, or wake() asked for it. It may
    // destroy the object.
    virtual void go_on() = 0;

    // From now on readable_ and writable_ are kept. False: the system has no room for it.
    [[nodiscard]] bool watch(int socket) noexcept;
    // The same for a listening socket that is in other workers' sets too: not all of them are told
    // of a connection.
    [[nodiscard]] bool watch_shared(int socket) noexcept;
    // Also tells when the socket takes bytes again: asked for by those that met a full one.
    [[nodiscard]] bool watch_writes(int socket) noexcept;
    // Before the socket is closed.
    void unwatch(int socket) noexcept;
    // Has go_on() called soon, never within this call.
    void wake() noexcept;

    reactor& reactor_;
    // What is known: true may be out of date, false never is. Whoever meets EAGAIN, or gets less
    // than asked for, clears it. `ended_`: the peer said its end, which no later edge tells again.
    bool readable_ = false;
    bool writable_ = false;
    bool ended_ = false;

 private:
    friend class reactor;

    bool linked_ = false;
    watched* previous_ = nullptr;
    watched* next_ = nullptr;
};

// Made by worker::impl, in place of Asio's own; the io_context owns it.
class reactor final : public boost::asio::detail::epoll_reactor {
 public:
    // Puts a reactor into a loop that nobody has used yet.
    static reactor& install(boost::asio::execution_context& into);

    explicit reactor(boost::asio::execution_context& of);
    ~reactor() override;

    // More sockets of this turn are still to be served.
    [[nodiscard]] bool more_to_serve() const noexcept {
        return in_turn_ && first_ready_ != nullptr;
    }
    // Counts turns: time read in the same turn is the same time.
    [[nodiscard]] std::uint64_t turns() const noexcept { return turns_; }

 private:
    friend class watched;
    friend class end_of_turn;

    // Asio's scheduler queues it and calls it back.
    struct turn_operation : boost::asio::detail::scheduler_operation {
        explicit turn_operation(reactor& of);
        reactor& owner;
    };

    void run(long usec,
             boost::asio::detail::op_queue<boost::asio::detail::scheduler_operation>& ops) override;
    [[nodiscard]] bool change(int what, int socket, watched& who, std::uint32_t events) noexcept;
    void hear(watched& who, std::uint32_t events) noexcept;
    void link(watched& who) noexcept;
    void unlink(watched& who) noexcept;
    void link_later(end_of_turn& who) noexcept;
    void turn();

    boost::asio::detail::scheduler& scheduler_;
    int set_;
    turn_operation turn_{*this};
    bool queued_ = false;  // turn_ is in the scheduler's queue
    bool in_turn_ = false;
    std::uint64_t turns_ = 0;
    watched* first_ready_ = nullptr;
    watched* last_ready_ = nullptr;
    end_of_turn* first_later_ = nullptr;
    end_of_turn* last_later_ = nullptr;
};

}  // namespace lethe::net
