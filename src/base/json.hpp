// JSON from outside, read strictly: no duplicate members, bounded depth and size, valid UTF-8, no
// trailing bytes. Boost.JSON's own DOM parser keeps the last duplicate, which lets two readers of
// one text see two different things.
#pragma once

#include "base/error.hpp"

#include <boost/json/value.hpp>

#include <cstddef>
#include <string_view>

namespace lethe::json {

struct limits {
    std::size_t bytes_max = 1024 * 1024;
    std::size_t depth_max = 32;
};

// condition::malformed, or condition::too_large above a limit.
[[nodiscard]] result<boost::json::value> parse(std::string_view text, limits bounds = {});
// The same, and the value must be an object.
[[nodiscard]] result<boost::json::object> parse_object(std::string_view text, limits bounds = {});
// One text for all texts that say the same (RFC 8785): members in the order of their UTF-16 names,
// no white space, numbers as ECMAScript writes them. Other than there, an integer of 64 bits that a
// double cannot hold keeps its digits, so that two of them stay different.
[[nodiscard]] std::string canonical_text(const boost::json::value& value);
[[nodiscard]] std::string to_text(const boost::json::value& value);
// For people, and for version control, which compares lines; with a newline at its end.
[[nodiscard]] std::string to_indented_text(const boost::json::value& value);

}  // namespace lethe::json
