// Structured field values (RFC 9651): items, lists, dictionaries and their parameters, parsed
// strictly and written canonically. No I/O.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace lethe::http::structured {

struct token {
    std::string text;
    bool operator==(const token&) const = default;
};
struct bytes {
    std::string data;
    bool operator==(const bytes&) const = default;
};
// Thousandths: Decimals have at most 12 digits before the point and 3 behind it.
struct decimal {
    std::int64_t thousandths = 0;
    bool operator==(const decimal&) const = default;
};
// Seconds since 1970-01-01T00:00:00Z.
struct date {
    std::int64_t seconds = 0;
    bool operator==(const date&) const = default;
};
struct display_string {
    std::string text;  // UTF-8
    bool operator==(const display_string&) const = default;
};

using bare_item =
    std::variant<std::int64_t, decimal, std::string, token, bytes, bool, date, display_string>;
// In order; a repeated key keeps the last value at the first's place.
using parameters = std::vector<std::pair<std::string, bare_item>>;

struct item {
    bare_item value;
    parameters params;
    bool operator==(const item&) const = default;
};
struct inner_list {
    std::vector<item> items;
    parameters params;
    bool operator==(const inner_list&) const = default;
};
using member = std::variant<item, inner_list>;
using list = std::vector<member>;
using dictionary = std::vector<std::pair<std::string, member>>;

// Several lines of one field are joined with ", " before (fields::combined).
[[nodiscard]] result<item> parse_item(std::string_view text);
[[nodiscard]] result<list> parse_list(std::string_view text);
[[nodiscard]] result<dictionary> parse_dictionary(std::string_view text);

// Malformed when a value cannot be expressed (a token with spaces, an integer of 16 digits).
[[nodiscard]] result<std::string> to_text(const item& value);
[[nodiscard]] result<std::string> to_text(const list& value);
[[nodiscard]] result<std::string> to_text(const dictionary& value);

[[nodiscard]] const bare_item* find_parameter(const parameters& params,
                                              std::string_view key) noexcept;

}  // namespace lethe::http::structured
