// Is there an order of all operations that explains every answer and in which no operation comes
// before one that had ended when it was begun?
//
// Each key by itself (linearizability is local), by the search of Wing and Gong with Lowe's memory
// of what was tried: "Testing for linearizability", 2017. An operation whose outcome is unknown may
// take effect at any time after it was begun, or never; one that was answered as not done never
// does.
#pragma once

#include "stores/history.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace lethe::store {

struct verdict {
    enum class kind : std::uint8_t {
        linearizable,
        violated,
        undecided,  // the search took more than its steps
    };
    kind what = kind::linearizable;
    std::string why;  // where the search got stuck, for who looks for the fault
    // The record that should not have been seen, where there is one.
    std::uint64_t number = 0;
};

struct check_options {
    // A record may be forgotten at any time (but never come back).
    bool forgets = false;
    // A record that moves to another store gets another version there.
    bool moves = false;
    std::size_t steps_max = 2'000'000;
};

// All keys; the first that is not linearizable decides. Each number is written by one put at most.
[[nodiscard]] verdict check_linearizable(std::vector<event> events, check_options options = {});

}  // namespace lethe::store
