// The rules of sessions, over a store, a clock and random numbers; no HTTP.
//
//     none --first change--> session --change--> session (version + 1)
//     session --destroy--> tombstone (5 min) --> none
//     session --regenerate--> the same session under a new ticket; the old one is an alias for 10
//     s:
//         rotated     leads to the session
//         superseded  at login: the session as it was before, read-only
//
// Every write is conditional on the record it was made from; what lost a race is made again from
// what is there now. So no acknowledged change is lost, and an ended session never comes back.
#pragma once

#include "base/recent.hpp"
#include "session/options.hpp"
#include "session/patch.hpp"
#include "session/record.hpp"
#include "session/shown.hpp"
#include "session/turn.hpp"
#include "store/store.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::session {

inline constexpr std::chrono::minutes tombstone_ttl{5};
inline constexpr std::chrono::seconds alias_ttl{10};

// Whose cookies each worker knows at most, with what their records were opened to; the largest
// record for which it does, so that all of it stays below 32 MB.
inline constexpr std::size_t callers_max = 4096;
inline constexpr std::size_t kept_record_bytes_max = 1024;

// Who shows a cookie, and what their record was opened to when it was read last: a record with the
// same seal opens to the same again. What was made of that then is kept with it.
struct caller {
    shown_ticket shown;
    secret cookie{};                                // until the engine keeps it
    record_seal seal{};                             // of the record that was opened
    std::shared_ptr<const opened_record> opened{};  // null: none is kept
    bool old_key = false;
    std::vector<shown_text> texts{};
};

// A session as a ticket opens it. A value.
struct view {
    ticket holder;  // whose record it is: another than the ticket that was shown after a rotation
    bool moved = false;    // the caller needs holder's cookie
    bool touched = false;  // its life was prolonged just now
    bool old_key = false;  // sealed with another key than the next write will use
    std::shared_ptr<const opened_record> opened{};  // of kind session or superseded; not null
    store::record_version stored{};
    std::shared_ptr<caller> by{};  // where `opened` is what is kept of them

    [[nodiscard]] const state& data() const noexcept { return opened->data; }
    // As it was before the login; may not be changed.
    [[nodiscard]] bool superseded() const noexcept {
        return opened->kind == record_kind::superseded;
    }
};

// What a session's identity is called for one service: 128 bits, base64url.
[[nodiscard]] std::string pseudonym(std::string_view identity, std::string_view service);

// What the change relies on (Lethe-Session-If).
enum class basis : std::uint8_t {
    slots,    // the slots it touches are as they were at `base_version`; operations rely on nothing
    version,  // the session is at `base_version`
    any,
};

struct change {
    std::optional<patch> edit;
    basis relies_on = basis::slots;
    conflict_rule on_conflict = conflict_rule::reject;
    // The version the upstream saw; 0 for no session.
    std::uint64_t base_version = 0;
    // A session below it has lost changes: errc::stale. 0 takes any.
    std::uint64_t floor = 0;
    // Slots the edit may write; it may also look at the readable ones.
    std::vector<std::string> writable;
    std::vector<std::string> readable;
    // A new ticket for the same session; with `subject`, a login.
    bool regenerate = false;
    // Ends the session; whatever else is asked is moot.
    bool destroy = false;
    // Whose session it becomes; "" to leave it. Another subject than before is a login.
    std::string subject;
    // Takes effect at most once per operation and session; "" for no key.
    std::string operation;
    // Who makes it, by the mark of the handle (write_mark): what was changed with the same handle
    // since `base_version` is known to who asks now, and no conflict. 0: nobody in particular.
    std::uint32_t made_by = 0;
    // Asked before a write that was refused is tried again; for changes within a turn.
    turn_guard* guard = nullptr;
    // The ticket of a session that this change creates, instead of a new one.
    std::optional<ticket> under{};

    [[nodiscard]] bool empty() const noexcept {
        return !edit && !regenerate && !destroy && subject.empty();
    }
};

enum class effect : std::uint8_t {
    none,  // there was nothing to change
    changed,
    created,
    rotated,
    logged_in,
    destroyed,
    replayed,  // the operation took effect before; nothing was changed
};

struct committed {
    effect what = effect::none;
    // The ticket the caller must get: of a created or regenerated session, or of one that moved.
    std::optional<ticket> hand_out{};
    std::uint64_t version = 0;  // of the session now; 0 for none
    unsigned tries = 0;         // writes that were tried
};

// One per worker. Calls may be under way at the same time; each owns what it uses and may be
// dropped at any await: what was sent to the store then may or may not take place, as when a
// process dies.
class engine {
 public:
    // With `encryption: keyring`, `keys` is a ring.
    engine(store::store& records, clock& time, random_source& random, settings options,
           std::shared_ptr<const keyring> keys = nullptr);
    engine(const engine&) = delete;
    engine& operator=(const engine&) = delete;

    [[nodiscard]] const settings& options() const noexcept { return options_; }

    // nullopt: no such session (any more). Prolongs its life when it was not prolonged for
    // max(60 s, 5 % of the idle TTL), which neither changes its version nor brings back an ended
    // one. Errors: the store's, errc::corrupt, not_opened, key_missing, key_retired.
    [[nodiscard]] task<std::optional<view>> load(ticket shown, steady_time deadline);
    // The same for who shows a cookie: kept once a session is found, so that neither the cookie nor
    // the record, while it is as it was, is opened anew for each request.
    [[nodiscard]] task<std::optional<view>> load(std::shared_ptr<caller> by, steady_time deadline);
    // Null for a value that is no ticket.
    [[nodiscard]] std::shared_ptr<caller> recognize(std::string_view cookie_value);

    // Writes the session's record anew, as it is: a write that was prepared before is refused.
    [[nodiscard]] task<> fence(ticket holder, steady_time deadline);

    // Makes the change to the session that `seen` is of, or creates one. Errors: those of
    // session::errc, where only outcome_unknown leaves open whether the change took place; the
    // store's unavailable, overloaded and timeout: nothing was changed.
    [[nodiscard]] task<committed> commit(std::optional<view> seen, change wanted,
                                         steady_time deadline);

    // Takes over a session that was kept elsewhere, under a new ticket.
    [[nodiscard]] task<committed> adopt(state data, effect what, steady_time deadline);

 private:
    struct present;
    struct attempt;
    // What a step came to; nullopt: look again at what is there.
    using step_result = std::optional<committed>;

    [[nodiscard]] result<present> interpret(const std::optional<store::record>& record,
                                            const ticket& holder) const;
    [[nodiscard]] result<present> interpret(const std::optional<store::record>& record,
                                            caller& by) const;
    [[nodiscard]] present judge(const store::record& record,
                                std::shared_ptr<const opened_record> opened, bool old_key) const;
    [[nodiscard]] bool has_old_key(const store::record& record) const;
    [[nodiscard]] task<present> read(const ticket& holder, steady_time deadline);
    enum class life_sign : std::uint8_t { lives, touched, ended };
    [[nodiscard]] bool needs_touch(const state& data, system_time expires) const;
    [[nodiscard]] task<life_sign> prolong(std::string key, const state& data, steady_time deadline);

    [[nodiscard]] task<committed> create(state from, change wanted, effect what,
                                         steady_time deadline);
    [[nodiscard]] task<committed> put_new(state made, std::uint64_t nonce,
                                          std::optional<ticket> under, effect what,
                                          steady_time deadline);
    [[nodiscard]] task<committed> change_existing(view seen, change wanted, steady_time deadline);
    [[nodiscard]] task<committed> try_until_done(attempt& at);
    [[nodiscard]] task<step_result> try_once(attempt& at);
    [[nodiscard]] task<step_result> change_session(attempt& at);
    [[nodiscard]] task<step_result> change_superseded(attempt& at);
    [[nodiscard]] task<step_result> end(attempt& at);
    [[nodiscard]] task<step_result> regenerate(attempt& at, state next);
    enum class successor_state : std::uint8_t { ready, unsure };
    [[nodiscard]] task<successor_state> put_successor(attempt& at, store::put record);
    [[nodiscard]] task<step_result> write(attempt& at, std::vector<store::operation> operations,
                                          committed then);
    [[nodiscard]] task<> back_off(unsigned tries, steady_time deadline);

    // What seals: null for the cookie's secret.
    [[nodiscard]] const keyring* sealing_ring() const noexcept;
    [[nodiscard]] state fresh() const;
    [[nodiscard]] std::uint64_t make_nonce(std::uint32_t mark) const;
    [[nodiscard]] std::chrono::milliseconds life(const state& data) const;
    [[nodiscard]] store::put put_session(const state& data, const ticket& holder,
                                         store::expectation expect) const;

    store::store& store_;
    clock& clock_;
    random_source& random_;
    const settings options_;
    const std::shared_ptr<const keyring> keys_;
    recent<std::shared_ptr<caller>> callers_{callers_max};
};

}  // namespace lethe::session
