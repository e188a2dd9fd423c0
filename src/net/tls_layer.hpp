// TLS over one socket, a step at a time and without waiting. No Asio, no deadlines.
#pragma once

#include "base/error.hpp"

#include <openssl/ssl.h>

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace lethe::net {

struct ssl_free {
    void operator()(SSL* one) const noexcept { SSL_free(one); }
    void operator()(SSL_CTX* one) const noexcept { SSL_CTX_free(one); }
};
using ssl_ptr = std::unique_ptr<SSL, ssl_free>;
using ssl_context_ptr = std::unique_ptr<SSL_CTX, ssl_free>;

// What the library said first of what went wrong, fit for a person; it names no content of files.
[[nodiscard]] std::string first_tls_reason();

class tls_layer {
 public:
    // What must happen to the socket before the same step can go on.
    enum class wants { nothing, readable, writable };
    struct progress {
        std::size_t bytes = 0;
        wants next = wants::nothing;
    };

    // `made` knows whether it is the client's or the server's end, and as a client its peer's name.
    // The socket is the caller's, and outlives this.
    tls_layer(ssl_ptr made, int socket);
    tls_layer(const tls_layer&) = delete;
    tls_layer& operator=(const tls_layer&) = delete;
    ~tls_layer();

    // Errors as connect_tls and accept_tls.
    [[nodiscard]] result<progress> handshake();
    // 0 bytes and wants::nothing: the peer said that nothing more comes. Errors: connection_lost,
    // tls_refused, tls_failed.
    [[nodiscard]] result<progress> read(std::span<char> into);
    // Takes what it can of the pieces behind the first `skip` bytes; wants::nothing: all of it.
    // The next call must begin with the bytes that this one did not take. Error: connection_lost.
    [[nodiscard]] result<progress> write(std::span<const std::string_view> pieces,
                                         std::size_t skip);
    // The last read left nothing in the socket: the next one need not ask it.
    [[nodiscard]] bool emptied_socket() const noexcept { return emptied_; }
    // A read may do something though nothing came: bytes that were received wait here (perhaps only
    // a part of a record), it waits for the socket to take bytes, or it is to tell a failure.
    [[nodiscard]] bool may_read() const noexcept;
    // As those of the stream.
    [[nodiscard]] bool readable() noexcept;
    [[nodiscard]] bool peer_closed() noexcept;
    // Tells the peer that nothing more comes, if the socket takes it.
    void say_end() noexcept;
    // The connection's end is not to look like an orderly one.
    void say_nothing() noexcept { silent_ = true; }
    [[nodiscard]] SSL* inside() const noexcept { return ssl_.get(); }

    // What the library reads and writes by, with errno: for the layer's own source.
    [[nodiscard]] ssize_t send(const char* bytes, std::size_t size) noexcept;
    [[nodiscard]] ssize_t receive(char* into, std::size_t size) noexcept;

 private:
    enum class peeked { bytes, nothing_yet, end };

    [[nodiscard]] peeked peek() noexcept;
    [[nodiscard]] std::string_view next_record(std::span<const std::string_view> pieces,
                                               std::size_t skip);
    [[nodiscard]] error_code fail(int reason);

    ssl_ptr ssl_;
    int socket_;
    bool emptied_ = false;
    bool read_wants_writable_ = false;
    std::size_t begun_ = 0;  // bytes of a record that is encrypted and not all taken by the socket
    error_code failed_;      // once set, nothing may be asked of ssl_ any more
    bool silent_ = false;
};

}  // namespace lethe::net
