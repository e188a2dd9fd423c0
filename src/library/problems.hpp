// What a service refuses by itself, before a handler is asked.
#pragma once

#include "http/problem.hpp"

namespace lethe::library::problems {

inline constexpr http::problem_type no_such_page{"no-such-page", 404, "There is nothing here"};
// The same as the gateway says for its routes.
inline constexpr http::problem_type method_not_allowed{"method-not-allowed", 405,
                                                       "The method is not allowed here"};
inline constexpr http::problem_type handler_failed{"handler-failed", 500, "The service failed"};

}  // namespace lethe::library::problems
