// Base64 for what is no secret, several times as fast as bytes.hpp, whose functions take the same
// time whatever the bytes: for sealed texts, and for what is shown anyhow.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lethe {

enum class base64_alphabet {
    standard,  // RFC 4648 section 4, with padding
    url,       // section 5, without
};

// Appends.
void append_open_base64(std::string& out, std::string_view bytes, base64_alphabet in);
// Section 5, as strict as from_base64url. False, `out` unspecified, for anything else.
[[nodiscard]] bool decode_open_base64url(std::string_view text, std::string& out);

}  // namespace lethe
