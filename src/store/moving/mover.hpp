// How one record moves from the previous store to the primary.
//
// Nothing is ever put into the previous store: once it holds nothing under a key, it never will
// again. That is what everything here is built on. `settle` brings a key there:
//
//       previous   primary
//          a          -       a is the record
//          a          m       a mark holds the place; a is still the record
//          a          a'      the copy, written over exactly that mark; a' is the record
//          -          a'
//
// The mark is why it is safe. Whoever has read `a` may be slow, and others may meanwhile have moved
// the record, changed it and erased it: a plain put of `a`, even one that expects nothing to be
// there, would then bring it back to life. Over a mark it can not: whoever comes later puts a mark
// of their own first, and a version is never given twice.
//
// A crash leaves one of the four rows, and each says which record counts. The copy ends when `a`
// does; every change of it settles the key first; so an `a` that was left behind never outlives
// what came after it.
#pragma once

#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "base/random.hpp"
#include "store/store.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace lethe::store::moving {

// A record of the primary that only holds a place: for callers there is none.
[[nodiscard]] bool is_mark(const std::optional<record>& present) noexcept;

// What is said of steps that change no record that a caller sees: an answer that was lost is
// timeout or unavailable.
[[nodiscard]] error_code nothing_changed(const error_code& error, steady_time now,
                                         steady_time deadline) noexcept;

// One worker. Both stores outlive it.
class mover {
 public:
    mover(store& primary, store& previous, clock& time, std::function<system_time()> now,
          metrics::counter& moved, std::unique_ptr<random_source> random)
        : primary_(primary),
          previous_(previous),
          clock_(time),
          now_(std::move(now)),
          moved_(moved),
          random_(std::move(random)) {}

    // When it answers, the previous store holds nothing under the key, and what it held is in the
    // primary. Errors: nothing that a caller sees was changed.
    [[nodiscard]] task<> settle(std::string key, steady_time deadline);
    // Erases this mark of a key that is settled; another may have come by then.
    [[nodiscard]] task<> erase_mark(std::string key, record_version mark, steady_time deadline);

 private:
    enum class step : std::uint8_t { settled, again };

    [[nodiscard]] error_code mapped(const error_code& error, steady_time deadline) const;
    [[nodiscard]] task<step> erase_left_behind(const std::string& key, steady_time deadline);
    // Puts a mark where nothing is, or over `old`; the mark's version, or nothing if another was
    // faster.
    [[nodiscard]] task<std::optional<record_version>> put_mark(const std::string& key,
                                                               std::optional<record_version> old,
                                                               steady_time deadline);
    [[nodiscard]] task<step> move_over(const std::string& key, record_version mark,
                                       steady_time deadline);
    // How far the previous store's clock is ahead of ours.
    [[nodiscard]] task<std::chrono::milliseconds> clock_ahead(steady_time deadline);

    store& primary_;
    store& previous_;
    clock& clock_;
    std::function<system_time()> now_;
    metrics::counter& moved_;
    std::unique_ptr<random_source> random_;
    std::optional<steady_time> ahead_known_;  // since when
    std::chrono::milliseconds ahead_{0};
};

}  // namespace lethe::store::moving
