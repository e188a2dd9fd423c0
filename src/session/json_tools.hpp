// Small questions about JSON values. All recursion is bounded by the parser's depth limit and by
// slot_depth_max.
#pragma once

#include <boost/json/value.hpp>

#include <cstddef>

namespace lethe::session {

// RFC 6902 section 4.6: numbers by value, objects whatever the order of their members.
[[nodiscard]] bool equal_json(const boost::json::value& a, const boost::json::value& b) noexcept;
// Nested containers: 0 for a scalar, 1 for [] and {}.
[[nodiscard]] std::size_t depth_of(const boost::json::value& value) noexcept;
// False when a number was too large for a double: it was read as infinity, which JSON cannot write.
[[nodiscard]] bool all_finite(const boost::json::value& value) noexcept;
// About the bytes of its text; for budgets.
[[nodiscard]] std::size_t weight_of(const boost::json::value& value) noexcept;

}  // namespace lethe::session
