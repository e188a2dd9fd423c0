#include "net/stream.hpp"

#include "net/errors.hpp"
#include "net/worker_impl.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <linux/filter.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace lethe::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t pieces_max = 8;

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

std::size_t total_size(std::span<const std::string_view> pieces) {
    std::size_t size = 0;
    for (const std::string_view piece : pieces) size += piece.size();
    return size;
}

}  // namespace

struct stream::impl final : timer, stoppable {
    impl(worker& on, tcp::socket connected) : owner(on), socket(std::move(connected)) {
        owner.enlist(*this);
    }
    ~impl() { owner.delist(*this); }

    void expired() override {
        timed_out = true;
        give_up();
    }
    void stop_waiting() noexcept override {
        cancelled = true;
        give_up();
    }
    void give_up() noexcept {
        boost::system::error_code ignored;
        socket.cancel(ignored);
    }
    // Why a wait ended with `error`.
    error_code reason(const boost::system::error_code& error) const {
        if (timed_out) return LETHE_ERR(errc::timeout);
        if (cancelled || error == asio::error::operation_aborted) return LETHE_ERR(errc::cancelled);
        return LETHE_ERR(errc::connection_lost);
    }

    worker& owner;
    tcp::socket socket;
    std::string remote;
    bool timed_out = false;
    bool cancelled = false;
};

stream::stream(std::unique_ptr<impl> made) noexcept : impl_(std::move(made)) {}
stream::stream(stream&&) noexcept = default;
stream& stream::operator=(stream&&) noexcept = default;
stream::~stream() = default;

task<std::size_t> stream::read_some(std::span<char> into) {
    impl& in = *impl_;
    if (in.timed_out || in.cancelled) co_return in.reason({});
    const auto [error, count] =
        co_await in.socket.async_read_some(asio::buffer(into.data(), into.size()), as_result);
    if (!error) co_return count;
    if (error == asio::error::eof) co_return std::size_t{0};
    co_return in.reason(error);
}

result<std::size_t> stream::try_write(std::span<const std::string_view> pieces) noexcept {
    std::array<iovec, pieces_max> vectors;
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = fill_vectors(pieces, 0, vectors);
    if (message.msg_iovlen == 0) return std::size_t{0};
    while (true) {
        const ssize_t sent =
            ::sendmsg(impl_->socket.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) return static_cast<std::size_t>(sent);
        if (errno == EINTR) continue;
        if (errno == EAGAIN || errno == EWOULDBLOCK) return std::size_t{0};
        return LETHE_ERR(errc::connection_lost);
    }
}

task<> stream::write(std::span<const std::string_view> pieces, std::size_t skip) {
    impl& in = *impl_;
    const std::size_t size = total_size(pieces);
    while (skip < size) {
        if (in.timed_out || in.cancelled) co_return in.reason({});
        std::array<iovec, pieces_max> vectors;
        msghdr message{};
        message.msg_iov = vectors.data();
        message.msg_iovlen = fill_vectors(pieces, skip, vectors);
        const ssize_t sent =
            ::sendmsg(in.socket.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            skip += static_cast<std::size_t>(sent);
            continue;
        }
        if (errno == EINTR) continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK) co_return LETHE_ERR(errc::connection_lost);
        const auto [error] = co_await in.socket.async_wait(tcp::socket::wait_write, as_result);
        if (error) co_return in.reason(error);
    }
    co_return result<>{};
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
    char byte = 0;
    const ssize_t got = ::recv(impl_->socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

bool stream::readable() noexcept {
    char byte = 0;
    const ssize_t got = ::recv(impl_->socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

void stream::shutdown_send() noexcept {
    boost::system::error_code ignored;
    impl_->socket.shutdown(tcp::socket::shutdown_send, ignored);
}

void stream::reset_on_close() noexcept {
    boost::system::error_code ignored;
    impl_->socket.set_option(asio::socket_base::linger(true, 0), ignored);
}

const std::string& stream::remote_address() const noexcept {
    return impl_->remote;
}

namespace {

std::unique_ptr<stream::impl> wrap(worker& on, tcp::socket socket) {
    boost::system::error_code error;
    const tcp::endpoint peer = socket.remote_endpoint(error);
    socket.set_option(tcp::no_delay(true), error);
    auto made = std::make_unique<stream::impl>(on, std::move(socket));
    made->remote = peer.address().to_string();
    return made;
}

error_code connect_error(const boost::system::error_code& error, bool timed_out, const worker& on) {
    if (timed_out) return LETHE_ERR(errc::timeout);
    if (on.stopping()) return LETHE_ERR(errc::cancelled);
    if (error == boost::system::errc::too_many_files_open ||
        error == boost::system::errc::too_many_files_open_in_system)
        return LETHE_ERR(errc::out_of_descriptors);
    return LETHE_ERR(errc::connect_failed);
}

// Closes the socket of a connection attempt when its time is over or the worker stops.
class attempt final : public timer, public stoppable {
 public:
    explicit attempt(worker& on) : socket(on.inside().loop), owner_(on) { owner_.enlist(*this); }
    ~attempt() { owner_.delist(*this); }
    attempt(const attempt&) = delete;
    attempt& operator=(const attempt&) = delete;

    void expired() override {
        timed_out = true;
        stop_waiting();
    }
    void stop_waiting() noexcept override {
        boost::system::error_code ignored;
        socket.close(ignored);
    }

    tcp::socket socket;
    bool timed_out = false;

 private:
    worker& owner_;
};

task<std::vector<tcp::endpoint>> resolve(worker& on, const address& to) {
    boost::system::error_code error;
    const asio::ip::address literal = asio::ip::make_address(to.host, error);
    std::vector<tcp::endpoint> out;
    if (!error) {
        out.emplace_back(literal, to.port);
        co_return out;
    }
    tcp::resolver resolver(on.inside().loop);
    const auto [failed, found] = co_await resolver.async_resolve(
        to.host, std::to_string(to.port), tcp::resolver::numeric_service, as_result);
    if (failed || found.empty()) co_return LETHE_ERR(errc::unknown_host);
    for (const auto& entry : found) out.push_back(entry.endpoint());
    co_return out;
}

}  // namespace

task<stream> connect(worker& on, address to, steady_time deadline) {
    const result<std::vector<tcp::endpoint>> endpoints = co_await resolve(on, to);
    if (endpoints.has_error()) co_return endpoints.error();
    error_code last = LETHE_ERR(errc::connect_failed);
    for (const tcp::endpoint& endpoint : *endpoints) {
        if (on.stopping()) co_return LETHE_ERR(errc::cancelled);
        if (on.time().steady_now() >= deadline) co_return LETHE_ERR(errc::timeout);
        attempt trying(on);
        if (deadline != steady_time::max()) trying.set(on.timers(), deadline);
        boost::system::error_code error;
        trying.socket.open(endpoint.protocol(), error);
        if (!error) {
            const auto [failed] = co_await trying.socket.async_connect(endpoint, as_result);
            error = failed;
        }
        if (!error) co_return stream(wrap(on, std::move(trying.socket)));
        last = connect_error(error, trying.timed_out, on);
        if (last != condition::unavailable) co_return last;
    }
    co_return last;
}

struct listener::impl final : stoppable {
    impl(worker& on, tcp::acceptor listening, address at)
        : owner(on), acceptor(std::move(listening)), local(std::move(at)) {
        owner.enlist(*this);
    }
    ~impl() { owner.delist(*this); }

    void stop_waiting() noexcept override {
        boost::system::error_code ignored;
        acceptor.close(ignored);
    }

    worker& owner;
    tcp::acceptor acceptor;
    address local;
};

listener::listener(std::unique_ptr<impl> made) noexcept : impl_(std::move(made)) {}
listener::listener(listener&&) noexcept = default;
listener::~listener() = default;

task<stream> listener::accept() {
    impl& in = *impl_;
    while (true) {
        if (!in.acceptor.is_open()) co_return LETHE_ERR(errc::cancelled);
        auto [error, socket] = co_await in.acceptor.async_accept(as_result);
        if (!error) {
            // The kernel hands out non-blocking sockets only when asked: asio sets it on first use,
            // the direct sendmsg in this file passes MSG_DONTWAIT.
            co_return stream(wrap(in.owner, std::move(socket)));
        }
        if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor)
            co_return LETHE_ERR(errc::cancelled);
        if (error == boost::system::errc::too_many_files_open ||
            error == boost::system::errc::too_many_files_open_in_system ||
            error == boost::system::errc::no_buffer_space ||
            error == boost::system::errc::not_enough_memory)
            co_return LETHE_ERR(errc::out_of_descriptors);
        // The peer went away before it was accepted: nothing happened.
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
    static_cast<void>(::setsockopt(impl_->acceptor.native_handle(), SOL_SOCKET, SO_ATTACH_FILTER,
                                   &program, sizeof program));
}

std::vector<stream> listener::accept_last() {
    impl& in = *impl_;
    std::vector<stream> out;
    boost::system::error_code error;
    in.acceptor.non_blocking(true, error);
    while (!error) {
        tcp::socket socket(in.owner.inside().loop);
        in.acceptor.accept(socket, error);
        if (!error) out.emplace_back(wrap(in.owner, std::move(socket)));
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

struct opened {
    tcp::acceptor acceptor;
    boost::system::error_code error;
};

opened open_acceptor(asio::io_context& loop, const address& at, bool share) {
    opened out{tcp::acceptor(loop), {}};
    const asio::ip::address ip =
        asio::ip::make_address(at.host == "localhost" ? "127.0.0.1" : at.host, out.error);
    if (out.error) return out;
    const tcp::endpoint endpoint(ip, at.port);
    out.acceptor.open(endpoint.protocol(), out.error);
    if (out.error) return out;
    out.acceptor.set_option(tcp::acceptor::reuse_address(true), out.error);
    if (share) {
        const int on = 1;
        ::setsockopt(out.acceptor.native_handle(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    }
    out.acceptor.bind(endpoint, out.error);
    if (!out.error) out.acceptor.listen(4096, out.error);
    return out;
}

error_code listen_error(const boost::system::error_code& error) {
    if (error == boost::system::errc::address_in_use) return LETHE_ERR(errc::address_in_use);
    return LETHE_ERR(errc::cannot_listen);
}

}  // namespace

result<> check_address_free(const address& at) {
    if (at.port == 0) return {};
    asio::io_context loop{1};
    const opened probe = open_acceptor(loop, at, false);
    if (probe.error) return listen_error(probe.error);
    return {};
}

result<listener> listen(worker& on, const address& at) {
    opened made = open_acceptor(on.inside().loop, at, true);
    if (made.error) return listen_error(made.error);
    address local = at;
    boost::system::error_code error;
    local.port = made.acceptor.local_endpoint(error).port();
    return listener(
        std::make_unique<listener::impl>(on, std::move(made.acceptor), std::move(local)));
}

}  // namespace lethe::net
