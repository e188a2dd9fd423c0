// What each byte may be in a message: looked up, never branched on. Insides of http.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace lethe::http::detail {

enum token_class : std::uint8_t { not_token = 0, plain_token = 1, underscore = 2 };

// RFC 9110 section 5.6.2. The underscore stands apart: CGI cannot tell it from a hyphen.
inline constexpr auto token_table = [] {
    std::array<std::uint8_t, 256> out{};
    for (std::size_t c = '0'; c <= '9'; ++c) out[c] = plain_token;
    for (std::size_t c = 'a'; c <= 'z'; ++c) out[c] = plain_token;
    for (std::size_t c = 'A'; c <= 'Z'; ++c) out[c] = plain_token;
    for (const char c : {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '`', '|', '~'})
        out[static_cast<unsigned char>(c)] = plain_token;
    out['_'] = underscore;
    return out;
}();

[[nodiscard]] constexpr bool is_token_byte(unsigned char c) noexcept {
    return token_table[c] != not_token;
}
// RFC 9110 section 5.5: HTAB, SP, VCHAR and obs-text.
[[nodiscard]] constexpr bool is_value_byte(unsigned char c) noexcept {
    return (c >= 0x20 && c != 0x7f) || c == '\t';
}
[[nodiscard]] constexpr bool is_space(unsigned char c) noexcept {
    return c == ' ' || c == '\t';
}

}  // namespace lethe::http::detail
