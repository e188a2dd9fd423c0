// What a caller reads who is not let in.
#pragma once

#include "http/problem.hpp"

namespace lethe::identity {

inline constexpr http::problem_type authentication_required{"authentication-required", 401,
                                                            "This needs an access token"};
inline constexpr http::problem_type invalid_credentials{"invalid-credentials", 400,
                                                        "The Authorization field cannot be read"};
inline constexpr http::problem_type invalid_token{"invalid-token", 401,
                                                  "The access token is not valid"};
inline constexpr http::problem_type insufficient_scope{"insufficient-scope", 403,
                                                       "The access token does not allow this"};
inline constexpr http::problem_type identity_unavailable{
    "identity-unavailable", 503, "Access tokens cannot be checked right now"};

}  // namespace lethe::identity
