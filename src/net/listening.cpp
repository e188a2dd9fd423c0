#include "net/listening.hpp"

#include "net/errors.hpp"
#include "net/service_manager.hpp"
#include "net/stream_impl.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

namespace lethe::net {
namespace {

using boost::asio::ip::tcp;

constexpr int backlog = 4096;

error_code listen_error(int error) {
    return error == EADDRINUSE ? LETHE_ERR(errc::address_in_use) : LETHE_ERR(errc::cannot_listen);
}

result<descriptor> open_tcp(const address& at, bool share) {
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

// Whether another process listens there: the workers' own sockets share the port with each other,
// and would with it.
result<> check_free(const address& at) {
    if (at.port == 0) return {};
    const result<descriptor> probe = open_tcp(at, false);
    if (probe.has_error()) return probe.error();
    return {};
}

descriptor make_unix_socket() {
    return descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

// A process that was killed leaves its path behind; one that runs answers there.
bool takes_nobody(const sockaddr_un& at) {
    struct stat found{};
    if (::stat(at.sun_path, &found) != 0 || !S_ISSOCK(found.st_mode)) return false;
    const descriptor probe = make_unix_socket();
    return ::connect(probe.number(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 &&
           errno == ECONNREFUSED;
}

result<descriptor> open_unix(const std::string& path, unsigned mode) {
    sockaddr_un at;
    if (!to_unix_endpoint(path, at)) return LETHE_ERR(errc::cannot_listen);
    descriptor out = make_unix_socket();
    if (!out.is_open()) return listen_error(errno);
    // The path gets these permissions when it comes into being: never, for a moment, more.
    ::fchmod(out.number(), mode);
    const auto bind = [&] {
        return ::bind(out.number(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0;
    };
    if (!bind()) {
        if (errno != EADDRINUSE) return listen_error(errno);
        if (!takes_nobody(at)) return LETHE_ERR(errc::address_in_use);
        ::unlink(at.sun_path);
        if (!bind()) return listen_error(errno);
    }
    // And those that the process's umask took from it.
    if (::chmod(at.sun_path, mode) != 0 || ::listen(out.number(), backlog) != 0) {
        const int error = errno;
        ::unlink(at.sun_path);
        return listen_error(error);
    }
    return out;
}

}  // namespace

bool to_unix_endpoint(const std::string& path, sockaddr_un& into) noexcept {
    into = {};
    into.sun_family = AF_UNIX;
    if (path.size() >= sizeof into.sun_path) return false;
    std::memcpy(into.sun_path, path.data(), path.size());
    return true;
}

listening_socket::listening_socket(listening_socket&& other) noexcept
    : asked_(std::move(other.asked_)),
      local_(std::move(other.local_)),
      next_(std::move(other.next_)),
      held_(std::move(other.held_)),
      has_path_(std::exchange(other.has_path_, false)),
      device_(other.device_),
      file_(other.file_) {}

listening_socket::~listening_socket() {
    withdraw();
}

void listening_socket::add_to(hand_over& what) const {
    for (const descriptor& one : held_) what.sockets.emplace_back(asked_, one.number());
}

void listening_socket::adopt() noexcept {
    if (local_.kind != address_kind::path) return;
    struct stat found{};
    has_path_ = ::stat(local_.host.c_str(), &found) == 0;
    device_ = found.st_dev;
    file_ = found.st_ino;
}

void listening_socket::withdraw() noexcept {
    held_.clear();
    if (!std::exchange(has_path_, false)) return;
    struct stat found{};
    // Another process may have put its own there.
    if (::stat(local_.host.c_str(), &found) == 0 && found.st_dev == device_ &&
        found.st_ino == file_)
        ::unlink(local_.host.c_str());
}

result<listening_socket> open_listening(const address& at, unsigned unix_mode) {
    listening_socket out(at);
    std::vector<descriptor> handed = take_handed_over(at);
    const bool is_handed = !handed.empty();
    if (at.kind == address_kind::tcp) {
        out.next_ = std::move(handed);
        if (!is_handed) {
            const result<> free = check_free(at);
            if (free.has_error()) return free.error();
            LETHE_TRY(descriptor first, open_tcp(at, true));
            out.next_.push_back(std::move(first));
        }
        out.local_.port = port_of(out.next_.front().number());
        return out;
    }
    if (is_handed) {
        out.held_ = std::move(handed);
        return out;
    }
    LETHE_TRY(descriptor shared, at.kind == address_kind::inherited
                                     ? take_inherited(at.host)
                                     : open_unix(at.host, unix_mode));
    out.held_.push_back(std::move(shared));
    out.adopt();
    return out;
}

result<listener> listen(worker& on, listening_socket& at) {
    descriptor own(-1);
    auto with = sharing::none;
    if (at.asked_.kind == address_kind::tcp) {
        if (!at.next_.empty()) {
            own = std::move(at.next_.back());
            at.next_.pop_back();
        } else {
            LETHE_TRY(own, open_tcp(at.local_, true));
        }
        descriptor copy(::fcntl(own.number(), F_DUPFD_CLOEXEC, 0));
        if (!copy.is_open()) return LETHE_ERR(errc::cannot_listen);
        at.held_.push_back(std::move(copy));
    } else {
        own = descriptor(::fcntl(at.held_.front().number(), F_DUPFD_CLOEXEC, 0));
        if (!own.is_open()) return LETHE_ERR(errc::cannot_listen);
        with = at.asked_.kind == address_kind::inherited ? sharing::with_others
                                                         : sharing::with_workers;
    }
    return accept_at(on, std::move(own), at.local_, with);
}

result<listener> listen(worker& on, const address& at) {
    LETHE_TRY(descriptor socket, open_tcp(at, true));
    address local = at;
    local.port = port_of(socket.number());
    return accept_at(on, std::move(socket), std::move(local), sharing::none);
}

}  // namespace lethe::net
