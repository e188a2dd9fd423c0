// The inside of a stream, for the sources of net/ alone.
#pragma once

#include "base/descriptor.hpp"
#include "net/errors.hpp"
#include "net/stream.hpp"
#include "net/suspension.hpp"
#include "net/tls_layer.hpp"
#include "net/worker_impl.hpp"

#include <sys/un.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace lethe::net {

struct stream::impl final : timer, stoppable, watched {
    impl(worker& on, descriptor connected);
    ~impl();

    void expired() override {
        timed_out = true;
        wake();
    }
    void stop_waiting() noexcept override {
        cancelled = true;
        wake();
    }
    void go_on() override;

    // False: the system cannot watch one more socket.
    [[nodiscard]] bool start() noexcept { return watch(socket.number()); }
    [[nodiscard]] bool gave_up() const noexcept { return timed_out || cancelled; }
    // Why a wait ended.
    [[nodiscard]] error_code reason() const {
        return timed_out ? LETHE_ERR(errc::timeout) : LETHE_ERR(errc::cancelled);
    }
    // recv() without waiting; nullopt: nothing is there. Skipped when that is known.
    [[nodiscard]] result<std::optional<std::size_t>> receive(std::span<char> into) noexcept;
    // Waits until a write may do something; at once when it may already. Errors: timeout,
    // cancelled.
    [[nodiscard]] task<> until_writable();
    [[nodiscard]] bool may_read() const noexcept { return readable_; }
    [[nodiscard]] bool may_write() const noexcept { return writable_; }
    // The socket gave less than it was asked for: there is no more now.
    void drained() noexcept { readable_ = ended_; }
    // The socket took less than it was given.
    void filled() noexcept;

    worker& owner;
    descriptor socket;
    std::unique_ptr<tls_layer> tls;  // after its socket, which it says farewell on; null: plain
    std::string remote;
    suspension reading;
    suspension writing;
    bool timed_out = false;
    bool cancelled = false;
    bool told_of_writes = false;

 private:
    bool writer_next_ = false;  // the reader had its call, the writer's comes
};

// A stream over a connected socket that does not block. Error: out_of_descriptors.
[[nodiscard]] result<std::unique_ptr<stream::impl>> wrap(worker& on, descriptor socket);

// Who else accepts from a listening socket.
enum class sharing : std::uint8_t { none, with_workers, with_others };
// The listener of one worker at a socket that does not block.
[[nodiscard]] result<listener> accept_at(worker& on, descriptor socket, address local,
                                         sharing with);
// False: the path is too long.
[[nodiscard]] bool to_unix_endpoint(const std::string& path, sockaddr_un& into) noexcept;

// For a stream with a tls_layer; the handshake by the deadline that the stream has.
[[nodiscard]] task<> shake_hands(stream::impl& in);
[[nodiscard]] task<> write_tls(stream::impl& in, std::span<const std::string_view> pieces,
                               std::size_t skip);

}  // namespace lethe::net
