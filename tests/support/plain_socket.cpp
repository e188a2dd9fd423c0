#include "support/plain_socket.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace lethe::test {
namespace {

[[noreturn]] void fail(const std::string& what) {
    throw std::runtime_error(what + ": " + std::strerror(errno));
}

int open_socket(int family, std::chrono::milliseconds timeout) {
    const int made = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (made < 0) fail("socket");
    const timeval limit{.tv_sec = timeout.count() / 1000,
                        .tv_usec = static_cast<suseconds_t>(timeout.count() % 1000 * 1000)};
    ::setsockopt(made, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(made, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    return made;
}

void connect_or_throw(int made, const sockaddr* at, socklen_t size, const std::string& where) {
    if (::connect(made, at, size) == 0) return;
    const int why = errno;
    ::close(made);
    errno = why;
    fail("cannot connect to " + where);
}

}  // namespace

plain_socket plain_socket::to_port(std::uint16_t port, std::chrono::milliseconds timeout) {
    const int made = open_socket(AF_INET, timeout);
    const int yes = 1;
    ::setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connect_or_throw(made, reinterpret_cast<const sockaddr*>(&at), sizeof at,
                     "port " + std::to_string(port));
    return plain_socket(made);
}

plain_socket plain_socket::to_path(const std::string& path, std::chrono::milliseconds timeout) {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    if (path.size() >= sizeof at.sun_path) throw std::runtime_error("too long: " + path);
    std::memcpy(at.sun_path, path.c_str(), path.size() + 1);
    const int made = open_socket(AF_UNIX, timeout);
    connect_or_throw(made, reinterpret_cast<const sockaddr*>(&at), sizeof at, path);
    return plain_socket(made);
}

plain_socket::~plain_socket() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

plain_socket::plain_socket(plain_socket&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), buffer_(std::move(other.buffer_)) {}

void plain_socket::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) fail("send");
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

std::optional<std::string> plain_socket::receive(std::size_t at_most) {
    if (!buffer_.empty()) {
        std::string out = buffer_.substr(0, at_most);
        buffer_.erase(0, out.size());
        return out;
    }
    std::string out(at_most, '\0');
    ssize_t got = 0;
    do got = ::recv(descriptor_, out.data(), out.size(), 0);
    while (got < 0 && errno == EINTR);
    if (got < 0) return std::nullopt;
    out.resize(static_cast<std::size_t>(got));
    return out;
}

void plain_socket::fill() {
    char bytes[16 * 1024];
    ssize_t got = 0;
    do got = ::recv(descriptor_, bytes, sizeof bytes, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0) fail("receive");
    if (got == 0) throw std::runtime_error("receive: the connection was closed");
    buffer_.append(bytes, static_cast<std::size_t>(got));
}

std::string plain_socket::receive_exactly(std::size_t count) {
    while (buffer_.size() < count) fill();
    std::string out = buffer_.substr(0, count);
    buffer_.erase(0, count);
    return out;
}

std::string plain_socket::receive_line() {
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n")) == std::string::npos) fill();
    std::string out = buffer_.substr(0, end);
    buffer_.erase(0, end + 2);
    return out;
}

}  // namespace lethe::test
