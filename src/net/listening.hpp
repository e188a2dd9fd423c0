// An address that clients connect to, opened once and then listened at by every worker: TCP, a Unix
// socket, or a socket that the service manager, or the process before this one (hand_over.hpp), had
// opened.
#pragma once

#include "base/descriptor.hpp"
#include "net/hand_over.hpp"
#include "net/stream.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace lethe::net {

// One thread, and listen() before the workers run.
class listening_socket {
 public:
    listening_socket(listening_socket&& other) noexcept;
    listening_socket& operator=(listening_socket&&) = delete;
    // A Unix socket's path is taken away, where it is still the one made here.
    ~listening_socket();

    // With port 0 given: the port the system chose.
    [[nodiscard]] const address& local() const noexcept { return local_; }
    // False: more sockets were handed over than workers have come. Nobody would accept at the rest.
    [[nodiscard]] bool all_taken() const noexcept { return next_.empty(); }
    // The workers' sockets, to be handed over, and the address as it was asked for.
    void add_to(hand_over& what) const;
    // Handed over: a Unix socket's path is ours from now on.
    void adopt() noexcept;
    // The same seen from the giver: the path is the successor's.
    void disown() noexcept { has_path_ = false; }
    // The workers alone hold the sockets. A Unix socket's path goes: who comes later is refused at
    // once, who waits is still served.
    void withdraw() noexcept;

 private:
    friend result<listening_socket> open_listening(const address& at, unsigned unix_mode);
    friend result<listener> listen(worker& on, listening_socket& at);

    explicit listening_socket(const address& at) : asked_(at), local_(at) {}

    address asked_;
    address local_;
    std::vector<descriptor> next_;  // TCP: of the workers that come next
    // TCP: copies of what the workers have; else the one that all share.
    std::vector<descriptor> held_;
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
