#include "base/bytes.hpp"

#include <sodium.h>

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

std::string encode_base64(std::string_view bytes, int variant) {
    std::string out(sodium_base64_encoded_len(bytes.size(), variant), '\0');
    sodium_bin2base64(out.data(), out.size(), raw(bytes), bytes.size(), variant);
    out.pop_back();  // the terminating zero
    return out;
}

// libsodium's decoder is strict: it refuses padding in the wrong place and trailing bits that are
// set.
result<std::string> decode_base64(std::string_view text, int variant) {
    std::string out(text.size() / 4 * 3 + 3, '\0');
    std::size_t length = 0;
    const char* end = nullptr;
    const int status = sodium_base642bin(reinterpret_cast<unsigned char*>(out.data()), out.size(),
                                         text.data(), text.size(), nullptr, &length, &end, variant);
    if (status != 0 || end != text.data() + text.size()) return LETHE_ERR(errc::malformed_encoding);
    out.resize(length);
    return out;
}

crypto_hash_sha256_state* state_of(std::array<unsigned char, 128>& storage) {
    static_assert(sizeof(crypto_hash_sha256_state) <= 128);
    return reinterpret_cast<crypto_hash_sha256_state*>(storage.data());
}

char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

}  // namespace

std::string to_hex(std::string_view bytes) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string out;
    out.reserve(bytes.size() * 2);
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        out += digits[byte >> 4];
        out += digits[byte & 15];
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
    return encode_base64(bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}
result<std::string> from_base64url(std::string_view text) {
    return decode_base64(text, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}
std::string to_base64(std::string_view bytes) {
    return encode_base64(bytes, sodium_base64_VARIANT_ORIGINAL);
}
result<std::string> from_base64(std::string_view text) {
    return decode_base64(text, sodium_base64_VARIANT_ORIGINAL);
}

std::string sha256(std::string_view bytes) {
    std::string out(crypto_hash_sha256_BYTES, '\0');
    crypto_hash_sha256(reinterpret_cast<unsigned char*>(out.data()), raw(bytes), bytes.size());
    return out;
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
    crypto_hash_sha256_init(state_of(state_));
}
sha256_stream::~sha256_stream() {
    sodium_memzero(state_.data(), state_.size());
}
void sha256_stream::update(std::string_view bytes) {
    crypto_hash_sha256_update(state_of(state_), raw(bytes), bytes.size());
}
std::string sha256_stream::finish() {
    std::string out(crypto_hash_sha256_BYTES, '\0');
    crypto_hash_sha256_final(state_of(state_), reinterpret_cast<unsigned char*>(out.data()));
    return out;
}

bool equal_constant_time(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
        if (lower(a[i]) != lower(b[i])) return false;
    return true;
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

}  // namespace lethe
