// What is counted about idempotency keys; one per worker.
#pragma once

#include "base/metrics.hpp"
#include "idempotency/engine.hpp"

namespace lethe::idempotency {

struct metrics {
    explicit metrics(lethe::metrics::registry& registry);

    // Requests on routes with idempotency that may take a key, by what became of them.
    lethe::metrics::counter& unkeyed;
    lethe::metrics::counter& claimed;
    lethe::metrics::counter& replayed;
    lethe::metrics::counter& replay_unavailable;
    lethe::metrics::counter& in_flight;
    lethe::metrics::counter& unknown;
    lethe::metrics::counter& mismatch;
    lethe::metrics::counter& expired;
    lethe::metrics::counter& missing;
    lethe::metrics::counter& malformed;
    lethe::metrics::counter& unscoped;
    lethe::metrics::counter& too_large;
    lethe::metrics::counter& store_down;
    lethe::metrics::counter& claimed_late;  // the lease was over before anything was sent
    lethe::metrics::counter& corrupt;
    lethe::metrics::counter& passed;  // unprotected, because the store was away

    // Retries that took an unknown outcome over, by what the route says about it.
    lethe::metrics::counter& resent;
    lethe::metrics::counter& made_final;
    lethe::metrics::counter& reconciled_done;
    lethe::metrics::counter& reconciled_not_done;
    lethe::metrics::counter& reconciled_unclear;

    // Bodies that were too large for memory.
    lethe::metrics::counter& spooled;

    // Requests that waited for another one's outcome.
    lethe::metrics::counter& waits;

    // How claims ended.
    lethe::metrics::counter& stored;
    lethe::metrics::counter& stored_without_body;
    lethe::metrics::counter& released;
    lethe::metrics::counter& lost;        // the outcome is unknown
    lethe::metrics::counter& fenced;      // another claim held the key when this one ended
    lethe::metrics::counter& unrecorded;  // the store did not take the end at once

    // Ends that the store took later, or not before the lease was over.
    lethe::metrics::counter& late_recorded;
    lethe::metrics::counter& late_given_up;

    lethe::metrics::counter& renewed;
    lethe::metrics::counter& renewals_failed;
    lethe::metrics::counter& renewals_fenced;

    [[nodiscard]] renewal_counters renewals() const noexcept {
        return {renewed, renewals_failed, renewals_fenced};
    }
};

}  // namespace lethe::idempotency
