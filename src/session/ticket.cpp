#include "session/ticket.hpp"

#include "base/bytes.hpp"

#include <sodium.h>

namespace lethe::session {

ticket ticket::make(random_source& random) {
    return ticket(random.bytes(id_bytes + secret_bytes));
}

std::optional<ticket> ticket::parse(std::string_view cookie_value) {
    constexpr std::size_t text_bytes = ((id_bytes + secret_bytes) * 8 + 5) / 6;
    if (cookie_value.size() != text_bytes) return std::nullopt;
    result<std::string> bytes = from_base64url(cookie_value);
    if (bytes.has_error()) return std::nullopt;
    return from_bytes(*bytes);
}

std::optional<ticket> ticket::from_bytes(std::string_view bytes) {
    if (bytes.size() != id_bytes + secret_bytes) return std::nullopt;
    return ticket(std::string(bytes));
}

std::string ticket::to_cookie_value() const {
    return to_base64url(both_.reveal());
}

std::string ticket::record_key() const {
    return "s:" + sha256(both_.reveal().substr(0, id_bytes));
}

secret ticket::sealing_key() const {
    static constexpr std::string_view purpose = "lethe session sealing key 1";
    const std::string_view from = both_.reveal().substr(id_bytes);
    std::string out(crypto_aead_xchacha20poly1305_ietf_KEYBYTES, '\0');
    const int failed =
        crypto_generichash(reinterpret_cast<unsigned char*>(out.data()), out.size(),
                           reinterpret_cast<const unsigned char*>(purpose.data()), purpose.size(),
                           reinterpret_cast<const unsigned char*>(from.data()), from.size());
    LETHE_ASSERT(failed == 0);
    return secret(std::move(out));
}

}  // namespace lethe::session
