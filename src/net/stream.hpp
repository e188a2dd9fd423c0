// A connected TCP socket with a deadline, plain or with TLS (tls.hpp), and the listener that
// accepts them.
#pragma once

#include "base/clock.hpp"
#include "base/task.hpp"
#include "net/address.hpp"
#include "net/worker.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::net {

class suspension;

// What became of bytes that were to be sent without waiting.
enum class written : std::uint8_t { all, part };

// One worker. One read and one write may be under way at a time. Closed when destroyed.
class stream {
 public:
    struct impl;

    explicit stream(std::unique_ptr<impl> made) noexcept;
    stream(stream&&) noexcept;
    stream& operator=(stream&&) noexcept;
    ~stream();

    // Waits for bytes; 0: the peer has ended its side. Errors: connection_lost, timeout, cancelled;
    // with TLS also tls_refused and tls_failed.
    [[nodiscard]] task<std::size_t> read_some(std::span<char> into);

    // The same without waiting, and without a system call where it is known that nothing is there:
    // nullopt then. To wait for what nullopt promised: co_await s.reading().wait(), and try again.
    [[nodiscard]] result<std::optional<std::size_t>> try_read(std::span<char> into) noexcept;
    [[nodiscard]] suspension& reading() noexcept;
    // False: try_read() would answer nullopt. No system call.
    [[nodiscard]] bool may_read() const noexcept;

    // Sends what the kernel takes at once, without waiting: how many bytes. What is written next
    // must begin with those that were not taken. connection_lost when the connection is gone.
    [[nodiscard]] result<std::size_t> try_write(std::span<const std::string_view> pieces) noexcept;
    // Sends all pieces after the first `skip` bytes. Errors as read_some; then part of it may be
    // sent.
    [[nodiscard]] task<> write(std::span<const std::string_view> pieces, std::size_t skip = 0);

    // When reads and writes give up; holds until it is set anew. steady_time::max(): never.
    void expires_at(steady_time deadline);

    // Ends the waits under way with errc::cancelled; later calls answer the same.
    void cancel() noexcept;
    // True when the peer has closed or reset its side and no byte is left to read. One system call.
    [[nodiscard]] bool peer_closed() noexcept;
    // True when a read would not wait: bytes are there, or the end. One system call.
    [[nodiscard]] bool readable() noexcept;
    // Tells the peer that nothing more comes; reading goes on.
    void shutdown_send() noexcept;
    // The next close resets the connection, so that the peer cannot take what it has for complete.
    void reset_on_close() noexcept;

    // The peer's IP address, without port; "unix:" at a Unix socket.
    [[nodiscard]] const std::string& remote_address() const noexcept;

    // For the other sources of net/ alone.
    [[nodiscard]] impl& inside() noexcept { return *impl_; }

 private:
    std::unique_ptr<impl> impl_;
};

// To TCP or a Unix socket. Connects by the deadline; nothing was sent when it fails (unknown_host,
// connect_failed, timeout, cancelled, out_of_descriptors). All addresses of a name are tried in
// turn.
[[nodiscard]] task<stream> connect(worker& on, address to, steady_time deadline);

// One worker's end of a listening address. Several workers listen on one TCP address side by side
// (SO_REUSEPORT), the kernel spreads the connections; of other sockets whoever is free takes them.
class listener {
 public:
    struct impl;
    ~listener();
    listener(listener&&) noexcept;
    explicit listener(std::unique_ptr<impl> made) noexcept;

    // Errors: cancelled (closed), out_of_descriptors (try again later).
    [[nodiscard]] task<stream> accept();
    // Lets no new connection in; those whose handshake has begun still come. Whoever connects now
    // meets silence, tries again a second later and then finds the port closed: better than a
    // reset.
    void let_no_more_in() noexcept;
    // The connections that wait to be accepted, which close() would reset. Call close() next.
    [[nodiscard]] std::vector<stream> accept_last();
    // Stops accepting; a wait under way ends with cancelled.
    void close() noexcept;
    // With port 0 given: the port the system chose.
    [[nodiscard]] const address& local() const noexcept;

 private:
    std::unique_ptr<impl> impl_;
};

// For a worker that is alone at a TCP address; several: listening.hpp.
[[nodiscard]] result<listener> listen(worker& on, const address& at);

}  // namespace lethe::net
