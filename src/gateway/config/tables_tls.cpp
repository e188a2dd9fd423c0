// The tables of TLS: on listeners, and to replicas.
#include "gateway/config/file_path.hpp"
#include "gateway/config/tables.hpp"

#include <algorithm>

namespace lethe::gateway::config {
namespace {

constexpr std::size_t ticket_key_bytes_min = 32;
constexpr std::size_t ticket_key_bytes_max = 256;

// A mistake in it is told without showing it.
codec<secret> ticket_key() {
    const std::string words = "32 to 256 visible ASCII characters";
    return {{.kind = value_kind::text, .words = words},
            [words](reader& with, const place& at, secret& to) {
                if (want_scalar(with, at, words) == nullptr) return;
                const std::string& given = at.value.text;
                const bool fits =
                    given.size() >= ticket_key_bytes_min && given.size() <= ticket_key_bytes_max &&
                    std::ranges::all_of(given, [](char c) { return c > ' ' && c < 0x7f; });
                if (!fits)
                    return with.fail(at, "is too short or too long, or has other characters",
                                     "expected " + words);
                to = secret(given);
            },
            [](const secret&) { return boost::json::value(); }};
}

}  // namespace

const table<net::tls_server_options::certificate>& certificate_table() {
    using net::tls_server_options;
    static const table<tls_server_options::certificate> made = [] {
        table<tls_server_options::certificate> t(
            "certificate", "`listen[].tls.certificates[]`",
            "Is shown to clients that ask for one of its DNS names; `*.shop.example` is for every "
            "name one level below. Several for one name: one of each type of key.");
        t.add({.name = "file",
               .text = "PEM: the certificate, then those between it and its authority.",
               .example = "shop.pem",
               .required = true},
              &tls_server_options::certificate::file, file_path("a file with certificates"));
        t.add(
            {.name = "key_file",
             .text = "PEM: its private key, without a password. In `file` too where none is said.",
             .example = "shop.key"},
            &tls_server_options::certificate::key_file, file_path("a file with a private key"));
        return t;
    }();
    return made;
}

const table<net::tls_server_options::clients>& client_certificates_table() {
    using net::tls_server_options;
    static const table<tls_server_options::clients> made = [] {
        table<tls_server_options::clients> t(
            "client_certificates", "`listen[].tls.client_certificates`",
            "Asks clients for certificates; services get them in `Client-Cert` and "
            "`Client-Cert-Chain` (RFC 9440).");
        t.add({.name = "ca_file",
               .text = "PEM: the authorities whose certificates are believed.",
               .example = "clients.pem",
               .required = true},
              &tls_server_options::clients::ca_file, file_path("a file with certificates"));
        t.add({.name = "required",
               .text = "False: who has none is let in too, and services see no such field.",
               .example = "false"},
              &tls_server_options::clients::required, boolean());
        return t;
    }();
    return made;
}

const table<net::tls_server_options>& listener_tls_table() {
    using net::tls_server_options;
    static const table<tls_server_options> made = [] {
        table<tls_server_options> t("listener_tls", "`listen[].tls`",
                                    "TLS 1.2 and 1.3 with clients ([how](tls.md)).");
        t.add({.name = "certificates",
               .text = "The first is also for clients that ask for no name, or for another one.",
               .example = "[{file: shop.pem, key_file: shop.key}]",
               .required = true},
              &tls_server_options::certificates,
              list<tls_server_options::certificate>(
                  "a list of at least one certificate such as {file: shop.pem, key_file: shop.key}",
                  section(certificate_table()), 1));
        t.add({.name = "min_version",
               .text = "`1.2`: Mozilla's intermediate profile. `1.3`: its modern one.",
               .example = "\"1.3\""},
              &tls_server_options::version_min,
              choice<net::tls_version>(
                  {{"1.2", net::tls_version::tls12}, {"1.3", net::tls_version::tls13}}));
        t.add({.name = "client_certificates",
               .text = "Without it clients are not asked for certificates.",
               .example = "{ca_file: clients.pem}"},
              &tls_server_options::client_certificates,
              optional_of(section(client_certificates_table())));
        t.add({.name = "ticket_keys",
               .text = "What session tickets are sealed with: the first seals, all of them open. "
                       "The same at all gateways, so that each resumes what another began. Without "
                       "any, a random one of this process. Best `${NAME}` from the environment.",
               .example = "[\"mK3n8Qw2Zt6Yb1Xc9Lf4Rd7Hs5Gj0Pa8\"]",
               .sensitive = true},
              &tls_server_options::ticket_keys, list<secret>("a list of keys", ticket_key()));
        return t;
    }();
    return made;
}

const table<upstream::tls_options>& upstream_tls_table() {
    using upstream::tls_options;
    static const table<tls_options> made = [] {
        table<tls_options> t("upstream_tls", "`upstreams[].tls`",
                             "For replicas whose URL begins with `https://`. Without this section "
                             "the system's authorities are trusted.");
        t.add({.name = "ca_file",
               .text = "PEM: the authorities that are trusted, in place of the system's.",
               .example = "internal.pem"},
              &tls_options::ca_file, file_path("a file with certificates"));
        t.add({.name = "name",
               .text = "The name in the replicas' certificates, where it is not the host of their "
                       "URL.",
               .example = "shop.internal"},
              &tls_options::name, text("a DNS name"));
        t.add({.name = "certificate_file",
               .text = "PEM: what the gateway shows when it is asked for a certificate, and those "
                       "between it and its authority.",
               .example = "gateway.pem"},
              &tls_options::certificate_file, file_path("a file with certificates"));
        t.add({.name = "key_file",
               .text = "PEM: the private key of `certificate_file`.",
               .example = "gateway.key"},
              &tls_options::key_file, file_path("a file with a private key"));
        t.add({.name = "verify",
               .text = "False: whoever answers is believed. Only to try something out: anybody on "
                       "the way can read and change everything.",
               .example = "false"},
              &tls_options::verify, boolean());
        return t;
    }();
    return made;
}

}  // namespace lethe::gateway::config
