// The way of Wojciech Muła and Daniel Lemire: "Faster Base64 Encoding and Decoding using AVX2
// Instructions" (ACM Transactions on the Web 12:3, 2018), for the alphabet of URLs, too.
#include "base/base64_wide.hpp"

#if defined(__x86_64__)
#include <tmmintrin.h>
#endif

namespace lethe::detail {

#if defined(__x86_64__)
namespace {

#define LETHE_SSSE3 __attribute__((target("ssse3")))

bool has_ssse3() noexcept {
    static const bool has = __builtin_cpu_supports("ssse3") != 0;
    return has;
}

// Twelve bytes to sixteen numbers of six bits.
LETHE_SSSE3 __m128i to_sixes(__m128i bytes) noexcept {
    const __m128i spread =
        _mm_shuffle_epi8(bytes, _mm_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10));
    const __m128i first_and_third = _mm_mulhi_epu16(
        _mm_and_si128(spread, _mm_set1_epi32(0x0fc0fc00)), _mm_set1_epi32(0x04000040));
    const __m128i second_and_fourth = _mm_mullo_epi16(
        _mm_and_si128(spread, _mm_set1_epi32(0x003f03f0)), _mm_set1_epi32(0x01000010));
    return _mm_or_si128(first_and_third, second_and_fourth);
}

LETHE_SSSE3 base64_progress encode_ssse3(const unsigned char* bytes, std::size_t size, char* to,
                                         char letter_62, char letter_63) noexcept {
    // What is added to a number to make its letter: 0 for those of 'a', then the ten digits, the
    // last two letters, and 13 for those of 'A'.
    const auto digit = static_cast<char>('0' - 52);
    const __m128i offsets = _mm_setr_epi8('a' - 26, digit, digit, digit, digit, digit, digit, digit,
                                          digit, digit, digit, static_cast<char>(letter_62 - 62),
                                          static_cast<char>(letter_63 - 63), 'A', 0, 0);
    base64_progress at;
    // Each step reads sixteen bytes and uses twelve.
    for (; size - at.read >= 16; at.read += 12, at.written += 16) {
        const __m128i sixes =
            to_sixes(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + at.read)));
        const __m128i upper = _mm_cmpgt_epi8(_mm_set1_epi8(26), sixes);
        const __m128i which = _mm_or_si128(_mm_subs_epu8(sixes, _mm_set1_epi8(51)),
                                           _mm_and_si128(upper, _mm_set1_epi8(13)));
        const __m128i letters = _mm_add_epi8(sixes, _mm_shuffle_epi8(offsets, which));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to + at.written), letters);
    }
    return at;
}

// Letters by their upper and lower four bits: a letter is one where the two have no bit in common.
LETHE_SSSE3 base64_progress decode_ssse3(const unsigned char* text, std::size_t size,
                                         char* to) noexcept {
    constexpr char not_dash = 1;    // 0x2-: '-' alone
    constexpr char not_digit = 2;   // 0x3-: '0' to '9'
    constexpr char not_a_to_o = 4;  // 0x4- and 0x6-: all but the first
    constexpr char not_p_to_z = 8;  // 0x5-: 'P' to 'Z' and '_'
    constexpr char not_small = 16;  // 0x7-: 'p' to 'z'
    constexpr char never = 32;
    const __m128i by_upper =
        _mm_setr_epi8(never, never, not_dash, not_digit, not_a_to_o, not_p_to_z, not_a_to_o,
                      not_small, never, never, never, never, never, never, never, never);
    constexpr char low = never | not_dash;
    constexpr char above = low | not_digit;
    const __m128i by_lower =
        _mm_setr_epi8(low | not_a_to_o, low, low, low, low, low, low, low, low, low,  // 0 to 9
                      above,                                                          // a
                      above | not_p_to_z | not_small,                                 // b
                      above | not_p_to_z | not_small,                                 // c
                      never | not_digit | not_p_to_z | not_small,                     // d: '-'
                      above | not_p_to_z | not_small,                                 // e
                      above | not_small);                                             // f: '_'
    const __m128i offsets = _mm_setr_epi8(0, 0, 62 - '-', 52 - '0', -'A', -'A', 26 - 'a', 26 - 'a',
                                          63 - '_', 0, 0, 0, 0, 0, 0, 0);
    const __m128i four_bits = _mm_set1_epi8(0x0f);
    base64_progress at;
    // Each step writes sixteen bytes, of which twelve count.
    for (; size - at.read >= 22; at.read += 16, at.written += 12) {
        const __m128i letters = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + at.read));
        const __m128i upper = _mm_and_si128(_mm_srli_epi32(letters, 4), four_bits);
        const __m128i lower = _mm_and_si128(letters, four_bits);
        const __m128i wrong =
            _mm_and_si128(_mm_shuffle_epi8(by_upper, upper), _mm_shuffle_epi8(by_lower, lower));
        if (_mm_movemask_epi8(_mm_cmpeq_epi8(wrong, _mm_setzero_si128())) != 0xffff) break;
        const __m128i last = _mm_cmpeq_epi8(letters, _mm_set1_epi8('_'));
        const __m128i which = _mm_add_epi8(upper, _mm_and_si128(last, _mm_set1_epi8(3)));
        const __m128i sixes = _mm_add_epi8(letters, _mm_shuffle_epi8(offsets, which));
        const __m128i pairs = _mm_maddubs_epi16(sixes, _mm_set1_epi32(0x01400140));
        const __m128i threes = _mm_madd_epi16(pairs, _mm_set1_epi32(0x00011000));
        const __m128i bytes = _mm_shuffle_epi8(
            threes, _mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to + at.written), bytes);
    }
    return at;
}

}  // namespace

base64_progress encode_wide(const unsigned char* bytes, std::size_t size, char* to, char letter_62,
                            char letter_63) noexcept {
    if (!has_ssse3()) return {};
    return encode_ssse3(bytes, size, to, letter_62, letter_63);
}
base64_progress decode_url_wide(const unsigned char* text, std::size_t size, char* to) noexcept {
    if (!has_ssse3()) return {};
    return decode_ssse3(text, size, to);
}

#else

base64_progress encode_wide(const unsigned char*, std::size_t, char*, char, char) noexcept {
    return {};
}
base64_progress decode_url_wide(const unsigned char*, std::size_t, char*) noexcept {
    return {};
}

#endif

}  // namespace lethe::detail
