#include "lethe/errors.hpp"

#include "base/error.hpp"

namespace lethe {
inline namespace v1 {

boost::system::error_code make_error_code(service_errc e) noexcept {
    static constexpr error_row rows[] = {
        {static_cast<int>(service_errc::cannot_listen), "the service cannot listen on the address",
         condition::unavailable},
        {static_cast<int>(service_errc::address_in_use), "another process listens on the address",
         condition::conflict},
        {static_cast<int>(service_errc::already_running), "the service has been run already",
         condition::conflict},
        {static_cast<int>(service_errc::bad_route), "a route's method or pattern is not one",
         condition::malformed},
        {static_cast<int>(service_errc::pool_full), "all threads for blocking work are busy",
         condition::overloaded},
        {static_cast<int>(service_errc::no_pool), "not in a handler of a running service",
         condition::unavailable},
        {static_cast<int>(service_errc::malformed_field), "a field of lethe's is malformed",
         condition::malformed},
        {static_cast<int>(service_errc::session_elsewhere), "the session is too large for a field",
         condition::too_large},
        {static_cast<int>(service_errc::no_value), "there is no such value", condition::not_found},
        {static_cast<int>(service_errc::wrong_type), "the value is of another type",
         condition::malformed},
        {static_cast<int>(service_errc::malformed_json), "not JSON", condition::malformed},
        {static_cast<int>(service_errc::no_session_url), "the request has no Lethe-Session-Url",
         condition::not_found},
        {static_cast<int>(service_errc::session_gone), "the session has ended",
         condition::not_found},
        {static_cast<int>(service_errc::session_conflict), "others have changed the session",
         condition::conflict},
        {static_cast<int>(service_errc::session_refused), "the session cannot be changed so",
         condition::denied},
        {static_cast<int>(service_errc::session_away), "the session cannot be reached now",
         condition::unavailable},
        {static_cast<int>(service_errc::session_unknown),
         "it is not known whether the session was changed", condition::outcome_unknown},
    };
    static const table_category category{"lethe.service", rows};
    return {static_cast<int>(e), category};
}

}  // namespace v1
}  // namespace lethe
