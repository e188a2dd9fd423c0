// What this folder refuses with. Each has a page docs/problems/<slug>.md.
#pragma once

#include "http/problem.hpp"

namespace lethe::idempotency::problems {

inline constexpr http::problem_type key_required{"idempotency-key-required", 400,
                                                 "This request needs an Idempotency-Key"};
inline constexpr http::problem_type key_malformed{"idempotency-key-malformed", 400,
                                                  "The Idempotency-Key cannot be read"};
inline constexpr http::problem_type batch_refused{
    "idempotency-batch-refused", 400, "A batch of GraphQL requests cannot share one key"};
inline constexpr http::problem_type key_unscoped{"idempotency-key-unscoped", 400,
                                                 "The Idempotency-Key belongs to nobody"};
inline constexpr http::problem_type key_mismatch{
    "idempotency-key-mismatch", 422, "The Idempotency-Key was used for a different request"};
inline constexpr http::problem_type in_progress{
    "request-in-progress", 409, "A request with this Idempotency-Key is still under way"};
inline constexpr http::problem_type outcome_unknown{
    "outcome-unknown", 409, "Nobody knows the outcome of the first request"};
inline constexpr http::problem_type replay_unavailable{
    "replay-unavailable", 409, "The request was done, but its answer was not kept"};
inline constexpr http::problem_type key_expired{
    "key-expired", 409, "The Idempotency-Key was used before and has expired"};
inline constexpr http::problem_type store_unavailable{"idempotency-store-unavailable", 503,
                                                      "Retries cannot be recognised at the moment"};
inline constexpr http::problem_type answer_lost{
    "answer-lost", 504, "The service's answer was lost; the request may have run"};

}  // namespace lethe::idempotency::problems
