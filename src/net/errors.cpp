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
        {int(errc::out_of_descriptors), "no file descriptor is left", condition::overloaded},
    };
    static const table_category instance{"lethe.net", rows};
    return {static_cast<int>(e), instance};
}

}  // namespace lethe::net
