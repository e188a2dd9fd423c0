// What a request brings along to say who is calling (RFC 6750 section 2.1).
#pragma once

#include "http/fields.hpp"

#include <cstdint>
#include <string_view>

namespace lethe::identity {

struct credentials {
    enum class kind : std::uint8_t {
        none,
        bearer,
        other_scheme,  // Basic, DPoP, …: not for lethe
        unreadable,    // two Authorization fields, or one that is no credentials at all
    };
    kind what = kind::none;
    std::string_view token;  // of bearer; part of the field
};
// Only the Authorization field: tokens in queries and forms end up in logs and are not looked for
// (E2).
[[nodiscard]] credentials read_credentials(const http::fields& header) noexcept;

}  // namespace lethe::identity
