#include "net/tls_layer.hpp"

#include "net/errors.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace lethe::net {
namespace {

// The most that one record carries.
constexpr std::size_t record_bytes = 16 * 1024;

bool would_block() {
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

tls_layer& layer_of(BIO* bio) {
    return *static_cast<tls_layer*>(BIO_get_data(bio));
}

// OpenSSL's own socket BIO writes without MSG_NOSIGNAL: a peer that is gone would end the process.
int bio_write(BIO* bio, const char* bytes, std::size_t size, std::size_t* written) {
    BIO_clear_retry_flags(bio);
    *written = 0;
    const ssize_t sent = layer_of(bio).send(bytes, size);
    if (sent >= 0) {
        *written = static_cast<std::size_t>(sent);
        return 1;
    }
    if (would_block()) BIO_set_retry_write(bio);
    return 0;
}

int bio_read(BIO* bio, char* into, std::size_t size, std::size_t* got) {
    BIO_clear_retry_flags(bio);
    *got = 0;
    const ssize_t received = layer_of(bio).receive(into, size);
    if (received > 0) {
        *got = static_cast<std::size_t>(received);
        return 1;
    }
    if (received < 0 && would_block()) BIO_set_retry_read(bio);
    return 0;
}

long bio_control(BIO*, int what, long, void*) {
    return what == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO* make_bio(tls_layer& of) {
    static BIO_METHOD* const method = [] {
        BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "lethe socket");
        LETHE_ASSERT(made != nullptr);
        BIO_meth_set_write_ex(made, bio_write);
        BIO_meth_set_read_ex(made, bio_read);
        BIO_meth_set_ctrl(made, bio_control);
        return made;
    }();
    BIO* bio = BIO_new(method);
    LETHE_ASSERT(bio != nullptr);
    BIO_set_data(bio, &of);
    BIO_set_init(bio, 1);
    return bio;
}

error_code certificate_error(long verdict) {
    switch (verdict) {
        case X509_V_ERR_CERT_HAS_EXPIRED:
        case X509_V_ERR_CERT_NOT_YET_VALID: return LETHE_ERR(errc::tls_expired);
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH: return LETHE_ERR(errc::tls_wrong_name);
        default: return LETHE_ERR(errc::tls_untrusted);
    }
}

}  // namespace

std::string first_tls_reason() {
    const char* reason = ERR_reason_error_string(ERR_peek_error());
    std::string out = reason != nullptr ? reason : "it cannot be read";
    ERR_clear_error();
    return out;
}

tls_layer::tls_layer(ssl_ptr made, int socket) : ssl_(std::move(made)), socket_(socket) {
    BIO* bio = make_bio(*this);
    SSL_set_bio(ssl_.get(), bio, bio);
    // A write takes a whole record or nothing; what it did not take may move before it comes again.
    // An idle connection holds no buffer.
    SSL_set_mode(ssl_.get(), SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_set_read_ahead(ssl_.get(), 1);
}

tls_layer::~tls_layer() {
    say_end();
}

ssize_t tls_layer::send(const char* bytes, std::size_t size) noexcept {
    while (true) {
        const ssize_t sent = ::send(socket_, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0 || errno != EINTR) return sent;
    }
}

ssize_t tls_layer::receive(char* into, std::size_t size) noexcept {
    while (true) {
        const ssize_t received = ::recv(socket_, into, size, MSG_DONTWAIT);
        if (received < 0 && errno == EINTR) continue;
        emptied_ = received < static_cast<ssize_t>(size);
        return received;
    }
}

bool tls_layer::may_read() const noexcept {
    return read_wants_writable_ || failed_ || SSL_has_pending(ssl_.get()) == 1;
}

// A step failed for good. The peer's alert tells more than the end of the connection behind it.
error_code tls_layer::fail(int reason) {
    const unsigned long what = ERR_peek_last_error();
    ERR_clear_error();
    const int detail = ERR_GET_LIB(what) == ERR_LIB_SSL ? ERR_GET_REASON(what) : 0;
    if (reason != SSL_ERROR_SSL || detail == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        failed_ = LETHE_ERR(errc::connection_lost);
    else if (detail == SSL_R_HTTP_REQUEST)
        failed_ = LETHE_ERR(errc::plain_http);
    else if (detail == SSL_R_CERTIFICATE_VERIFY_FAILED)
        failed_ = certificate_error(SSL_get_verify_result(ssl_.get()));
    else if (detail >= SSL_AD_REASON_OFFSET)  // an alert of the peer, by its number above this
        failed_ = LETHE_ERR(errc::tls_refused);
    else
        failed_ = LETHE_ERR(errc::tls_failed);
    return failed_;
}

result<tls_layer::progress> tls_layer::handshake() {
    ERR_clear_error();
    const int done = SSL_do_handshake(ssl_.get());
    if (done == 1) return progress{};
    const int reason = SSL_get_error(ssl_.get(), done);
    if (reason == SSL_ERROR_WANT_READ) return progress{0, wants::readable};
    if (reason == SSL_ERROR_WANT_WRITE) return progress{0, wants::writable};
    return fail(reason);
}

result<tls_layer::progress> tls_layer::read(std::span<char> into) {
    emptied_ = read_wants_writable_ = false;
    if (failed_) return failed_;
    ERR_clear_error();
    std::size_t got = 0;
    const int done = SSL_read_ex(ssl_.get(), into.data(), into.size(), &got);
    if (done == 1) return progress{got, wants::nothing};
    const int reason = SSL_get_error(ssl_.get(), done);
    if (reason == SSL_ERROR_WANT_READ) return progress{0, wants::readable};
    if (reason == SSL_ERROR_WANT_WRITE) {
        read_wants_writable_ = true;
        return progress{0, wants::writable};
    }
    if (reason == SSL_ERROR_ZERO_RETURN) return progress{};
    return fail(reason);
}

// Small pieces are put together so that they share a record; a large one is encrypted from where it
// is. After a record was begun, the same bytes, from the same pieces. What is put together is
// encrypted before another connection of the thread can write.
std::string_view tls_layer::next_record(std::span<const std::string_view> pieces,
                                        std::size_t skip) {
    thread_local std::array<char, record_bytes> together;
    const std::size_t size_max = begun_ != 0 ? begun_ : record_bytes;
    std::size_t gathered = 0;
    for (std::size_t i = 0; i < pieces.size() && gathered < size_max; ++i) {
        const std::size_t skipped = std::min(skip, pieces[i].size());
        skip -= skipped;
        const std::string_view piece = pieces[i].substr(skipped, size_max - gathered);
        const bool is_last = std::ranges::all_of(pieces.subspan(i + 1), &std::string_view::empty);
        if (gathered == 0 && (piece.size() == size_max || is_last)) return piece;
        std::memcpy(together.data() + gathered, piece.data(), piece.size());
        gathered += piece.size();
    }
    return {together.data(), gathered};
}

result<tls_layer::progress> tls_layer::write(std::span<const std::string_view> pieces,
                                             std::size_t skip) {
    if (failed_) return LETHE_ERR(errc::connection_lost);
    progress out;
    while (true) {
        const std::string_view record = next_record(pieces, skip + out.bytes);
        if (record.empty()) return out;
        LETHE_ASSERT(begun_ == 0 || record.size() == begun_);
        ERR_clear_error();
        std::size_t taken = 0;
        const int done = SSL_write_ex(ssl_.get(), record.data(), record.size(), &taken);
        if (done == 1) {
            begun_ = 0;
            out.bytes += taken;
            continue;
        }
        const int reason = SSL_get_error(ssl_.get(), done);
        if (reason == SSL_ERROR_WANT_WRITE || reason == SSL_ERROR_WANT_READ) {
            begun_ = record.size();
            out.next = reason == SSL_ERROR_WANT_READ ? wants::readable : wants::writable;
            return out;
        }
        // What the peer said before it left can still be read, so that reading is not over.
        ERR_clear_error();
        begun_ = 0;
        silent_ = true;
        return LETHE_ERR(errc::connection_lost);
    }
}

tls_layer::peeked tls_layer::peek() noexcept {
    if (failed_) return peeked::end;
    ERR_clear_error();
    char byte = 0;
    std::size_t got = 0;
    const int done = SSL_peek_ex(ssl_.get(), &byte, 1, &got);
    if (done == 1) return peeked::bytes;
    const int reason = SSL_get_error(ssl_.get(), done);
    if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE) return peeked::nothing_yet;
    // The next read tells why.
    if (reason != SSL_ERROR_ZERO_RETURN) static_cast<void>(fail(reason));
    return peeked::end;
}

bool tls_layer::readable() noexcept {
    return peek() != peeked::nothing_yet;
}

bool tls_layer::peer_closed() noexcept {
    return peek() == peeked::end;
}

void tls_layer::say_end() noexcept {
    // In the middle of a record it cannot be said, and after a failure it must not be.
    if (silent_ || failed_ || begun_ != 0 || SSL_in_init(ssl_.get()) != 0) return;
    // What the peer sent for TLS itself (session tickets) is taken first: left unread, it would
    // make the close a reset, which can take from the peer what it has not read yet.
    static_cast<void>(peek());
    if (failed_) return;
    silent_ = true;
    ERR_clear_error();
    static_cast<void>(SSL_shutdown(ssl_.get()));
    ERR_clear_error();
}

}  // namespace lethe::net
