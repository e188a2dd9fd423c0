#include "session/metrics.hpp"

namespace lethe::session {
namespace {

using lethe::metrics::counter;
using lethe::metrics::registry;

counter& load(registry& r, const char* result) {
    return r.make_counter("lethe_session_loads_total", "Sessions looked up for a request.",
                          {{"result", result}});
}
counter& stale_read(registry& r, const char* outcome) {
    return r.make_counter("lethe_session_stale_reads_total",
                          "Sessions read below the version that their cookie knows.",
                          {{"outcome", outcome}});
}
counter& change_with(registry& r, const char* effect) {
    return r.make_counter("lethe_session_changes_total",
                          "Session changes that upstreams asked for.", {{"effect", effect}});
}
counter& replay(registry& r, const char* reason) {
    return r.make_counter("lethe_session_replays_ignored_total",
                          "Session changes of replayed outcomes that were not made again.",
                          {{"reason", reason}});
}
counter& conflict(registry& r, const char* kind) {
    return r.make_counter("lethe_session_conflicts_total",
                          "Session changes refused with a conflict.", {{"kind", kind}});
}
counter& refusal(registry& r, const char* reason) {
    return r.make_counter("lethe_session_refusals_total", "Session changes and requests refused.",
                          {{"reason", reason}});
}

counter& turn_with(registry& r, const char* result) {
    return r.make_counter("lethe_session_turns_total",
                          "Turns at sessions of routes with `serialize`.", {{"result", result}});
}

}  // namespace

metrics::metrics(registry& r)
    : loads_found(load(r, "found")),
      loads_none(load(r, "none")),
      loads_missing(load(r, "missing")),
      loads_malformed(load(r, "malformed")),
      loads_not_opened(load(r, "not_opened")),
      loads_failed(load(r, "failed")),
      loads_key_missing(load(r, "key_missing")),
      loads_key_retired(load(r, "key_retired")),
      loads_revoked(load(r, "revoked")),
      old_key_reads(r.make_counter("lethe_session_old_key_reads_total",
                                   "Sessions read that another key than the first had sealed.")),
      touches(r.make_counter("lethe_session_touches_total",
                             "Sessions whose life was prolonged by reading.")),
      moves_to_store(r.make_counter("lethe_session_moves_to_store_total",
                                    "Sealed sessions that outgrew their cookies.")),
      cookies_cleared(r.make_counter("lethe_session_cookies_cleared_total",
                                     "Answers that cleared cookies that were no sealed session.")),
      stale_caught_up(stale_read(r, "caught_up")),
      stale_refused(stale_read(r, "refused")),
      stale_accepted(stale_read(r, "accepted")),
      unchanged(change_with(r, "none")),
      changed(change_with(r, "changed")),
      created(change_with(r, "created")),
      rotated(change_with(r, "rotated")),
      logged_in(change_with(r, "logged_in")),
      destroyed(change_with(r, "destroyed")),
      replays_applied_before(replay(r, "applied_before")),
      replays_of_another_session(replay(r, "another_session")),
      retries(r.make_counter("lethe_session_write_retries_total",
                             "Session writes beyond the first of a change.")),
      turns_taken(turn_with(r, "taken")),
      turns_refused(turn_with(r, "refused")),
      turns_lost(turn_with(r, "lost")),
      repeats(r.make_counter("lethe_session_requests_repeated_total",
                             "Requests sent to the service again after a conflict.")),
      conflicts_slot(conflict(r, "slot")),
      conflicts_version(conflict(r, "version")),
      conflicts_test(conflict(r, "test")),
      conflicts_bound(conflict(r, "bound")),
      conflicts_ended(conflict(r, "ended")),
      refused_too_large(refusal(r, "too_large")),
      refused_malformed(refusal(r, "malformed")),
      refused_forbidden(refusal(r, "forbidden")),
      refused_operations(refusal(r, "operations_full")),
      refused_required(refusal(r, "required")),
      refused_unavailable(refusal(r, "unavailable")),
      refused_unknown(refusal(r, "outcome_unknown")) {}

void metrics::count(const committed& done) noexcept {
    if (done.tries > 1) retries.add(done.tries - 1);
    switch (done.what) {
        case effect::none: return unchanged.add();
        case effect::changed: return changed.add();
        case effect::created: return created.add();
        case effect::rotated: return rotated.add();
        case effect::logged_in: return logged_in.add();
        case effect::destroyed: return destroyed.add();
        case effect::replayed: return replays_applied_before.add();
    }
}

void metrics::count_failure(const error_code& error) noexcept {
    if (error == make_error_code(errc::slot_changed) ||
        error == make_error_code(errc::no_longer_fits))
        return conflicts_slot.add();
    if (error == make_error_code(errc::version_changed)) return conflicts_version.add();
    if (error == make_error_code(errc::test_failed)) return conflicts_test.add();
    if (error == make_error_code(errc::bound_left)) return conflicts_bound.add();
    if (error == make_error_code(errc::turn_lost)) return turns_lost.add();
    if (error == make_error_code(errc::ended)) return conflicts_ended.add();
    if (error == make_error_code(errc::stale)) return stale_refused.add();
    if (error == make_error_code(errc::operations_refused)) return refused_forbidden.add();
    if (error == make_error_code(errc::slot_forbidden)) return refused_forbidden.add();
    if (error == make_error_code(errc::too_many_operations)) return refused_operations.add();
    if (error == condition::malformed) return refused_malformed.add();
    if (error == condition::too_large) return refused_too_large.add();
    if (error == condition::outcome_unknown) return refused_unknown.add();
    refused_unavailable.add();
}

}  // namespace lethe::session
