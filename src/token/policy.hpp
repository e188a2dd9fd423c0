// What one issuer's tokens must be like. Plain values: the configuration fills them, the verifier
// obeys.
#pragma once

#include "token/algorithm.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lethe::token {

// Which `typ` an access token may say (RFC 8725 section 3.11). All comparisons ignore case.
enum class type_rule : std::uint8_t {
    // "JWT", "at+jwt", both also with "application/" before them, or none at all; never another
    // class of
    // token (ID token, logout+jwt, dpop+jwt, token-introspection+jwt, …).
    any_access_token,
    // RFC 9068 alone: "at+jwt" or "application/at+jwt", with all the claims it requires.
    at_jwt,
};

struct policy {
    std::string issuer;                  // `iss`, byte for byte
    std::vector<std::string> audiences;  // one of them must be in `aud`
    bool audience_unchecked = false;     // only then may `audiences` be empty
    std::vector<algorithm> algorithms = {algorithm::rs256, algorithm::ps256, algorithm::es256,
                                         algorithm::ed25519};
    type_rule type = type_rule::any_access_token;
    std::chrono::seconds skew{30};                     // 0 to 300
    std::optional<std::chrono::seconds> lifetime_max;  // exp - iat
    std::size_t token_bytes_max = 8 * 1024;            // up to token_bytes_limit
    // Refuse tokens whose header brings a key along (jku, jwk, x5u, x5c, x5t); otherwise such
    // members are ignored. They never choose a key.
    bool refuse_key_headers = false;

    bool operator==(const policy&) const = default;
};

inline constexpr std::size_t token_bytes_limit = 64 * 1024;
inline constexpr std::chrono::seconds skew_limit{300};

}  // namespace lethe::token
