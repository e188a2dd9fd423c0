#include "token/jws.hpp"

#include "base/json.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace lethe::token {
namespace {

namespace bj = boost::json;

constexpr std::uint8_t not_a_digit = 0xff;

constexpr auto digits = [] {
    std::array<std::uint8_t, 256> out{};
    out.fill(not_a_digit);
    constexpr std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (std::size_t i = 0; i < alphabet.size(); ++i)
        out[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
    return out;
}();

constexpr std::uint32_t digit(char c) noexcept {
    return digits[static_cast<unsigned char>(c)];
}

constexpr std::string_view key_headers[] = {"jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256"};

// A member that is absent or a string.
result<std::optional<std::string>> text_member(const bj::object& header, std::string_view name) {
    const bj::value* found = header.if_contains(name);
    if (found == nullptr) return std::optional<std::string>();
    if (!found->is_string()) return LETHE_ERR(errc::bad_header);
    return std::optional<std::string>(std::string_view(found->get_string()));
}

result<> read_header(jws& out) {
    if (out.header_text.size() > header_bytes_max) return LETHE_ERR(errc::too_large);
    const result<bj::object> parsed = json::parse_object(
        out.header_text, {.bytes_max = header_bytes_max, .depth_max = json_depth_max});
    if (parsed.has_error()) return LETHE_ERR(errc::bad_header);
    const bj::object& header = *parsed;

    // J9: lethe understands no extension, so whatever `crit` says, well-formed or not, is a
    // refusal; and a JWT must not have an unencoded payload (RFC 7797 section 7).
    if (header.contains("crit") || header.contains("b64")) return LETHE_ERR(errc::critical_header);

    LETHE_TRY(const std::optional<std::string> name, text_member(header, "alg"));
    if (!name) return LETHE_ERR(errc::bad_header);
    out.algorithm_name = *name;
    out.algorithm = parse_algorithm(*name);
    LETHE_TRY(out.key_id, text_member(header, "kid"));
    if (out.key_id && out.key_id->size() > key_id_bytes_max) return LETHE_ERR(errc::bad_header);
    LETHE_TRY(out.type, text_member(header, "typ"));
    out.has_key_header = std::any_of(std::begin(key_headers), std::end(key_headers),
                                     [&header](std::string_view n) { return header.contains(n); });
    return result<>{};
}

}  // namespace

// libsodium's decoder takes the same time for the same length, which is worth nothing for a token
// the sender knows, and costs several times as much.
bool decode_base64url(std::string_view text, std::string& out) {
    if (text.size() % 4 == 1) return false;
    out.resize(text.size() / 4 * 3 + (text.size() % 4 == 0 ? 0 : text.size() % 4 - 1));
    std::size_t at = 0;
    std::size_t i = 0;
    std::uint32_t bad = 0;
    for (; i + 4 <= text.size(); i += 4) {
        const std::uint32_t a = digit(text[i]), b = digit(text[i + 1]), c = digit(text[i + 2]),
                            d = digit(text[i + 3]);
        bad |= (a | b | c | d) & 0x80U;
        const std::uint32_t word = a << 18 | b << 12 | c << 6 | d;
        out[at++] = static_cast<char>(word >> 16);
        out[at++] = static_cast<char>(word >> 8);
        out[at++] = static_cast<char>(word);
    }
    if (bad != 0) return false;
    const std::size_t left = text.size() - i;
    if (left == 0) return true;
    const std::uint32_t a = digit(text[i]), b = digit(text[i + 1]);
    if (left == 2) {
        if (((a | b) & 0x80U) != 0 || (b & 0x0fU) != 0) return false;
        out[at] = static_cast<char>(a << 2 | b >> 4);
        return true;
    }
    const std::uint32_t c = digit(text[i + 2]);
    if (((a | b | c) & 0x80U) != 0 || (c & 0x03U) != 0) return false;
    out[at++] = static_cast<char>(a << 2 | b >> 4);
    out[at] = static_cast<char>(b << 4 | c >> 2);
    return true;
}

result<> parse_jws(std::string_view token, std::size_t token_bytes_max, jws& out) {
    if (token.size() > token_bytes_max) return LETHE_ERR(errc::too_large);
    std::array<std::size_t, 2> dots{};
    std::size_t count = 0;
    for (std::size_t i = 0; i < token.size(); ++i) {
        if (token[i] == '.') {
            if (count < dots.size()) dots[count] = i;
            ++count;
        } else if (digit(token[i]) == not_a_digit) {
            return LETHE_ERR(errc::not_compact);
        }
    }
    if (count == 4) return LETHE_ERR(errc::encrypted);
    if (count != 2) return LETHE_ERR(errc::not_compact);
    const std::string_view header = token.substr(0, dots[0]);
    // Before decoding: base64url makes 4 of 3 bytes.
    if (header.size() > (header_bytes_max + 2) / 3 * 4) return LETHE_ERR(errc::too_large);
    if (!decode_base64url(header, out.header_text) ||
        !decode_base64url(token.substr(dots[0] + 1, dots[1] - dots[0] - 1), out.payload) ||
        !decode_base64url(token.substr(dots[1] + 1), out.signature))
        return LETHE_ERR(errc::bad_encoding);
    out.signing_input = token.substr(0, dots[1]);
    return read_header(out);
}

}  // namespace lethe::token
