// What callers of the witnesses were told, for the judge.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace lethe::witness {

using moment = std::chrono::steady_clock::time_point;

// A whole answer with what the service said in it.
struct told_answer {
    moment asked;
    moment told;
    int status = 0;
    std::string user;   // whom it is for
    std::string owner;  // whose session the service saw; "" for a new one
    std::uint64_t attempt = 0;
    std::string effect;
    bool recorded = true;  // false: Lethe-Idempotency: unrecorded
};

enum class knowledge : std::uint8_t {
    acknowledged,  // a 2xx answer
    unknown,       // lethe says that nobody knows
    open,          // no final answer: anything may be
};

struct asked_key {
    std::string rule;  // hold, resend, reconcile, login, logout
    std::string key;
    knowledge told = knowledge::open;
    std::vector<told_answer> answers = {};
    std::string target = {};
};

// All that one user did, in one session.
struct visit {
    std::string user = {};
    std::vector<asked_key> keys = {};
    // In the end, as the session's cookie shows it.
    std::map<std::string, long> ledger = {};
    bool ledger_read = false;
    std::string owner = {};
    // A login's answer was lost: nobody can show the session's cookie any more.
    bool cookie_lost = false;
    bool logged_out = false;   // and that was acknowledged
    std::size_t revivals = 0;  // times that an old cookie showed something afterwards
    std::size_t old_cookies_tried = 0;
};

}  // namespace lethe::witness
