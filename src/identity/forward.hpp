// Verified claims as fields for the upstream, and forged ones taken away (rule E3).
#pragma once

#include "base/arena.hpp"
#include "http/fields.hpp"
#include "identity/options.hpp"

#include <boost/json/object.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::identity {

inline constexpr std::size_t forwarded_bytes_max = 4 * 1024;

// Whether a backend could take one name for the other: case does not count, and what is neither a
// letter nor a digit is all the same (CGI makes '_' of it).
[[nodiscard]] bool is_same_identity_field(std::string_view a, std::string_view b) noexcept;

// Every field that any of the routes sets, each once.
[[nodiscard]] std::vector<std::string> forwarded_fields(
    std::span<const authenticate_options> routes);
// Removes those fields in all their spellings. To be called for every request, whatever its route:
// a backend believes them wherever it meets them. Answers how many went away.
std::size_t strip_identity_fields(http::fields& header, std::span<const std::string> names);

// The claim that a forward option names; null when there is none.
[[nodiscard]] const boost::json::value* find_claim(const boost::json::object& claims,
                                                   std::string_view name) noexcept;
// A claim as a field's value, in `memory`: strings, numbers, booleans, lists of strings. nullopt
// for what no field can carry faithfully: control bytes, white space at an end, a list's member
// that holds the separator, anything empty, nested or longer than forwarded_bytes_max.
[[nodiscard]] std::optional<std::string_view> to_field_value(const boost::json::value& claim,
                                                             std::string_view list_separator,
                                                             arena& memory);

}  // namespace lethe::identity
