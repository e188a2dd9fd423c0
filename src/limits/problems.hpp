// What a client reads that sends too much.
#pragma once

#include "http/problem.hpp"

namespace lethe::limits::problems {

inline constexpr http::problem_type rate_exceeded{"rate-exceeded", 429, "Too many requests"};
inline constexpr http::problem_type count_unavailable{"rate-count-unavailable", 503,
                                                      "Requests cannot be counted right now"};

}  // namespace lethe::limits::problems
