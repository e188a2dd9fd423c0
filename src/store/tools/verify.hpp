// Whether all that one store holds is in another, too.
#pragma once

#include "store/tools/patience.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace lethe::store::tools {

enum class likeness : std::uint8_t {
    equal,    // value and subject are the same, and B's lives as long
    newer,    // B's lives longer: it was written, or used, later
    missing,  // B has none
    shorter,  // B's has the same value and would end earlier
    other,    // neither: B's is older, or nobody can tell
};
// "B has none", …; "" for equal and newer.
[[nodiscard]] std::string_view to_text(likeness of) noexcept;

// How B's record stands to A's. Lives that differ by less than two seconds are equal, where the
// value is: what is left of a life travels, and clocks differ.
[[nodiscard]] likeness compare(const record& a, const record& b) noexcept;

struct difference {
    std::string key;
    likeness how = likeness::missing;
};

struct comparison {
    std::uint64_t looked_at = 0;
    std::uint64_t equal = 0;
    std::uint64_t newer = 0;
    std::uint64_t gone = 0;  // expired, erased or moved meanwhile
    std::uint64_t differing = 0;
    std::uint64_t unreadable = 0;   // by A or by B
    std::vector<difference> first;  // of those that differ
    bool complete = false;
};

struct verify_work {
    store& from;  // A
    store& to;    // B
    patience with;
    std::size_t page_keys = 64;
    std::size_t differences_kept = 100;
    // After each page; false ends it before its time.
    std::function<bool(const comparison&)> page_done = {};
};

// What differs at first sight is looked at again, for both may be in use meanwhile.
[[nodiscard]] task<comparison> verify(verify_work work);

}  // namespace lethe::store::tools
