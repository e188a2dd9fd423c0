#include "support/fault_proxy.hpp"

#include "support/process.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace lethe::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// What waits in one direction; above it the sender is made to wait.
constexpr std::size_t waiting_bytes_max = std::size_t{4} * 1024 * 1024;

[[noreturn]] void fail(const char* what) {
    throw std::runtime_error(std::string("fault_proxy: ") + what + ": " + std::strerror(errno));
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return at;
}

int make_socket() {
    const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made < 0) fail("socket");
    const int yes = 1;
    ::setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return made;
}

int make_listener(std::uint16_t port) {
    const int made = make_socket();
    const int yes = 1;
    ::setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    const sockaddr_in at = loopback(port);
    if (::bind(made, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 ||
        ::listen(made, 128) != 0) {
        ::close(made);
        fail("listen");
    }
    return made;
}

struct piece {
    std::string bytes;
    steady_clock::time_point due;
};

// What flows one way.
struct direction {
    int from = -1;
    int to = -1;
    bool answers = false;
    std::deque<piece> waiting = {};
    std::size_t waiting_bytes = 0;
    bool ended = false;     // `from` sends no more
    bool told_end = false;  // and `to` knows
    bool swallows = false;  // an answer was thrown away: what follows would be out of order
};

struct connection {
    direction requests;
    direction answers;
    bool broken = false;
    bool doomed = false;  // at_request: the next answer is the one that nobody gets
};

// A reset rather than an orderly end.
void reset(int descriptor) {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    ::close(descriptor);
}

}  // namespace

struct fault_proxy::impl {
    std::mutex mutex;  // all below but `wake` and `thread`
    std::uint16_t port = 0;
    std::uint16_t server_port = 0;
    int listener = -1;
    std::list<connection> connections;
    std::size_t accepted = 0;
    std::size_t answered_bytes = 0;
    bool hold_answers = false;
    bool hold_requests = false;
    bool drop_answers = false;
    milliseconds delay{0};
    std::optional<std::size_t> cut_after;
    std::optional<std::size_t> drop_piece;
    std::size_t pieces_until_then = 0;  // at_request; 0: not asked for
    instant when = instant::before;
    std::function<void()> then;
    bool stopping = false;
    int wake = -1;
    std::thread thread;

    void ask_for(std::size_t k, instant at, std::function<void()> run) {
        pieces_until_then = k;
        when = at;
        then = std::move(run);
        for (connection& one : connections) one.doomed = false;
    }
    void run();
    [[nodiscard]] std::vector<pollfd> awaited() const;
    void accept_all();
    void take(connection& of, direction& way);
    void give(connection& of, direction& way);
    // True where the piece ends the connection.
    bool meets_then(connection& of, const direction& way);
    [[nodiscard]] bool held(const direction& way) const {
        return way.answers ? hold_answers : hold_requests;
    }
    [[nodiscard]] int milliseconds_to_wait() const;
    void close_broken();
    void wake_up() const {
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t written = ::write(wake, &one, sizeof one);
    }
};

bool fault_proxy::impl::meets_then(connection& of, const direction& way) {
    bool now = way.answers && of.doomed;
    if (!way.answers && pieces_until_then > 0 && --pieces_until_then == 0) {
        of.doomed = when == instant::answered;
        now = !of.doomed;
    }
    if (now) {
        then();
        of.broken = true;
    }
    return now;
}

// Reads what `from` has sent, where there is room for it.
void fault_proxy::impl::take(connection& of, direction& way) {
    char bytes[64 * 1024];
    while (!way.ended && way.waiting_bytes < waiting_bytes_max) {
        const ssize_t got = ::recv(way.from, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (got < 0) {
            of.broken = true;
            return;
        }
        if (got == 0) {
            way.ended = true;
            return;
        }
        if (meets_then(of, way)) return;
        if (way.answers) {
            way.swallows = way.swallows || drop_answers;
            if (drop_piece && --*drop_piece == 0) {
                drop_piece.reset();
                way.swallows = true;
            }
            if (way.swallows) continue;
        }
        way.waiting.push_back(
            {{bytes, static_cast<std::size_t>(got)}, steady_clock::now() + delay});
        way.waiting_bytes += static_cast<std::size_t>(got);
    }
}

// Hands on what is due.
void fault_proxy::impl::give(connection& of, direction& way) {
    if (held(way)) return;
    while (!way.waiting.empty() && way.waiting.front().due <= steady_clock::now()) {
        std::string& bytes = way.waiting.front().bytes;
        std::size_t size = bytes.size();
        const bool limited = way.answers && cut_after && *cut_after <= size;
        if (limited) size = *cut_after;
        const ssize_t sent =
            size == 0 ? 0 : ::send(way.to, bytes.data(), size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (sent < 0) {
            of.broken = true;
            return;
        }
        const auto count = static_cast<std::size_t>(sent);
        if (way.answers) {
            answered_bytes += count;
            if (cut_after) *cut_after -= count;
            if (limited && *cut_after == 0) {
                cut_after.reset();
                of.broken = true;
                return;
            }
        }
        way.waiting_bytes -= count;
        bytes.erase(0, count);
        if (bytes.empty()) way.waiting.pop_front();
    }
    if (way.ended && !way.told_end && way.waiting.empty()) {
        ::shutdown(way.to, SHUT_WR);
        way.told_end = true;
    }
}

void fault_proxy::impl::accept_all() {
    while (listener >= 0) {
        const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (client < 0) return;
        const int yes = 1;
        ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        const int server = make_socket();
        const sockaddr_in at = loopback(server_port);
        // On loopback a connection is made or refused at once, or is on its way for as long as the
        // server's queue is full.
        if (::connect(server, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 &&
            errno != EINPROGRESS) {
            reset(client);
            ::close(server);
            continue;
        }
        ++accepted;
        connections.push_back({.requests = {.from = client, .to = server},
                               .answers = {.from = server, .to = client, .answers = true}});
    }
}

void fault_proxy::impl::close_broken() {
    for (auto one = connections.begin(); one != connections.end();) {
        const bool over = one->broken || (one->requests.told_end && one->answers.told_end);
        if (!over) {
            ++one;
            continue;
        }
        for (const int descriptor : {one->requests.from, one->answers.from}) {
            if (one->broken)
                reset(descriptor);
            else
                ::close(descriptor);
        }
        one = connections.erase(one);
    }
}

int fault_proxy::impl::milliseconds_to_wait() const {
    std::optional<steady_clock::time_point> next;
    const auto now = steady_clock::now();
    for (const connection& one : connections)
        for (const direction* way : {&one.requests, &one.answers}) {
            // What is due waits for its receiver only, told by POLLOUT.
            if (way->waiting.empty() || held(*way) || way->waiting.front().due <= now) continue;
            if (!next || way->waiting.front().due < *next) next = way->waiting.front().due;
        }
    if (!next) return -1;
    const auto left = std::chrono::ceil<milliseconds>(*next - now);
    return static_cast<int>(std::max<milliseconds::rep>(left.count(), 0));
}

std::vector<pollfd> fault_proxy::impl::awaited() const {
    std::vector<pollfd> all = {{.fd = wake, .events = POLLIN, .revents = 0}};
    if (listener >= 0) all.push_back({.fd = listener, .events = POLLIN, .revents = 0});
    const auto now = steady_clock::now();
    for (const connection& one : connections)
        for (const direction* way : {&one.requests, &one.answers}) {
            if (!way->ended && way->waiting_bytes < waiting_bytes_max)
                all.push_back({.fd = way->from, .events = POLLIN, .revents = 0});
            if (!way->waiting.empty() && !held(*way) && way->waiting.front().due <= now)
                all.push_back({.fd = way->to, .events = POLLOUT, .revents = 0});
        }
    return all;
}

void fault_proxy::impl::run() {
    while (true) {
        std::vector<pollfd> all;
        int wait = -1;
        {
            const std::scoped_lock lock(mutex);
            if (stopping) return;
            all = awaited();
            wait = milliseconds_to_wait();
        }
        ::poll(all.data(), all.size(), wait);
        const std::scoped_lock lock(mutex);
        std::uint64_t ignored = 0;
        while (::read(wake, &ignored, sizeof ignored) > 0) {
        }
        accept_all();
        for (connection& one : connections)
            for (direction* way : {&one.requests, &one.answers}) {
                if (!one.broken) take(one, *way);
                if (!one.broken) give(one, *way);
            }
        close_broken();
    }
}

fault_proxy::fault_proxy(std::uint16_t server_port) : impl_(std::make_unique<impl>()) {
    impl_->server_port = server_port;
    // Not one of the system's choice: nobody else may take it while new connections are refused.
    impl_->port = free_ports(1).front();
    impl_->listener = make_listener(impl_->port);
    impl_->wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (impl_->wake < 0) fail("eventfd");
    impl_->thread = std::thread([in = impl_.get()] { in->run(); });
}

fault_proxy::~fault_proxy() {
    {
        const std::scoped_lock lock(impl_->mutex);
        impl_->stopping = true;
    }
    impl_->wake_up();
    impl_->thread.join();
    for (connection& one : impl_->connections) one.broken = true;
    impl_->close_broken();
    if (impl_->listener >= 0) ::close(impl_->listener);
    ::close(impl_->wake);
}

std::uint16_t fault_proxy::port() const noexcept {
    return impl_->port;
}

void fault_proxy::lead_to(std::uint16_t server_port) {
    const std::scoped_lock lock(impl_->mutex);
    impl_->server_port = server_port;
}

void fault_proxy::cut() {
    const std::scoped_lock lock(impl_->mutex);
    for (connection& one : impl_->connections) one.broken = true;
    impl_->close_broken();
    impl_->wake_up();
}

void fault_proxy::cut_after(std::size_t answer_bytes) {
    const std::scoped_lock lock(impl_->mutex);
    impl_->cut_after = answer_bytes;
    impl_->wake_up();
}

void fault_proxy::hold_answers(bool on) {
    const std::scoped_lock lock(impl_->mutex);
    impl_->hold_answers = on;
    impl_->wake_up();
}

void fault_proxy::hold_all(bool on) {
    const std::scoped_lock lock(impl_->mutex);
    impl_->hold_answers = impl_->hold_requests = on;
    impl_->wake_up();
}

void fault_proxy::drop_answers(bool on) {
    const std::scoped_lock lock(impl_->mutex);
    impl_->drop_answers = on;
}

void fault_proxy::drop_piece(std::size_t k) {
    const std::scoped_lock lock(impl_->mutex);
    impl_->drop_piece = k;
}

void fault_proxy::at_request(std::size_t k, instant when, std::function<void()> then) {
    const std::scoped_lock lock(impl_->mutex);
    impl_->ask_for(k, when, std::move(then));
}

void fault_proxy::refuse(bool on) {
    const std::scoped_lock lock(impl_->mutex);
    if (on && impl_->listener >= 0) {
        // The thread that polls it keeps it open a moment longer; it listens no more from here on.
        ::shutdown(impl_->listener, SHUT_RDWR);
        ::close(impl_->listener);
        impl_->listener = -1;
    } else if (!on && impl_->listener < 0) {
        impl_->listener = make_listener(impl_->port);
    }
    impl_->wake_up();
}

void fault_proxy::delay(std::chrono::milliseconds by) {
    const std::scoped_lock lock(impl_->mutex);
    impl_->delay = by;
}

void fault_proxy::heal() {
    refuse(false);
    const std::scoped_lock lock(impl_->mutex);
    impl_->hold_answers = impl_->hold_requests = impl_->drop_answers = false;
    impl_->delay = milliseconds{0};
    impl_->cut_after.reset();
    impl_->drop_piece.reset();
    impl_->ask_for(0, instant::before, {});
    impl_->wake_up();
}

std::size_t fault_proxy::accepted() const {
    const std::scoped_lock lock(impl_->mutex);
    return impl_->accepted;
}

std::size_t fault_proxy::open() const {
    const std::scoped_lock lock(impl_->mutex);
    return impl_->connections.size();
}

std::size_t fault_proxy::answered_bytes() const {
    const std::scoped_lock lock(impl_->mutex);
    return impl_->answered_bytes;
}

}  // namespace lethe::test
