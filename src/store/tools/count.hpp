// Counts what a store holds, and takes away what has expired.
#pragma once

#include "store/tools/patience.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace lethe::store::tools {

struct census {
    std::map<std::string, std::uint64_t> kinds;  // by what `kind_of` says
    std::uint64_t total = 0;
    bool complete = false;
};

struct count_work {
    store& of;
    patience with;
    std::function<std::string(std::string_view key)> kind_of;
    std::size_t page_keys = 1000;
    // After each page; false ends it before its time.
    std::function<bool(const census&)> page_done = {};
};

// Each key once, also where the engine shows it more often: 8 bytes and a little more are kept for
// each of them meanwhile.
[[nodiscard]] task<census> count(count_work work);

struct purge_work {
    store& of;
    patience with;
    std::size_t records_max = 1000;  // in one step
    std::function<bool(std::uint64_t removed)> step_done = {};
};

// Until nothing is left: how many it removed.
[[nodiscard]] task<std::uint64_t> purge(purge_work work);

}  // namespace lethe::store::tools
