// Handlers whose effect happens once for each Idempotency-Key, however often they are asked.
//
//     lethe::response create_order(lethe::request& r, lethe::transaction& tx) {
//         const auto id = tx.query_row<std::int64_t>(
//             "INSERT INTO orders (items) VALUES ($1) RETURNING id", r.body());
//         if (id.has_error()) return lethe::response::problem(503, "Not now");
//         return lethe::response::json(lethe::json_value().set("id", *id), 201);
//     }
//     service.post("/orders", lethe::idempotent(db, create_order, keys));
//     service.get("/orders/by-key/{key}", lethe::reconcile(db, keys));
//
// What the handler writes and what it answers are committed in one transaction of the service's own
// database: a crash at any moment leaves both or neither. A retry gets the answer that was kept,
// marked `Idempotent-Replayed: true`. That is guarantee level G3 (docs/idempotency.md), with or
// without a lethe gateway in front.
#pragma once

#include "lethe/database.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace lethe {
inline namespace v1 {

struct idempotent_options {
    // Whose key it is: the field in which the gateway hands over who asks, as
    // `authenticate: {forward: {sub: X-User}}` does. Equal keys of two callers never meet. Where it
    // is empty or absent: the session (Lethe-Session-Id).
    std::string caller_field = {};
    // Where neither says who asks: all such callers share their keys, which must be UUIDs.
    // Otherwise 400.
    bool open_to_all = false;
    // 400 without a key; false: without one the handler runs in a transaction, each time anew.
    bool required = true;
    // Only quoted keys: Idempotency-Key: "…".
    bool strict = false;
    // Request fields that belong to what makes a request the same, besides method, path, query,
    // media type and body.
    std::vector<std::string> fingerprint_fields = {};
    // How long an outcome is remembered; compared with the time in it.
    std::chrono::milliseconds ttl = std::chrono::hours{24};
    // How long after that a used key is still refused (409 key-expired); 0: it is a new one at
    // once.
    std::chrono::milliseconds tombstone{0};
    // How long a second request with the same key waits for the first before it gets 409.
    std::chrono::milliseconds wait{0};
    // Answer fields that are not kept, besides those that never are (Date, Set-Cookie, …).
    std::vector<std::string> not_replayed = {};
};

// The answer decides what is committed:
//
//     2xx, 3xx, 4xx                   effect and outcome
//     401, 408, 425, 429, 5xx         nothing: the key stays free
//     set_outcome() in the answer     store: as the first line; release: as the second;
//                                     unknown: effect, and that nobody knows the outcome
//     a statement failed, answer 4xx  the outcome alone
//     a statement failed otherwise, or the handler threw: nothing, 500 or 503
//
// May run several times when transactions conflict: no effects but the transaction's. `db` outlives
// the service.
[[nodiscard]] handler idempotent(database& db, transaction_handler work,
                                 idempotent_options options = {});

// Answers the gateway's question about an outcome that it does not know (`on_unknown: reconcile`).
// For GET on a pattern with {key}; the same options as the handlers it speaks for. 200 with the
// answer that was kept; 404 when the key was not used and no request below the question's
// Lethe-Attempt can use it any more, which is on disk by then; 409 when nobody knows.
[[nodiscard]] handler reconcile(database& db, idempotent_options options = {});

}  // namespace v1
}  // namespace lethe
