// Why a token or a key is refused: a bounded set of reasons, fit for a log and a metric. A client
// never learns which.
#pragma once

#include "base/error.hpp"

#include <cstddef>
#include <string_view>

namespace lethe::token {

enum class errc {
    // --- tokens, in the order they are looked for (rules J1 to J15)
    too_large = 1,          // the token, or its header
    not_compact,            // not three parts, or a byte that the compact form does not know
    encrypted,              // five parts: a JWE
    bad_encoding,           // not strict base64url
    bad_header,             // not a JSON object, a member twice, or a member of the wrong type
    critical_header,        // `crit` or `b64`
    key_header,             // jku, jwk, x5u, x5c or x5t, and the policy refuses those
    bad_payload,            // not a JSON object, or a member twice
    algorithm_not_allowed,  // unknown, none, or not on the issuer's list
    wrong_type,             // `typ`, or claims, of another class of token
    unknown_issuer,         // `iss` is none of the issuers in question
    wrong_audience,         // `aud` names none of the audiences in question
    expired,
    not_yet_valid,  // `nbf`, or an `iat` in the future
    claim_missing,
    claim_malformed,  // a claim of the wrong JSON type
    unknown_key,      // no key of that `kid`, or no `kid` and not exactly one key that fits
    wrong_key,        // the key of that `kid` is not for the token's algorithm
    bad_signature,
    lifetime_too_long,
    // --- keys and key sets
    not_json,   // not strict JSON
    not_a_key,  // neither a JWK nor a JWK set
    too_many_keys,
    mixed_keys,           // symmetric and asymmetric keys in one set
    key_malformed,        // a member is missing, of the wrong type, or badly encoded
    key_unsupported,      // a `kty` or `crv` lethe does not know
    key_wrong_use,        // `use` or `key_ops` say that it is not for signatures
    key_wrong_algorithm,  // its `alg` is no signature algorithm that fits it
    key_too_weak,         // RSA under 2048 bits, a secret shorter than the hash, a bad exponent, …
    key_too_large,        // RSA over 8192 bits
    key_not_on_curve,
    key_duplicate_id,         // two keys of one kind with one `kid`: neither is used
    key_private_in_remote,    // a private member in a set from the network
    key_symmetric_in_remote,  // a secret in a set from the network
    key_not_private,          // cannot sign
    key_inconsistent,         // the private part does not belong to the public part
    // --- the library
    crypto_failed,  // the cryptographic library refused to work
};
inline constexpr std::size_t token_reason_count = static_cast<std::size_t>(errc::lifetime_too_long);

[[nodiscard]] error_code make_error_code(errc e) noexcept;
// "bad_signature": a metric's label and a log's field.
[[nodiscard]] std::string_view to_reason(errc e) noexcept;
// The errc of an error of this folder; crypto_failed for any other error.
[[nodiscard]] errc to_errc(const error_code& error) noexcept;

}  // namespace lethe::token

template <>
struct boost::system::is_error_code_enum<lethe::token::errc> : std::true_type {};
