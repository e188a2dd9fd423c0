#include "wire/peers.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <utility>

namespace lethe::test {
namespace {

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return at;
}

std::uint16_t bind_anywhere(int descriptor) {
    sockaddr_in at = loopback(0);
    if (::bind(descriptor, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) std::abort();
    socklen_t size = sizeof at;
    if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&at), &size) != 0) std::abort();
    return ntohs(at.sin_port);
}

}  // namespace

raw_socket::raw_socket(raw_socket&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), buffer_(std::move(other.buffer_)) {}
raw_socket::~raw_socket() {
    close();
}

raw_socket raw_socket::connect(std::uint16_t port) {
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in to = loopback(port);
    if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
        ::close(descriptor);
        return raw_socket(-1);
    }
    const int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return raw_socket(descriptor);
}

bool raw_socket::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

bool raw_socket::send_in_pieces(std::string_view bytes, std::size_t size) {
    while (!bytes.empty()) {
        if (!send(bytes.substr(0, size))) return false;
        bytes.remove_prefix(std::min(size, bytes.size()));
        // Long enough for the other side to see a piece by itself, most of the time.
        std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return true;
}

bool raw_socket::fill() {
    if (descriptor_ < 0) return false;
    pollfd waiting{descriptor_, POLLIN, 0};
    if (::poll(&waiting, 1, 5'000) != 1) return false;
    char bytes[16384];
    const ssize_t got = ::recv(descriptor_, bytes, sizeof bytes, 0);
    if (got <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(got));
    return true;
}

std::string raw_socket::read_until(std::string_view end) {
    std::size_t at = 0;
    while ((at = buffer_.find(end)) == std::string::npos)
        if (!fill()) return std::exchange(buffer_, {});
    std::string out = buffer_.substr(0, at + end.size());
    buffer_.erase(0, out.size());
    return out;
}

std::string raw_socket::read_bytes(std::size_t count) {
    while (buffer_.size() < count)
        if (!fill()) return std::exchange(buffer_, {});
    std::string out = buffer_.substr(0, count);
    buffer_.erase(0, count);
    return out;
}

std::string raw_socket::read_all() {
    while (fill()) {
    }
    return std::exchange(buffer_, {});
}

std::string raw_socket::read_message() {
    std::string out = read_until("\r\n\r\n");
    if (const auto at = out.find("Content-Length: "); at != std::string::npos)
        return out + read_bytes(std::strtoull(out.c_str() + at + 16, nullptr, 10));
    if (out.find("Transfer-Encoding: chunked") != std::string::npos)
        return out + read_until("0\r\n\r\n");
    return out;
}

bool raw_socket::closed_within(std::chrono::milliseconds at_most) {
    if (descriptor_ < 0) return true;
    pollfd waiting{descriptor_, POLLIN, 0};
    if (!buffer_.empty() || ::poll(&waiting, 1, static_cast<int>(at_most.count())) != 1)
        return false;
    char byte = 0;
    return ::recv(descriptor_, &byte, 1, 0) <= 0;
}

void raw_socket::close() {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
}

void raw_socket::end_sending() {
    ::shutdown(descriptor_, SHUT_WR);
}

void raw_socket::reset() {
    const linger now{1, 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
}

scripted_origin::scripted_origin(script each) : script_(std::move(each)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    port_ = bind_anywhere(listener_);
    if (::listen(listener_, 64) != 0) std::abort();
    acceptor_ = std::thread([this] { accept_all(); });
}

scripted_origin::~scripted_origin() {
    stopping_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    for (std::thread& one : handlers_) one.join();
}

void scripted_origin::accept_all() {
    while (!stopping_) {
        const int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (descriptor < 0) return;
        const int on = 1;
        ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        ++connections_;
        handlers_.emplace_back([this, descriptor] {
            raw_socket connection(descriptor);
            script_(connection);
        });
    }
}

std::uint16_t closed_port() {
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const std::uint16_t port = bind_anywhere(descriptor);
    ::close(descriptor);
    return port;
}

void echo(raw_socket& connection) {
    while (true) {
        const std::string request = connection.read_message();
        if (request.empty()) return;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(request.size()) +
                        "\r\n\r\n" + request);
    }
}

}  // namespace lethe::test
