// What can be set about sessions: for the whole gateway (`settings`) and for one route
// (`route_options`). Plain values; the configuration fills them and checks them with
// `find_mistake`.
#pragma once

#include "session/keyring.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lethe::session {

// What happens when a slot that a merge or JSON patch touches has changed since the upstream saw
// it. Operations patches are applied to the present value and never meet this.
enum class conflict_rule : std::uint8_t {
    reject,            // 409 session-conflict, nothing is changed
    last_writer_wins,  // the patch is applied to what is there now
    // The request is sent again, with the session as it is now, three times at most: GET, HEAD,
    // PUT and DELETE without a key, and a body of at most 64 KiB. Else as `reject`.
    retry,
};

// What a route answers when the session cannot be read because the store is away.
enum class store_down_rule : std::uint8_t {
    refuse,     // 503 session-unavailable with Retry-After
    anonymous,  // as if the caller had no session; only for routes that write no slot
};

// When the upstream gets a URL at which it reads and changes the session (Lethe-Session-Url).
enum class url_rule : std::uint8_t {
    large,   // instead of a Lethe-Session that would be too large for a field
    always,  // also beside it, and for callers without a session where the route writes
};

// Above it the slots do not travel in a field: base64 takes a third more, and many servers refuse
// heads above 8 KB.
inline constexpr std::size_t field_slots_bytes_max = 4096;

// Requests of one session run one after the other; see turn.hpp.
struct serialize_options {
    // How long one waits for its turn. 10 ms to 60 s.
    std::chrono::milliseconds wait{5'000};
    // How long a turn lasts without a sign of life of its gateway. 1 s to 60 s.
    std::chrono::milliseconds lease{10'000};
};

// What happens when a session is read whose version is below the one that its cookie knows: the
// store lost changes that were acknowledged (a failover), or a replica lags behind.
enum class stale_rule : std::uint8_t {
    retry,   // it is read again for up to stale_wait; then as refuse
    refuse,  // 503 session-stale
    accept,  // the upstream gets it as it is, with Lethe-Session-Stale: ?1
};
inline constexpr std::chrono::seconds stale_wait{1};

// One route's `session:` section.
struct route_options {
    std::vector<std::string> read;   // slots that the upstream sees
    std::vector<std::string> write;  // slots that the upstream may change
    conflict_rule on_conflict = conflict_rule::reject;
    store_down_rule when_store_down = store_down_rule::refuse;
    url_rule url = url_rule::large;
    std::optional<serialize_options> serialize{};  // only for routes that write
    stale_rule stale = stale_rule::retry;
    // Callers without a session get 403 session-required.
    bool required = false;
    // Whose pseudonym the upstream sees (Lethe-Session-Id): the upstream's name. Two services
    // cannot tell from it that they serve the same session.
    std::string service;
};

// Where sessions are.
enum class session_mode : std::uint8_t {
    stored,  // in a store; the cookie holds a ticket
    sealed,  // in the browser's cookies, sealed with the first of `keys`
};

// With what the store's records are sealed.
enum class encryption_mode : std::uint8_t {
    ticket,   // the secret in each session's cookie: who has store and gateway can open none
    keyring,  // the operator's keys: `lethe session show` opens what they sealed
};

// The gateway's `sessions:` section.
struct settings {
    session_mode mode = session_mode::stored;
    // How old what is known of ended sessions may be (mode sealed, with a store). Up to 1 h.
    std::chrono::milliseconds revocation_delay = std::chrono::seconds{10};
    encryption_mode encryption = encryption_mode::ticket;
    // The first seals, all open; needed for encryption_mode::keyring and session_mode::sealed.
    std::vector<key_source> keys;
    // Ids of keys whose sessions are over.
    std::vector<std::string> retired_keys;
    // A name with the prefix "__Host-" needs cookie_secure.
    std::string cookie_name = "__Host-lethe";
    // False only to develop over plain HTTP; the cookie then needs a name without "__Host-".
    bool cookie_secure = true;
    // A session ends when it is not used for so long. 10 s to absolute_ttl.
    std::chrono::seconds idle_ttl = std::chrono::minutes{30};
    // A session ends then, however busy it is. Up to 400 days.
    std::chrono::seconds absolute_ttl = std::chrono::hours{24};
    // All slots as one JSON text. What a route reads of it travels upstream in a field up to
    // field_slots_bytes_max, beyond by URL. 256 to 256 KiB.
    std::size_t session_bytes_max = 4096;
    // Slots a session may have. 1 to 256.
    std::size_t slots_max = 32;
    // A decoded Lethe-Session-Patch. 256 to 65536.
    std::size_t patch_bytes_max = 8192;
    // Keyed changes that a session remembers, so that a replay changes nothing: 24 bytes each. When
    // so many were made within operation_memory, further ones are refused (429). 1 to 4096.
    std::size_t operations_max = 512;
    // How long each is remembered: longer than any route keeps idempotent outcomes.
    std::chrono::seconds operation_memory = std::chrono::hours{25};
    // One store call; the exchange's deadline ends it earlier.
    std::chrono::milliseconds store_timeout = std::chrono::seconds{5};
};

// What is wrong with the settings, fit for the person who wrote them; nullopt when nothing is.
[[nodiscard]] std::optional<std::string> find_mistake(const settings& wanted);
[[nodiscard]] std::optional<std::string> find_mistake(const route_options& wanted);
// The same for a route with the gateway's settings.
[[nodiscard]] std::optional<std::string> find_mistake(const route_options& wanted,
                                                      const settings& with);

}  // namespace lethe::session
