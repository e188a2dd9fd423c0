#include "session/sealed_cookie.hpp"

#include "base/base64.hpp"

#include <sodium.h>

#include <array>

namespace lethe::session {
namespace {

using detail::cookies_max;
using detail::found_cookies;

constexpr std::string_view version_mark = "v1-";
constexpr std::size_t nonce_bytes = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t mac_bytes = crypto_aead_xchacha20poly1305_ietf_ABYTES;
constexpr std::size_t seen_bytes = 8;
// "v1-3." and the longest key id and a dot.
constexpr std::size_t prefix_bytes_max = version_mark.size() + 2 + key_id_bytes_max + 1;

const unsigned char* raw(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* raw(std::string& text) {
    return reinterpret_cast<unsigned char*>(text.data());
}

void append_time(std::string& out, system_time at) {
    const auto value = static_cast<std::uint64_t>(at.time_since_epoch().count());
    for (std::size_t i = 0; i < seen_bytes; ++i)
        out.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
}
result<system_time> read_time(std::string_view from) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < seen_bytes; ++i)
        value |= std::uint64_t{static_cast<unsigned char>(from[i])} << (8 * i);
    if (value > INT64_MAX) return LETHE_ERR(errc::corrupt);
    return system_time{std::chrono::milliseconds{static_cast<std::int64_t>(value)}};
}

std::string make_prefix(std::size_t cookies, std::string_view key_id) {
    std::string out(version_mark);
    out += static_cast<char>('0' + cookies);
    out += '.';
    out += key_id;
    out += '.';
    return out;
}

// The bound text: name and prefix cannot run into each other, since a name has no '='.
std::string bound_text(std::string_view cookie_name, std::string_view prefix) {
    std::string out;
    out.reserve(cookie_name.size() + 1 + prefix.size());
    out += cookie_name;
    out += '=';
    out += prefix;
    return out;
}

std::size_t text_bytes(std::size_t sealed) {
    return (sealed * 8 + 5) / 6;
}

struct parsed {
    std::size_t cookies = 0;
    std::string_view key_id;
    std::string_view prefix;
    std::string_view first;  // what of the sealed text stands in the first cookie
};

result<parsed> parse_first(std::string_view cookie) {
    if (!looks_sealed(cookie)) return LETHE_ERR(errc::corrupt);
    parsed out;
    const std::size_t digit = version_mark.size();
    out.cookies = static_cast<std::size_t>(cookie[digit] - '0');
    const std::size_t end = cookie.find('.', digit + 2);
    if (end == std::string_view::npos || end + 1 > prefix_bytes_max)
        return LETHE_ERR(errc::corrupt);
    out.key_id = cookie.substr(digit + 2, end - digit - 2);
    out.prefix = cookie.substr(0, end + 1);
    out.first = cookie.substr(end + 1);
    if (!is_key_id(out.key_id)) return LETHE_ERR(errc::corrupt);
    return out;
}

// The whole sealed text: a view into the first cookie where there is one alone, else put together
// in `joined`.
result<std::string_view> join(const parsed& head, const found_cookies& sent, std::string& joined) {
    for (std::size_t i = 0; i < head.cookies; ++i) {
        if (!sent[i] || sent[i]->size() > chunk_bytes) return LETHE_ERR(errc::corrupt);
        // Only the last may be shorter.
        if (i + 1 < head.cookies && sent[i]->size() != chunk_bytes) return LETHE_ERR(errc::corrupt);
    }
    if (head.cookies == 1) return head.first;
    joined.reserve(chunk_bytes * head.cookies);
    joined += head.first;
    for (std::size_t i = 1; i < head.cookies; ++i) joined += *sent[i];
    return std::string_view(joined);
}

}  // namespace

bool looks_sealed(std::string_view cookie) noexcept {
    const std::size_t digit = version_mark.size();
    return cookie.size() > digit + 2 && cookie.starts_with(version_mark) && cookie[digit] >= '1' &&
           cookie[digit] <= static_cast<char>('0' + cookies_max) && cookie[digit + 1] == '.';
}

result<std::vector<std::string>> seal_cookies(const sealed_session& content,
                                              std::string_view cookie_name, const keyring& ring,
                                              random_source& random) {
    const keyring::key& key = ring.first();
    std::string plain;
    append_time(plain, content.seen);
    plain += encode_state(content.data);
    const std::size_t sealed_bytes = nonce_bytes + plain.size() + mac_bytes;
    const std::size_t prefix_bytes = make_prefix(1, key.id).size();
    const std::size_t whole = prefix_bytes + text_bytes(sealed_bytes);
    const std::size_t cookies = (whole + chunk_bytes - 1) / chunk_bytes;
    if (cookies > cookies_max) return LETHE_ERR(errc::too_large);
    std::string text = make_prefix(cookies, key.id);
    const std::string bound_to = bound_text(cookie_name, text);

    std::string sealed(sealed_bytes, '\0');
    random.fill({raw(sealed), nonce_bytes});
    crypto_aead_xchacha20poly1305_ietf_encrypt(raw(sealed) + nonce_bytes, nullptr, raw(plain),
                                               plain.size(), raw(bound_to), bound_to.size(),
                                               nullptr, raw(sealed), raw(key.of_cookies.reveal()));
    text.reserve(whole);
    append_open_base64(text, sealed, base64_alphabet::url);
    std::vector<std::string> out;
    if (cookies == 1) {
        out.push_back(std::move(text));
        return out;
    }
    for (std::size_t i = 0; i < cookies; ++i)
        out.push_back(text.substr(i * chunk_bytes, chunk_bytes));
    return out;
}

result<sealed_session> open_cookies(const found_cookies& sent, std::string_view cookie_name,
                                    const keyring& ring) {
    if (!sent[0]) return LETHE_ERR(errc::corrupt);
    LETHE_TRY(const parsed head, parse_first(*sent[0]));
    const keyring::key* key = ring.find(head.key_id);
    if (key == nullptr) return ring.why_missing(head.key_id);
    std::string joined;
    LETHE_TRY(const std::string_view text, join(head, sent, joined));

    std::string sealed;
    if (!decode_open_base64url(text, sealed) ||
        sealed.size() < nonce_bytes + mac_bytes + seen_bytes)
        return LETHE_ERR(errc::corrupt);
    const std::string bound_to = bound_text(cookie_name, head.prefix);
    // In place: the plain text takes the sealed one's room.
    unsigned char* const content = raw(sealed) + nonce_bytes;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            content, nullptr, nullptr, content, sealed.size() - nonce_bytes, raw(bound_to),
            bound_to.size(), raw(sealed), raw(key->of_cookies.reveal())) != 0)
        return LETHE_ERR(errc::not_opened);
    const std::string_view plain(sealed.data() + nonce_bytes,
                                 sealed.size() - nonce_bytes - mac_bytes);
    sealed_session out;
    LETHE_TRY(out.seen, read_time(plain));
    LETHE_TRY(out.data, decode_state(plain.substr(seen_bytes)));
    return out;
}

}  // namespace lethe::session
