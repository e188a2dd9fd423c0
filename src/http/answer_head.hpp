// What of an answer's head is sent to the client, the same by HTTP/1.1 and HTTP/2.
#pragma once

#include "http/exchange.hpp"
#include "http/problem.hpp"

#include <cstdint>
#include <optional>

namespace lethe::http {

// HEAD, 204, 304 and interim answers (RFC 9110 section 6.4.1).
[[nodiscard]] bool answer_has_no_body(const exchange& x) noexcept;
// Whether the field goes to the client as it stands. Lengths of bodies are said anew.
[[nodiscard]] bool is_sent(const exchange& x, const field_line& line) noexcept;
// The Content-Length to say; nullopt: none.
[[nodiscard]] std::optional<std::uint64_t> length_to_say(const exchange& x) noexcept;
// The answer's body when all of it is at hand, "" when there is none.
[[nodiscard]] std::optional<std::string_view> whole_answer(const exchange& x) noexcept;

// The refusal of a request that cannot be read.
[[nodiscard]] const problem_type& problem_of(const error_code& error);

}  // namespace lethe::http
