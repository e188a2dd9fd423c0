// The Idempotency-Key field (draft-ietf-httpapi-idempotency-key-header, section 2.1).
//
// The draft wants a Structured Fields string; most clients send the key bare. Both are taken and
// name the same key; parameters are ignored.
#pragma once

#include "idempotency/errors.hpp"
#include "idempotency/options.hpp"

#include <string>
#include <string_view>

namespace lethe::idempotency {

inline constexpr std::size_t key_bytes_max = 255;

struct key_rules {
    bool strict = false;
    key_format format = key_format::any;
};

// The key that one field line names, normalised: unquoted, a UUID in lower case where the format
// says so. Errors: key_malformed, key_too_long, key_not_quoted, key_not_uuid.
[[nodiscard]] result<std::string> parse_key(std::string_view field_value, key_rules rules);

// `key` as a quoted field value, as parse_key reads it.
[[nodiscard]] std::string sf_string(std::string_view key);

// What the store knows a key by.
struct key_owner {
    std::string_view tenant;
    std::string_view caller;  // as caller_of_… below made it
};

// Distinct for each kind of caller and each caller, whatever the texts contain.
[[nodiscard]] std::string caller_of_principal(std::string_view issuer, std::string_view subject);
[[nodiscard]] std::string caller_of_session(std::string_view pseudonym);
[[nodiscard]] std::string caller_of_nobody();

// SHA-256(tenant | caller | key), 32 bytes: nobody can look up another caller's answer by its key.
[[nodiscard]] std::string make_record_id(const key_owner& owner, std::string_view key);

}  // namespace lethe::idempotency
