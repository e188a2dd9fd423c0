// As much of GraphQL (October 2021) as tells what a document's operations are and what makes two
// documents the same.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::idempotency::graphql {

inline constexpr std::size_t document_bytes_max = 1024 * 1024;
inline constexpr std::size_t depth_max = 128;

enum class operation_kind : std::uint8_t { query, mutation, subscription };

// The argument `key` of a directive @idempotent.
struct key_argument {
    bool is_variable = false;
    std::string text;  // the string, or the variable's name
};

struct operation {
    operation_kind kind = operation_kind::query;
    std::string name;                // "" for an anonymous one
    std::vector<key_argument> keys;  // in the order of the document, from all its levels
};

struct document {
    std::vector<operation> operations;
    // The tokens with one space between them: white space, commas and comments mean nothing.
    std::string normalised;
};

// errc::graphql_malformed for what is not an executable document, errc::graphql_too_large above a
// limit.
[[nodiscard]] result<document> parse_document(std::string_view text);

}  // namespace lethe::idempotency::graphql
