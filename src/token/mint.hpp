// Making and looking at tokens by hand: what `lethe token` does, without its arguments and its
// output.
#pragma once

#include "base/clock.hpp"
#include "base/random.hpp"
#include "token/claims.hpp"
#include "token/key_set.hpp"

#include <boost/json/object.hpp>

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::token {

// What a new token shall say.
struct mint_request {
    std::string issuer;
    std::vector<std::string> audience;
    std::string subject;
    std::chrono::seconds ttl{3600};  // negative: already expired, for tests
    std::string type = "JWT";
    boost::json::object extra;                  // further claims; they win over those above
    std::optional<token::algorithm> algorithm;  // nullopt: the key's usual one
};
// The claims: iss, sub, aud, iat, exp, jti and the extra ones.
[[nodiscard]] boost::json::object make_claims(const mint_request& request, system_time now,
                                              random_source& random);
// Errors: as signer::make and signer::sign; key_wrong_algorithm for a secret without `alg`.
[[nodiscard]] result<std::string> mint(const key& with, const mint_request& request,
                                       system_time now, random_source& random);

// The one key of a set that can sign, or the one of that `kid`. Errors: unknown_key when there is
// none or more than one, key_not_private.
[[nodiscard]] result<key> choose_signing_key(const key_set& keys, std::string_view id);

// The public parts of all keys as a JWK set; errors: mixed_keys when one is a secret, which has
// none.
[[nodiscard]] result<boost::json::object> to_public_set(std::span<const key> keys);

// A token as it stands: nothing of it is verified.
struct inspection {
    boost::json::object header;
    boost::json::object claims;
    std::vector<std::string> warnings;  // what a reader should know: expired, alg none, …
};
[[nodiscard]] result<inspection> inspect(std::string_view token, system_time now);

}  // namespace lethe::token
