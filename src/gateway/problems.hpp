// Refusals of the gateway itself.
#pragma once

#include "http/problem.hpp"

namespace lethe::gateway::problems {

inline constexpr http::problem_type no_route{"no-route", 404, "Nothing is served here"};
inline constexpr http::problem_type api_token_required{"api-token-required", 401,
                                                       "This call needs the gateway's API token"};
inline constexpr http::problem_type api_unavailable{"api-unavailable", 503,
                                                    "A store cannot be used now"};
inline constexpr http::problem_type memory_short{"memory-short", 503,
                                                 "The gateway is short of memory"};
inline constexpr http::problem_type method_not_allowed{"method-not-allowed", 405,
                                                       "The method is not allowed here"};

}  // namespace lethe::gateway::problems
