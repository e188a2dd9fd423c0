#include "limits/metrics.hpp"

namespace lethe::limits {
namespace {

lethe::metrics::counter& count(lethe::metrics::registry& in, const std::string& route,
                               const char* name, const char* help) {
    return in.make_counter(name, help, {{"route", route}});
}

}  // namespace

metrics::metrics(lethe::metrics::registry& in, const std::string& route)
    : refused(count(in, route, "lethe_limits_refused_total",
                    "Requests refused because their client sent too many.")),
      displaced(count(in, route, "lethe_limits_clients_displaced_total",
                      "Clients forgotten because others took their place in a full table.")),
      store_unusable(count(in, route, "lethe_limits_store_unusable_total",
                           "Requests that could not be counted in the limit's store.")),
      store_conflicts(count(in, route, "lethe_limits_store_conflicts_total",
                            "Counts done again because another gateway or worker was quicker.")) {}

}  // namespace lethe::limits
