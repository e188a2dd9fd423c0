// A person's sessions, seen from outside: listed and ended without their cookies.
#pragma once

#include "base/clock.hpp"
#include "session/record.hpp"
#include "store/store.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::session {

struct listed_session {
    // Names the record, opens nothing: the hash in its key as hexadecimal digits, like the other
    // ids that lethe shows. A command line never takes one for an option.
    std::string id;
    system_time created;    // of the session before its last login: then
    system_time last_seen;  // at the latest; not exact, see settings::idle_ttl
    system_time expires;
};

// The live sessions of a subject, in no order that means something. What a login superseded and
// what a rotation left behind for seconds is none.
[[nodiscard]] task<std::vector<listed_session>> list_sessions(store::store& in, std::string subject,
                                                              steady_time deadline);

// One of them as an operator may see it.
struct shown_session {
    listed_session it;
    std::string key_id;         // "": sealed with its cookie's secret, which opens it alone
    std::optional<state> data;  // where `ring` has that key
};
// nullopt: no such live session of this subject. Errors: the store's; errc::corrupt, not_opened.
[[nodiscard]] task<std::optional<shown_session>> show_session(store::store& in, std::string subject,
                                                              std::string id,
                                                              std::shared_ptr<const keyring> ring,
                                                              steady_time deadline);

enum class ending : std::uint8_t {
    ended,
    not_found,  // no such live session of this subject
};
// Leaves a tombstone: whatever is still on its way for it fails.
[[nodiscard]] task<ending> end_session(store::store& in, std::string subject, std::string id,
                                       steady_time deadline);
// All of them, those that come while it runs included where it sees them: how many. After an error
// some may be ended; calling again is safe.
[[nodiscard]] task<std::size_t> end_sessions(store::store& in, std::string subject,
                                             steady_time deadline);

}  // namespace lethe::session
