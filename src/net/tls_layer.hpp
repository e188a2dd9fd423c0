// TLS over one socket, a step at a time and without waiting. No Asio, no deadlines.
#pragma once

#include "base/error.hpp"

#include <openssl/ssl.h>

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace lethe::net {

struct ssl_free {
    void operator()(SSL* one) const noexcept { SSL_free(one); }
    void operator()(SSL_CTX* one) const noexcept { SSL_CTX_free(one); }
};
using ssl_ptr = std::unique_ptr<SSL, ssl_free>;
using ssl_context_ptr = std::unique_ptr<SSL_CTX, ssl_free>;

class tls_layer {
 public:
    // What must happen to the socket before the same step can go on.
    enum class wants { nothing, readable, writable };
    struct progress {
        std::size_t bytes = 0;
        wants next = wants::nothing;
    };

    // `made` knows its peer's name; the socket is the caller's, and outlives this.
    tls_layer(ssl_ptr made, int socket);
    tls_layer(const tls_layer&) = delete;
    tls_layer& operator=(const tls_layer&) = delete;
    ~tls_layer();

    // As the client. Errors as connect_tls.
    [[nodiscard]] result<progress> handshake();
    // 0 bytes and wants::nothing: the peer said that nothing more comes. Errors: connection_lost,
    // tls_refused, tls_failed.
    [[nodiscard]] result<progress> read(std::span<char> into);
    // Takes what it can of the pieces behind the first `skip` bytes; wants::nothing: all of it.
    // The next call must begin with the bytes that this one did not take. Error: connection_lost.
    [[nodiscard]] result<progress> write(std::span<const std::string_view> pieces,
                                         std::size_t skip);
    // As those of the stream.
    [[nodiscard]] bool readable() noexcept;
    [[nodiscard]] bool peer_closed() noexcept;
    // Tells the peer that nothing more comes, if the socket takes it.
    void say_end() noexcept;
    // The connection's end is not to look like an orderly one.
    void say_nothing() noexcept { silent_ = true; }

 private:
    enum class peeked { bytes, nothing_yet, end };

    [[nodiscard]] peeked peek() noexcept;
    [[nodiscard]] std::string_view next_record(std::span<const std::string_view> pieces,
                                               std::size_t skip);
    [[nodiscard]] error_code fail(int reason);

    // The most that one record carries.
    static constexpr std::size_t record_bytes = 16 * 1024;

    ssl_ptr ssl_;
    std::size_t begun_ = 0;  // bytes of a record that is encrypted and not all taken by the socket
    error_code failed_;      // once set, nothing may be asked of ssl_ any more
    bool silent_ = false;
    std::array<char, record_bytes> gathered_;
};

}  // namespace lethe::net
