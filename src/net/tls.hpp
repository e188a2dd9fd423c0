// TLS for connections that we make: whom to trust, and who we are.
#pragma once

#include "base/clock.hpp"
#include "base/secret.hpp"
#include "base/task.hpp"
#include "net/address.hpp"
#include "net/stream.hpp"
#include "net/worker.hpp"

#include <memory>
#include <string>

namespace lethe::net {

struct tls_client_options {
    // Certificates of the authorities that are trusted, as a PEM file; "": the system's.
    std::string ca_file = {};
    // Our own certificate with those between it and its authority, and its key, as PEM files; "":
    // none.
    std::string certificate_file = {};
    std::string key_file = {};
    secret key_password = {};
    // The peer's name or IP address in its certificate and in what we ask for (SNI); "": the host
    // that is connected to.
    std::string name = {};
    // Without the first, anybody may sit in between and read and change everything; without the
    // second, anybody with a certificate of a trusted authority may.
    bool verify_chain = true;
    bool verify_name = true;
};

// TLS 1.2 and 1.3. A value: copies share one immutable context, which any thread may use.
class tls_client {
 public:
    struct impl;
    explicit tls_client(std::shared_ptr<const impl> made) noexcept : impl_(std::move(made)) {}

    [[nodiscard]] const impl& inside() const noexcept { return *impl_; }

 private:
    std::shared_ptr<const impl> impl_;
};

// Reads the files. On failure (errc::tls_failed) `why` is a sentence for a person.
[[nodiscard]] result<tls_client> make_tls_client(const tls_client_options& options,
                                                 std::string& why);

// Connects as connect() does, then agrees on keys and checks the peer's certificate, all by the
// deadline. Errors: connect()'s, connection_lost, tls_failed, tls_untrusted, tls_wrong_name,
// tls_expired, tls_refused. Nothing of the caller's was sent then.
//
// The stream's read_some() answers 0 only where the peer said that nothing more comes; a connection
// that just ends is connection_lost, for anybody may have cut it. With TLS 1.3 a peer refuses our
// certificate (or that we have none) only after the handshake: then the first read answers
// tls_refused.
// `name`: whom the address stands for, in place of the host that is connected to; the options' name
// goes before it.
[[nodiscard]] task<stream> connect_tls(worker& on, address to, tls_client with,
                                       steady_time deadline, std::string name = {});

}  // namespace lethe::net
