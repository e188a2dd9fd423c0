#include "http/errors.hpp"

namespace lethe::http {

error_code make_error_code(errc e) noexcept {
    static constexpr error_row rows[] = {
        {int(errc::truncated), "the connection ended inside a message", condition::unavailable},
        {int(errc::malformed), "malformed HTTP message", condition::malformed},
        {int(errc::head_too_large), "the message's head is too large", condition::too_large},
        {int(errc::too_many_fields), "the message has too many fields", condition::too_large},
        {int(errc::target_too_long), "the request target is too long", condition::too_large},
        {int(errc::body_too_large), "the body is too large", condition::too_large},
        {int(errc::unsupported_transfer_coding), "unsupported transfer coding",
         condition::malformed},
        {int(errc::unsupported_version), "unsupported HTTP version", condition::malformed},
        {int(errc::unsupported_method), "unsupported method", condition::malformed},
        {int(errc::unsupported_expectation), "unsupported expectation", condition::malformed},
        {int(errc::too_costly), "frames that cost more than they are good for",
         condition::overloaded},
        {int(errc::timeout), "the peer was too slow", condition::timeout},
        {int(errc::cancelled), "cancelled", condition::cancelled},
        {int(errc::no_room), "there is no room for the body", condition::overloaded},
    };
    static const table_category instance{"lethe.http", rows};
    return {static_cast<int>(e), instance};
}

}  // namespace lethe::http
