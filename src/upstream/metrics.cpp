#include "upstream/metrics.hpp"

namespace lethe::upstream {
namespace {

lethe::metrics::counter& outcome(lethe::metrics::registry& in, const options& of,
                                 const char* value) {
    return in.make_counter("lethe_upstream_requests_total",
                           "Requests given to an upstream, by what became of them.",
                           {{"upstream", of.name}, {"outcome", value}});
}

lethe::metrics::counter& count(lethe::metrics::registry& in, const options& of, const char* name,
                               const char* help) {
    return in.make_counter(name, help, {{"upstream", of.name}});
}

}  // namespace

metrics::metrics(lethe::metrics::registry& in, const options& of)
    : answered(outcome(in, of, "answered")),
      not_sent(outcome(in, of, "not_sent")),
      unknown(outcome(in, of, "unknown")),
      retries(count(in, of, "lethe_upstream_retries_total",
                    "Requests sent to another replica or connection.")),
      retries_refused(count(in, of, "lethe_upstream_retries_refused_total",
                            "Requests not sent again: retries had their share.")),
      hedges(count(in, of, "lethe_upstream_hedges_total",
                   "Slow reads that were sent to another replica too.")),
      hedges_won(count(in, of, "lethe_upstream_hedges_won_total",
                       "Slow reads that the other replica answered first.")),
      hedges_refused(count(in, of, "lethe_upstream_hedges_refused_total",
                           "Slow reads not sent to another replica: hedges had their share.")),
      affinity_moved(count(in, of, "lethe_upstream_affinity_moved_total",
                           "Requests that another replica answered than their cookie says.")),
      connects(count(in, of, "lethe_upstream_connects_total", "Connections opened to replicas.")),
      connect_failures(count(in, of, "lethe_upstream_connect_failures_total",
                             "Connections to replicas that failed.")),
      ejections(count(in, of, "lethe_upstream_ejections_total",
                      "Replicas left out for a while after failures.")),
      overloaded(count(in, of, "lethe_upstream_overloaded_total",
                       "Requests refused because all replicas were full.")),
      look_up_failures(count(in, of, "lethe_upstream_look_up_failures_total",
                             "Look-ups of replicas' names that found nothing.")) {
    if (of.concurrency) {
        shed = &count(in, of, "lethe_upstream_shed_total",
                      "Requests refused because too many waited for the upstream, or too long.");
        concurrency_limit =
            &in.make_gauge("lethe_upstream_concurrency_limit",
                           "Requests that may be under way at once.", {{"upstream", of.name}});
    }
    for (const replica& one : of.replicas) {
        const lethe::metrics::labels with{{"upstream", of.name}, {"replica", to_text(one)}};
        if (of.health)
            healthy.push_back(&in.make_gauge("lethe_upstream_replica_healthy",
                                             "1 when the replica's last health checks were good; "
                                             "of a name: its addresses whose were.",
                                             with));
        addresses.push_back(one.kind == replica_kind::one
                                ? nullptr
                                : &in.make_gauge("lethe_upstream_addresses",
                                                 "Addresses that a replica's name has.", with));
    }
}

}  // namespace lethe::upstream
