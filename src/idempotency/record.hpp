// What the store keeps for a key, and its bytes.
//
//     absent --claim--> claimed --full answer--> done
//     claimed --provably not sent--> released (as free as absent, but the epoch goes on)
//     claimed --lease over | answer lost--> unknown
//     done --claim that may replace it--> claimed, the outcome stands --full answer--> done
//     claimed, the outcome stands --lease over | anything else--> done as it was
//
// That the lease is over is seen by the reader; nobody writes it down.
#pragma once

#include "base/clock.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lethe::idempotency {

// A body that is too large for the record stands in records of its own (blob.hpp).
struct blob_reference {
    std::string name;  // nonce_bytes long
    std::uint64_t bytes = 0;

    bool operator==(const blob_reference&) const = default;
};

// What a retry gets to read.
struct outcome {
    int status = 0;         // 200 to 599
    system_time completed;  // when it was recorded, for Lethe-Original-Date
    // The first request's Origin, "" for none: Access-Control-* fields are good for that origin
    // only.
    std::string origin;
    // In order, as they are to be replayed.
    std::vector<std::pair<std::string, std::string>> header;
    // Neither of the two: it was too large to keep, or a stream. Never both.
    std::optional<std::string> body;
    std::optional<blob_reference> blob = {};

    [[nodiscard]] bool has_body() const noexcept { return body || blob; }

    bool operator==(const outcome&) const = default;
};

enum class record_state : std::uint8_t { claimed = 1, done = 2, unknown = 3, released = 4 };

// Far above what any key can reach, so that the next epoch always exists.
inline constexpr std::uint64_t epoch_max = std::uint64_t{1} << 62;
inline constexpr std::size_t nonce_bytes = 16;
inline constexpr std::size_t fingerprint_bytes = 32;

struct key_record {
    record_state state = record_state::claimed;
    std::uint64_t epoch = 0;  // 1 or more; grows with each claim of the key
    std::string nonce;        // random, nonce_bytes long: tells the claim from all others
    // Names what is executed, nonce_bytes long: the first claim's nonce, kept by the claims that
    // take its unknown outcome over, so that a session change of either takes effect once.
    std::string execution;
    std::string fingerprint;  // fingerprint_bytes long
    system_time created;      // when it was claimed
    system_time lease_until;
    system_time expires;  // the key means nothing any more from here on
    // Always when done; of a claim, the outcome that stands until another one replaces it.
    std::optional<outcome> result;
    // The epoch whose claim made `result`, where that was an earlier one; else 0.
    std::uint64_t made_at = 0;

    // The epoch that made the outcome. Precondition: there is one.
    [[nodiscard]] std::uint64_t outcome_epoch() const noexcept {
        return made_at != 0 ? made_at : epoch;
    }
    // Whether a retry finds an outcome: nobody is at work to replace it.
    [[nodiscard]] bool answers(system_time now) const noexcept {
        return result && (state == record_state::done || now >= lease_until);
    }

    bool operator==(const key_record&) const = default;
};

// Precondition: the record is whole, as said above.
[[nodiscard]] std::string encode_record(const key_record& value);
// errc::record_corrupt for anything that encode_record does not write, a later version included.
// One record has exactly one encoding.
[[nodiscard]] result<key_record> decode_record(std::string_view bytes);

}  // namespace lethe::idempotency
