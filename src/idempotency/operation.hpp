// What an operator may do about keys from outside: see them, settle an outcome that nobody knows,
// forget a person's answers.
#pragma once

#include "base/clock.hpp"
#include "base/random.hpp"
#include "idempotency/record.hpp"
#include "store/store.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lethe::idempotency {

// The prefix of the keys' records in a store.
inline constexpr std::string_view record_prefix = "i:";

// Without what the answer said.
struct listed_key {
    std::string id;  // make_record_id(), 32 bytes
    std::string subject;
    record_state state = record_state::claimed;
    bool unknown = false;  // in that state, or a claim whose lease is over
    std::uint64_t epoch = 0;
    system_time created;
    system_time lease_until;
    system_time expires;
    int status = 0;  // done
    bool has_body = false;
};

// nullopt: no such key. Errors: the store's, errc::record_corrupt.
[[nodiscard]] task<std::optional<listed_key>> look_at_key(store::store& in, clock& time,
                                                          std::string id, steady_time deadline);
// Those of one subject; what cannot be read is left out.
[[nodiscard]] task<std::vector<listed_key>> list_keys(store::store& in, clock& time,
                                                      std::string subject, steady_time deadline);

enum class settlement : std::uint8_t {
    settled,
    not_found,
    not_unknown,  // it is done, free, or still under way
};
// Somebody knows what became of an unknown outcome: `found` is it, or nullopt when it was not done,
// which frees the key. A gateway that comes back late with its own answer is fenced off.
[[nodiscard]] task<settlement> settle_key(store::store& in, clock& time, random_source& random,
                                          std::string id, std::optional<outcome> found,
                                          steady_time deadline);

// Removes the answers and the subject from a person's keys and keeps that they were used, so that a
// retry is not executed again: it gets 409 replay-unavailable. How many; after an error some may be
// done, calling again is safe.
[[nodiscard]] task<std::size_t> forget_answers(store::store& in, clock& time, std::string subject,
                                               steady_time deadline);

}  // namespace lethe::idempotency
