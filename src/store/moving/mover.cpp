#include "store/moving/mover.hpp"

#include "base/bytes.hpp"

#include <algorithm>
#include <utility>

namespace lethe::store::moving {
namespace {

using std::chrono::milliseconds;

using namespace std::string_view_literals;

// What no record of lethe is: drawn once, by chance. (A literal, for its first byte is 0.)
constexpr std::string_view mark_value =
    "\x00lethe moves this record\x9e\x1d\x53\xb7\x0c\xe4\x88\x2f\xd1\x6a\xf9\x35\x7b\xc2\x40\xed"sv;
static_assert(mark_value.size() == 40);
// Longer than a move takes. One that is left by a crash is replaced by the next move.
constexpr milliseconds mark_ttl = std::chrono::minutes{1};
// Another's mark is given so long to become a record, before it is taken over: longer each time, so
// that one of those who meet has the time to end, however slow the stores are.
constexpr milliseconds patience_first{5};
constexpr milliseconds patience_last = std::chrono::seconds{10};
// How long the distance of two clocks is taken to stay the same.
constexpr milliseconds clocks_trusted = std::chrono::minutes{1};

}  // namespace

bool is_mark(const std::optional<record>& present) noexcept {
    return present && present->value == mark_value;
}

error_code nothing_changed(const error_code& error, steady_time now,
                           steady_time deadline) noexcept {
    if (error != condition::outcome_unknown) return error;
    return now >= deadline ? LETHE_ERR(errc::timeout) : LETHE_ERR(errc::unavailable);
}

error_code mover::mapped(const error_code& error, steady_time deadline) const {
    return nothing_changed(error, clock_.steady_now(), deadline);
}

task<> mover::settle(std::string key, steady_time deadline) {
    std::optional<record_version> met;  // another's mark, seen before
    milliseconds patience = patience_first;
    while (true) {
        const result<std::optional<record>> there = co_await primary_.read(key, deadline);
        if (there.has_error()) co_return mapped(there.error(), deadline);
        if (*there && !is_mark(*there)) {
            const result<step> erased = co_await erase_left_behind(key, deadline);
            if (erased.has_error()) co_return erased.error();
            if (*erased == step::settled) co_return result<>{};
            continue;
        }
        std::optional<record_version> old;
        if (*there) old = (*there)->version;
        if (old && old != met) {
            // Somebody may be about to move it. Two who took each other's mark away at once would
            // never come to an end: hence the random part.
            met = old;
            const milliseconds pause =
                patience / 2 + milliseconds{static_cast<std::int64_t>(
                                   random_->below(static_cast<std::uint64_t>(patience.count())))};
            patience = std::min(2 * patience, patience_last);
            const result<> waited =
                co_await clock_.sleep_until(std::min(clock_.steady_now() + pause, deadline));
            if (waited.has_error()) co_return LETHE_ERR(errc::unavailable);
            continue;
        }
        const result<std::optional<record_version>> mark = co_await put_mark(key, old, deadline);
        if (mark.has_error()) co_return mark.error();
        if (!*mark) continue;
        const result<step> moved = co_await move_over(key, **mark, deadline);
        if (moved.has_error()) co_return moved.error();
        if (*moved == step::settled) co_return result<>{};
    }
}

// The primary has the record: it counts, whatever the previous store still holds.
task<mover::step> mover::erase_left_behind(const std::string& key, steady_time deadline) {
    const result<std::optional<record>> left = co_await previous_.read(key, deadline);
    if (left.has_error()) co_return mapped(left.error(), deadline);
    if (!*left) co_return step::settled;
    const result<answer> erased = co_await previous_.run(erase{key, (*left)->version}, deadline);
    if (erased.has_error()) co_return mapped(erased.error(), deadline);
    co_return !erased->done && erased->present ? step::again : step::settled;
}

task<std::optional<record_version>> mover::put_mark(const std::string& key,
                                                    std::optional<record_version> old,
                                                    steady_time deadline) {
    const expectation expect = old ? expectation(*old) : expectation(absent{});
    const result<answer> marked =
        co_await primary_.run(put{key, std::string(mark_value), mark_ttl, expect, {}}, deadline);
    if (marked.has_error()) co_return mapped(marked.error(), deadline);
    co_return marked->done ? std::optional(marked->version) : std::nullopt;
}

// Reads the previous store once the mark is there: what it holds now stays the record until the
// mark is replaced.
task<mover::step> mover::move_over(const std::string& key, record_version mark,
                                   steady_time deadline) {
    result<std::optional<record>> from = co_await previous_.read(key, deadline);
    if (from.has_error()) co_return mapped(from.error(), deadline);
    if (!*from) {
        const result<> erased = co_await erase_mark(key, mark, deadline);
        if (erased.has_error()) co_return erased.error();
        co_return step::settled;
    }
    record& moved = **from;
    const result<milliseconds> ahead = co_await clock_ahead(deadline);
    if (ahead.has_error()) co_return ahead.error();
    // Subtracted one after the other: an expiry may be the last moment there is.
    const milliseconds left = std::max(moved.expires - now_() - *ahead, milliseconds{1});
    const result<answer> copied = co_await primary_.run(
        put{key, std::move(moved.value), left, mark, std::move(moved.subject)}, deadline);
    if (copied.has_error()) co_return mapped(copied.error(), deadline);
    if (!copied->done) co_return step::again;
    moved_.add();
    const result<answer> erased = co_await previous_.run(erase{key, moved.version}, deadline);
    if (erased.has_error()) co_return mapped(erased.error(), deadline);
    co_return !erased->done && erased->present ? step::again : step::settled;
}

task<> mover::erase_mark(std::string key, record_version mark, steady_time deadline) {
    const result<answer> erased = co_await primary_.run(erase{std::move(key), mark}, deadline);
    if (erased.has_error()) co_return mapped(erased.error(), deadline);
    co_return result<>{};
}

// Some stores judge expiry by their server's clock, some by ours. A record that is put there says
// by which: its expiry, less its life.
task<milliseconds> mover::clock_ahead(steady_time deadline) {
    const steady_time begin = clock_.steady_now();
    if (ahead_known_ && begin - *ahead_known_ < clocks_trusted) co_return ahead_;
    constexpr milliseconds life = std::chrono::seconds{10};
    const std::string key = "lethe:clock:" + to_hex(random_->bytes(16));
    std::vector<operation> look;
    look.emplace_back(put{key, "", life, anything{}, {}});
    look.emplace_back(get{key});
    look.emplace_back(erase{key, anything{}});
    const system_time before = now_();
    const result<std::vector<answer>> seen = co_await previous_.batch(std::move(look), deadline);
    if (seen.has_error()) co_return mapped(seen.error(), deadline);
    const std::optional<record>& clock_record = (*seen)[1].present;
    // Evicted already: no better than not knowing.
    if (!clock_record) co_return milliseconds{0};
    const system_time after = now_();
    const system_time theirs = clock_record->expires - life;
    // Within the time that the question took, the clocks agree as well as can be known. Beyond it,
    // the record rather lives that time too long than ends before the one it is a copy of.
    ahead_ = theirs < before || theirs > after ? theirs - after : milliseconds{0};
    ahead_known_ = begin;
    co_return ahead_;
}

}  // namespace lethe::store::moving
