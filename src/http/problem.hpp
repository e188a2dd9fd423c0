// What a client reads when something is refused: problem details (RFC 9457), never a stack, a key,
// a token or a backend's address.
#pragma once

#include "http/exchange.hpp"

#include <chrono>
#include <optional>
#include <string_view>

namespace lethe::http {

// Each has a page docs/problems/<slug>.md: what happened, why, what to do. Types stand as constexpr
// values in the problems.hpp of the folder that refuses; a lint finds those without a page.
struct problem_type {
    std::string_view slug;  // "outcome-unknown"; the document's type is "urn:lethe:problem:<slug>"
    int status = 500;
    std::string_view title;  // the same for every occurrence
};

struct problem_options {
    std::string_view detail = {};  // about this occurrence; safe for the client to read
    std::optional<std::chrono::seconds> retry_after = {};
};

// Sets status, Content-Type, Cache-Control: no-store and a JSON body; drops an earlier answer's
// header and body.
void answer_problem(exchange& x, const problem_type& type, problem_options options = {});

}  // namespace lethe::http
