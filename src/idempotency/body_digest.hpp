// Which bodies of a media type say the same, as far as the route wants to know.
#pragma once

#include "idempotency/json_path.hpp"
#include "idempotency/options.hpp"

#include <span>
#include <string>
#include <string_view>

namespace lethe::idempotency {

// 32 bytes, equal for bodies that count as the same:
// - body_rule::bytes: the body.
// - body_rule::meaning: JSON (application/json, */*+json) in its canonical text (RFC 8785),
//   multipart bodies without their boundary; all else, and what cannot be read, as it is.
// With paths, of JSON only what they select counts.
[[nodiscard]] std::string body_digest(std::string_view content_type, std::string_view body,
                                      body_rule rule, std::span<const json_path> paths);

// The same for body_rule::bytes, from the body's SHA-256.
[[nodiscard]] std::string digest_of_bytes(std::string_view sha256);

// A content type's type and subtype, in lower case.
[[nodiscard]] std::string media_type_of(std::string_view content_type);
[[nodiscard]] bool is_json(std::string_view media_type) noexcept;

}  // namespace lethe::idempotency
