#include "http/chunked.hpp"

#include "http/byte_classes.hpp"

#include <algorithm>

namespace lethe::http {
namespace {

using detail::is_space;
using detail::is_token_byte;
using detail::is_value_byte;

// 16 digits are 64 bits: more could overflow, and no chunk needs them.
constexpr std::uint8_t size_digits_max = 16;

constexpr int hex_digit(unsigned char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

result<chunked_decoder::step> chunked_decoder::decode(std::string_view in) {
    std::size_t at = 0;
    while (at < in.size() && state_ != state::ended) {
        if (state_ == state::data) {
            const auto size =
                static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size() - at));
            left_ -= size;
            if (left_ == 0) state_ = state::data_cr;
            return step{at + size, in.substr(at, size), false};
        }
        const result<> taken = take(static_cast<unsigned char>(in[at++]));
        if (taken.has_error()) return taken.error();
    }
    return step{at, {}, state_ == state::ended};
}

// One byte of framing.
result<> chunked_decoder::take(unsigned char byte) {
    switch (state_) {
        case state::size_first:
        case state::size:
            if (const int digit = hex_digit(byte); digit >= 0) {
                if (++digits_ > size_digits_max) return LETHE_ERR(errc::malformed);
                left_ = left_ << 4 | static_cast<unsigned>(digit);
                state_ = state::size;
                return {};
            }
            if (state_ == state::size_first) return LETHE_ERR(errc::malformed);
            if (byte != '\r') return take_extension(byte);
            state_ = state::size_lf;
            return {};
        case state::size_lf:
            if (byte != '\n') return LETHE_ERR(errc::malformed);
            digits_ = 0;
            state_ = left_ == 0 ? state::trailer_start : state::data;
            return {};
        case state::data_cr:
            if (byte != '\r') return LETHE_ERR(errc::malformed);
            state_ = state::data_lf;
            return {};
        case state::data_lf:
            if (byte != '\n') return LETHE_ERR(errc::malformed);
            state_ = state::size_first;
            return {};
        case state::trailer_start:
        case state::trailer_name:
        case state::trailer_value:
        case state::trailer_lf:
        case state::end_lf: return take_trailer(byte);
        default: return take_extension(byte);
    }
}

// RFC 9112 section 7.1.1: *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ), to the
// letter, because what others skip blindly has hidden requests before.
result<> chunked_decoder::take_extension(unsigned char byte) {
    if (++extension_bytes_ > extension_bytes_max) return LETHE_ERR(errc::malformed);
    // What may follow a complete size, name or value; `gap` is where white space leads.
    const auto take_end = [this, byte](state gap) -> result<> {
        if (byte == ';')
            state_ = state::extension_name_first;
        else if (is_space(byte))
            state_ = gap;
        else if (byte == '\r' && state_ != state::extension_gap)
            state_ = state::size_lf;
        else
            return LETHE_ERR(errc::malformed);
        return {};
    };
    switch (state_) {
        case state::size:
        case state::extension_gap:
        case state::extension_quoted_end: return take_end(state::extension_gap);
        case state::extension_name_first:
        case state::extension_value_first:
            if (is_space(byte)) return {};
            if (is_token_byte(byte)) {
                state_ = state_ == state::extension_name_first ? state::extension_name
                                                               : state::extension_value;
                return {};
            }
            if (byte != '"' || state_ == state::extension_name_first)
                return LETHE_ERR(errc::malformed);
            state_ = state::extension_quoted;
            return {};
        case state::extension_name:
            if (is_token_byte(byte)) return {};
            if (byte != '=') return take_end(state::extension_name_gap);
            state_ = state::extension_value_first;
            return {};
        case state::extension_name_gap:
            if (byte == '=')
                state_ = state::extension_value_first;
            else if (byte == ';')
                state_ = state::extension_name_first;
            else if (!is_space(byte))
                return LETHE_ERR(errc::malformed);
            return {};
        case state::extension_value:
            return is_token_byte(byte) ? result<>{} : take_end(state::extension_gap);
        case state::extension_quoted:
            if (byte == '"')
                state_ = state::extension_quoted_end;
            else if (byte == '\\')
                state_ = state::extension_quoted_pair;
            else if (!is_value_byte(byte))
                return LETHE_ERR(errc::malformed);
            return {};
        case state::extension_quoted_pair:
            if (!is_value_byte(byte)) return LETHE_ERR(errc::malformed);
            state_ = state::extension_quoted;
            return {};
        default: LETHE_ASSERT(false); return LETHE_ERR(errc::malformed);
    }
}

result<> chunked_decoder::take_trailer(unsigned char byte) {
    if (++trailer_bytes_ > trailer_bytes_max) return LETHE_ERR(errc::head_too_large);
    switch (state_) {
        case state::trailer_start:
            if (byte == '\r')
                state_ = state::end_lf;
            else if (is_token_byte(byte))
                state_ = state::trailer_name;
            else
                return LETHE_ERR(errc::malformed);
            return {};
        case state::trailer_name:
            if (byte == ':')
                state_ = state::trailer_value;
            else if (!is_token_byte(byte))
                return LETHE_ERR(errc::malformed);
            return {};
        case state::trailer_value:
            if (byte == '\r')
                state_ = state::trailer_lf;
            else if (!is_value_byte(byte))
                return LETHE_ERR(errc::malformed);
            return {};
        default:  // trailer_lf, end_lf
            if (byte != '\n') return LETHE_ERR(errc::malformed);
            state_ = state_ == state::end_lf ? state::ended : state::trailer_start;
            return {};
    }
}

std::size_t write_chunk_size(std::span<char, 20> out, std::size_t n) noexcept {
    static constexpr char digits[] = "0123456789abcdef";
    std::size_t length = 1;
    for (std::size_t rest = n >> 4; rest != 0; rest >>= 4) ++length;
    for (std::size_t at = length; at-- > 0; n >>= 4) out[at] = digits[n & 15];
    out[length] = '\r';
    out[length + 1] = '\n';
    return length + 2;
}

}  // namespace lethe::http
