// What a change makes of a session: pure, no store.
#pragma once

#include "session/engine.hpp"

namespace lethe::session::detail {

struct rule_context {
    system_time now{};
    std::uint64_t nonce = 0;  // names this write
    const settings& options;
};

[[nodiscard]] bool remembers(const state& data, std::string_view operation);

// The session after the change, with a new version; nullopt when it would be as it is now. Whether
// a ticket must be changed too is not its business. Errors: those of session::errc that are about
// conflicts and the patch.
[[nodiscard]] result<std::optional<state>> next_state(const state& now, const change& wanted,
                                                      rule_context context);

// All slots as one JSON object; of those named in `only`.
[[nodiscard]] std::string slots_json(const state& data, const std::vector<std::string>& only);
// The bytes of all slots as one JSON object.
[[nodiscard]] std::size_t slots_bytes(const state& data);

}  // namespace lethe::session::detail
