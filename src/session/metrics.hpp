// What is counted about sessions; one per worker.
#pragma once

#include "base/metrics.hpp"
#include "session/engine.hpp"

namespace lethe::session {

struct metrics {
    explicit metrics(lethe::metrics::registry& registry);

    // Reading a session at the start of a request.
    lethe::metrics::counter& loads_found;
    lethe::metrics::counter& loads_none;         // no cookie of ours
    lethe::metrics::counter& loads_missing;      // unknown, expired or ended
    lethe::metrics::counter& loads_malformed;    // a cookie that lethe did not make
    lethe::metrics::counter& loads_not_opened;   // the record is another ticket's
    lethe::metrics::counter& loads_failed;       // the store was away, or its record damaged
    lethe::metrics::counter& loads_key_missing;  // sealed with a key that is not configured here
    lethe::metrics::counter& loads_key_retired;  // sealed with a key that was retired
    lethe::metrics::counter& loads_revoked;      // in cookies, and its subject's were ended
    lethe::metrics::counter& old_key_reads;      // found, and another key seals now
    lethe::metrics::counter& touches;
    lethe::metrics::counter& moves_to_store;   // sessions that outgrew their cookies
    lethe::metrics::counter& cookies_cleared;  // cookies that were no session

    // Sessions read below their cookie's version floor.
    lethe::metrics::counter& stale_caught_up;  // read again, and it was there
    lethe::metrics::counter& stale_refused;
    lethe::metrics::counter& stale_accepted;

    // Changes that upstreams asked for.
    lethe::metrics::counter& unchanged;
    lethe::metrics::counter& changed;
    lethe::metrics::counter& created;
    lethe::metrics::counter& rotated;
    lethe::metrics::counter& logged_in;
    lethe::metrics::counter& destroyed;
    lethe::metrics::counter& replays_applied_before;
    lethe::metrics::counter& replays_of_another_session;
    lethe::metrics::counter& retries;  // writes beyond the first of a change
    lethe::metrics::counter& turns_taken;
    lethe::metrics::counter& turns_refused;
    lethe::metrics::counter& turns_lost;
    lethe::metrics::counter& repeats;  // requests sent again after a conflict

    lethe::metrics::counter& conflicts_slot;
    lethe::metrics::counter& conflicts_version;
    lethe::metrics::counter& conflicts_test;
    lethe::metrics::counter& conflicts_bound;
    lethe::metrics::counter& conflicts_ended;

    lethe::metrics::counter& refused_too_large;
    lethe::metrics::counter& refused_malformed;
    lethe::metrics::counter& refused_forbidden;
    lethe::metrics::counter& refused_operations;
    lethe::metrics::counter& refused_required;
    lethe::metrics::counter& refused_unavailable;
    lethe::metrics::counter& refused_unknown;

    void count(const committed& done) noexcept;
    void count_failure(const error_code& error) noexcept;
};

}  // namespace lethe::session
