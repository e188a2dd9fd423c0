// TLS for connections that we accept: who we are for the name that is asked for, and who the client
// must be.
#pragma once

#include "base/clock.hpp"
#include "base/secret.hpp"
#include "base/task.hpp"
#include "net/stream.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lethe::net {

enum class tls_version : std::uint8_t { tls12, tls13 };

struct tls_server_options {
    struct certificate {
        // PEM: the certificate, then those between it and its authority.
        std::string file;
        // PEM; "": in `file` too.
        std::string key_file = {};
    };
    // Each is for the DNS names that it holds; for a name that several hold, one of each type of
    // key, the first. A client that asks for no name or another one gets those of the first.
    std::vector<certificate> certificates = {};
    tls_version version_min = tls_version::tls12;
    struct clients {
        std::string ca_file = {};  // the authorities of their certificates, as a PEM file
        // Who shows no certificate is not let in. False: comes without.
        bool required = true;
    };
    // nullopt: clients are not asked for certificates.
    std::optional<clients> client_certificates = std::nullopt;
    // What session tickets are sealed with (RFC 5077, RFC 8446 section 4.6.1): 32 bytes or more,
    // hard to guess. The first seals, all of them open. None: no tickets.
    std::vector<secret> ticket_keys = {};
    // In order of preference (ALPN, RFC 7301): a client that offers others only is refused.
    std::vector<std::string> protocols = {"http/1.1"};
};

// TLS 1.2 and 1.3 as Mozilla's intermediate profile has them, without the finite-field key
// exchange. A value: copies share one immutable context, which any thread may use.
class tls_server {
 public:
    struct impl;
    explicit tls_server(std::shared_ptr<const impl> made) noexcept : impl_(std::move(made)) {}

    // When the first of the certificates ends.
    [[nodiscard]] system_time expiry() const noexcept;
    [[nodiscard]] const impl& inside() const noexcept { return *impl_; }

 private:
    std::shared_ptr<const impl> impl_;
};

// Reads the files. On failure (errc::tls_failed) `why` is a sentence for a person.
[[nodiscard]] result<tls_server> make_tls_server(const tls_server_options& options,
                                                 std::string& why);

// What a handshake found out.
struct tls_session {
    std::string protocol;  // "": the client offered none
    bool resumed = false;  // by a ticket
    // DER; empty without a certificate of the client's, else it and what came with it.
    std::vector<std::string> client_chain;
};

// Agrees on keys with the client of an accepted stream, by the deadline. Errors: connection_lost,
// timeout, cancelled, tls_failed, tls_untrusted, tls_expired, tls_refused; plain_http: then the
// stream is plain, what the client sent is lost, and it can be told so.
//
// A client with certificates shows them each time: connections for which they are asked are never
// resumed, so that what a ticket says cannot outlive a change of the authorities.
[[nodiscard]] task<tls_session> accept_tls(stream& on, tls_server with, steady_time deadline);

}  // namespace lethe::net
