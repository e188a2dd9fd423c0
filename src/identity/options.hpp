// What a user may say about who is trusted and what a route asks of its callers. Plain values: the
// configuration fills them, check() finds what cannot work, the rest of the folder obeys.
#pragma once

#include "token/policy.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::identity {

// One entry of `issuers:`. Exactly one party whose signatures are trusted.
struct issuer_options {
    std::string name;                   // what routes call it
    std::string issuer;                 // the tokens' `iss`, byte for byte
    std::vector<std::string> audience;  // the tokens' `aud` must hold one of these
    bool audience_unchecked = false;    // takes tokens that were made for anybody
    std::vector<token::algorithm> algorithms = {token::algorithm::rs256, token::algorithm::ps256,
                                                token::algorithm::es256, token::algorithm::ed25519};
    std::string keys_file;  // `keys: {file: …}`: a JWK or a JWK set
    token::type_rule type = token::type_rule::any_access_token;  // `typ: any` or `typ: at+jwt`
    std::chrono::seconds skew{30};                               // 0 to 300 s
    std::optional<std::chrono::seconds> lifetime_max;            // longest exp - iat; nullopt: any
    std::size_t token_bytes_max = 8 * 1024;                      // 256 to 65536
    bool refuse_key_headers = false;

    bool operator==(const issuer_options&) const = default;
};

// A verified claim handed on to the upstream as a field.
struct forward_option {
    std::string claim;  // a top-level claim, "sub"; or a JSON pointer, "/realm_access/roles"
    std::string field;  // "X-User"

    bool operator==(const forward_option&) const = default;
};

// `authenticate:` of one route.
struct authenticate_options {
    std::vector<std::string> issuers;  // names; at least one
    std::vector<std::string>
        audience;  // on top of the issuer's own: one must be in `aud`; empty: any
    std::vector<std::string> scopes;  // all of these must be granted
    std::vector<forward_option> forward;
    std::string list_separator = " ";  // between the members of a list of strings: " " or ","
    bool optional = false;             // no token: anonymous; a bad one is refused all the same
    bool strip_authorization = false;  // do not hand the token itself on
    std::string realm = "lethe";       // of WWW-Authenticate

    bool operator==(const authenticate_options&) const = default;
};

// `typ:` as the configuration says it: "any", "at+jwt".
[[nodiscard]] std::optional<token::type_rule> parse_type_rule(std::string_view text) noexcept;

// What is wrong with an option, fit for a user: which option, and what to do about it.
struct mistake {
    std::string option;  // "audience", "forward"
    std::string text;

    bool operator==(const mistake&) const = default;
};
// All mistakes that can be seen without reading files; empty when there is none.
[[nodiscard]] std::vector<mistake> check(const issuer_options& options);
[[nodiscard]] std::vector<mistake> check(const authenticate_options& options);

}  // namespace lethe::identity
