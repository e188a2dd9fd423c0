// A session as the store keeps it: one record, sealed with the cookie's secret.
//
//     "LS" | format | kind | nonce (24) | XChaCha20-Poly1305(content, AAD = record key | the first
//     4 bytes)
//
// A tombstone has no content: who ends a session from outside has no secret to seal with.
#pragma once

#include "base/clock.hpp"
#include "base/random.hpp"
#include "session/errors.hpp"
#include "session/ticket.hpp"

#include <array>
#include <cstdint>
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

// `opened_record` as a record of `holder`.
[[nodiscard]] std::string seal(const opened_record& content, const ticket& holder,
                               random_source& random);
// errc::not_opened for another holder's record, errc::corrupt for what lethe did not write.
[[nodiscard]] result<opened_record> open(std::string_view value, const ticket& holder);

}  // namespace lethe::session
