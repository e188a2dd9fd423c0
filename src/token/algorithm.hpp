// The signature algorithms of JOSE that lethe knows (RFC 7518 section 3, RFC 8037, RFC 9864).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace lethe::token {

// `none` is not among them, so that no configuration can allow it.
enum class algorithm : std::uint8_t {
    rs256,
    rs384,
    rs512,
    ps256,
    ps384,
    ps512,
    es256,
    es384,
    es512,
    // "EdDSA" and its newer name "Ed25519": with an Ed25519 key the two are one algorithm.
    ed25519,
    hs256,
    hs384,
    hs512,
};
inline constexpr std::size_t algorithm_count = 13;

// Exact names only, as a token's header or a configuration says them; anything else is nullopt.
[[nodiscard]] std::optional<algorithm> parse_algorithm(std::string_view name) noexcept;
// "ES256"; "EdDSA" for ed25519, which more readers know than "Ed25519".
[[nodiscard]] std::string_view to_name(algorithm a) noexcept;

// HS256, HS384, HS512: whoever can verify can sign.
[[nodiscard]] constexpr bool is_symmetric(algorithm a) noexcept {
    return a >= algorithm::hs256;
}

}  // namespace lethe::token
