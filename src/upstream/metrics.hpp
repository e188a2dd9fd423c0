// What an upstream counts. One per worker and upstream.
#pragma once

#include "base/metrics.hpp"
#include "upstream/options.hpp"

#include <vector>

namespace lethe::upstream {

struct metrics {
    metrics(lethe::metrics::registry& in, const options& of);

    lethe::metrics::counter& answered;
    lethe::metrics::counter& not_sent;
    lethe::metrics::counter& unknown;
    lethe::metrics::counter& retries;
    lethe::metrics::counter& retries_refused;
    lethe::metrics::counter& hedges;
    lethe::metrics::counter& hedges_won;
    lethe::metrics::counter& hedges_refused;
    lethe::metrics::counter& affinity_moved;
    lethe::metrics::counter& connects;
    lethe::metrics::counter& connect_failures;
    lethe::metrics::counter& ejections;
    lethe::metrics::counter& overloaded;
    lethe::metrics::counter& look_up_failures;
    // With concurrency_options alone.
    lethe::metrics::counter* shed = nullptr;
    lethe::metrics::gauge* concurrency_limit = nullptr;
    // By entry of the options' replicas; set by the worker that watches.
    std::vector<lethe::metrics::gauge*> healthy;    // with health checks
    std::vector<lethe::metrics::gauge*> addresses;  // null: not a name
};

}  // namespace lethe::upstream
