#include "net/tls_server.hpp"

#include "base/bytes.hpp"
#include "net/stream_impl.hpp"
#include "net/tls_layer.hpp"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace lethe::net {
namespace {

// https://wiki.mozilla.org/Security/Server_Side_TLS, intermediate, version 5.7; TLS 1.3's suites
// are the library's own. The finite-field exchanges are left out: a client makes the server work
// much harder than itself with them, and who knows no elliptic curve knows no TLS 1.2 worth having.
constexpr const char* ciphers_of_tls12 =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* groups = "X25519:P-256:P-384";

constexpr std::size_t ticket_name_bytes = 16;
// What a client may show: it goes on to the service in a field.
constexpr long client_chain_bytes_max = 16L * 1024;
constexpr long ticket_seconds = 12L * 60 * 60;

struct certificate_free {
    void operator()(X509* one) const noexcept { X509_free(one); }
    void operator()(EVP_PKEY* one) const noexcept { EVP_PKEY_free(one); }
    void operator()(GENERAL_NAMES* one) const noexcept { GENERAL_NAMES_free(one); }
    void operator()(BIO* one) const noexcept { BIO_free(one); }
};
template <class T>
using held = std::unique_ptr<T, certificate_free>;

struct ticket_key {
    std::string name;
    secret cipher;
    secret mac;
};

ticket_key derive(const secret& from) {
    const auto part = [&from](std::string_view use) {
        return sha256_of_parts({"lethe tls ticket", use, from.reveal()});
    };
    return {part("name").substr(0, ticket_name_bytes), secret(part("cipher")), secret(part("mac"))};
}

// What is known of a certificate before it is put to use.
struct read_certificate {
    const tls_server_options::certificate* files = nullptr;
    std::vector<std::string> names;  // DNS names in lower case
    int key_type = 0;
    system_time ends;
};

}  // namespace

struct tls_server::impl {
    // The first is where each handshake begins, and what is shown where no name fits.
    std::vector<ssl_context_ptr> contexts;
    std::map<std::string, SSL_CTX*, std::less<>> by_name;
    std::vector<ticket_key> tickets;
    std::string protocols;  // as ALPN has them: each behind its length
    system_time ends = system_time::max();
};

namespace {

const tls_server::impl& server_of(SSL* ssl) {
    return *static_cast<const tls_server::impl*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
}

SSL_CTX* context_for(const tls_server::impl& server, std::string_view asked) {
    const std::string name = to_lower(asked);
    if (const auto found = server.by_name.find(name); found != server.by_name.end())
        return found->second;
    const std::size_t dot = name.find('.');
    if (dot == std::string::npos) return nullptr;
    const auto found = server.by_name.find("*" + name.substr(dot));
    return found != server.by_name.end() ? found->second : nullptr;
}

int choose_certificate(SSL* ssl, int*, void*) {
    const char* const asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (asked == nullptr) return SSL_TLSEXT_ERR_OK;
    SSL_CTX* const context = context_for(server_of(ssl), asked);
    if (context != nullptr) SSL_set_SSL_CTX(ssl, context);
    return SSL_TLSEXT_ERR_OK;
}

int choose_protocol(SSL* ssl, const unsigned char** chosen, unsigned char* size,
                    const unsigned char* offered, unsigned int offered_size, void*) {
    const std::string& ours = server_of(ssl).protocols;
    unsigned char* found = nullptr;
    const int how =
        SSL_select_next_proto(&found, size, reinterpret_cast<const unsigned char*>(ours.data()),
                              static_cast<unsigned>(ours.size()), offered, offered_size);
    if (how != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

bool set_mac(EVP_MAC_CTX* mac, const secret& key) {
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(
            OSSL_MAC_PARAM_KEY, const_cast<char*>(key.reveal().data()), key.reveal().size()),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

// As SSL_CTX_set_tlsext_ticket_key_evp_cb wants it: -1 is a failure, 0 means no ticket (or one that
// we cannot open), 2 that the client should get a fresh one.
int ticket_keys(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                EVP_MAC_CTX* mac, int sealing) {
    const std::vector<ticket_key>& all = server_of(ssl).tickets;
    const auto bytes = [](const secret& key) {
        return reinterpret_cast<const unsigned char*>(key.reveal().data());
    };
    if (sealing != 0) {
        const ticket_key& key = all.front();
        std::memcpy(name, key.name.data(), ticket_name_bytes);
        const int iv_bytes = EVP_CIPHER_get_iv_length(EVP_aes_256_cbc());
        if (RAND_bytes(iv, iv_bytes) != 1) return -1;
        const bool fine =
            EVP_EncryptInit_ex2(cipher, EVP_aes_256_cbc(), bytes(key.cipher), iv, nullptr) == 1;
        return fine && set_mac(mac, key.mac) ? 1 : -1;
    }
    for (const ticket_key& key : all) {
        if (std::memcmp(name, key.name.data(), ticket_name_bytes) != 0) continue;
        const bool fine =
            EVP_DecryptInit_ex2(cipher, EVP_aes_256_cbc(), bytes(key.cipher), iv, nullptr) == 1;
        if (!fine || !set_mac(mac, key.mac)) return -1;
        return &key == &all.front() ? 1 : 2;
    }
    return 0;
}

std::optional<system_time> time_of(const ASN1_TIME* at) {
    std::tm parts{};
    if (ASN1_TIME_to_tm(at, &parts) != 1) return std::nullopt;
    return system_time(std::chrono::seconds(::timegm(&parts)));
}

std::vector<std::string> names_of(X509* certificate) {
    std::vector<std::string> out;
    const held<GENERAL_NAMES> all(static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    for (int i = 0; all && i < sk_GENERAL_NAME_num(all.get()); ++i) {
        const GENERAL_NAME* const one = sk_GENERAL_NAME_value(all.get(), i);
        if (one->type != GEN_DNS) continue;
        const ASN1_IA5STRING* const text = one->d.dNSName;
        out.push_back(to_lower({reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                                static_cast<std::size_t>(ASN1_STRING_length(text))}));
    }
    ERR_clear_error();
    return out;
}

std::string quoted_files(const tls_server_options::certificate& one) {
    return one.key_file.empty() ? one.file : one.file + " with " + one.key_file;
}

result<read_certificate> read(const tls_server_options::certificate& one, std::string& why) {
    ERR_clear_error();
    const held<BIO> file(BIO_new_file(one.file.c_str(), "r"));
    const held<X509> certificate(file ? PEM_read_bio_X509_AUX(file.get(), nullptr, nullptr, nullptr)
                                      : nullptr);
    if (!certificate) {
        why = "the certificate " + one.file + ": " + first_tls_reason();
        return LETHE_ERR(errc::tls_failed);
    }
    const std::optional<system_time> ends = time_of(X509_get0_notAfter(certificate.get()));
    const EVP_PKEY* const key = X509_get0_pubkey(certificate.get());
    if (!ends || key == nullptr) {
        why = "the certificate " + one.file + ": " + first_tls_reason();
        return LETHE_ERR(errc::tls_failed);
    }
    return read_certificate{&one, names_of(certificate.get()), EVP_PKEY_get_base_id(key), *ends};
}

// A key that needs a password is refused: the library would ask for it on the terminal.
int no_password(char*, int, int, void*) {
    return -1;
}

result<> show(SSL_CTX* context, const tls_server_options::certificate& one, std::string& why) {
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(context, no_password);
    const std::string& key = one.key_file.empty() ? one.file : one.key_file;
    if (SSL_CTX_use_certificate_chain_file(context, one.file.c_str()) != 1) {
        why = "the certificate " + one.file + ": " + first_tls_reason();
    } else if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) {
        why = "the key " + key + ": " + first_tls_reason();
    } else if (SSL_CTX_check_private_key(context) != 1) {
        why = "the certificate " + quoted_files(one) + ": " + first_tls_reason();
    } else {
        return {};
    }
    return LETHE_ERR(errc::tls_failed);
}

result<> ask_for_client(SSL_CTX* context, const tls_server_options& options, std::string& why) {
    if (!options.client_certificates) return {};
    const tls_server_options::clients& clients = *options.client_certificates;
    const char* const file = clients.ca_file.c_str();
    STACK_OF(X509_NAME)* const names = SSL_load_client_CA_file(file);
    if (names == nullptr || SSL_CTX_load_verify_file(context, file) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        why = "the authorities of clients " + clients.ca_file + ": " + first_tls_reason();
        return LETHE_ERR(errc::tls_failed);
    }
    SSL_CTX_set_client_CA_list(context, names);  // takes them
    const int how = SSL_VERIFY_PEER | (clients.required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
    SSL_CTX_set_verify(context, how, nullptr);
    return {};
}

ssl_context_ptr make_context(const tls_server_options& options, tls_server::impl& of) {
    ssl_context_ptr made(SSL_CTX_new(TLS_server_method()));
    SSL_CTX* const context = made.get();
    LETHE_ASSERT(context != nullptr);
    const bool only_13 = options.version_min == tls_version::tls13;
    SSL_CTX_set_min_proto_version(context, only_13 ? TLS1_3_VERSION : TLS1_2_VERSION);
    LETHE_ASSERT(SSL_CTX_set_cipher_list(context, ciphers_of_tls12) == 1);
    LETHE_ASSERT(SSL_CTX_set1_groups_list(context, groups) == 1);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(context, ticket_seconds);
    SSL_CTX_set_max_cert_list(context, client_chain_bytes_max);
    SSL_CTX_set_app_data(context, &of);
    SSL_CTX_set_tlsext_servername_callback(context, choose_certificate);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
    if (of.tickets.empty()) {
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(context, 0);
    } else {
        SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket_keys);
        // Each connection that resumes gets the next one. Unless told, OpenSSL gives two, and each
        // is 6 % of a handshake.
        SSL_CTX_set_num_tickets(context, 1);
    }
    return made;
}

// Which certificates are shown for which name, by their places; "" is for every other name.
std::map<std::string, std::set<std::size_t>> sets_of(const std::vector<read_certificate>& all) {
    std::map<std::string, std::set<std::size_t>> out;
    const auto add = [&](const std::string& name, std::size_t place) {
        std::set<std::size_t>& set = out[name];
        const bool has_type = std::ranges::any_of(
            set, [&](std::size_t other) { return all[other].key_type == all[place].key_type; });
        if (!has_type) set.insert(place);
    };
    for (std::size_t i = 0; i < all.size(); ++i)
        for (const std::string& name : all[i].names) add(name, i);
    const std::vector<std::string>& first = all.front().names;
    out[""] = first.empty() ? std::set<std::size_t>{0} : out[first.front()];
    return out;
}

result<> make_contexts(const tls_server_options& options, tls_server::impl& made,
                       std::string& why) {
    std::vector<read_certificate> all;
    for (const tls_server_options::certificate& one : options.certificates) {
        LETHE_TRY(read_certificate got, read(one, why));
        made.ends = std::min(made.ends, got.ends);
        all.push_back(std::move(got));
    }
    // One context for each set of certificates; that for "" comes first.
    std::map<std::set<std::size_t>, SSL_CTX*> by_set;
    for (const auto& [name, set] : sets_of(all)) {
        SSL_CTX*& context = by_set[set];
        if (context == nullptr) {
            context = made.contexts.emplace_back(make_context(options, made)).get();
            for (const std::size_t place : set) {
                const result<> shown = show(context, *all[place].files, why);
                if (shown.has_error()) return shown;
            }
            const result<> asked = ask_for_client(context, options, why);
            if (asked.has_error()) return asked;
        }
        if (!name.empty()) made.by_name[name] = context;
    }
    return {};
}

std::string to_der(X509* certificate) {
    unsigned char* bytes = nullptr;
    const int size = i2d_X509(certificate, &bytes);
    if (size <= 0) return {};
    std::string out(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
    OPENSSL_free(bytes);
    return out;
}

tls_session session_of(SSL* ssl) {
    tls_session out;
    const unsigned char* protocol = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl, &protocol, &size);
    if (size != 0) out.protocol.assign(reinterpret_cast<const char*>(protocol), size);
    out.resumed = SSL_session_reused(ssl) == 1;
    if (X509* const leaf = SSL_get0_peer_certificate(ssl); leaf != nullptr) {
        out.client_chain.push_back(to_der(leaf));
        STACK_OF(X509)* const more = SSL_get_peer_cert_chain(ssl);
        for (int i = 0; i < sk_X509_num(more); ++i)
            out.client_chain.push_back(to_der(sk_X509_value(more, i)));
    }
    return out;
}

}  // namespace

system_time tls_server::expiry() const noexcept {
    return impl_->ends;
}

result<tls_server> make_tls_server(const tls_server_options& options, std::string& why) {
    if (options.certificates.empty()) {
        why = "TLS needs a certificate";
        return LETHE_ERR(errc::tls_failed);
    }
    auto made = std::make_shared<tls_server::impl>();
    // A ticket would let a client in whose certificate nobody looks at any more.
    if (!options.client_certificates)
        for (const secret& key : options.ticket_keys) made->tickets.push_back(derive(key));
    for (const std::string& one : options.protocols) {
        made->protocols += static_cast<char>(one.size());
        made->protocols += one;
    }
    const result<> done = make_contexts(options, *made, why);
    if (done.has_error()) return done.error();
    return tls_server(std::move(made));
}

task<tls_session> accept_tls(stream& on, tls_server with, steady_time deadline) {
    stream::impl& in = on.inside();
    ssl_ptr ssl(SSL_new(with.inside().contexts.front().get()));
    LETHE_ASSERT(ssl != nullptr);
    SSL_set_accept_state(ssl.get());
    in.tls = std::make_unique<tls_layer>(std::move(ssl), in.socket.number());
    on.expires_at(deadline);
    const result<> agreed = co_await shake_hands(in);
    if (agreed.has_error()) {
        if (agreed.error() == errc::plain_http) in.tls.reset();
        co_return agreed.error();
    }
    in.clear();
    co_return session_of(in.tls->inside());
}

}  // namespace lethe::net
