// The operator's keys, with which sessions are sealed where `encryption: keyring` or `mode: sealed`
// says so. The first key seals, all of them open: a new key is known everywhere before it seals.
#pragma once

#include "base/error.hpp"
#include "base/secret.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe {
class random_source;
}

namespace lethe::session {

inline constexpr std::size_t key_bytes = 32;
inline constexpr std::size_t key_id_bytes_max = 16;
inline constexpr std::size_t keys_max = 16;

// Where one key comes from, as it is configured.
struct key_source {
    std::string id;    // 1 to key_id_bytes_max of A-Z a-z 0-9 _ -
    std::string file;  // its text stands in this file; else
    secret text;       // this is its text: 32 bytes as base64, base64url or hexadecimal digits
};

[[nodiscard]] bool is_key_id(std::string_view id) noexcept;

class keyring {
 public:
    struct key {
        std::string id;
        // Made once from the operator's key, one for each purpose.
        secret of_records;
        secret of_cookies;
    };

    // The key that seals.
    [[nodiscard]] const key& first() const noexcept { return keys_.front(); }
    // Null for a key that is not on the ring.
    [[nodiscard]] const key* find(std::string_view id) const noexcept;
    // What such a key sealed is over: the operator said so.
    [[nodiscard]] bool is_retired(std::string_view id) const noexcept;
    // For a key that is not on the ring: errc::key_retired, else errc::key_missing.
    [[nodiscard]] error_code why_missing(std::string_view id) const noexcept;

 private:
    friend struct loaded_keyring load_keyring(const std::vector<key_source>&,
                                              const std::vector<std::string>&);

    std::vector<key> keys_;
    std::vector<std::string> retired_;
};

struct loaded_keyring {
    std::shared_ptr<const keyring> ring;  // null with no keys, and where there is a problem
    std::string problem;                  // fit for the person who wrote the configuration
    std::size_t index = 0;                // of the key with the problem
};
// Reads the files. Refuses keys of another length than 32 bytes, files that others than the owner
// and its group may read or that others than the owner may write, ids and keys that come twice.
[[nodiscard]] loaded_keyring load_keyring(const std::vector<key_source>& keys,
                                          const std::vector<std::string>& retired);

// A new key's text, a line without its end.
[[nodiscard]] std::string make_key_text(random_source& random);

}  // namespace lethe::session
