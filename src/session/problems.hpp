// What a client can meet at a route with a session; each has a page in docs/problems/.
#pragma once

#include "http/problem.hpp"

namespace lethe::session::problems {

inline constexpr http::problem_type conflict{"session-conflict", 409,
                                             "The session changed while the request ran"};
inline constexpr http::problem_type unavailable{"session-unavailable", 503,
                                                "The session cannot be reached now"};
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

}  // namespace lethe::session::problems
