// What happens to a keyed request inside of the service's database. Blocks: for the pool alone.
#pragma once

#include "idempotency/options.hpp"
#include "idempotency/record.hpp"
#include "lethe/idempotent.hpp"
#include "library/database_parts.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace lethe::library {

struct keyed_rules {
    keyed_rules(internal::database_parts& in_, transaction_handler work_,
                idempotent_options options_);

    internal::database_parts& in;
    transaction_handler work;
    idempotent_options options;
    idempotency::route_options judging;  // what of them the gateway's rules for answers need
};

// A keyed request, as far as the database is concerned.
struct asked {
    std::string id;             // of the caller's key, 32 bytes
    std::string fingerprint;    // 32 bytes
    std::string subject;        // of whose index it is, "" for nobody
    std::uint64_t attempt = 0;  // 0: no gateway says
    system_time now;
};

enum class ending : std::uint8_t {
    answered,  // `answer`, with the effect and the outcome on disk
    released,  // `answer`; nothing was done
    replayed,  // `kept`, of an earlier request
    unknown,   // an earlier one said that nobody knows
    mismatch,
    expired,
    fenced,  // a later attempt is known
    in_flight,
    not_used,  // of a question: no request did anything, and none below the attempt will
    failed,    // the handler's mistake; nothing was done
    away,      // the database's; nothing was done
    again,     // a conflict; nothing was done, and the whole may be tried again
    lost,      // `answer`, but whether COMMIT was done nobody knows yet
};

struct end_of_try {
    explicit end_of_try(ending what_) : what(what_) {}

    ending what;
    std::optional<response> answer;
    std::optional<idempotency::outcome> kept;
    // Of what ended without effect: no lower attempt can have one any more.
    bool fenced_off = false;
    std::string nonce;  // lost: tells our outcome from another's
};

// One transaction with the handler in it.
[[nodiscard]] end_of_try run_once(const keyed_rules& rules, const asked& what, request& r);
// After `lost`: answered, replayed, again (nothing was done), or still lost.
[[nodiscard]] end_of_try look_after_loss(const keyed_rules& rules, const asked& what,
                                         end_of_try lost);
// The gateway's question: replayed, unknown, not_used, in_flight, fenced, away.
[[nodiscard]] end_of_try ask_about(const keyed_rules& rules, const asked& what);
// Without a key: answered, released, failed, away, again. A lost COMMIT is away with `lost`.
[[nodiscard]] end_of_try run_unkeyed(internal::database_parts& in, const transaction_handler& work,
                                     transaction_kind kind, request& r);
// Outcomes that nobody may ask for any more, where it is time for that.
void forget_some(internal::database_parts& in, system_time now);

}  // namespace lethe::library
