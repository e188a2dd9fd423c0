// Brings the records of one store into another, page by page, so that it can be interrupted at any
// point and goes on where it was.
//
// Copying:  read from A; put into B, which must hold nothing under that key, with the life that is
//           left and the subject. What B holds is never overwritten; A is not changed. Right while
//           nobody writes to either.
// Moving:   read through the pair {primary: B, previous: A}, as gateways do that run beside it:
//           reading moves a record, and the pair sees to it that an erased one does not come back.
//
// A step that is made twice comes to the same as once, so that a crash between two costs nothing
// but time.
#pragma once

#include "net/worker.hpp"
#include "store/tools/patience.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace lethe::store::tools {

struct copy_options {
    std::size_t page_keys = 512;  // between two savings of the state
    std::size_t batch_keys = 32;  // in one call
    std::size_t batches_max = 8;  // under way at a time
    std::size_t problems_kept = 20;
};

// What is done; enough to go on from.
struct copy_state {
    std::string cursor;       // of A's scan
    std::uint64_t total = 0;  // keys that A had at the beginning, for the progress; 0: not known
    std::uint64_t looked_at = 0;
    std::uint64_t copied = 0;   // moving: of those that B or A had, so also what was moved before
    std::uint64_t present = 0;  // B had one
    std::uint64_t gone = 0;     // expired or erased meanwhile
    std::uint64_t refused = 0;  // A cannot read it, or B cannot take it: see `problems`
    bool complete = false;

    bool operator==(const copy_state&) const = default;
};

struct copy_problem {
    std::string key;
    std::string what;
};

enum class go_on : std::uint8_t { yes, no };

struct copy_work {
    net::worker& on;
    store& from;  // A
    store& to;    // B; moving: the pair
    bool moving = false;
    copy_options options = {};
    // `time` of the worker; `stopped` as well ends the work, at the next page at the latest.
    patience with;
    // After each page that is done.
    std::function<go_on(const copy_state&)> page_done = {};
};

// From `state` on, until it is complete, `page_done` says no, or an error, after which it holds
// what is done. The problems are of this run.
[[nodiscard]] task<std::vector<copy_problem>> copy(copy_work work, copy_state& state);

}  // namespace lethe::store::tools
