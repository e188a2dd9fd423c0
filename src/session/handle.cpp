#include "session/handle.hpp"

#include "base/bytes.hpp"
#include "base/error.hpp"

#include <sodium.h>

#include <cstring>

namespace lethe::session {
namespace {

constexpr char format = 1;
constexpr char prefix = 'h';
constexpr std::size_t nonce_bytes = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t mac_bytes = crypto_aead_xchacha20poly1305_ietf_ABYTES;
constexpr std::size_t ticket_bytes = id_bytes + secret_bytes;
constexpr std::size_t plain_bytes = 1 + ticket_bytes + route_mark_bytes + 8 + 8;
constexpr std::size_t raw_bytes = 1 + nonce_bytes + plain_bytes + mac_bytes;
constexpr std::size_t text_bytes = 1 + (raw_bytes * 8 + 5) / 6;
constexpr std::string_view key_purpose = "lethe session handle key 1";

const unsigned char* raw(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* raw(std::string& text) {
    return reinterpret_cast<unsigned char*>(text.data());
}

void append_number(std::string& out, std::uint64_t value) {
    for (unsigned shift = 0; shift < 64; shift += 8)
        out.push_back(static_cast<char>((value >> shift) & 0xff));
}
std::uint64_t take_number(std::string_view& from) {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < 8; ++i)
        value |= std::uint64_t{static_cast<unsigned char>(from[i])} << (8 * i);
    from.remove_prefix(8);
    return value;
}

secret derive(std::string_view text) {
    std::string out(crypto_aead_xchacha20poly1305_ietf_KEYBYTES, '\0');
    const int failed = crypto_generichash(raw(out), out.size(), raw(text), text.size(),
                                          raw(key_purpose), key_purpose.size());
    LETHE_ASSERT(failed == 0);
    return secret(std::move(out));
}

std::optional<handle> decode(std::string_view plain, system_time now) {
    const char flags = plain.front();
    plain.remove_prefix(1);
    std::optional<ticket> holder = ticket::from_bytes(plain.substr(0, ticket_bytes));
    plain.remove_prefix(ticket_bytes);
    std::string route(plain.substr(0, route_mark_bytes));
    plain.remove_prefix(route_mark_bytes);
    const std::uint64_t version = take_number(plain);
    const std::uint64_t expires = take_number(plain);
    if (!holder || flags < 0 || flags > 1 || expires > INT64_MAX) return std::nullopt;
    handle out{
        .holder = *std::move(holder),
        .reserved = flags == 1,
        .route = std::move(route),
        .version = version,
        .expires = system_time{std::chrono::milliseconds{static_cast<std::int64_t>(expires)}}};
    if (out.expires <= now) return std::nullopt;
    return out;
}

}  // namespace

std::string route_mark(std::string_view route_name) {
    return sha256_of_parts({"lethe route 1", route_name}).substr(0, route_mark_bytes);
}

handle_keys::handle_keys(const std::vector<std::string>& texts) {
    LETHE_ASSERT(sodium_init() >= 0);
    LETHE_ASSERT(!texts.empty() && texts.size() <= handle_keys_max);
    for (const std::string& one : texts) {
        LETHE_ASSERT(one.size() >= handle_key_bytes_min);
        keys_.push_back(derive(one));
    }
}

std::string handle_keys::seal(const handle& what, random_source& random) const {
    LETHE_ASSERT(what.route.size() == route_mark_bytes);
    std::string plain;
    plain.reserve(plain_bytes);
    plain.push_back(what.reserved ? 1 : 0);
    plain += what.holder.to_bytes();
    plain += what.route;
    append_number(plain, what.version);
    append_number(plain, static_cast<std::uint64_t>(what.expires.time_since_epoch().count()));
    LETHE_ASSERT(plain.size() == plain_bytes);

    const std::string nonce = random.bytes(nonce_bytes);
    std::string sealed(plain_bytes + mac_bytes, '\0');
    crypto_aead_xchacha20poly1305_ietf_encrypt(raw(sealed), nullptr, raw(plain), plain.size(),
                                               raw(std::string_view(&format, 1)), 1, nullptr,
                                               raw(nonce), raw(keys_.front().reveal()));
    sodium_memzero(plain.data(), plain.size());
    return prefix + to_base64url(std::string(1, format) + nonce + sealed);
}

std::optional<handle> handle_keys::open(std::string_view text, system_time now) const {
    if (text.size() != text_bytes || text.front() != prefix) return std::nullopt;
    const result<std::string> bytes = from_base64url(text.substr(1));
    if (bytes.has_error() || bytes->size() != raw_bytes || bytes->front() != format)
        return std::nullopt;
    const std::string_view all = *bytes;
    const std::string_view nonce = all.substr(1, nonce_bytes);
    const std::string_view sealed = all.substr(1 + nonce_bytes);
    std::string plain(plain_bytes, '\0');
    for (const secret& key : keys_) {
        const bool opened = crypto_aead_xchacha20poly1305_ietf_decrypt(
                                raw(plain), nullptr, nullptr, raw(sealed), sealed.size(),
                                raw(all.substr(0, 1)), 1, raw(nonce), raw(key.reveal())) == 0;
        if (!opened) continue;
        std::optional<handle> out = decode(plain, now);
        sodium_memzero(plain.data(), plain.size());
        return out;
    }
    return std::nullopt;
}

std::uint32_t write_mark(std::string_view handle_text) {
    const std::string hash = sha256_of_parts({"lethe session write 1", handle_text});
    std::uint32_t out = 0;
    std::memcpy(&out, hash.data(), sizeof out);
    return out | 1;
}

}  // namespace lethe::session
