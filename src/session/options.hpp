// What can be set about sessions: for the whole gateway (`settings`) and for one route
// (`route_options`). Plain values; the configuration fills them and checks them with
// `find_mistake`.
#pragma once

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
};

// What a route answers when the session cannot be read because the store is away.
enum class store_down_rule : std::uint8_t {
    refuse,     // 503 session-unavailable with Retry-After
    anonymous,  // as if the caller had no session; only for routes that write no slot
};

// One route's `session:` section.
struct route_options {
    std::vector<std::string> read;   // slots that the upstream sees
    std::vector<std::string> write;  // slots that the upstream may change
    conflict_rule on_conflict = conflict_rule::reject;
    store_down_rule when_store_down = store_down_rule::refuse;
    // Callers without a session get 403 session-required.
    bool required = false;
    // Whose pseudonym the upstream sees (Lethe-Session-Id): the upstream's name. Two services
    // cannot tell from it that they serve the same session.
    std::string service;
};

// The gateway's `sessions:` section.
struct settings {
    // A name with the prefix "__Host-" needs cookie_secure.
    std::string cookie_name = "__Host-lethe";
    // False only to develop over plain HTTP; the cookie then needs a name without "__Host-".
    bool cookie_secure = true;
    // A session ends when it is not used for so long. 10 s to absolute_ttl.
    std::chrono::seconds idle_ttl = std::chrono::minutes{30};
    // A session ends then, however busy it is. Up to 400 days.
    std::chrono::seconds absolute_ttl = std::chrono::hours{24};
    // All slots as one JSON text. It travels upstream in a field, base64 takes a third more, and
    // many services refuse heads above 8 KB. 256 to 16384.
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

}  // namespace lethe::session
