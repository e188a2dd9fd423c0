#include "idempotency/metrics.hpp"

namespace lethe::idempotency {
namespace {

lethe::metrics::counter& request(lethe::metrics::registry& in, const char* result) {
    return in.make_counter("lethe_idempotency_requests_total",
                           "Requests that may take an idempotency key, by what became of them.",
                           {{"result", result}});
}

lethe::metrics::counter& claim(lethe::metrics::registry& in, const char* end) {
    return in.make_counter("lethe_idempotency_claims_ended_total",
                           "Claims of idempotency keys, by how they ended.", {{"end", end}});
}

lethe::metrics::counter& settled(lethe::metrics::registry& in, const char* how) {
    return in.make_counter("lethe_idempotency_unknown_settled_total",
                           "Unknown outcomes that a retry met, by what was done about them.",
                           {{"how", how}});
}

lethe::metrics::counter& late(lethe::metrics::registry& in, const char* result) {
    return in.make_counter("lethe_idempotency_late_writes_total",
                           "Ends of claims that the store did not take at once.",
                           {{"result", result}});
}

lethe::metrics::counter& renewal(lethe::metrics::registry& in, const char* result) {
    return in.make_counter("lethe_idempotency_renewals_total", "Renewals of claims.",
                           {{"result", result}});
}

}  // namespace

metrics::metrics(lethe::metrics::registry& in)
    : unkeyed(request(in, "unkeyed")),
      claimed(request(in, "claimed")),
      replayed(request(in, "replayed")),
      replay_unavailable(request(in, "replay_unavailable")),
      in_flight(request(in, "in_flight")),
      unknown(request(in, "unknown")),
      mismatch(request(in, "mismatch")),
      expired(request(in, "expired")),
      missing(request(in, "missing")),
      malformed(request(in, "malformed")),
      unscoped(request(in, "unscoped")),
      too_large(request(in, "too_large")),
      store_down(request(in, "store_down")),
      claimed_late(request(in, "claimed_late")),
      corrupt(request(in, "corrupt")),
      passed(request(in, "passed")),
      resent(settled(in, "resent")),
      made_final(settled(in, "final")),
      reconciled_done(settled(in, "reconciled_done")),
      reconciled_not_done(settled(in, "reconciled_not_done")),
      reconciled_unclear(settled(in, "reconciled_unclear")),
      spooled(in.make_counter("lethe_idempotency_bodies_spooled_total",
                              "Keyed requests whose body went to a temporary file.")),
      waits(in.make_counter("lethe_idempotency_waits_total",
                            "Requests that waited for the outcome of another with the same key.")),
      stored(claim(in, "stored")),
      stored_without_body(claim(in, "stored_without_body")),
      released(claim(in, "released")),
      lost(claim(in, "unknown")),
      fenced(claim(in, "fenced")),
      unrecorded(claim(in, "unrecorded")),
      late_recorded(late(in, "recorded")),
      late_given_up(late(in, "given_up")),
      renewed(renewal(in, "renewed")),
      renewals_failed(renewal(in, "failed")),
      renewals_fenced(renewal(in, "fenced")) {}

}  // namespace lethe::idempotency
