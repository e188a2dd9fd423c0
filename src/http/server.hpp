// The server's end of HTTP/1.1 and HTTP/2: accepts connections, reads requests, has them handled,
// writes answers.
#pragma once

#include "http/filter.hpp"
#include "http/parser.hpp"
#include "net/listening.hpp"
#include "net/tls_server.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

namespace lethe::http {

struct server_settings {
    head_limits head;
    std::uint64_t body_bytes_max = 64ULL * 1024 * 1024;
    std::size_t connections_max = 10'000;
    std::uint32_t http2_streams_max = 100;  // requests under way on one connection
    // From a request's first byte to its head; also for the TLS handshake.
    std::chrono::milliseconds header_timeout{10'000};
    std::chrono::milliseconds body_timeout{30'000};  // between two pieces of a body
    // Bytes of a body a second, once it was waited for as long as body_timeout in all; 0: any pace.
    std::uint64_t body_rate_min = 500;
    std::chrono::milliseconds keep_alive_timeout{60'000};  // between two requests
    std::chrono::milliseconds write_timeout{30'000};       // for the client to take what is sent
};

// Is told of each exchange when its answer was sent or its connection lost.
class exchange_observer {
 public:
    // `status` 0: no answer could be given. `complete`: all of it was handed to the kernel.
    virtual void finished(const exchange& x, int status, std::uint64_t body_bytes,
                          bool complete) = 0;

 protected:
    ~exchange_observer() = default;
};

// What clients meet where they come in, before the first request.
struct door_options {
    std::optional<net::tls_server> tls = std::nullopt;  // nullopt: plain
    // Given: each connection begins with a PROXY header, and must come from an address for which
    // this holds.
    std::function<bool(std::string_view address)> proxies = {};
    // Also HTTP/2: in TLS as ALPN agrees (it is among the protocols of `tls`), plain when the
    // client begins with it ("prior knowledge", RFC 9113 section 3.3).
    bool http2 = true;
};

// One worker's server. Settings, handler and observer must outlive it.
class server {
 public:
    server(net::worker& on, const server_settings& settings, handler& end,
           exchange_observer* observer = nullptr);
    ~server();
    server(const server&) = delete;
    server& operator=(const server&) = delete;

    // May be called for several sockets.
    [[nodiscard]] result<> listen(net::listening_socket& at, door_options options = {});
    // For a server that is alone at a TCP address. With port 0 the answer tells the port chosen.
    [[nodiscard]] result<net::address> listen(const net::address& at, door_options options = {});
    // For connections accepted from now on, at the listener of the index-th listen().
    void replace_door(std::size_t index, door_options options);

    // Accepts what already waits, then no more; answers carry Connection: close; idle connections
    // end within a second. drained() tells when all is done. Handed over: another process accepts
    // at the same sockets, and what waits is for it.
    enum class sockets : std::uint8_t { ours, handed_over };
    void drain(sockets who = sockets::ours);
    // Drops all connections at once.
    void abort() noexcept;

    // After drain(): no connection is left, and none can come.
    [[nodiscard]] bool drained() const noexcept;

    // Another head_limits or timeout for connections accepted from now on.
    void replace_settings(const server_settings& settings);

    struct impl;

 private:
    std::shared_ptr<impl> impl_;
};

}  // namespace lethe::http
