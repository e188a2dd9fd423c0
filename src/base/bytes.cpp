// SHA-256 is OpenSSL's, which uses the CPU's instructions for it, by its oldest interface: a hash
// of a few dozen bytes costs less than the newer one takes to begin.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/bytes.hpp"

#include <openssl/sha.h>
#include <sodium.h>

#include <algorithm>
#include <cstring>

namespace lethe {
namespace {

enum class errc { malformed_encoding = 1 };

const boost::system::error_category& category() {
    static constexpr error_row rows[] = {
        {int(errc::malformed_encoding), "not a valid encoding of bytes", condition::malformed}};
    static const table_category instance{"lethe.bytes", rows};
    return instance;
}

error_code make_error_code(errc e) {
    return {static_cast<int>(e), category()};
}

const unsigned char* raw(std::string_view s) {
    return reinterpret_cast<const unsigned char*>(s.data());
}

// The two alphabets differ in their last two letters. Letters and values are computed, not looked
// up: what is encoded may be a secret, and must show in no time and no cache line.
struct alphabet {
    unsigned char letter_62;
    unsigned char letter_63;
    bool padded;
};
constexpr alphabet plain_alphabet{'+', '/', true};
constexpr alphabet url_alphabet{'-', '_', false};

// All bits where it holds, else none; for numbers below 2^24.
constexpr unsigned if_greater(unsigned a, unsigned b) noexcept {
    return 0U - ((b - a) >> 31);
}
constexpr unsigned if_equal(unsigned a, unsigned b) noexcept {
    return ~(if_greater(a, b) | if_greater(b, a));
}

constexpr char letter_of(unsigned six_bits, const alphabet& in) noexcept {
    constexpr unsigned after_digits = '0' - 52U;  // below zero: wraps
    unsigned out = six_bits + 'A';
    out += if_greater(six_bits, 25) & ('a' - 26U - 'A');
    out -= if_greater(six_bits, 51) & ('a' - 26U - after_digits);
    out += if_equal(six_bits, 62) & (in.letter_62 - (after_digits + 62));
    out += if_equal(six_bits, 63) & (in.letter_63 - (after_digits + 63));
    return static_cast<char>(out);
}

// Letters that are decoded at once.
constexpr std::size_t at_once = 16;
using letters = unsigned char __attribute__((vector_size(at_once)));

// Of each its value; `wrong` keeps bits where one is no letter.
letters values_of(letters text, const alphabet& in, letters& wrong) noexcept {
    const auto between = [text](unsigned char first, unsigned char last) {
        return letters((text >= first) & (text <= last));
    };
    const letters upper = between('A', 'Z');
    const letters lower = between('a', 'z');
    const letters digit = between('0', '9');
    const letters last_but_one = letters(text == in.letter_62);
    const letters last = letters(text == in.letter_63);
    wrong |= ~(upper | lower | digit | last_but_one | last);
    return (upper & (text - 'A')) | (lower & (text - ('a' - 26))) | (digit & (text + (52 - '0'))) |
           (last_but_one & 62) | (last & 63);
}

std::string encode_base64(std::string_view bytes, const alphabet& in) {
    const std::size_t left = bytes.size() % 3;
    const std::size_t whole = bytes.size() / 3 * 4;
    std::string out(whole + (left == 0 ? 0 : in.padded ? 4 : left + 1), '=');
    const unsigned char* from = raw(bytes);
    char* to = out.data();
    for (std::size_t i = 0; i < bytes.size() / 3; ++i, from += 3, to += 4) {
        const unsigned group = unsigned{from[0]} << 16 | unsigned{from[1]} << 8 | from[2];
        for (unsigned k = 0; k < 4; ++k) to[k] = letter_of(group >> (18 - 6 * k) & 63, in);
    }
    if (left == 0) return out;
    const unsigned group = unsigned{from[0]} << 16 | (left == 2 ? unsigned{from[1]} << 8 : 0U);
    for (unsigned k = 0; k <= left; ++k) to[k] = letter_of(group >> (18 - 6 * k) & 63, in);
    return out;
}

// Strict: padding where it belongs and nowhere else, unused bits zero. (libsodium's takes some
// bytes above ASCII for digits: a token would have several spellings.)
result<std::string> decode_base64(std::string_view text, const alphabet& in) {
    if (in.padded) {
        if (text.size() % 4 != 0) return LETHE_ERR(errc::malformed_encoding);
        const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
        text.remove_suffix(padding);
    }
    const std::size_t left = text.size() % 4;
    if (left == 1) return LETHE_ERR(errc::malformed_encoding);
    // In whole groups, of which the last may be cut off below.
    std::string out((text.size() + 3) / 4 * 3, '\0');
    char* to = out.data();
    letters wrong{};
    for (std::size_t at = 0; at < text.size(); at += at_once) {
        const std::size_t count = std::min(text.size() - at, at_once);
        unsigned char piece[at_once];
        std::memset(piece, 'A', sizeof piece);  // whose value is 0
        std::memcpy(piece, text.data() + at, count);
        letters all;
        std::memcpy(&all, piece, sizeof all);
        all = values_of(all, in, wrong);
        std::memcpy(piece, &all, sizeof all);
        for (std::size_t k = 0; k < count; k += 4) {
            const unsigned group = unsigned{piece[k]} << 18 | unsigned{piece[k + 1]} << 12 |
                                   unsigned{piece[k + 2]} << 6 | piece[k + 3];
            for (const unsigned shift : {16U, 8U, 0U})
                *to++ = static_cast<char>(group >> shift & 255);
        }
    }
    unsigned char bad = 0;
    for (std::size_t i = 0; i < at_once; ++i) bad |= wrong[i];
    const std::size_t size = text.size() / 4 * 3 + (left == 0 ? 0 : left - 1);
    for (const char unused : std::string_view(out).substr(size))
        bad |= static_cast<unsigned char>(unused);
    if (bad != 0) return LETHE_ERR(errc::malformed_encoding);
    out.resize(size);
    return out;
}

SHA256_CTX* state_of(std::array<unsigned char, 128>& storage) {
    static_assert(sizeof(SHA256_CTX) <= 128);
    return reinterpret_cast<SHA256_CTX*>(storage.data());
}

char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

}  // namespace

std::string to_hex(std::string_view bytes) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string out(bytes.size() * 2, '\0');
    char* to = out.data();
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        *to++ = digits[byte >> 4];
        *to++ = digits[byte & 15];
    }
    return out;
}

result<std::string> from_hex(std::string_view text) {
    const auto digit = [](char c) {
        if (c >= '0' && c <= '9') return c - '0';
        const char l = lower(c);
        return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
    };
    if (text.size() % 2 != 0) return LETHE_ERR(errc::malformed_encoding);
    std::string out;
    out.reserve(text.size() / 2);
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const int high = digit(text[i]);
        const int low = digit(text[i + 1]);
        if (high < 0 || low < 0) return LETHE_ERR(errc::malformed_encoding);
        out += static_cast<char>(high * 16 + low);
    }
    return out;
}

std::string to_base64url(std::string_view bytes) {
    return encode_base64(bytes, url_alphabet);
}
result<std::string> from_base64url(std::string_view text) {
    return decode_base64(text, url_alphabet);
}
std::string to_base64(std::string_view bytes) {
    return encode_base64(bytes, plain_alphabet);
}
result<std::string> from_base64(std::string_view text) {
    return decode_base64(text, plain_alphabet);
}

std::string sha256(std::string_view bytes) {
    sha256_stream hash;
    hash.update(bytes);
    return hash.finish();
}

std::string sha256_of_parts(std::initializer_list<std::string_view> parts) {
    sha256_stream hash;
    for (const std::string_view part : parts) {
        unsigned char length[8];
        for (std::size_t i = 0; i < 8; ++i)
            length[i] = static_cast<unsigned char>(std::uint64_t{part.size()} >> (8 * i));
        hash.update({reinterpret_cast<const char*>(length), sizeof length});
        hash.update(part);
    }
    return hash.finish();
}

sha256_stream::sha256_stream() {
    SHA256_Init(state_of(state_));
}
sha256_stream::~sha256_stream() {
    sodium_memzero(state_.data(), state_.size());
}
void sha256_stream::update(std::string_view bytes) {
    SHA256_Update(state_of(state_), bytes.data(), bytes.size());
}
std::string sha256_stream::finish() {
    std::string out(SHA256_DIGEST_LENGTH, '\0');
    SHA256_Final(reinterpret_cast<unsigned char*>(out.data()), state_of(state_));
    return out;
}

bool equal_constant_time(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) return false;
    std::uint64_t different = 0;
    const auto compare = [&different](std::uint64_t left, std::uint64_t right) {
        different |= left ^ right;
        // To the compiler it may be anything now: it cannot leave early.
        asm volatile("" : "+r"(different));
    };
    std::size_t at = 0;
    // Eight at a time: what is compared may be a cookie of some thousand bytes.
    for (; a.size() - at >= sizeof different; at += sizeof different) {
        std::uint64_t left = 0;
        std::uint64_t right = 0;
        std::memcpy(&left, a.data() + at, sizeof left);
        std::memcpy(&right, b.data() + at, sizeof right);
        compare(left, right);
    }
    for (; at < a.size(); ++at)
        compare(static_cast<unsigned char>(a[at]), static_cast<unsigned char>(b[at]));
    return different == 0;
}

namespace {

constexpr std::uint64_t every_byte = 0x0101010101010101;

std::uint64_t load_lower(const char* at) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    // Per byte, no carry leaves it: the high bit of seven-bit values from 'A' on, and beyond 'Z'.
    const std::uint64_t low = word & (every_byte * 0x7f);
    const std::uint64_t from_a = low + every_byte * (0x80 - 'A');
    const std::uint64_t beyond_z = low + every_byte * (0x7f - 'Z');
    const std::uint64_t upper = (from_a ^ beyond_z) & ~word & (every_byte * 0x80);
    return word | (upper >> 2);
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
    const std::size_t size = a.size();
    if (size != b.size()) return false;
    if (size < sizeof(std::uint64_t)) {
        for (std::size_t i = 0; i < size; ++i)
            if (lower(a[i]) != lower(b[i])) return false;
        return true;
    }
    const std::size_t last = size - sizeof(std::uint64_t);
    for (std::size_t i = 0; i < last; i += sizeof(std::uint64_t))
        if (load_lower(a.data() + i) != load_lower(b.data() + i)) return false;
    return load_lower(a.data() + last) == load_lower(b.data() + last);
}

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) noexcept {
    return text.size() >= prefix.size() &&
           equal_ignoring_case(text.substr(0, prefix.size()), prefix);
}

std::string to_lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = lower(c);
    return out;
}

std::string_view trim(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

bool is_utf8(std::string_view text) noexcept {
    std::size_t i = 0;
    while (i < text.size()) {
        const auto lead = static_cast<unsigned char>(text[i]);
        if (lead < 0x80) {
            ++i;
            continue;
        }
        // RFC 3629: the bounds of the second byte rule out overlong forms, surrogates and >
        // U+10FFFF.
        std::size_t more = 0;
        unsigned char low = 0x80;
        unsigned char high = 0xBF;
        if (lead >= 0xC2 && lead <= 0xDF)
            more = 1;
        else if (lead >= 0xE0 && lead <= 0xEF) {
            more = 2;
            if (lead == 0xE0) low = 0xA0;
            if (lead == 0xED) high = 0x9F;
        } else if (lead >= 0xF0 && lead <= 0xF4) {
            more = 3;
            if (lead == 0xF0) low = 0x90;
            if (lead == 0xF4) high = 0x8F;
        } else
            return false;
        if (i + more >= text.size()) return false;
        for (std::size_t k = 1; k <= more; ++k) {
            const auto byte = static_cast<unsigned char>(text[i + k]);
            if (byte < low || byte > high) return false;
            low = 0x80;
            high = 0xBF;
        }
        i += more + 1;
    }
    return true;
}

std::uint64_t stable_hash(std::string_view bytes) noexcept {
    // FNV-1a, and then a finish that spreads its last bytes over all bits.
    std::uint64_t h = 14'695'981'039'346'656'037U;
    for (const char c : bytes) {
        h ^= static_cast<unsigned char>(c);
        h *= 1'099'511'628'211U;
    }
    h ^= h >> 33;
    h *= 0xff51'afd7'ed55'8ccdU;
    h ^= h >> 33;
    h *= 0xc4ce'b9fe'1a85'ec53U;
    return h ^ (h >> 33);
}

}  // namespace lethe
