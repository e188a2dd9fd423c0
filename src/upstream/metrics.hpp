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
    lethe::metrics::counter& connects;
    lethe::metrics::counter& connect_failures;
    lethe::metrics::counter& ejections;
    lethe::metrics::counter& overloaded;
    // With concurrency_options alone.
    lethe::metrics::counter* shed = nullptr;
    lethe::metrics::gauge* concurrency_limit = nullptr;
    std::vector<lethe::metrics::gauge*> healthy;  // per replica; set by the worker that checks
};

}  // namespace lethe::upstream
