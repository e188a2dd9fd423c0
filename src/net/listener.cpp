#include "net/errors.hpp"
#include "net/stream.hpp"
#include "net/stream_impl.hpp"
#include "net/worker_impl.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace lethe::net {
namespace {

using boost::asio::ip::tcp;

constexpr int backlog = 4096;

bool is_lack_of_room(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

bool would_block(int error) {
    return error == EAGAIN || error == EWOULDBLOCK;
}

}  // namespace

struct listener::impl final : stoppable, watched {
    impl(worker& on, descriptor listening, address at)
        : watched(on.inside().sockets),
          owner(on),
          socket(std::move(listening)),
          local(std::move(at)) {
        owner.enlist(*this);
    }
    ~impl() {
        owner.delist(*this);
        shut();
    }

    [[nodiscard]] bool start() noexcept { return watch(socket.number()); }
    void stop_waiting() noexcept override {
        shut();
        wake();
    }
    void go_on() override {
        if (accepting.waiting()) accepting.resume();
    }
    void shut() noexcept {
        if (!socket.is_open()) return;
        unwatch(socket.number());
        socket.close();
    }
    // A connection, or the system's error: EAGAIN when none waits.
    int take(descriptor& into) noexcept {
        const int got = ::accept4(socket.number(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (got < 0) return errno;
        into = descriptor(got);
        return 0;
    }
    void nobody_waits() noexcept { readable_ = false; }
    [[nodiscard]] bool somebody_waits() const noexcept { return readable_; }

    worker& owner;
    descriptor socket;
    address local;
    suspension accepting;
};

listener::listener(std::unique_ptr<impl> made) noexcept : impl_(std::move(made)) {}
listener::listener(listener&&) noexcept = default;
listener::~listener() = default;

task<stream> listener::accept() {
    impl& in = *impl_;
    while (true) {
        if (!in.socket.is_open()) co_return LETHE_ERR(errc::cancelled);
        if (!in.somebody_waits()) {
            co_await in.accepting.wait();
            continue;
        }
        descriptor socket(-1);
        const int error = in.take(socket);
        if (error == 0) {
            result<std::unique_ptr<stream::impl>> made = wrap(in.owner, std::move(socket));
            if (made.has_error()) co_return made.error();
            co_return stream(*std::move(made));
        }
        if (is_lack_of_room(error)) co_return LETHE_ERR(errc::out_of_descriptors);
        // Any other error is a peer's that went away before it was accepted: nothing happened.
        if (would_block(error)) in.nobody_waits();
    }
}

void listener::let_no_more_in() noexcept {
    // A packet filter on the socket drops what has the SYN flag: bit 1 of byte 13 of the TCP
    // header.
    std::array<sock_filter, 4> drop_syn = {{
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x02, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
    }};
    const sock_fprog program{drop_syn.size(), drop_syn.data()};
    static_cast<void>(::setsockopt(impl_->socket.number(), SOL_SOCKET, SO_ATTACH_FILTER, &program,
                                   sizeof program));
}

std::vector<stream> listener::accept_last() {
    impl& in = *impl_;
    std::vector<stream> out;
    while (in.socket.is_open()) {
        descriptor socket(-1);
        if (in.take(socket) != 0) break;
        result<std::unique_ptr<stream::impl>> made = wrap(in.owner, std::move(socket));
        if (made.has_value()) out.emplace_back(*std::move(made));
    }
    return out;
}

void listener::close() noexcept {
    impl_->stop_waiting();
}
const address& listener::local() const noexcept {
    return impl_->local;
}

namespace {

error_code listen_error(int error) {
    return error == EADDRINUSE ? LETHE_ERR(errc::address_in_use) : LETHE_ERR(errc::cannot_listen);
}

result<descriptor> open_listening(const address& at, bool share) {
    boost::system::error_code wrong;
    const boost::asio::ip::address ip =
        boost::asio::ip::make_address(at.host == "localhost" ? "127.0.0.1" : at.host, wrong);
    if (wrong) return LETHE_ERR(errc::cannot_listen);
    const tcp::endpoint endpoint(ip, at.port);
    descriptor out(::socket(endpoint.protocol().family(),
                            SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
    if (!out.is_open()) return listen_error(errno);
    const int on = 1;
    ::setsockopt(out.number(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (share) ::setsockopt(out.number(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (::bind(out.number(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0 ||
        ::listen(out.number(), backlog) != 0)
        return listen_error(errno);
    return out;
}

std::uint16_t port_of(int socket) {
    sockaddr_storage own{};
    socklen_t size = sizeof own;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&own), &size) != 0) return 0;
    const in_port_t port = own.ss_family == AF_INET6
                               ? reinterpret_cast<const sockaddr_in6&>(own).sin6_port
                               : reinterpret_cast<const sockaddr_in&>(own).sin_port;
    return ntohs(port);
}

}  // namespace

result<> check_address_free(const address& at) {
    if (at.port == 0) return {};
    const result<descriptor> probe = open_listening(at, false);
    if (probe.has_error()) return probe.error();
    return {};
}

result<listener> listen(worker& on, const address& at) {
    LETHE_TRY(descriptor socket, open_listening(at, true));
    address local = at;
    local.port = port_of(socket.number());
    auto made = std::make_unique<listener::impl>(on, std::move(socket), std::move(local));
    if (!made->start()) return LETHE_ERR(errc::cannot_listen);
    return listener(std::move(made));
}

}  // namespace lethe::net
