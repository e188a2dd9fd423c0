#include "net/stream.hpp"

#include "net/errors.hpp"
#include "net/resolve.hpp"
#include "net/stream_impl.hpp"
#include "net/worker_impl.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace lethe::net {
namespace {

using boost::asio::ip::tcp;

constexpr std::size_t pieces_max = 8;
constexpr std::size_t together_bytes_max = 2 * 1024;

// Fills `vectors` with the pieces behind the first `skip` bytes; how many it filled.
std::size_t fill_vectors(std::span<const std::string_view> pieces, std::size_t skip,
                         std::array<iovec, pieces_max>& vectors) {
    LETHE_ASSERT(pieces.size() <= pieces_max);
    std::size_t count = 0;
    for (std::string_view piece : pieces) {
        const std::size_t skipped = std::min(skip, piece.size());
        skip -= skipped;
        piece.remove_prefix(skipped);
        if (piece.empty()) continue;
        // iovec is shared with readv and so not const; sendmsg only reads.
        vectors[count++] = {const_cast<char*>(piece.data()), piece.size()};
    }
    return count;
}

// One piece costs the kernel less than several: small ones are copied. "": they are larger.
std::string_view put_together(std::span<const iovec> vectors, std::span<char> room) noexcept {
    std::size_t size = 0;
    for (const iovec& one : vectors) {
        if (one.iov_len > room.size() - size) return {};
        std::memcpy(room.data() + size, one.iov_base, one.iov_len);
        size += one.iov_len;
    }
    return {room.data(), size};
}

std::size_t total_size(std::span<const std::string_view> pieces) {
    std::size_t size = 0;
    for (const std::string_view piece : pieces) size += piece.size();
    return size;
}

bool would_block() noexcept {
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

// What the kernel takes of the pieces behind the first `skip` bytes, without waiting.
result<std::size_t> send_now(stream::impl& in, std::span<const std::string_view> pieces,
                             std::size_t skip) noexcept {
    std::array<iovec, pieces_max> vectors;
    const std::size_t count = fill_vectors(pieces, skip, vectors);
    if (count == 0) return std::size_t{0};
    std::array<char, together_bytes_max> room;
    const int socket = in.socket.number();
    while (true) {
        ssize_t sent = 0;
        if (count == 1) {
            sent = ::send(socket, vectors[0].iov_base, vectors[0].iov_len,
                          MSG_NOSIGNAL | MSG_DONTWAIT);
        } else if (const std::string_view all = put_together({vectors.data(), count}, room);
                   !all.empty()) {
            sent = ::send(socket, all.data(), all.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        } else {
            msghdr message{};
            message.msg_iov = vectors.data();
            message.msg_iovlen = count;
            sent = ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        }
        if (sent >= 0) return static_cast<std::size_t>(sent);
        if (errno == EINTR) continue;
        if (would_block()) return std::size_t{0};
        return LETHE_ERR(errc::connection_lost);
    }
}

task<> write_plain(stream::impl& in, std::span<const std::string_view> pieces, std::size_t skip) {
    const std::size_t size = total_size(pieces);
    while (skip < size) {
        if (in.gave_up()) co_return in.reason();
        const result<std::size_t> sent = send_now(in, pieces, skip);
        if (sent.has_error()) co_return sent.error();
        skip += *sent;
        if (skip == size) break;
        in.filled();
        const result<> ready = co_await in.until_writable();
        if (ready.has_error()) co_return ready;
    }
    co_return result<>{};
}

// One byte of what waits to be read, which stays there.
ssize_t peek(const stream::impl& in) noexcept {
    char byte = 0;
    return ::recv(in.socket.number(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
}

}  // namespace

stream::impl::impl(worker& on, descriptor connected)
    : watched(on.inside().sockets), owner(on), socket(std::move(connected)) {
    owner.enlist(*this);
}

stream::impl::~impl() {
    owner.delist(*this);
    tls.reset();
    unwatch(socket.number());
}

void stream::impl::go_on() {
    // With TLS a read may wait for the socket to take bytes and the other way round: both look.
    const bool any = gave_up() || tls != nullptr;
    const bool read = reading.waiting() && (any || readable_);
    const bool write = writing.waiting() && (any || writable_);
    const bool second = std::exchange(writer_next_, false);
    if (read && write && !second) {
        // Each in a call of its own, for either may destroy this.
        writer_next_ = true;
        wake();
        reading.resume();
    } else if (write) {
        if (gave_up()) wake();  // the reader may wait for that too
        writing.resume();
    } else if (read) {
        reading.resume();
    }
}

result<std::optional<std::size_t>> stream::impl::receive(std::span<char> into) noexcept {
    if (gave_up()) return reason();
    while (readable_) {
        const ssize_t got = ::recv(socket.number(), into.data(), into.size(), MSG_DONTWAIT);
        if (got >= 0) {
            const auto size = static_cast<std::size_t>(got);
            if (size < into.size()) drained();
            return std::optional(size);
        }
        if (errno == EINTR) continue;
        if (!would_block()) return LETHE_ERR(errc::connection_lost);
        readable_ = false;
    }
    return std::optional<std::size_t>{};
}

task<> stream::impl::until_writable() {
    if (!writable_ && !gave_up()) co_await writing.wait();
    if (gave_up()) co_return reason();
    co_return result<>{};
}

void stream::impl::filled() noexcept {
    writable_ = false;
    // The change of the set tells at once when there is room by now. A set that cannot be changed
    // leaves the write to its deadline.
    if (!std::exchange(told_of_writes, true)) static_cast<void>(watch_writes(socket.number()));
}

stream::stream(std::unique_ptr<impl> made) noexcept : impl_(std::move(made)) {}
stream::stream(stream&&) noexcept = default;
stream& stream::operator=(stream&&) noexcept = default;
stream::~stream() = default;

task<std::size_t> stream::read_some(std::span<char> into) {
    while (true) {
        const result<std::optional<std::size_t>> got = try_read(into);
        if (got.has_error()) co_return got.error();
        if (*got) co_return **got;
        co_await reading().wait();
    }
}

result<std::optional<std::size_t>> stream::try_read(std::span<char> into) noexcept {
    impl& in = *impl_;
    if (!in.tls) return in.receive(into);
    if (in.gave_up()) return in.reason();
    if (!may_read()) return std::optional<std::size_t>{};
    const result<tls_layer::progress> step = in.tls->read(into);
    if (step.has_error()) return step.error();
    if (in.tls->emptied_socket()) in.drained();
    if (step->next == tls_layer::wants::nothing) return std::optional(step->bytes);
    if (step->next == tls_layer::wants::writable)
        in.filled();
    else
        in.drained();
    return std::optional<std::size_t>{};
}

bool stream::may_read() const noexcept {
    const impl& in = *impl_;
    return in.may_read() || in.gave_up() || (in.tls != nullptr && in.tls->may_read());
}

suspension& stream::reading() noexcept {
    return impl_->reading;
}

result<std::size_t> stream::try_write(std::span<const std::string_view> pieces) noexcept {
    if (impl_->tls) {
        const result<tls_layer::progress> taken = impl_->tls->write(pieces, 0);
        if (taken.has_error()) return taken.error();
        return taken->bytes;
    }
    return send_now(*impl_, pieces, 0);
}

task<> stream::write(std::span<const std::string_view> pieces, std::size_t skip) {
    if (impl_->tls) return write_tls(*impl_, pieces, skip);
    return write_plain(*impl_, pieces, skip);
}

void stream::expires_at(steady_time deadline) {
    impl_->timed_out = false;
    if (deadline == steady_time::max())
        impl_->clear();
    else
        impl_->set(impl_->owner.timers(), deadline);
}

void stream::cancel() noexcept {
    impl_->stop_waiting();
}

bool stream::peer_closed() noexcept {
    if (impl_->tls) return impl_->tls->peer_closed();
    const ssize_t got = peek(*impl_);
    return got == 0 || (got < 0 && !would_block() && errno != EINTR);
}

bool stream::readable() noexcept {
    if (impl_->tls) return impl_->tls->readable();
    const ssize_t got = peek(*impl_);
    return got >= 0 || (!would_block() && errno != EINTR);
}

void stream::shutdown_send() noexcept {
    if (impl_->tls) impl_->tls->say_end();
    ::shutdown(impl_->socket.number(), SHUT_WR);
}

void stream::reset_on_close() noexcept {
    if (impl_->tls) impl_->tls->say_nothing();
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(impl_->socket.number(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

const std::string& stream::remote_address() const noexcept {
    return impl_->remote;
}

namespace {

std::string remote_of(int socket) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (::getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return {};
    if (peer.ss_family == AF_UNIX) return "unix:";
    const void* ip = nullptr;
    if (peer.ss_family == AF_INET)
        ip = &reinterpret_cast<const sockaddr_in&>(peer).sin_addr;
    else if (peer.ss_family == AF_INET6)
        ip = &reinterpret_cast<const sockaddr_in6&>(peer).sin6_addr;
    if (ip == nullptr || ::inet_ntop(peer.ss_family, ip, text.data(), text.size()) == nullptr)
        return {};
    return text.data();
}

error_code connect_error(int system_error) {
    switch (system_error) {
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM: return LETHE_ERR(errc::out_of_descriptors);
        default: return LETHE_ERR(errc::connect_failed);
    }
}

// `to` is copied: the caller's may be gone when the connection is made.
task<stream> connect_to(worker& on, sockaddr_storage to, socklen_t to_bytes, steady_time deadline) {
    descriptor socket(::socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket.is_open()) co_return connect_error(errno);
    const int number = socket.number();
    // A signal does not end a connect that does not wait.
    const bool done = ::connect(number, reinterpret_cast<const sockaddr*>(&to), to_bytes) == 0;
    if (!done && errno != EINPROGRESS && errno != EINTR) co_return connect_error(errno);
    result<std::unique_ptr<stream::impl>> made = wrap(on, std::move(socket));
    if (made.has_error()) co_return made.error();
    stream::impl& in = **made;
    if (!done) {
        if (deadline != steady_time::max()) in.set(on.timers(), deadline);
        in.filled();
        const result<> ready = co_await in.until_writable();
        if (ready.has_error()) co_return ready.error();
        int failed = 0;
        socklen_t size = sizeof failed;
        ::getsockopt(number, SOL_SOCKET, SO_ERROR, &failed, &size);
        if (failed != 0) co_return connect_error(failed);
        in.clear();
    }
    in.remote = remote_of(number);
    co_return stream(*std::move(made));
}

}  // namespace

result<std::unique_ptr<stream::impl>> wrap(worker& on, descriptor socket) {
    const int number = socket.number();
    const int yes = 1;
    ::setsockopt(number, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    auto made = std::make_unique<stream::impl>(on, std::move(socket));
    made->remote = remote_of(number);
    if (!made->start()) return LETHE_ERR(errc::out_of_descriptors);
    return made;
}

namespace {

task<stream> connect_to_path(worker& on, std::string path, steady_time deadline) {
    sockaddr_un at;
    if (!to_unix_endpoint(path, at)) co_return LETHE_ERR(errc::connect_failed);
    sockaddr_storage to{};
    std::memcpy(&to, &at, sizeof at);
    co_return co_await connect_to(on, to, sizeof at, deadline);
}

}  // namespace

task<stream> connect(worker& on, address to, steady_time deadline) {
    if (to.kind == address_kind::path) co_return co_await connect_to_path(on, to.host, deadline);
    const result<std::vector<tcp::endpoint>> endpoints = co_await resolve(on, to, deadline);
    if (endpoints.has_error()) co_return endpoints.error();
    error_code last = LETHE_ERR(errc::connect_failed);
    for (const tcp::endpoint& endpoint : *endpoints) {
        if (on.stopping()) co_return LETHE_ERR(errc::cancelled);
        if (on.time().steady_now() >= deadline) co_return LETHE_ERR(errc::timeout);
        sockaddr_storage at{};
        std::memcpy(&at, endpoint.data(), endpoint.size());
        result<stream> made =
            co_await connect_to(on, at, static_cast<socklen_t>(endpoint.size()), deadline);
        if (made.has_value()) co_return made;
        last = made.error();
        if (last != condition::unavailable) co_return last;
    }
    co_return last;
}

}  // namespace lethe::net
