// What a change makes of a session: pure, no store.
#pragma once

#include "session/engine.hpp"

namespace lethe::session::detail {

struct rule_context {
    system_time now{};
    std::uint64_t nonce = 0;  // names this write
    const settings& options;
};

// A write's name that tells who made it.
[[nodiscard]] std::uint64_t marked(std::uint64_t nonce, std::uint32_t mark) noexcept;
// The version up to which who asks knows the session: the one it saw, and what it wrote itself
// right behind that.
[[nodiscard]] std::uint64_t known_version(const state& now, const change& wanted) noexcept;

[[nodiscard]] bool remembers(const state& data, std::string_view operation);

// The session after the change, with a new version; nullopt when it would be as it is now. Whether
// a ticket must be changed too is not its business. Errors: those of session::errc that are about
// conflicts and the patch.
[[nodiscard]] result<std::optional<state>> next_state(const state& now, const change& wanted,
                                                      rule_context context);

// A session that begins now, without anything in it.
[[nodiscard]] state fresh_state(const settings& options, system_time now, random_source& random);
// Whether the change makes it another subject's session, or the same one's anew.
[[nodiscard]] bool is_login(const change& wanted, const state& now);
// A login begins a new life of what the session holds.
void begin_again(state& data, state beginning);
// How long ago a session must have been seen for its life to be prolonged: max(60 s, 5 % of its
// idle TTL), but at most half of that.
[[nodiscard]] std::chrono::milliseconds touch_step(std::chrono::seconds idle_ttl);

// All slots as one JSON object; of those named in `only`.
[[nodiscard]] std::string slots_json(const state& data, const std::vector<std::string>& only);
// The bytes of all slots as one JSON object.
[[nodiscard]] std::size_t slots_bytes(const state& data);

}  // namespace lethe::session::detail
