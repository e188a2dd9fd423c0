// GraphQL's lexical tokens (October 2021, section 2.1).
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace lethe::idempotency::graphql {

enum class token_kind : std::uint8_t { end, punctuator, name, number, string, block_string };

struct token {
    token_kind kind = token_kind::end;
    std::string_view text;  // as it stands, with its quotes

    [[nodiscard]] bool is(std::string_view wanted) const noexcept {
        return (kind == token_kind::punctuator || kind == token_kind::name) && text == wanted;
    }
};

class lexer {
 public:
    explicit lexer(std::string_view text) : rest_(text) {}
    // errc::graphql_malformed; after `end` always `end`.
    [[nodiscard]] result<token> next();

 private:
    void skip_ignored();
    [[nodiscard]] token take(token_kind kind, std::size_t bytes);
    [[nodiscard]] result<token> take_number();
    [[nodiscard]] result<token> take_string();
    [[nodiscard]] result<token> take_block_string();

    std::string_view rest_;
};

// What a string token says.
[[nodiscard]] result<std::string> string_value(const token& of);

}  // namespace lethe::idempotency::graphql
