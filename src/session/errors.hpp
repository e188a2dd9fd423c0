// Why a session was not read or a change of it not made.
#pragma once

#include "base/error.hpp"

namespace lethe::session {

// Nothing was changed by any of these but outcome_unknown.
enum class errc {
    // A touched slot changed since the upstream saw it.
    slot_changed = 1,
    // The session changed since, and the upstream asked for `Lethe-Session-If: version`.
    version_changed,
    // A `test` of a JSON patch does not hold.
    test_failed,
    // An increment would leave its bounds.
    bound_left,
    // The session was destroyed, expired or replaced at login in the meantime.
    ended,
    // The session would have more bytes or slots than allowed.
    too_large,
    // A patch that is not what RFC 6902, RFC 7396 or lethe's operations allow.
    patch_malformed,
    // A well-formed patch that does not fit what it is applied to (a path that is not there).
    patch_unfit,
    // A slot that the route may not write.
    slot_forbidden,
    // As many keyed changes as the session may remember were made lately.
    too_many_operations,
    // Others changed the session again and again; worth another try.
    contended,
    // A write's answer was lost and reading again did not tell.
    outcome_unknown,
    // Too many wait for a turn at the session, or it did not come in time.
    turn_refused,
    // The turn was given to another: this gateway stood still for too long.
    turn_lost,
    // The stored record is not what this version of lethe writes.
    corrupt,
    // The record does not open with the cookie's secret.
    not_opened,
    // It is sealed with a key that is not on this gateway's ring (yet).
    key_missing,
    // It is sealed with a key that the operator retired: the session is over.
    key_retired,
    // The session is older than its cookie: the store lost changes.
    stale,
    // An operations patch for a session in the browser's cookies.
    operations_refused,
    // A session that neither fits into the cookies nor has a store to move to.
    cookies_full,
    // A well-formed patch that fitted the session as the upstream saw it, maybe, and does not now.
    no_longer_fits,
};
[[nodiscard]] error_code make_error_code(errc e) noexcept;

}  // namespace lethe::session

template <>
struct boost::system::is_error_code_enum<lethe::session::errc> : std::true_type {};
