// Runs many seeds and says how it went, for people.
#pragma once

#include "simulation/world.hpp"

#include <string>

namespace lethe::simulation {

// What broke and how to see it again; one line of counts where nothing did.
[[nodiscard]] std::string describe(const run_options& options, const run_result& got);

struct search_result {
    bool broken = false;
    std::uint64_t seeds = 0;  // that were run
    std::string text;
    run_counts counts;
};

// So many seeds from options.seed on, until one breaks a promise; that one is shrunken, and its
// trace is in the text.
[[nodiscard]] search_result search(run_options options, std::uint64_t seeds);

}  // namespace lethe::simulation
