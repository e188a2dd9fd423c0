// A session as the store keeps it: one record, sealed with the cookie's secret or with a key of the
// operator's ring.
//
//     "LS" | 2 | kind | created (8) | idle ttl (4) | nonce (24)
//         | XChaCha20-Poly1305(content, AAD = record key | all before the nonce)
//     "LS" | 3 | kind | created (8) | idle ttl (4) | key id's length (1) | key id | nonce (24)
//         | XChaCha20-Poly1305(hash of the cookie's secret (16) | content, AAD likewise)
//
// Both open whatever is configured now, so that `encryption` can be changed while sessions live.
// What stands before the nonce lets an operator list a person's sessions without their secrets. A
// tombstone is the first 4 bytes: who ends a session from outside has no secret to seal with.
#pragma once

#include "base/clock.hpp"
#include "base/random.hpp"
#include "session/errors.hpp"
#include "session/keyring.hpp"
#include "session/ticket.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::session {

// A slot's value is kept as JSON text: reading a session parses nothing.
struct slot {
    std::string name;
    std::uint64_t version = 0;  // the session's version when the slot last changed
    std::string json;           // "": removed; kept for its version
    bool operator==(const slot&) const = default;
};

// A keyed change that took effect.
struct remembered_operation {
    std::array<char, 16> id{};
    std::int64_t seconds = 0;  // when, since 1970
    bool operator==(const remembered_operation&) const = default;
};

struct state {
    std::string identity;  // 16 bytes; the same from creation to login, whatever the cookie
    std::vector<std::string> earlier;  // its identities before logins, newest last
    std::uint64_t version = 0;         // grows by one with each write
    system_time created{};
    system_time written{};
    system_time absolute_expiry{};
    std::chrono::seconds idle_ttl{};
    std::string subject;                           // "" before login
    std::vector<slot> slots;                       // by first use
    std::vector<remembered_operation> operations;  // oldest first
    std::vector<std::uint64_t> writes;             // the nonces of the last writes, newest last
    bool operator==(const state&) const = default;

    [[nodiscard]] const slot* find(std::string_view name) const noexcept;
};

// So many writes a session can tell apart: after a lost answer, whether that write took place is
// known unless more than these came after it.
inline constexpr std::size_t writes_kept = 16;
// Logins behind each other in one session whose outcomes may still be replayed.
inline constexpr std::size_t identities_kept = 4;

enum class record_kind : std::uint8_t {
    session = 1,
    tombstone = 2,   // the session was ended
    rotated = 3,     // an alias: the session goes on under `target`
    superseded = 4,  // an alias: the caller logged in; `data` is the session as it was before
};

struct opened_record {
    record_kind kind = record_kind::session;
    state data;                 // session, superseded
    system_time valid_until{};  // rotated, superseded; the store may keep the record longer
    std::uint64_t made_by = 0;  // rotated, superseded: the nonce of the write
    std::string target;         // rotated: the bytes of the new ticket
};

// What a record says without a secret. Not proven to be true until it is opened.
struct outline {
    record_kind kind = record_kind::session;
    system_time created{};            // of the session; not for tombstones and rotated
    std::chrono::seconds idle_ttl{};  // likewise
    std::string_view key_id;          // a part of the value; "": sealed with its cookie's secret
};
[[nodiscard]] std::optional<outline> read_outline(std::string_view value) noexcept;
// A tombstone's bytes.
[[nodiscard]] std::string make_tombstone();

// A record's last bytes, which are its Poly1305 authenticator: of the records of one holder only
// those that say the same have the same. Zeros for what is too short to have one.
using record_seal = std::array<char, 16>;
[[nodiscard]] record_seal seal_of(std::string_view value) noexcept;

// `opened_record` as a record of `holder`; with a ring, sealed with its first key.
[[nodiscard]] std::string seal(const opened_record& content, const ticket& holder,
                               random_source& random, const keyring* ring = nullptr);
// errc::not_opened for another holder's record, errc::corrupt for what lethe did not write,
// errc::key_missing and errc::key_retired where the ring has not its key.
[[nodiscard]] result<opened_record> open(std::string_view value, const ticket& holder,
                                         const keyring* ring = nullptr);
// Without its cookie: for operators. errc::not_opened for a record that only its cookie opens.
[[nodiscard]] result<opened_record> open_with_keys(std::string_view value,
                                                   std::string_view record_key,
                                                   const keyring* ring);

// A session's state as bytes, and back: errc::corrupt for what encode_state did not make.
[[nodiscard]] std::string encode_state(const state& data);
[[nodiscard]] result<state> decode_state(std::string_view bytes);

}  // namespace lethe::session
