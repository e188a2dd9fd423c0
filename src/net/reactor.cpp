#include "net/reactor.hpp"

#include "base/error.hpp"
#include "net/end_of_turn.hpp"
#include "net/worker_impl.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <utility>

namespace lethe::net {
namespace {

namespace detail = boost::asio::detail;

constexpr std::size_t events_max = 256;
// Whoever waits for the turn's end does not wait for more sockets than this.
constexpr std::size_t served_before_writes = 64;
constexpr std::uint32_t always = EPOLLIN | EPOLLRDHUP | EPOLLET;

// Asio keeps the descriptors of its reactor to itself and gives no other way to wait for it beside
// something else. Explicit instantiation may name private members ([temp.spec.general]); should one
// ever be called otherwise, this does not compile.
template <auto Member>
struct reveal {
    friend constexpr auto set_of_asio() { return Member; }
};
constexpr auto set_of_asio();
template struct reveal<&detail::epoll_reactor::epoll_fd_>;

template <auto Member>
struct reveal_timer {
    friend constexpr auto timer_of_asio() { return Member; }
};
constexpr auto timer_of_asio();
template struct reveal_timer<&detail::epoll_reactor::timer_fd_>;

}  // namespace

watched::~watched() {
    reactor_.unlink(*this);
}

bool watched::watch(int socket) noexcept {
    return reactor_.change(EPOLL_CTL_ADD, socket, *this, always);
}

bool watched::watch_shared(int socket) noexcept {
    return reactor_.change(EPOLL_CTL_ADD, socket, *this, EPOLLIN | EPOLLET | EPOLLEXCLUSIVE);
}

bool watched::watch_writes(int socket) noexcept {
    return reactor_.change(EPOLL_CTL_MOD, socket, *this, always | EPOLLOUT);
}

// A process that is being started may have a copy of the socket for a moment: closing ours would
// then not end its membership.
void watched::unwatch(int socket) noexcept {
    static_cast<void>(reactor_.change(EPOLL_CTL_DEL, socket, *this, 0));
    reactor_.unlink(*this);
}

void watched::wake() noexcept {
    reactor_.link(*this);
    if (reactor_.in_turn_ || std::exchange(reactor_.queued_, true)) return;
    reactor_.scheduler_.post_deferred_completion(&reactor_.turn_);
}

reactor::turn_operation::turn_operation(reactor& of)
    : scheduler_operation([](void* scheduler, scheduler_operation* self,
                             const boost::system::error_code&, std::size_t) {
          if (scheduler == nullptr) return;  // the loop is destroyed
          reactor& owner = static_cast<turn_operation*>(self)->owner;
          owner.queued_ = false;
          owner.turn();
          // The scheduler counts each operation as work that has ended; this one was never counted.
          owner.scheduler_.compensating_work_started();
      }),
      owner(of) {}

reactor& reactor::install(boost::asio::execution_context& into) {
    auto* made = new reactor(into);
    boost::asio::add_service<detail::epoll_reactor>(into, made);  // owns it from here
    made->init_task();
    return *made;
}

reactor::reactor(boost::asio::execution_context& of)
    : epoll_reactor(of),
      scheduler_(boost::asio::use_service<detail::scheduler>(of)),
      set_(::epoll_create1(EPOLL_CLOEXEC)) {
    // Without a descriptor for its timers Asio would have to be asked how long to wait.
    epoll_event asio{.events = EPOLLIN, .data = {.ptr = nullptr}};
    const epoll_reactor& base = *this;
    const bool made = set_ >= 0 && base.*timer_of_asio() >= 0 &&
                      ::epoll_ctl(set_, EPOLL_CTL_ADD, base.*set_of_asio(), &asio) == 0;
    if (!made)
        lethe::detail::assertion_failed("there are descriptors for a worker", __FILE__, __LINE__);
}

reactor::~reactor() {
    ::close(set_);
}

bool reactor::change(int what, int socket, watched& who, std::uint32_t events) noexcept {
    epoll_event event{.events = events, .data = {.ptr = &who}};
    return ::epoll_ctl(set_, what, socket, &event) == 0;
}

void reactor::hear(watched& who, std::uint32_t events) noexcept {
    constexpr std::uint32_t over = EPOLLERR | EPOLLHUP;
    if ((events & (EPOLLIN | EPOLLRDHUP | over)) != 0) who.readable_ = true;
    if ((events & (EPOLLRDHUP | over)) != 0) who.ended_ = true;
    if ((events & (EPOLLOUT | over)) != 0) who.writable_ = true;
    link(who);
}

void reactor::run(long usec, detail::op_queue<detail::scheduler_operation>& ops) {
    ++turns_;
    const int timeout = usec < 0 ? -1 : static_cast<int>((usec + 999) / 1000);
    std::array<epoll_event, events_max> events;
    const int count = ::epoll_wait(set_, events.data(), events.size(), timeout);
    ++turns_;
    bool for_asio = false;
    for (int i = 0; i < count; ++i) {
        const epoll_event& one = events[static_cast<std::size_t>(i)];
        if (one.data.ptr == nullptr)
            for_asio = true;
        else
            hear(*static_cast<watched*>(one.data.ptr), one.events);
    }
    if (for_asio) epoll_reactor::run(0, ops);
    if (first_ready_ != nullptr && !std::exchange(queued_, true)) ops.push(&turn_);
}

void reactor::link(watched& who) noexcept {
    if (std::exchange(who.linked_, true)) return;
    who.next_ = nullptr;
    who.previous_ = last_ready_;
    (last_ready_ != nullptr ? last_ready_->next_ : first_ready_) = &who;
    last_ready_ = &who;
}

void reactor::unlink(watched& who) noexcept {
    if (!std::exchange(who.linked_, false)) return;
    (who.previous_ != nullptr ? who.previous_->next_ : first_ready_) = who.next_;
    (who.next_ != nullptr ? who.next_->previous_ : last_ready_) = who.previous_;
}

void reactor::link_later(end_of_turn& who) noexcept {
    who.next_ = nullptr;
    (last_later_ != nullptr ? last_later_->next_ : first_later_) = &who;
    last_later_ = &who;
}

void reactor::turn() {
    in_turn_ = true;
    while (first_ready_ != nullptr || first_later_ != nullptr) {
        for (std::size_t i = 0; i < served_before_writes && first_ready_ != nullptr; ++i) {
            watched& one = *first_ready_;
            unlink(one);
            one.go_on();
        }
        end_of_turn* later = std::exchange(first_later_, nullptr);
        last_later_ = nullptr;
        while (later != nullptr) {
            end_of_turn& one = *later;
            later = one.next_;  // it is gone once its coroutine goes on
            one.waiting_.resume();
        }
    }
    in_turn_ = false;
}

end_of_turn::end_of_turn(worker& on) noexcept : reactor_(on.inside().sockets) {}

bool end_of_turn::worth_waiting() const noexcept {
    return reactor_.more_to_serve();
}

void end_of_turn::enqueue() noexcept {
    reactor_.link_later(*this);
}

}  // namespace lethe::net
