// Refusals and failures on the way to a replica.
#pragma once

#include "http/problem.hpp"

namespace lethe::upstream::problems {

inline constexpr http::problem_type unavailable{"upstream-unavailable", 503,
                                                "No replica can be reached"};
inline constexpr http::problem_type overloaded{"upstream-overloaded", 503, "The replicas are busy"};
inline constexpr http::problem_type broke_off{"upstream-broke-off", 502,
                                              "The replica gave no valid answer"};
inline constexpr http::problem_type timed_out{"upstream-timeout", 504,
                                              "The replica did not answer in time"};

}  // namespace lethe::upstream::problems
