#include "session/ticket.hpp"

#include "base/bytes.hpp"

#include <sodium.h>

#include <algorithm>

namespace lethe::session {
namespace {

constexpr std::size_t floor_bytes = 8;
constexpr std::size_t mark_bytes = 8;

// From the secret alone.
std::string derive(std::string_view both, std::string_view purpose, std::size_t bytes) {
    const std::string_view from = both.substr(id_bytes);
    std::string out(bytes, '\0');
    const int failed =
        crypto_generichash(reinterpret_cast<unsigned char*>(out.data()), out.size(),
                           reinterpret_cast<const unsigned char*>(purpose.data()), purpose.size(),
                           reinterpret_cast<const unsigned char*>(from.data()), from.size());
    LETHE_ASSERT(failed == 0);
    return out;
}

void append_floor(std::string& out, std::uint64_t floor) {
    for (std::size_t i = 0; i < floor_bytes; ++i)
        out.push_back(static_cast<char>((floor >> (8 * i)) & 0xff));
}

}  // namespace

ticket::ticket(std::string_view both) {
    LETHE_ASSERT(both.size() == both_.size());
    std::ranges::copy(both, both_.begin());
    constexpr std::string_view prefix = "s:";
    const std::string hash = sha256(both.substr(0, id_bytes));
    LETHE_ASSERT(prefix.size() + hash.size() == key_.size());
    std::ranges::copy(hash, std::ranges::copy(prefix, key_.begin()).out);
}

ticket::~ticket() {
    sodium_memzero(both_.data(), both_.size());
}

ticket ticket::make(random_source& random) {
    std::array<unsigned char, id_bytes + secret_bytes> both{};
    random.fill(both);
    ticket out({reinterpret_cast<const char*>(both.data()), both.size()});
    sodium_memzero(both.data(), both.size());
    return out;
}

std::optional<ticket> ticket::parse(std::string_view cookie_value) {
    std::optional<shown_ticket> shown = parse_cookie(cookie_value);
    if (!shown) return std::nullopt;
    return std::move(shown->holder);
}

std::optional<ticket> ticket::from_bytes(std::string_view bytes) {
    if (bytes.size() != id_bytes + secret_bytes) return std::nullopt;
    return ticket(bytes);
}

std::string ticket::to_cookie_value(std::uint64_t floor) const {
    if (floor == 0) return to_base64url(to_bytes());
    std::string all;
    all.reserve(both_.size() + floor_bytes + mark_bytes);
    all += to_bytes();
    append_floor(all, floor);
    all += floor_mark(floor);
    return to_base64url(all);
}

secret ticket::sealing_key() const {
    return secret(derive(to_bytes(), "lethe session sealing key 1",
                         crypto_aead_xchacha20poly1305_ietf_KEYBYTES));
}

std::string ticket::floor_mark(std::uint64_t floor) const {
    constexpr std::string_view purpose = "lethe session floor 1|";
    std::string of;
    of.reserve(purpose.size() + id_bytes + floor_bytes);
    of += purpose;
    of += to_bytes().substr(0, id_bytes);
    append_floor(of, floor);
    return derive(to_bytes(), of, 16).substr(0, mark_bytes);
}

std::string ticket::verifier() const {
    return derive(to_bytes(), "lethe session verifier 1", 16);
}

std::optional<shown_ticket> parse_cookie(std::string_view cookie_value) {
    constexpr std::size_t plain_bytes = id_bytes + secret_bytes;
    constexpr std::size_t plain_text = (plain_bytes * 8 + 5) / 6;
    constexpr std::size_t whole_text = ((plain_bytes + floor_bytes + mark_bytes) * 8 + 5) / 6;
    if (cookie_value.size() != plain_text && cookie_value.size() != whole_text) return std::nullopt;
    const result<std::string> decoded = from_base64url(cookie_value);
    if (decoded.has_error()) return std::nullopt;
    const std::string_view bytes = *decoded;
    std::optional<ticket> holder = ticket::from_bytes(bytes.substr(0, plain_bytes));
    if (!holder) return std::nullopt;
    shown_ticket out{.holder = *std::move(holder), .floor = 0};
    if (bytes.size() == plain_bytes) return out;
    for (std::size_t i = 0; i < floor_bytes; ++i)
        out.floor |= std::uint64_t{static_cast<unsigned char>(bytes[plain_bytes + i])} << (8 * i);
    const std::string_view mark = bytes.substr(plain_bytes + floor_bytes);
    if (out.floor == 0 || !equal_constant_time(mark, out.holder.floor_mark(out.floor)))
        return std::nullopt;
    return out;
}

}  // namespace lethe::session
