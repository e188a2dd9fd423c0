// For tests: certificates made on the spot, and a server and a client that speak TLS and do what
// they are told.
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
#include <vector>

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
        bool rsa = false;  // else an elliptic curve
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

struct session_free {
    void operator()(SSL_SESSION* one) const noexcept { SSL_SESSION_free(one); }
};
using session_ptr = std::unique_ptr<SSL_SESSION, session_free>;

// A client's connection to 127.0.0.1; blocking, and no call waits for more than ten seconds.
class tls_visitor {
 public:
    struct manner {
        std::string name = "localhost";           // asked for; "": none
        std::vector<std::string> protocols = {};  // offered; none: no such extension
        int version_max = 0;                      // 0: the library's
        std::string ciphers = {};                 // of TLS 1.2; "": the library's
        std::string signatures = {};              // "": the library's
        const identity* shows = nullptr;
        X509* with = nullptr;  // shown behind it
        SSL_SESSION* resumes = nullptr;
        std::string before = {};  // sent before TLS begins
    };
    tls_visitor(std::uint16_t port, const manner& how);
    ~tls_visitor();
    tls_visitor(const tls_visitor&) = delete;
    tls_visitor& operator=(const tls_visitor&) = delete;

    [[nodiscard]] bool shaken() const { return shaken_; }
    [[nodiscard]] bool resumed() const { return SSL_session_reused(ssl_) == 1; }
    [[nodiscard]] std::string protocol() const;
    // The DNS names of what the server shows, and its type of key: "a.example EC".
    [[nodiscard]] std::string shown() const;
    bool send(std::string_view bytes);
    // What comes next, at most 16 KiB; "" at the end, which orderly_end() judges.
    std::string read();
    // After read() answered "": the server said that it ends.
    [[nodiscard]] bool orderly_end() const { return orderly_; }
    // Sends them and reads as many back: false when that fails.
    bool echoes(std::string_view bytes);
    // Its tickets come with the first bytes that are read.
    [[nodiscard]] session_ptr session() { return session_ptr(SSL_get1_session(ssl_)); }

 private:
    SSL_CTX* context_;
    SSL* ssl_ = nullptr;
    int socket_;
    bool shaken_ = false;
    bool orderly_ = false;
};

}  // namespace lethe::net::test
