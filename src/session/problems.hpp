// What a client can meet at a route with a session; each has a page in docs/problems/.
#pragma once

#include "http/problem.hpp"

namespace lethe::session::problems {

inline constexpr http::problem_type conflict{"session-conflict", 409,
                                             "The session changed while the request ran"};
inline constexpr http::problem_type unavailable{"session-unavailable", 503,
                                                "The session cannot be reached now"};
inline constexpr http::problem_type busy{"session-busy", 503,
                                         "Other requests of the session come first"};
inline constexpr http::problem_type outcome_unknown{
    "session-outcome-unknown", 503, "It is not known whether the session was changed"};
inline constexpr http::problem_type too_large{"session-too-large", 413,
                                              "The session would be too large"};
inline constexpr http::problem_type operations_full{"session-operations-full", 429,
                                                    "Too many keyed changes of one session"};
inline constexpr http::problem_type required{"session-required", 403, "This needs a session"};
inline constexpr http::problem_type patch_malformed{
    "session-patch-malformed", 502, "The service answered with a malformed session change"};
inline constexpr http::problem_type slot_forbidden{
    "session-slot-forbidden", 502, "The service changed what its route may not change"};
inline constexpr http::problem_type stale{"session-stale", 503,
                                          "The session's last changes cannot be read"};
inline constexpr http::problem_type operations_refused{
    "session-operations-refused", 502, "The session is in cookies, which take no operations"};

// What a service can meet at a Lethe-Session-Url, besides the above.
inline constexpr http::problem_type handle_unknown{"session-handle-unknown", 404,
                                                   "There is no such session URL (any more)"};
inline constexpr http::problem_type gone{"session-gone", 410, "The session has ended"};
inline constexpr http::problem_type slot_not_writable{"session-slot-not-writable", 403,
                                                      "The route may not write this slot"};
inline constexpr http::problem_type precondition_failed{
    "session-precondition-failed", 412, "The session changed since the version in If-Match"};
inline constexpr http::problem_type change_type_unknown{
    "session-change-type-unknown", 415, "The media type is none of a session's changes"};
inline constexpr http::problem_type change_malformed{"session-change-malformed", 400,
                                                     "The session change is malformed"};
inline constexpr http::problem_type change_unfit{"session-change-unfit", 422,
                                                 "The session change does not fit the session"};

}  // namespace lethe::session::problems
