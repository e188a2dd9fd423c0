// For tests: a server on loopback that does what the test tells it to, byte by byte.
#pragma once

#include "net/address.hpp"
#include "store/pipeline.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace lethe::store::test {

// The protocol of the tests: a reply is a line; one that begins with '>' was not asked for, one
// with
// '!' is none.
class line_cutter final : public reply_cutter {
 public:
    result<std::size_t> cut(std::string_view bytes) override {
        if (bytes.front() == '!') return LETHE_ERR(errc::corrupt);
        const std::size_t end = bytes.find('\n', seen_);
        seen_ = end == std::string_view::npos ? bytes.size() : 0;
        return end == std::string_view::npos ? 0 : end + 1;
    }
    bool is_unasked(std::string_view reply) const override { return reply.front() == '>'; }

 private:
    std::size_t seen_ = 0;
};

// One connection as the peer sees it; blocking, and no call waits for more than ten seconds.
class peer {
 public:
    explicit peer(int socket) : socket_(socket) {
        const int on = 1;
        ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    ~peer() { close(); }
    peer(const peer&) = delete;
    peer& operator=(const peer&) = delete;

    // What one read brings; "" at the end.
    std::string read() {
        pollfd waiting{socket_, POLLIN, 0};
        if (::poll(&waiting, 1, 10'000) != 1) return {};
        std::string out(1 << 16, '\0');
        const ssize_t got = ::recv(socket_, out.data(), out.size(), 0);
        out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return out;
    }
    std::string read_bytes(std::size_t count) {
        std::string out;
        while (out.size() < count) {
            const std::string more = read();
            if (more.empty()) break;
            out += more;
        }
        return out;
    }
    // One request; what comes behind its line end is kept for the next.
    std::string read_line() {
        while (kept_.find('\n') == std::string::npos) {
            const std::string more = read();
            if (more.empty()) return {};
            kept_ += more;
        }
        const std::size_t size = kept_.find('\n') + 1;
        std::string out = kept_.substr(0, size);
        kept_.erase(0, size);
        return out;
    }
    void send(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) return;
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
    }
    void close() {
        if (socket_ >= 0) ::close(socket_);
        socket_ = -1;
    }
    void reset() {
        const linger now{1, 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close();
    }

 private:
    int socket_;
    std::string kept_;
};

// Runs `script` with each connection, one after the other.
class server {
 public:
    using script = std::function<void(peer&, int connection)>;

    explicit server(script each, int receive_buffer = 0) : each_(std::move(each)) {
        listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
        if (receive_buffer != 0)
            ::setsockopt(listener_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof at;
        if (::bind(listener_, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 ||
            ::listen(listener_, 16) != 0 ||
            ::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size) != 0)
            std::abort();
        port_ = ntohs(at.sin_port);
        thread_ = std::thread([this] { serve(); });
    }
    ~server() {
        ::shutdown(listener_, SHUT_RDWR);
        thread_.join();
        ::close(listener_);
    }
    server(const server&) = delete;
    server& operator=(const server&) = delete;

    [[nodiscard]] net::address address() const { return {"127.0.0.1", port_}; }
    [[nodiscard]] int connections() const { return connections_; }

 private:
    void serve() {
        while (true) {
            const int socket = ::accept(listener_, nullptr, nullptr);
            if (socket < 0) return;
            peer one(socket);
            each_(one, connections_++);
        }
    }

    script each_;
    int listener_;
    std::uint16_t port_ = 0;
    std::atomic<int> connections_{0};
    std::thread thread_;
};

// Said by one thread, waited for by another.
class flag {
 public:
    void raise() {
        const std::scoped_lock lock(mutex_);
        up_ = true;
        changed_.notify_all();
    }
    bool wait() {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, std::chrono::seconds(10), [this] { return up_; });
    }
    bool up() {
        const std::scoped_lock lock(mutex_);
        return up_;
    }

 private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool up_ = false;
};

}  // namespace lethe::store::test
