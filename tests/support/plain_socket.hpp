// A blocking socket for tests and for looking after the servers that tests start.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lethe::test {

class plain_socket {
 public:
    // Both throw std::runtime_error when nobody listens there. No read or write afterwards takes
    // longer than `timeout`.
    [[nodiscard]] static plain_socket to_port(
        std::uint16_t port, std::chrono::milliseconds timeout = std::chrono::seconds{5});
    [[nodiscard]] static plain_socket to_path(
        const std::string& path, std::chrono::milliseconds timeout = std::chrono::seconds{5});
    ~plain_socket();
    plain_socket(plain_socket&& other) noexcept;
    plain_socket& operator=(plain_socket&&) = delete;

    // Throws std::runtime_error when it cannot be sent whole.
    void send(std::string_view bytes);
    // The next bytes, at most so many; "" at the end; nullopt when nothing came in time or the
    // connection broke.
    [[nodiscard]] std::optional<std::string> receive(std::size_t at_most = 64 * 1024);
    // Exactly so many bytes; throws std::runtime_error when they do not come.
    [[nodiscard]] std::string receive_exactly(std::size_t count);
    // To the next "\r\n", without it; throws likewise.
    [[nodiscard]] std::string receive_line();

 private:
    explicit plain_socket(int descriptor) noexcept : descriptor_(descriptor) {}
    void fill();

    int descriptor_ = -1;
    std::string buffer_;
};

}  // namespace lethe::test
