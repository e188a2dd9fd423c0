#include "base/base64.hpp"

#include "base/base64_wide.hpp"

#include <array>
#include <cstdint>

namespace lethe {
namespace {

constexpr std::string_view standard_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view url_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t no_digit = 0x80;

constexpr std::array<std::uint8_t, 256> url_values = [] {
    std::array<std::uint8_t, 256> out{};
    out.fill(no_digit);
    for (std::size_t i = 0; i < url_digits.size(); ++i)
        out[static_cast<unsigned char>(url_digits[i])] = static_cast<std::uint8_t>(i);
    return out;
}();

std::uint32_t byte_at(std::string_view bytes, std::size_t at) {
    return static_cast<unsigned char>(bytes[at]);
}

}  // namespace

void append_open_base64(std::string& out, std::string_view bytes, base64_alphabet in) {
    const char* const digits = (in == base64_alphabet::url ? url_digits : standard_digits).data();
    const std::size_t rest = bytes.size() % 3;
    const std::size_t whole = bytes.size() - rest;
    std::size_t to = out.size();
    const std::size_t tail = rest == 0 ? 0 : in == base64_alphabet::url ? rest + 1 : 4;
    out.resize(to + whole / 3 * 4 + tail, '=');
    const auto* from = reinterpret_cast<const unsigned char*>(bytes.data());
    char* write = out.data() + to;
    const detail::base64_progress bulk =
        detail::encode_wide(from, whole, write, digits[62], digits[63]);
    const unsigned char* const end = from + whole;
    from += bulk.read;
    write += bulk.written;
    for (; from != end; from += 3, write += 4) {
        const std::uint32_t three =
            std::uint32_t{from[0]} << 16 | std::uint32_t{from[1]} << 8 | std::uint32_t{from[2]};
        write[0] = digits[three >> 18];
        write[1] = digits[three >> 12 & 63];
        write[2] = digits[three >> 6 & 63];
        write[3] = digits[three & 63];
    }
    if (rest == 0) return;
    to = out.size() - tail;
    const std::uint32_t last =
        byte_at(bytes, whole) << 16 | (rest == 2 ? byte_at(bytes, whole + 1) << 8 : 0);
    out[to] = digits[last >> 18];
    out[to + 1] = digits[last >> 12 & 63];
    if (rest == 2) out[to + 2] = digits[last >> 6 & 63];
}

bool decode_open_base64url(std::string_view text, std::string& out) {
    const std::size_t rest = text.size() % 4;
    if (rest == 1) return false;
    const std::size_t whole = text.size() - rest;
    out.resize(whole / 4 * 3 + (rest == 0 ? 0 : rest - 1));
    const auto* from = reinterpret_cast<const unsigned char*>(text.data());
    char* write = out.data();
    const detail::base64_progress bulk = detail::decode_url_wide(from, whole, write);
    const unsigned char* const end = from + whole;
    from += bulk.read;
    write += bulk.written;
    std::uint32_t bad = 0;
    for (; from != end; from += 4, write += 3) {
        const std::uint32_t a = url_values[from[0]];
        const std::uint32_t b = url_values[from[1]];
        const std::uint32_t c = url_values[from[2]];
        const std::uint32_t d = url_values[from[3]];
        bad |= a | b | c | d;
        const std::uint32_t three = a << 18 | b << 12 | c << 6 | d;
        write[0] = static_cast<char>(three >> 16 & 0xff);
        write[1] = static_cast<char>(three >> 8 & 0xff);
        write[2] = static_cast<char>(three & 0xff);
    }
    if (rest != 0) {
        const std::uint32_t a = url_values[from[0]];
        const std::uint32_t b = url_values[from[1]];
        const std::uint32_t c = rest == 3 ? url_values[from[2]] : 0;
        bad |= a | b | c;
        const std::uint32_t three = a << 18 | b << 12 | c << 6;
        // Unused bits are zero.
        if ((three & (rest == 3 ? 0xffU : 0xffffU)) != 0) return false;
        write[0] = static_cast<char>(three >> 16 & 0xff);
        if (rest == 3) write[1] = static_cast<char>(three >> 8 & 0xff);
    }
    return (bad & no_digit) == 0;
}

}  // namespace lethe
