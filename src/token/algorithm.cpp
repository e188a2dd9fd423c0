#include "token/algorithm.hpp"

#include <array>

namespace lethe::token {
namespace {

// In the order of the enumeration.
constexpr std::array<std::string_view, algorithm_count> names = {
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
    "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512"};

}  // namespace

std::optional<algorithm> parse_algorithm(std::string_view name) noexcept {
    for (std::size_t i = 0; i < names.size(); ++i)
        if (names[i] == name) return static_cast<algorithm>(i);
    if (name == "Ed25519") return algorithm::ed25519;
    return std::nullopt;
}

std::string_view to_name(algorithm a) noexcept {
    return names[static_cast<std::size_t>(a)];
}

}  // namespace lethe::token
