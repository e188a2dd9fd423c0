// An address that clients connect to, opened once and then listened at by every worker: TCP, a Unix
// socket, or a socket that the service manager had opened before this process began.
#pragma once

#include "base/descriptor.hpp"
#include "net/stream.hpp"

#include <cstdint>
#include <string>

namespace lethe::net {

// One thread until the workers run; then withdraw() alone, and its end, from one thread.
class listening_socket {
 public:
    listening_socket(listening_socket&& other) noexcept;
    listening_socket& operator=(listening_socket&&) = delete;
    // A Unix socket's path is taken away, where it is still the one made here.
    ~listening_socket();

    // With port 0 given: the port the system chose.
    [[nodiscard]] const address& local() const noexcept { return at_; }
    // A Unix socket's path goes: who comes later is refused at once, who waits is still served.
    void withdraw() noexcept;

 private:
    friend result<listening_socket> open_listening(const address& at, unsigned unix_mode);
    friend result<listener> listen(worker& on, listening_socket& at);

    explicit listening_socket(address at) noexcept : at_(std::move(at)) {}

    address at_;
    descriptor socket_{-1};  // TCP: the first worker's, until it takes it; else what all share
    bool has_path_ = false;
    std::uint64_t device_ = 0;  // of the path
    std::uint64_t file_ = 0;
};

// `unix_mode`: who may connect by the path, as for chmod. Errors: address_in_use (also where a file
// that is no socket has the path), cannot_listen, not_inherited.
[[nodiscard]] result<listening_socket> open_listening(const address& at, unsigned unix_mode = 0660);
// For each worker that is to accept there.
[[nodiscard]] result<listener> listen(worker& on, listening_socket& at);

}  // namespace lethe::net
