// A run: all that one seed draws, from the first request to the last look.
#pragma once

#include "base/metrics.hpp"
#include "simulation/client.hpp"
#include "simulation/gateway.hpp"
#include "simulation/session_ledger.hpp"

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace lethe::simulation {

struct run_options {
    std::uint64_t seed = 0;
    std::optional<unsigned> requests;             // that clients begin, instead of the seed's own
    std::optional<std::set<std::uint32_t>> only;  // these faults and no others
    bool keep_trace = false;
    planted bug = planted::nothing;
    lethe::metrics::registry* counted = nullptr;  // where gateways count, if anybody wants to know
};

struct run_counts {
    std::uint64_t steps = 0;
    std::uint64_t requests = 0;
    std::uint64_t forwards = 0;  // with a key
    std::uint64_t replays = 0;
    std::uint64_t acknowledgements = 0;  // of session changes
    std::uint64_t deaths = 0;
    std::uint64_t moves = 0;  // of stores
    std::uint64_t moved = 0;  // records

    void add(const run_counts& more);
};

struct run_result {
    std::optional<violation> broken;
    std::uint64_t digest = 0;
    std::string trace;
    std::vector<std::uint32_t> faults;  // that took place
    run_counts counts;
};

[[nodiscard]] run_result run(const run_options& options);

// The same with as few requests and faults as still break the same promise.
[[nodiscard]] run_options shrink(run_options options, const run_result& found);

}  // namespace lethe::simulation
