#include "net/test_tls.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

namespace lethe::net::test {
namespace {

void must(bool fine) {
    if (fine) return;
    ERR_print_errors_fp(stderr);
    std::abort();
}

certificate_ptr make_certificate(EVP_PKEY* key, const std::string& name,
                                 const authority::wish& what, bool is_authority, EVP_PKEY* signer,
                                 X509* issuer) {
    certificate_ptr out(X509_new());
    X509* made = out.get();
    X509_set_version(made, 2);
    std::uint64_t serial = 0;
    must(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(made), serial >> 1);
    X509_gmtime_adj(X509_getm_notBefore(made), what.begins_seconds);
    X509_gmtime_adj(X509_getm_notAfter(made), what.ends_seconds);
    X509_set_pubkey(made, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(made, X509_get_subject_name(issuer != nullptr ? issuer : made));
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer != nullptr ? issuer : made, made, nullptr, nullptr, 0);
    const auto extend = [&](int what_kind, const std::string& value) {
        X509_EXTENSION* one = X509V3_EXT_conf_nid(nullptr, &context, what_kind, value.c_str());
        must(one != nullptr && X509_add_ext(made, one, -1) == 1);
        X509_EXTENSION_free(one);
    };
    extend(NID_basic_constraints, is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    extend(NID_subject_key_identifier, "hash");
    if (!is_authority) extend(NID_subject_alt_name, what.names);
    must(X509_sign(made, signer, EVP_sha256()) != 0);
    return out;
}

FILE* open_file(const std::filesystem::path& file) {
    FILE* out = std::fopen(file.c_str(), "w");
    must(out != nullptr);
    return out;
}

}  // namespace

authority::authority(const std::string& name) {
    self_.key.reset(EVP_EC_gen("P-256"));
    self_.certificate =
        make_certificate(self_.key.get(), name, wish{}, true, self_.key.get(), nullptr);
}

identity authority::sign(const wish& what) const {
    identity out;
    out.key.reset(what.rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256"));
    out.certificate = make_certificate(out.key.get(), "peer", what, false, self_.key.get(),
                                       self_.certificate.get());
    return out;
}

void write_certificate(const std::filesystem::path& file, X509* certificate) {
    FILE* out = open_file(file);
    must(PEM_write_X509(out, certificate) == 1);
    must(std::fclose(out) == 0);
}

void write_key(const std::filesystem::path& file, EVP_PKEY* key, const std::string& password) {
    FILE* out = open_file(file);
    must(PEM_write_PKCS8PrivateKey(out, key, password.empty() ? nullptr : EVP_aes_256_cbc(),
                                   password.c_str(), static_cast<int>(password.size()), nullptr,
                                   nullptr) == 1);
    must(std::fclose(out) == 0);
}

tls_peer::tls_peer(SSL_CTX* context, int socket) : ssl_(SSL_new(context)), socket_(socket) {
    const timeval limit{10, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    // What was sent is there at once.
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    SSL_set_fd(ssl_, socket_);
    shaken_ = SSL_accept(ssl_) == 1;
}

tls_peer::~tls_peer() {
    SSL_free(ssl_);
    close();
}

std::string tls_peer::asked_name() const {
    const char* name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
    return name != nullptr ? name : "";
}

std::string tls_peer::read() {
    std::string out(16 * 1024, '\0');
    ERR_clear_error();
    const int got = SSL_read(ssl_, out.data(), static_cast<int>(out.size()));
    if (got <= 0) orderly_ = SSL_get_error(ssl_, got) == SSL_ERROR_ZERO_RETURN;
    out.resize(static_cast<std::size_t>(std::max(got, 0)));
    return out;
}

std::string tls_peer::read_bytes(std::size_t count) {
    std::string out;
    while (out.size() < count) {
        const std::string more = read();
        if (more.empty()) break;
        out += more;
    }
    return out;
}

bool tls_peer::send(std::string_view bytes) {
    while (!bytes.empty()) {
        const std::size_t piece = std::min<std::size_t>(bytes.size(), 100'000);
        if (SSL_write(ssl_, bytes.data(), static_cast<int>(piece)) != static_cast<int>(piece))
            return false;
        bytes.remove_prefix(piece);
    }
    return true;
}

void tls_peer::say_end() {
    SSL_shutdown(ssl_);
}

void tls_peer::change_keys() {
    must(SSL_key_update(ssl_, SSL_KEY_UPDATE_REQUESTED) == 1);
}

void tls_peer::send_plain(std::string_view bytes) {
    static_cast<void>(::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL));
}

void tls_peer::close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
}

void tls_peer::reset() {
    const linger now{1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
}

tls_server::tls_server(const identity& self, script each)
    : context_(SSL_CTX_new(TLS_server_method())), each_(std::move(each)) {
    must(SSL_CTX_use_certificate(context_, self.certificate.get()) == 1);
    must(SSL_CTX_use_PrivateKey(context_, self.key.get()) == 1);
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    must(::bind(listener_, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
    must(::listen(listener_, 16) == 0);
    must(::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size) == 0);
    port_ = ntohs(at.sin_port);
    thread_ = std::thread([this] { serve(); });
}

tls_server::~tls_server() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
    SSL_CTX_free(context_);
}

void tls_server::want_client_certificate(const authority& by) {
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    must(X509_STORE_add_cert(SSL_CTX_get_cert_store(context_), by.certificate()) == 1);
}

void tls_server::speak_only(int version) {
    if (version < TLS1_2_VERSION) SSL_CTX_set_security_level(context_, 0);
    SSL_CTX_set_min_proto_version(context_, version);
    SSL_CTX_set_max_proto_version(context_, version);
}

void tls_server::receive_at_most(int bytes) {
    ::setsockopt(listener_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

void tls_server::serve() {
    // The server's writes may meet a client that has gone; the client's must do without this.
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    while (true) {
        const int socket = ::accept(listener_, nullptr, nullptr);
        if (socket < 0) return;
        tls_peer one(context_, socket);
        each_(one);
    }
}

namespace {

int connect_to(std::uint16_t port) {
    const int out = ::socket(AF_INET, SOCK_STREAM, 0);
    const timeval limit{10, 0};
    ::setsockopt(out, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(out, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(port);
    must(::connect(out, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
    return out;
}

}  // namespace

tls_visitor::tls_visitor(std::uint16_t port, const manner& how)
    : context_(SSL_CTX_new(TLS_client_method())), socket_(connect_to(port)) {
    SSL_CTX_set_security_level(context_, 0);
    SSL_CTX_set_min_proto_version(context_, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context_, how.version_max);
    if (!how.ciphers.empty()) must(SSL_CTX_set_cipher_list(context_, how.ciphers.c_str()) == 1);
    if (!how.signatures.empty())
        must(SSL_CTX_set1_sigalgs_list(context_, how.signatures.c_str()) == 1);
    if (how.shows != nullptr) {
        must(SSL_CTX_use_certificate(context_, how.shows->certificate.get()) == 1);
        must(SSL_CTX_use_PrivateKey(context_, how.shows->key.get()) == 1);
        if (how.with != nullptr) must(SSL_CTX_add1_chain_cert(context_, how.with) == 1);
    }
    ssl_ = SSL_new(context_);
    std::string offered;
    for (const std::string& one : how.protocols) offered += static_cast<char>(one.size()) + one;
    if (!offered.empty())
        must(SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(offered.data()),
                                 static_cast<unsigned>(offered.size())) == 0);
    if (!how.name.empty()) must(SSL_set_tlsext_host_name(ssl_, how.name.c_str()) == 1);
    if (how.resumes != nullptr) must(SSL_set_session(ssl_, how.resumes) == 1);
    SSL_set_fd(ssl_, socket_);
    must(::send(socket_, how.before.data(), how.before.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(how.before.size()));
    shaken_ = SSL_connect(ssl_) == 1;
    ERR_clear_error();
}

tls_visitor::~tls_visitor() {
    SSL_shutdown(ssl_);
    SSL_free(ssl_);
    SSL_CTX_free(context_);
    ::close(socket_);
    ERR_clear_error();
}

std::string tls_visitor::protocol() const {
    const unsigned char* bytes = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_, &bytes, &size);
    return {reinterpret_cast<const char*>(bytes), size};
}

std::string tls_visitor::shown() const {
    X509* const shown = SSL_get0_peer_certificate(ssl_);
    if (shown == nullptr) return "nothing";
    std::string out;
    auto* const names = static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(shown, NID_subject_alt_name, nullptr, nullptr));
    for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
        const GENERAL_NAME* const one = sk_GENERAL_NAME_value(names, i);
        if (one->type != GEN_DNS) continue;
        out += reinterpret_cast<const char*>(ASN1_STRING_get0_data(one->d.dNSName));
        out += ' ';
    }
    GENERAL_NAMES_free(names);
    return out + (EVP_PKEY_is_a(X509_get0_pubkey(shown), "RSA") == 1 ? "RSA" : "EC");
}

bool tls_visitor::send(std::string_view bytes) {
    const int size = static_cast<int>(bytes.size());
    const bool sent = SSL_write(ssl_, bytes.data(), size) == size;
    ERR_clear_error();
    return sent;
}

std::string tls_visitor::read() {
    std::string out(16 * 1024, '\0');
    const int got = SSL_read(ssl_, out.data(), static_cast<int>(out.size()));
    if (got <= 0) orderly_ = SSL_get_error(ssl_, got) == SSL_ERROR_ZERO_RETURN;
    ERR_clear_error();
    out.resize(static_cast<std::size_t>(std::max(got, 0)));
    return out;
}

bool tls_visitor::echoes(std::string_view bytes) {
    if (!send(bytes)) return false;
    std::string back;
    while (back.size() < bytes.size()) {
        const std::string more = read();
        if (more.empty()) return false;
        back += more;
    }
    return back == bytes;
}

}  // namespace lethe::net::test
