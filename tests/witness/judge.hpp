// Compares what callers were told, what reached the services and what sessions hold in the end.
// Pure: broken histories can be shown to it as well as real ones.
#pragma once

#include "witness/history.hpp"
#include "witness/journal.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace lethe::witness {

struct findings {
    std::size_t keys = 0;
    std::size_t acknowledged = 0;
    std::size_t unknown = 0;
    std::size_t open = 0;
    std::size_t forwards = 0;
    std::size_t later_attempts = 0;  // forwards of a key after its first
    std::size_t refused = 0;         // of them, by the service: they came too late
    std::size_t logouts = 0;
    std::size_t old_cookies_tried = 0;

    // What must not be.
    std::size_t forwarded_twice = 0;  // for one claim
    std::size_t done_twice = 0;
    std::size_t lost = 0;  // acknowledged, and nothing was done
    // Another answer after one that was recorded: a fenced gateway won.
    std::size_t overruled = 0;
    std::size_t to_others = 0;      // an answer, or a session, of somebody else
    std::size_t changes_lost = 0;   // acknowledged, and not in the session
    std::size_t changes_twice = 0;  // in the session more than once
    std::size_t revived = 0;        // a destroyed session that showed something
    std::size_t sessions_unread = 0;
    std::size_t of_nobody = 0;  // reached a service, asked for by no one
    std::vector<std::string> details;

    [[nodiscard]] bool is_good() const noexcept;
};

[[nodiscard]] findings judge(const std::vector<visit>& visits, const std::vector<entry>& journal);

}  // namespace lethe::witness
