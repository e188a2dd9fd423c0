#include "library/stop_signal.hpp"

#include "base/error.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <limits>

namespace lethe::library {
namespace {

// Signal handlers have no argument of ours: the process's one target, -1 for none.
std::atomic<int> signal_target{-1};
static_assert(std::atomic<int>::is_always_lock_free, "used in a signal handler");
struct sigaction before_term;
struct sigaction before_int;

void write_one(int descriptor) noexcept {
    const int kept = errno;
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(descriptor, &one, sizeof one);
    errno = kept;
}

extern "C" void lethe_on_stop_signal(int) {
    const int descriptor = signal_target.load();
    if (descriptor >= 0) write_one(descriptor);
}

}  // namespace

stop_signal::stop_signal() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    LETHE_ASSERT(descriptor_ >= 0);
}

stop_signal::~stop_signal() {
    ::close(descriptor_);
}

void stop_signal::raise() noexcept {
    write_one(descriptor_);
}

bool stop_signal::wait(std::chrono::milliseconds at_most) noexcept {
    const auto longest = std::chrono::milliseconds(std::numeric_limits<int>::max());
    pollfd one{.fd = descriptor_, .events = POLLIN, .revents = 0};
    if (::poll(&one, 1, static_cast<int>(std::min(at_most, longest).count())) <= 0) return false;
    std::uint64_t count = 0;
    return ::read(descriptor_, &count, sizeof count) == sizeof count;
}

signal_subscription::signal_subscription(stop_signal& target) noexcept {
    int none = -1;
    if (!signal_target.compare_exchange_strong(none, target.descriptor_)) return;
    active_ = true;
    struct sigaction action{};
    action.sa_handler = lethe_on_stop_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    ::sigaction(SIGTERM, &action, &before_term);
    ::sigaction(SIGINT, &action, &before_int);
}

signal_subscription::~signal_subscription() {
    if (!active_) return;
    ::sigaction(SIGTERM, &before_term, nullptr);
    ::sigaction(SIGINT, &before_int, nullptr);
    signal_target = -1;
}

}  // namespace lethe::library
