// What a session's cookie holds: an id that finds the record and a secret that opens it. The store
// knows neither: the record's key is a hash of the id, its content is sealed with the secret.
#pragma once

#include "base/random.hpp"
#include "base/secret.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace lethe::session {

inline constexpr std::size_t id_bytes = 16;
inline constexpr std::size_t secret_bytes = 16;

class ticket {
 public:
    [[nodiscard]] static ticket make(random_source& random);
    // A cookie's value: base64url of id and secret. nullopt for anything else.
    [[nodiscard]] static std::optional<ticket> parse(std::string_view cookie_value);
    // id_bytes + secret_bytes raw bytes, as an alias's record keeps them.
    [[nodiscard]] static std::optional<ticket> from_bytes(std::string_view bytes);

    [[nodiscard]] std::string to_cookie_value() const;
    [[nodiscard]] std::string_view to_bytes() const noexcept { return both_.reveal(); }
    // "s:" and SHA-256 of the id.
    [[nodiscard]] std::string record_key() const;
    // 32 bytes, from the secret alone.
    [[nodiscard]] secret sealing_key() const;

 private:
    explicit ticket(std::string both) : both_(std::move(both)) {}

    secret both_;
};

}  // namespace lethe::session
