#include "net/errors.hpp"

namespace lethe::net {

error_code make_error_code(errc e) noexcept {
    static constexpr error_row rows[] = {
        {int(errc::unknown_host), "the host name does not resolve", condition::unavailable},
        {int(errc::connect_failed), "the connection could not be made", condition::unavailable},
        {int(errc::connection_lost), "the connection was lost", condition::unavailable},
        {int(errc::timeout), "the peer was too slow", condition::timeout},
        {int(errc::cancelled), "cancelled", condition::cancelled},
        {int(errc::address_in_use), "the address is in use by another process",
         condition::conflict},
        {int(errc::cannot_listen), "cannot listen on the address", condition::denied},
        {int(errc::not_inherited), "the service manager passed no such listening socket",
         condition::not_found},
        {int(errc::out_of_descriptors), "no file descriptor is left", condition::overloaded},
        {int(errc::tls_failed), "TLS could not be agreed on with the peer", condition::unavailable},
        {int(errc::tls_untrusted), "the peer's certificate is from no authority that is trusted",
         condition::unavailable},
        {int(errc::tls_wrong_name), "the peer's certificate is for another name",
         condition::unavailable},
        {int(errc::tls_expired), "the peer's certificate is expired or not yet valid",
         condition::unavailable},
        {int(errc::tls_refused),
         "the peer refused TLS: it wants a client certificate or does not accept the one it got",
         condition::unavailable},
        {int(errc::plain_http), "the client speaks plain HTTP, not TLS", condition::malformed},
        {int(errc::proxy_header_malformed), "the connection does not begin with a PROXY header",
         condition::malformed},
        {int(errc::name_server_failed), "no name server answered the question",
         condition::unavailable},
        {int(errc::name_answer_malformed), "the name server's answer cannot be read",
         condition::malformed},
    };
    static const table_category instance{"lethe.net", rows};
    return {static_cast<int>(e), instance};
}

}  // namespace lethe::net
