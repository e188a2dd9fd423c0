#include "token/errors.hpp"

#include <array>

namespace lethe::token {
namespace {

struct reason_row {
    errc value;
    std::string_view reason;
    const char* message;
    condition maps_to = condition::denied;
};

constexpr auto reasons = std::to_array<reason_row>({
    {errc::too_large, "too_large", "the token or its header is too large"},
    {errc::not_compact, "not_compact", "not a signed token in compact form"},
    {errc::encrypted, "encrypted", "the token is encrypted (JWE), which is not supported"},
    {errc::bad_encoding, "bad_encoding", "a part of the token is not strict base64url"},
    {errc::bad_header, "bad_header", "the token's header is not a proper JSON object"},
    {errc::critical_header, "critical_header", "the token's header has `crit` or `b64`"},
    {errc::key_header, "key_header", "the token's header brings a key along"},
    {errc::bad_payload, "bad_payload", "the token's claims are not a proper JSON object"},
    {errc::algorithm_not_allowed, "algorithm_not_allowed", "the token's `alg` is not allowed"},
    {errc::wrong_type, "wrong_type", "the token is of another class than an access token"},
    {errc::unknown_issuer, "unknown_issuer", "the token's `iss` is not the expected issuer"},
    {errc::wrong_audience, "wrong_audience",
     "the token's `aud` does not name the expected audience"},
    {errc::expired, "expired", "the token has expired"},
    {errc::not_yet_valid, "not_yet_valid", "the token is not valid yet"},
    {errc::claim_missing, "claim_missing", "the token lacks a required claim"},
    {errc::claim_malformed, "claim_malformed", "a claim has the wrong JSON type"},
    {errc::unknown_key, "unknown_key", "no key fits the token's `kid`"},
    {errc::wrong_key, "wrong_key", "the key is not for this algorithm"},
    {errc::bad_signature, "bad_signature", "the token's signature is wrong"},
    {errc::lifetime_too_long, "lifetime_too_long", "the token is valid for longer than allowed"},
    {errc::not_json, "not_json", "not valid JSON", condition::malformed},
    {errc::not_a_key, "not_a_key", "neither a JWK nor a JWK set", condition::malformed},
    {errc::too_many_keys, "too_many_keys", "the set has more than 64 keys", condition::too_large},
    {errc::mixed_keys, "mixed_keys", "the set mixes secrets (oct) with other keys",
     condition::malformed},
    {errc::key_malformed, "key_malformed",
     "a member is missing, of the wrong type or badly encoded", condition::malformed},
    {errc::key_unsupported, "key_unsupported", "its kind (`kty`, `crv`) is not supported",
     condition::malformed},
    {errc::key_wrong_use, "key_wrong_use", "its `use` or `key_ops` say it is not for signatures",
     condition::malformed},
    {errc::key_wrong_algorithm, "key_wrong_algorithm",
     "its `alg` is no signature algorithm that fits it", condition::malformed},
    {errc::key_too_weak, "key_too_weak", "it is too weak", condition::malformed},
    {errc::key_too_large, "key_too_large", "it is larger than 8192 bits", condition::malformed},
    {errc::key_not_on_curve, "key_not_on_curve", "its point is not on its curve",
     condition::malformed},
    {errc::key_duplicate_id, "key_duplicate_id", "another key of its kind has the same `kid`",
     condition::malformed},
    {errc::key_private_in_remote, "key_private_in_remote", "it is private, yet published",
     condition::malformed},
    {errc::key_symmetric_in_remote, "key_symmetric_in_remote", "it is a secret, yet published",
     condition::malformed},
    {errc::key_not_private, "key_not_private", "the key has no private part: it cannot sign",
     condition::denied},
    {errc::key_inconsistent, "key_inconsistent",
     "its private part does not belong to its public part", condition::malformed},
    {errc::crypto_failed, "crypto_failed", "the cryptographic library failed",
     condition::unavailable},
});

constexpr auto rows = [] {
    std::array<error_row, reasons.size()> out{};
    for (std::size_t i = 0; i < reasons.size(); ++i)
        out[i] = {static_cast<int>(reasons[i].value), reasons[i].message, reasons[i].maps_to};
    return out;
}();

const boost::system::error_category& category() {
    static const table_category instance{"lethe.token", rows};
    return instance;
}

}  // namespace

error_code make_error_code(errc e) noexcept {
    return {static_cast<int>(e), category()};
}

std::string_view to_reason(errc e) noexcept {
    for (const reason_row& row : reasons)
        if (row.value == e) return row.reason;
    return "unknown";
}

errc to_errc(const error_code& error) noexcept {
    if (error.category() != category()) return errc::crypto_failed;
    return static_cast<errc>(error.value());
}

}  // namespace lethe::token
