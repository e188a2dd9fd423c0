// What a service refuses by itself, before a handler is asked.
#pragma once

#include "http/problem.hpp"

namespace lethe::library::problems {

inline constexpr http::problem_type no_such_page{"no-such-page", 404, "There is nothing here"};
// The same as the gateway says for its routes.
inline constexpr http::problem_type method_not_allowed{"method-not-allowed", 405,
                                                       "The method is not allowed here"};
inline constexpr http::problem_type handler_failed{"handler-failed", 500, "The service failed"};
inline constexpr http::problem_type database_unavailable{"database-unavailable", 503,
                                                         "The service's database is away"};
inline constexpr http::problem_type attempt_superseded{
    "attempt-superseded", 409, "A later attempt of this request has been made"};

}  // namespace lethe::library::problems
