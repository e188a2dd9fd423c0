// What the contract says about operations, said once for all engines.
#pragma once

#include "store/store.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace lethe::store {

// errc::too_large or errc::malformed when an engine must refuse them without looking further.
[[nodiscard]] result<> check(std::span<const operation> operations);
[[nodiscard]] result<> check(const operation& one);
// The same for list_subject; a page of 0 keys is malformed.
[[nodiscard]] result<> check_listing(std::string_view subject, std::string_view key_prefix,
                                     std::string_view after, std::size_t keys_max);

// The same for scan by engines whose cursor is a key.
[[nodiscard]] result<> check_scan(std::string_view cursor, std::size_t keys_max);

// True when `expect` is met by a live record of version `present`, or by none.
[[nodiscard]] bool holds(const expectation& expect, std::optional<record_version> present) noexcept;

// now + ttl, or the last moment there is.
[[nodiscard]] system_time expiry_after(system_time now, std::chrono::milliseconds ttl) noexcept;

// A record is alive while now < expires.
[[nodiscard]] constexpr bool alive(system_time expires, system_time now) noexcept {
    return now < expires;
}

// Roughly what an operation keeps in memory while it waits.
[[nodiscard]] std::size_t bytes_of(std::span<const operation> operations) noexcept;

// Only gets: may be answered beside the writer.
[[nodiscard]] bool only_reads(std::span<const operation> operations) noexcept;

// The first key a listing may answer: all keys after `after` that start with `key_prefix` are not
// less.
[[nodiscard]] std::string first_listed(std::string_view key_prefix, std::string_view after);
// Greater than every key that starts with `key_prefix`, and not greater than any key behind those.
[[nodiscard]] std::string end_listed(std::string_view key_prefix);

}  // namespace lethe::store
