// What a token says (RFC 7519 section 4), with its JSON types checked (rules J3, J11).
#pragma once

#include "base/clock.hpp"
#include "token/errors.hpp"

#include <boost/json/object.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::token {

struct claims {
    std::string issuer;   // "" when absent
    std::string subject;  // "" when absent
    std::vector<std::string> audience;
    std::optional<system_time> expires_at;
    std::optional<system_time> not_before;
    std::optional<system_time> issued_at;
    boost::json::object members;  // all of them
    std::string text;             // the payload as it was signed

    // Whether `aud` holds one of them.
    [[nodiscard]] bool is_for_any(const std::vector<std::string>& audiences) const noexcept;
    // What the granted scopes are: `scope` (a string of words, or a list), or else `scp`.
    [[nodiscard]] bool has_scope(std::string_view wanted) const noexcept;
    // About how much memory it holds.
    [[nodiscard]] std::size_t bytes() const noexcept;
};

// Strict JSON, no deeper than json_depth_max; the registered claims of the right JSON type. Errors:
// bad_payload, claim_malformed.
[[nodiscard]] result<claims> parse_claims(std::string_view payload);

}  // namespace lethe::token
