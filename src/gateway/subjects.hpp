// What the gateway keeps about one person, over all its stores.
#pragma once

#include "base/clock.hpp"
#include "session/subject.hpp"
#include "store/store.hpp"

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::gateway {

// The stores by their names in the configuration; they outlive the call.
using store_map = std::map<std::string, store::store*>;

struct subject_session {
    std::string store;
    session::listed_session it;
};
[[nodiscard]] task<std::vector<subject_session>> list_sessions(store_map in, std::string subject,
                                                               steady_time deadline);
struct subject_session_shown {
    std::string store;
    session::shown_session it;
};
[[nodiscard]] task<std::optional<subject_session_shown>> show_session(
    store_map in, std::string subject, std::string id, std::shared_ptr<const session::keyring> ring,
    steady_time deadline);
// How many; an error: perhaps not all, calling again is safe.
[[nodiscard]] task<std::size_t> end_sessions(store_map in, std::string subject,
                                             steady_time deadline);
[[nodiscard]] task<session::ending> end_session(store_map in, std::string subject, std::string id,
                                                steady_time deadline);

// Ends the subject's sessions that are in browsers' cookies alone, of which nobody knows how many
// there are; `keep_for`: how long such a session may live.
[[nodiscard]] task<> revoke_cookies(store_map in, clock& time, std::string subject,
                                    std::chrono::milliseconds keep_for, steady_time deadline);

// What was erased about a person. A receipt: counts, nothing of what it was.
struct erasure {
    std::size_t sessions = 0;     // ended and gone
    std::size_t idempotency = 0;  // keys without their answers and their subject from now on
    std::size_t other = 0;        // further records
    std::vector<std::string> stores;
};
// Sessions and all other records go; idempotency keys stay as used, without answer and subject, so
// that a retry is not executed again. What is written while it runs may stay.
[[nodiscard]] task<erasure> erase_subject(store_map in, clock& time, std::string subject,
                                          steady_time deadline);

}  // namespace lethe::gateway
