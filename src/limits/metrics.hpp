// What the limits of a route count. One per worker and route.
#pragma once

#include "base/metrics.hpp"

#include <string>

namespace lethe::limits {

struct metrics {
    metrics(lethe::metrics::registry& in, const std::string& route);

    lethe::metrics::counter& refused;
    lethe::metrics::counter& displaced;
    lethe::metrics::counter& store_unusable;
    lethe::metrics::counter& store_conflicts;
};

}  // namespace lethe::limits
