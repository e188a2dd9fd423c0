// What a Lethe-Session-Url ends in: a sealed, short-lived right to one session, as one route may
// use it.
//
//     "h" base64url(format | nonce (24) | XChaCha20-Poly1305(
//         flags | ticket (32) | route (16) | version (8) | expires (8)))
//
// Always as long. Whoever has it may use it, so it is never logged; any gateway that has the key
// can serve it. What the route may read and write is looked up when it is used, so that a right
// that was taken away is gone at once.
#pragma once

#include "base/clock.hpp"
#include "base/random.hpp"
#include "base/secret.hpp"
#include "session/ticket.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::session {

inline constexpr std::size_t route_mark_bytes = 16;
inline constexpr std::size_t handle_keys_max = 4;
inline constexpr std::size_t handle_key_bytes_min = 32;

// What names a route in a handle: a hash of its name.
[[nodiscard]] std::string route_mark(std::string_view route_name);

struct handle {
    ticket holder;
    bool reserved = false;      // no session yet: the first change makes it, under this ticket
    std::string route;          // route_mark()
    std::uint64_t version = 0;  // of the session that the service saw
    system_time expires{};
};

// Never changes. The first key seals, all of them open.
class handle_keys {
 public:
    // 1 to handle_keys_max texts, each of handle_key_bytes_min bytes or more, hard to guess.
    explicit handle_keys(const std::vector<std::string>& texts);

    [[nodiscard]] std::string seal(const handle& what, random_source& random) const;
    // nullopt for what none of the keys sealed, and for what has expired: nothing tells which.
    [[nodiscard]] std::optional<handle> open(std::string_view text, system_time now) const;

 private:
    std::vector<secret> keys_;
};

// Names the handle in the writes that are made with it, so that the answer's own change is seen to
// come from one who knows them. Never 0.
[[nodiscard]] std::uint32_t write_mark(std::string_view handle_text);

}  // namespace lethe::session
