// `lethe doctor`: where each route's state lives, what is promised for it and why, and whether the
// stores keep what they should.
#pragma once

#include "gateway/config/config.hpp"
#include "store/store.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace lethe::gateway::tools {

// The levels of docs/idempotency.md.
enum class guarantee : std::uint8_t {
    g0,  // nothing
    g1,  // duplicates are suppressed for as long as the store remembers
    g2,  // forwarded once while the record lives; its outcome is replayed, or honestly unknown
    g3,  // G2, and the service makes the effect happen once
};
[[nodiscard]] std::string_view to_text(guarantee of) noexcept;

enum class store_state : std::uint8_t {
    answers,
    silent,    // in time it did not answer
    unopened,  // it cannot be opened
    unmade,    // a file that is not there yet: lethe makes it
};

// What was found out about one server or file.
struct store_facts {
    store_state state = store_state::answers;
    std::string why;  // silent, unopened
    std::chrono::milliseconds took{0};
    store::examination seen;  // answers; else what the URL promises
};

// By URL.
using facts_by_url = std::map<std::string, store_facts>;

struct store_report {
    std::string name;   // "default"; "default, the previous one"
    std::string shown;  // its URL without what is secret
    store_facts facts;  // with the doctor's own findings behind the server's
    std::vector<std::string> routes;
};

struct state_report {
    std::string what;  // "session", "idempotency"
    std::string store;
    // Of idempotency.
    std::optional<guarantee> level;
    std::vector<std::string> why;
};

struct route_report {
    std::string route;
    std::vector<state_report> state;  // empty: nothing is kept for it
};

struct report {
    std::vector<route_report> routes;
    std::vector<store_report> stores;  // those that a route uses
    std::vector<std::string> unused;   // stores that none does
    std::size_t faults = 0;
    std::size_t warnings = 0;
};

// The URLs of the stores that routes use.
[[nodiscard]] std::vector<std::string> used_urls(const config::configuration& of);

// Asks all of them at once; each has `at_most`. No file is made.
[[nodiscard]] facts_by_url examine_stores(const std::vector<std::string>& urls,
                                          std::chrono::milliseconds at_most);

// The judgement alone: `facts` of all used_urls().
[[nodiscard]] report judge(const config::configuration& of, const facts_by_url& facts);

}  // namespace lethe::gateway::tools
