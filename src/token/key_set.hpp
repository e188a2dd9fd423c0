// The keys of one issuer (RFC 7517 section 5): what can be used, and what was left out and why.
#pragma once

#include "token/key.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::token {

// Where the text came from decides what may be in it (rules J5, J6).
enum class key_source : std::uint8_t {
    // Chosen by the operator: secrets and private keys are allowed.
    local,
    // Fetched: secrets are ignored, a key with a private member is ignored.
    remote,
};

struct skipped_key {
    std::size_t index = 0;  // in the set
    std::string id;         // its `kid` as far as it could be read
    errc why = errc::key_malformed;

    bool operator==(const skipped_key&) const = default;
};

// A value, never changed after it was made: share it as shared_ptr<const key_set>.
class key_set {
 public:
    static constexpr std::size_t keys_max = 64;
    static constexpr std::size_t text_bytes_max = 256 * 1024;

    key_set() = default;

    // Reads a JWK or a JWK set. A bad or unknown key is left out and listed, never fatal; errors
    // are only not_json, not_a_key, too_many_keys, mixed_keys. The set may end up empty.
    [[nodiscard]] static result<key_set> parse(std::string_view text, key_source source);

    [[nodiscard]] std::span<const key> keys() const noexcept { return keys_; }
    [[nodiscard]] std::span<const skipped_key> skipped() const noexcept { return skipped_; }
    [[nodiscard]] bool has_private_keys() const noexcept;
    [[nodiscard]] bool has_secrets() const noexcept;

    // The same keys under the same names: nothing verified with one set need be forgotten with the
    // other.
    [[nodiscard]] bool same_keys(const key_set& other) const noexcept;

 private:
    // `places` are the keys' indices in the set.
    void drop_duplicate_ids(const std::vector<std::size_t>& places);

    std::vector<key> keys_;
    std::vector<skipped_key> skipped_;
};

}  // namespace lethe::token
