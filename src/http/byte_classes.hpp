// What each byte may be in a message: looked up, never branched on. Insides of http.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

// Where the loops below may begin: nothing of a kind lies before the answer. Sixteen bytes at a
// time where the processor can, else eight.
#ifdef __SSE2__
template <class Hits>
[[nodiscard]] inline const char* skip_blocks(const char* at, const char* end, Hits hits) noexcept {
    for (; end - at >= 16; at += 16) {
        const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
        const auto found = static_cast<unsigned>(_mm_movemask_epi8(hits(block)));
        if (found != 0) return at + std::countr_zero(found);
    }
    return at;
}

// The first control byte, HTAB among them, or less than a block from the end.
[[nodiscard]] inline const char* skip_no_controls(const char* at, const char* end) noexcept {
    return skip_blocks(at, end, [](__m128i block) noexcept {
        const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
        return _mm_or_si128(low, _mm_cmpeq_epi8(block, _mm_set1_epi8(0x7f)));
    });
}

// The first CR or LF, or less than a block from the end.
[[nodiscard]] inline const char* skip_no_line_breaks(const char* at, const char* end) noexcept {
    return skip_blocks(at, end, [](__m128i block) noexcept {
        return _mm_or_si128(_mm_cmpeq_epi8(block, _mm_set1_epi8('\r')),
                            _mm_cmpeq_epi8(block, _mm_set1_epi8('\n')));
    });
}
// The first byte that is neither a letter nor a hyphen, as nearly all of a field's name are, or
// less than a block from the end.
[[nodiscard]] inline const char* skip_usual_name(const char* at, const char* end) noexcept {
    return skip_blocks(at, end, [](__m128i block) noexcept {
        const __m128i place =
            _mm_sub_epi8(_mm_or_si128(block, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
        const __m128i letter = _mm_cmpeq_epi8(_mm_min_epu8(place, _mm_set1_epi8(25)), place);
        const __m128i usual = _mm_or_si128(letter, _mm_cmpeq_epi8(block, _mm_set1_epi8('-')));
        return _mm_cmpeq_epi8(usual, _mm_setzero_si128());
    });
}
#else
[[nodiscard]] inline const char* skip_no_controls(const char* at, const char* end) noexcept {
    constexpr std::uint64_t ones = 0x0101010101010101;
    if constexpr (std::endian::native == std::endian::little) {
        for (; end - at >= 8; at += 8) {
            std::uint64_t word = 0;
            std::memcpy(&word, at, sizeof word);
            const std::uint64_t deletes = word ^ (ones * 0x7f);
            // Per byte, exact up to the lowest hit: below 0x20, or 0x7f.
            const std::uint64_t hits =
                (((word - ones * 0x20) & ~word) | ((deletes - ones) & ~deletes)) & (ones * 0x80);
            if (hits != 0) return at + std::countr_zero(hits) / 8;
        }
    }
    return at;
}

[[nodiscard]] inline const char* skip_no_line_breaks(const char* at, const char*) noexcept {
    return at;
}

[[nodiscard]] inline const char* skip_usual_name(const char* at, const char*) noexcept {
    return at;
}
#endif

}  // namespace lethe::http::detail
