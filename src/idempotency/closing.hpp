// Ends claims on behalf of requests: counts and logs how it went, and when the store cannot be
// used, goes on trying until the lease is over.
#pragma once

#include "idempotency/engine.hpp"
#include "idempotency/metrics.hpp"
#include "idempotency/spawner.hpp"

namespace lethe::idempotency {

// What ending needs; all outlive the work that is spawned. A value.
struct closing {
    engine& work;
    metrics& counts;
    spawner& background;
    std::chrono::milliseconds store_timeout;
};

enum class ended : std::uint8_t {
    recorded,
    // Not, or not yet. The client must hear that a retry may not find it.
    unrecorded,
};

// Not bound by the request's deadline: its effect has happened. Never an error.
[[nodiscard]] task<ended> close_done(closing with, claim_handle claim, outcome result);
// Unknown again for a claim that was taken over; both leave standing what a claim replaces().
[[nodiscard]] task<ended> close_released(closing with, claim_handle claim);
// Not tried again: a lease that runs out says the same.
[[nodiscard]] task<ended> close_unknown(closing with, claim_handle claim);
// For a claim of which nobody knows whether it was written: takes it back in the background.
void take_back(const closing& with, const claim_handle& claim);

}  // namespace lethe::idempotency
