#include "net/errors.hpp"
#include "net/stream.hpp"
#include "net/stream_impl.hpp"
#include "net/worker_impl.hpp"

#include <linux/filter.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace lethe::net {
namespace {

bool is_lack_of_room(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

bool would_block(int error) {
    return error == EAGAIN || error == EWOULDBLOCK;
}

}  // namespace

struct listener::impl final : stoppable, watched {
    impl(worker& on, descriptor listening, address at, sharing shared_with)
        : watched(on.inside().sockets),
          owner(on),
          socket(std::move(listening)),
          local(std::move(at)),
          with(shared_with) {
        owner.enlist(*this);
    }
    ~impl() {
        owner.delist(*this);
        shut();
    }

    [[nodiscard]] bool start() noexcept {
        return with == sharing::none ? watch(socket.number()) : watch_shared(socket.number());
    }
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
    sharing with;
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
    // A Unix socket's path is gone by now; one of a service manager is for those who come after us.
    if (impl_->with != sharing::none) return;
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
    // Who waits at a socket that others hold too is served by the next process.
    if (in.with == sharing::with_others) return out;
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

result<listener> accept_at(worker& on, descriptor socket, address local, sharing with) {
    auto made = std::make_unique<listener::impl>(on, std::move(socket), std::move(local), with);
    if (!made->start()) return LETHE_ERR(errc::cannot_listen);
    return listener(std::move(made));
}

}  // namespace lethe::net
