// Both peers of a gateway under test, byte by byte: a client that sends what it is told, an origin
// that answers what it is told. Plain blocking sockets, none of lethe's own code.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace lethe::test {

// A connected socket. Every read gives up after five seconds and then answers what it has.
class raw_socket {
 public:
    explicit raw_socket(int descriptor) : descriptor_(descriptor) {}
    raw_socket(raw_socket&& other) noexcept;
    raw_socket& operator=(raw_socket&&) = delete;
    ~raw_socket();
    [[nodiscard]] static raw_socket connect(std::uint16_t port);

    // False when the peer is gone.
    bool send(std::string_view bytes);
    // In pieces of `size` bytes, each in a packet of its own.
    bool send_in_pieces(std::string_view bytes, std::size_t size);
    // Up to and including `end`; what came, when the connection ends before.
    std::string read_until(std::string_view end);
    std::string read_bytes(std::size_t count);
    // Everything until the peer closes.
    std::string read_all();
    // A head and a body of its Content-Length or chunks, as they came.
    std::string read_message();
    // True when the peer closes (or resets) within `at_most` and sends nothing before.
    bool closed_within(std::chrono::milliseconds at_most);
    void close();
    // The peer sees the end; reading goes on.
    void end_sending();
    // The peer sees a reset.
    void reset();

 private:
    bool fill();

    int descriptor_;
    std::string buffer_;
};

// Listens on a free port; each connection is handled by `script` on a thread of its own.
class scripted_origin {
 public:
    using script = std::function<void(raw_socket&)>;
    explicit scripted_origin(script each);
    ~scripted_origin();
    scripted_origin(const scripted_origin&) = delete;
    scripted_origin& operator=(const scripted_origin&) = delete;

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    [[nodiscard]] int connections() const noexcept { return connections_; }

 private:
    void accept_all();

    script script_;
    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<int> connections_{0};
    std::atomic<bool> stopping_{false};
    std::vector<std::thread> handlers_;
    std::thread acceptor_;
};

// A script: answers each request with its own head and body, as text.
void echo(raw_socket& connection);

// A port nothing listens on.
[[nodiscard]] std::uint16_t closed_port();

}  // namespace lethe::test
