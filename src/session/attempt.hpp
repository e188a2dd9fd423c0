// One change of an existing session, from try to try.
#pragma once

#include "session/engine.hpp"

namespace lethe::session {

namespace detail {
inline constexpr unsigned tries_max = 100;

// Whether the record shows that the write of that nonce took place.
[[nodiscard]] bool made_by(const opened_record& found, std::uint64_t nonce) noexcept;
}  // namespace detail

// What a holder's record says now; nothing when there is none.
struct engine::present {
    std::shared_ptr<const opened_record> found;
    bool over = false;  // a tombstone, an alias after its 10 s, a session after its absolute expiry
    bool old_key = false;  // not sealed with the key that seals now
    store::record_version version;
    system_time expires{};
};

struct engine::attempt {
    change wanted;
    steady_time deadline;
    std::uint64_t nonce = 0;  // the same in all tries: whichever took place, the record names it

    ticket holder;       // whose record is to be changed
    bool moved = false;  // holder is not the ticket that the caller has
    unsigned hops = 0;
    present current{};
    bool stale = false;  // current must be read again

    // A write's answer was lost, on this record; settled when the record has changed.
    std::optional<store::record_version> unsure{};
    std::uint64_t unsure_from = 0;  // the session's version then

    // The ticket after a regeneration; its record is there but opens for nobody until it is handed
    // out.
    std::optional<ticket> successor{};
    bool successor_written = false;
    // The old record's version that the successor was made from, once its record is there.
    std::optional<store::record_version> successor_base{};
    unsigned writes = 0;

    [[nodiscard]] error_code give_up(error_code because) const {
        return unsure ? LETHE_ERR(errc::outcome_unknown) : because;
    }
    [[nodiscard]] committed done(effect what, std::uint64_t version) const;
};

}  // namespace lethe::session
