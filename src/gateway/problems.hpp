// Refusals of the gateway itself.
#pragma once

#include "http/problem.hpp"

namespace lethe::gateway::problems {

inline constexpr http::problem_type no_route{"no-route", 404, "Nothing is served here"};
inline constexpr http::problem_type method_not_allowed{"method-not-allowed", 405,
                                                       "The method is not allowed here"};

}  // namespace lethe::gateway::problems
