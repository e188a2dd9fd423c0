// Bugs that are planted from outside, to show that the simulation finds them: wrappers around the
// store that a gateway uses, or steps between its filters.
#pragma once

#include "http/filter.hpp"
#include "store/store.hpp"

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace lethe::simulation {

enum class planted : std::uint8_t {
    nothing,
    lapsed_is_free,      // a claim whose lease is over is taken for released
    unchecked_finish,    // an outcome is written whatever is there now
    unchecked_claim,     // a claim is written whatever is there now
    touch_revives,       // a touch of what has ended writes again what was there
    unchecked_change,    // a session is written whatever is there now
    change_not_written,  // a session change is acknowledged and was not written
    change_twice,        // a replay does not say whose outcome it is
    change_never,        // a replay does not bring the session change
    forward_forgotten,   // what may have run counts as never sent
    shared_keys,         // keys of all callers are in one space
    outcome_changes,     // a replay gets another status
    outcome_dropped,     // the claim of another attempt forgets the outcome that stands
    previous_not_read,   // while records move, none is found in the previous store
    moved_one_by_one,    // gateways go on with the previous store alone while others move it
    login_keeps_cookie,  // the cookie from before a login leads to the session after it
};
[[nodiscard]] const std::vector<planted>& all_planted();
[[nodiscard]] std::string_view name_of(planted what) noexcept;
[[nodiscard]] std::optional<planted> planted_named(std::string_view name);

[[nodiscard]] std::unique_ptr<store::store> plant_in_store(planted what,
                                                           std::unique_ptr<store::store> inside,
                                                           clock& time);
// Around the link to the previous store, while records move.
[[nodiscard]] std::unique_ptr<store::store> plant_in_previous(planted what,
                                                              std::unique_ptr<store::store> inside);
// Before all others; null for none.
[[nodiscard]] std::unique_ptr<http::filter> plant_before_sessions(planted what);
// Between the session filter and the idempotency filter; null for none.
[[nodiscard]] std::unique_ptr<http::filter> plant_before_keys(planted what);
// Between the idempotency filter and the service; null for none.
[[nodiscard]] std::unique_ptr<http::filter> plant_behind_keys(planted what);

}  // namespace lethe::simulation
