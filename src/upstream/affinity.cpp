#include "upstream/affinity.hpp"

#include "base/base64.hpp"
#include "base/bytes.hpp"
#include "http/cookies.hpp"

#include <sodium.h>

#include <array>
#include <utility>

namespace lethe::upstream {
namespace {

constexpr std::size_t nonce_bytes = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t mac_bytes = crypto_aead_xchacha20poly1305_ietf_ABYTES;
// The place and when it was sealed, in seconds.
constexpr std::size_t plain_bytes = 16;
constexpr std::size_t sealed_bytes = nonce_bytes + plain_bytes + mac_bytes;
constexpr std::size_t text_bytes = (sealed_bytes * 4 + 2) / 3;
// Clocks of gateways differ a little.
constexpr std::int64_t seconds_ahead_max = 60;

const unsigned char* raw(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* raw(std::string& text) {
    return reinterpret_cast<unsigned char*>(text.data());
}

void append_number(std::string& out, std::uint64_t value) {
    for (int i = 0; i < 8; ++i) out.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
}
std::uint64_t read_number(std::string_view from) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < 8; ++i)
        value |= std::uint64_t{static_cast<unsigned char>(from[i])} << (8 * i);
    return value;
}

std::int64_t seconds_of(system_time at) {
    return std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count();
}

std::optional<std::string> unseal(std::string_view sealed, std::string_view bound,
                                  const secret& key) {
    std::string plain(plain_bytes, '\0');
    const std::string_view nonce = sealed.substr(0, nonce_bytes);
    const std::string_view rest = sealed.substr(nonce_bytes);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(raw(plain), nullptr, nullptr, raw(rest),
                                                   rest.size(), raw(bound), bound.size(),
                                                   raw(nonce), raw(key.reveal())) != 0)
        return std::nullopt;
    return plain;
}

}  // namespace

std::uint64_t affinity_place(const replica& one) {
    return stable_hash(to_text(one));
}

affinity::affinity(affinity_options how, std::string upstream, random_source& random)
    : how_(std::move(how)), upstream_(std::move(upstream)), random_(random) {
    LETHE_ASSERT(!how_.keys.empty());
    for (const secret& one : how_.keys)
        keys_.emplace_back(sha256_of_parts({"lethe affinity 1", one.reveal()}));
}

std::string affinity::seal(std::uint64_t place, system_time now) {
    std::string plain;
    append_number(plain, place);
    append_number(plain, static_cast<std::uint64_t>(seconds_of(now)));
    std::string sealed = random_.bytes(nonce_bytes);
    sealed.resize(sealed_bytes);
    crypto_aead_xchacha20poly1305_ietf_encrypt(raw(sealed) + nonce_bytes, nullptr, raw(plain),
                                               plain.size(), raw(upstream_), upstream_.size(),
                                               nullptr, raw(sealed), raw(keys_.front().reveal()));
    std::string out;
    append_open_base64(out, sealed, base64_alphabet::url);
    return out;
}

std::optional<affinity_mark> affinity::find(const http::fields& request, system_time now) const {
    const std::optional<std::string_view> given = http::find_cookie(request, how_.cookie);
    std::string sealed;
    if (!given || given->size() != text_bytes || !decode_open_base64url(*given, sealed))
        return std::nullopt;
    for (const secret& key : keys_) {
        const std::optional<std::string> plain = unseal(sealed, upstream_, key);
        if (!plain) continue;
        const auto at = static_cast<std::int64_t>(read_number(plain->substr(8)));
        const std::int64_t age = seconds_of(now) - at;
        const std::int64_t life = how_.max_age.count();
        if ((life != 0 && age > life) || age < -seconds_ahead_max) return std::nullopt;
        return affinity_mark{.place = read_number(*plain), .ages = life != 0 && age > life / 2};
    }
    return std::nullopt;
}

void affinity::set(http::exchange& x, std::uint64_t place, system_time now) {
    http::fields& header = x.response.header;
    const std::string start = how_.cookie + "=";
    header.remove_if([&start](const http::field_line& line) {
        return line.id == http::field_id::set_cookie && trim(line.value).starts_with(start);
    });
    // What a proxy says that is not trusted was taken away before.
    const bool secure = x.request.header.first(http::field_id::x_forwarded_proto)
                            .value_or(x.secure ? "https" : "http") == "https";
    const std::string life =
        how_.max_age.count() == 0 ? "" : "; Max-Age=" + std::to_string(how_.max_age.count());
    header.append_borrowed("Set-Cookie", x.memory().concat({start, seal(place, now), "; Path=/",
                                                            secure ? "; Secure" : "",
                                                            "; HttpOnly; SameSite=Lax", life}));
}

}  // namespace lethe::upstream
