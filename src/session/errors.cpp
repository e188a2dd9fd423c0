#include "session/errors.hpp"

namespace lethe::session {

error_code make_error_code(errc e) noexcept {
    static constexpr error_row rows[] = {
        {int(errc::slot_changed), "a touched slot changed in the meantime", condition::conflict},
        {int(errc::no_longer_fits), "the change no longer fits the session", condition::conflict},
        {int(errc::version_changed), "the session changed in the meantime", condition::conflict},
        {int(errc::test_failed), "a test of the patch does not hold", condition::conflict},
        {int(errc::bound_left), "an increment would leave its bounds", condition::conflict},
        {int(errc::ended), "the session ended in the meantime", condition::conflict},
        {int(errc::too_large), "the session would be too large", condition::too_large},
        {int(errc::patch_malformed), "malformed session patch", condition::malformed},
        {int(errc::patch_unfit), "the session patch does not fit the session",
         condition::malformed},
        {int(errc::slot_forbidden), "the route may not write this slot", condition::denied},
        {int(errc::too_many_operations), "the session remembers as many operations as it may",
         condition::overloaded},
        {int(errc::contended), "too many concurrent changes of one session", condition::overloaded},
        {int(errc::outcome_unknown), "a session write's answer was lost",
         condition::outcome_unknown},
        {int(errc::turn_refused), "the session's turn did not come in time", condition::overloaded},
        {int(errc::turn_lost), "the session's turn was given to another", condition::conflict},
        {int(errc::corrupt), "the session's record is not what lethe wrote", condition::corrupt},
        {int(errc::not_opened), "the session does not open with this cookie", condition::denied},
        {int(errc::key_missing), "the session is sealed with a key that is not in sessions.keys",
         condition::unavailable},
        {int(errc::key_retired), "the session is sealed with a retired key", condition::conflict},
        {int(errc::stale), "the store lost changes of the session", condition::unavailable},
        {int(errc::operations_refused), "a session in cookies takes no operations",
         condition::denied},
        {int(errc::cookies_full), "the session does not fit into its cookies",
         condition::too_large},
    };
    static const table_category instance{"lethe.session", rows};
    return {static_cast<int>(e), instance};
}

}  // namespace lethe::session
