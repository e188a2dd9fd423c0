// For tests: certificates made on the spot, and a server that speaks TLS and does what it is told.
#pragma once

#include "net/address.hpp"

#include <openssl/ssl.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

namespace lethe::net::test {

struct key_free {
    void operator()(EVP_PKEY* one) const noexcept { EVP_PKEY_free(one); }
    void operator()(X509* one) const noexcept { X509_free(one); }
};
using key_ptr = std::unique_ptr<EVP_PKEY, key_free>;
using certificate_ptr = std::unique_ptr<X509, key_free>;

struct identity {
    key_ptr key;
    certificate_ptr certificate;
};

// An authority of its own, and what it signs.
class authority {
 public:
    explicit authority(const std::string& name);

    struct wish {
        std::string names = "DNS:localhost,IP:127.0.0.1";
        long begins_seconds = -3600;  // from now
        long ends_seconds = 3600;
    };
    [[nodiscard]] identity sign(const wish& what) const;
    [[nodiscard]] identity sign() const { return sign(wish{}); }
    [[nodiscard]] X509* certificate() const { return self_.certificate.get(); }

 private:
    identity self_;
};

void write_certificate(const std::filesystem::path& file, X509* certificate);
// With a password the file is encrypted.
void write_key(const std::filesystem::path& file, EVP_PKEY* key, const std::string& password = {});

// One connection as the server sees it; blocking, and no call waits for more than ten seconds.
class tls_peer {
 public:
    tls_peer(SSL_CTX* context, int socket);
    ~tls_peer();
    tls_peer(const tls_peer&) = delete;
    tls_peer& operator=(const tls_peer&) = delete;

    [[nodiscard]] bool shaken() const { return shaken_; }
    [[nodiscard]] std::string asked_name() const;
    // At most 16 KiB; "" at the end, which orderly_end() judges.
    std::string read();
    std::string read_bytes(std::size_t count);
    bool send(std::string_view bytes);
    // After read() answered "": the client said that it ends.
    [[nodiscard]] bool orderly_end() const { return orderly_; }
    void say_end();
    // Both sides' (TLS 1.3), with what is sent next.
    void change_keys();
    // Below TLS.
    void send_plain(std::string_view bytes);
    void close();
    void reset();

 private:
    SSL* ssl_;
    int socket_;
    bool shaken_;
    bool orderly_ = false;
};

class tls_server {
 public:
    using script = std::function<void(tls_peer&)>;

    tls_server(const identity& self, script each);
    ~tls_server();
    tls_server(const tls_server&) = delete;
    tls_server& operator=(const tls_server&) = delete;

    // Before the first client comes.
    void want_client_certificate(const authority& by);
    void speak_only(int version);
    void receive_at_most(int bytes);

    [[nodiscard]] address at(const std::string& host) const { return {host, port_}; }

 private:
    void serve();

    SSL_CTX* context_;
    script each_;
    int listener_;
    std::uint16_t port_ = 0;
    std::thread thread_;
};

}  // namespace lethe::net::test
