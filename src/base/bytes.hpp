// Bytes as text and back, hashes, comparison of secrets. Byte strings are std::string and
// std::string_view throughout lethe.
#pragma once

#include "base/error.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace lethe {

[[nodiscard]] std::string to_hex(std::string_view bytes);
// Lower or upper case, an even number of digits.
[[nodiscard]] result<std::string> from_hex(std::string_view text);

// RFC 4648 section 5 without padding. Decoding is strict: no padding, no white space, no characters
// of the other alphabet, unused bits zero.
[[nodiscard]] std::string to_base64url(std::string_view bytes);
[[nodiscard]] result<std::string> from_base64url(std::string_view text);

// RFC 4648 section 4 with padding. Decoding is strict in the same way; padding is required.
[[nodiscard]] std::string to_base64(std::string_view bytes);
[[nodiscard]] result<std::string> from_base64(std::string_view text);

// 32 raw bytes.
[[nodiscard]] std::string sha256(std::string_view bytes);
// The hash of several parts, each preceded by its length, so that no two lists share a hash input.
[[nodiscard]] std::string sha256_of_parts(std::initializer_list<std::string_view> parts);

// Hash in pieces, for bodies that stream.
class sha256_stream {
 public:
    sha256_stream();
    ~sha256_stream();
    sha256_stream(const sha256_stream&) = delete;
    sha256_stream& operator=(const sha256_stream&) = delete;
    void update(std::string_view bytes);
    // 32 raw bytes; call once, last.
    [[nodiscard]] std::string finish();

 private:
    alignas(16) std::array<unsigned char, 128> state_;
};

// A 64-bit hash that never changes: gateways of all versions and machines must agree on where
// something belongs. Not a secret, and nothing against who chooses the bytes.
[[nodiscard]] std::uint64_t stable_hash(std::string_view bytes) noexcept;

// Takes the same time whatever the contents; the lengths are not secret.
[[nodiscard]] bool equal_constant_time(std::string_view a, std::string_view b) noexcept;

// ASCII only, as protocols want it.
[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;
[[nodiscard]] bool starts_with_ignoring_case(std::string_view text,
                                             std::string_view prefix) noexcept;
[[nodiscard]] std::string to_lower(std::string_view text);
// Without spaces and tabs at both ends (RFC 9110 OWS).
[[nodiscard]] std::string_view trim(std::string_view text) noexcept;

// Valid UTF-8 (no surrogates, no overlong forms).
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

}  // namespace lethe
