// Keyed hashes.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace lethe {

// HMAC-SHA-256 (RFC 2104) of the parts as one text: 32 raw bytes.
[[nodiscard]] std::string hmac_sha256(std::string_view key,
                                      std::initializer_list<std::string_view> parts);

}  // namespace lethe
