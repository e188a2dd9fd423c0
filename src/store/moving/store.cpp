#include "store/moving/store.hpp"

#include "store/rules.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace lethe::store::moving {
namespace {

const std::string& key_of(const operation& any) {
    return std::visit([](const auto& one) -> const std::string& { return one.key; }, any);
}

// The n-th wave has the n-th operation of each key: so equal keys keep their order, and a wave can
// be looked at as a whole.
std::vector<std::vector<std::size_t>> to_waves(const std::vector<operation>& operations) {
    std::map<std::string_view, std::size_t> seen;
    std::vector<std::vector<std::size_t>> out;
    for (std::size_t i = 0; i < operations.size(); ++i) {
        const std::size_t wave = seen[key_of(operations[i])]++;
        if (wave == out.size()) out.emplace_back();
        out[wave].push_back(i);
    }
    return out;
}

bool expects_absent(const operation& any) {
    const auto* one = std::get_if<put>(&any);
    return one != nullptr && std::holds_alternative<absent>(one->expect);
}

// Keys of either, each once, ascending, as far as both lists are known.
subject_page merge(const subject_page& one, const subject_page& other, std::size_t keys_max) {
    subject_page out;
    std::ranges::set_union(one.keys, other.keys, std::back_inserter(out.keys));
    // A page that has more behind it says nothing of what comes after its last key.
    for (const subject_page* page : {&one, &other}) {
        if (!page->more || page->keys.empty()) continue;
        const auto unknown = std::ranges::upper_bound(out.keys, page->keys.back());
        out.more = true;
        out.keys.erase(unknown, out.keys.end());
    }
    const std::size_t wanted = std::min(keys_max, page_keys_max);
    if (out.keys.size() > wanted) {
        out.keys.resize(wanted);
        out.more = true;
    }
    return out;
}

constexpr char of_previous = 'A';
constexpr char of_primary = 'B';

}  // namespace

// A batch on its way.
struct moving_store::work {
    std::vector<operation> operations;
    std::vector<answer> answers;
    // Keys that the previous store holds nothing of.
    std::vector<bool> settled;
    bool changed = false;  // something that a caller sees

    [[nodiscard]] bool reads(std::size_t i) const {
        return std::holds_alternative<get>(operations[i]);
    }
};

moving_store::moving_store(std::unique_ptr<store> primary, std::unique_ptr<store> previous,
                           std::shared_ptr<metrics::registry> registry, const open_options& options,
                           clock& time, std::unique_ptr<random_source> random)
    : primary_(std::move(primary)),
      previous_(std::move(previous)),
      registry_(std::move(registry)),
      clock_(time),
      mover_(
          *primary_, *previous_, time,
          options.now ? options.now : [&time] { return time.system_now(); },
          registry_->make_counter("lethe_store_moved_records_total",
                                  "Records moved from the previous store to the primary.",
                                  {{"store", options.name}}),
          std::move(random)) {}

engine_promises moving_store::promises() const noexcept {
    return moving_promises(primary_->promises(), previous_->promises());
}

task<> moving_store::settle_all(std::vector<std::string> keys, steady_time deadline) {
    std::vector<operation> look;
    for (const std::string& key : keys) look.emplace_back(get{key});
    const result<std::vector<answer>> held = co_await previous_->batch(std::move(look), deadline);
    if (held.has_error()) co_return nothing_changed(held.error(), clock_.steady_now(), deadline);
    for (std::size_t i = 0; i < keys.size(); ++i) {
        if (!(*held)[i].present) continue;
        const result<> settled = co_await mover_.settle(std::move(keys[i]), deadline);
        if (settled.has_error()) co_return settled;
    }
    co_return result<>{};
}

// Asks the primary and takes what is an answer; what is none yet goes to `again`.
//
// The keys of all but reads are settled. So the primary is all there is, but for marks: those of
// moves that broke off or come too late, where a caller must see nothing.
task<> moving_store::run_on_primary(work& all, const std::vector<std::size_t>& wave,
                                    std::vector<std::size_t>& again, steady_time deadline) {
    std::vector<operation> asked;
    for (const std::size_t i : wave) {
        // A touch does not tell what it has touched.
        if (std::holds_alternative<touch>(all.operations[i]))
            asked.emplace_back(get{key_of(all.operations[i])});
        asked.push_back(all.operations[i]);
    }
    result<std::vector<answer>> got = co_await primary_->batch(std::move(asked), deadline);
    if (got.has_error()) co_return got.error();
    std::vector<std::pair<std::string, record_version>> marks;
    auto next = got->begin();
    for (const std::size_t i : wave) {
        const operation& any = all.operations[i];
        const bool touches = std::holds_alternative<touch>(any);
        const answer before = touches ? std::move(*next++) : answer{};
        answer one = std::move(*next++);
        if (touches && is_mark(before.present)) one.done = false;
        // It came between the two: a record or a mark.
        const bool unclear = touches && one.done && !before.present;
        const bool mark = is_mark(one.present);
        if (mark && expects_absent(any)) marks.emplace_back(key_of(any), one.present->version);
        if (mark) one.present.reset();
        const bool missed = all.reads(i) && !one.present && !all.settled[i];
        all.changed |= one.done && !all.reads(i);
        if (unclear || missed || (mark && expects_absent(any)))
            again.push_back(i);
        else
            all.answers[i] = std::move(one);
    }
    for (auto& [key, mark] : marks) {
        const result<> erased = co_await mover_.erase_mark(std::move(key), mark, deadline);
        if (erased.has_error()) co_return erased;
    }
    co_return result<>{};
}

task<> moving_store::run_wave(work& all, std::vector<std::size_t> wave, steady_time deadline) {
    // A read asks the primary first, and the previous store only for what is not there. Once that
    // holds nothing either, the primary is asked again: the record may have moved in between.
    bool first = true;
    while (!wave.empty()) {
        std::vector<std::string> keys;
        for (const std::size_t i : wave) {
            if (all.settled[i] || (first && all.reads(i))) continue;
            keys.push_back(key_of(all.operations[i]));
            all.settled[i] = true;
        }
        if (!keys.empty()) {
            const result<> settled = co_await settle_all(std::move(keys), deadline);
            if (settled.has_error()) co_return settled;
        }
        std::vector<std::size_t> again;
        // A touch takes two places.
        constexpr std::size_t at_once = operations_max / 2;
        for (std::size_t at = 0; at < wave.size(); at += at_once) {
            const auto begin = wave.begin() + static_cast<std::ptrdiff_t>(at);
            const auto end =
                begin + static_cast<std::ptrdiff_t>(std::min(at_once, wave.size() - at));
            const std::vector<std::size_t> some(begin, end);
            const result<> ran = co_await run_on_primary(all, some, again, deadline);
            if (ran.has_error()) co_return ran;
        }
        wave = std::move(again);
        first = false;
    }
    co_return result<>{};
}

task<std::vector<answer>> moving_store::batch(std::vector<operation> operations,
                                              steady_time deadline) {
    const result<> fine = check(operations);
    if (fine.has_error()) co_return fine.error();
    work all{.operations = std::move(operations), .answers = {}, .settled = {}};
    all.answers.resize(all.operations.size());
    all.settled.resize(all.operations.size(), false);
    for (std::vector<std::size_t>& wave : to_waves(all.operations)) {
        const result<> ran = co_await run_wave(all, std::move(wave), deadline);
        if (ran.has_error()) co_return all.changed ? LETHE_ERR(errc::outcome_unknown) : ran.error();
    }
    co_return std::move(all.answers);
}

// Of moves that broke off, where nothing else is.
task<> moving_store::erase_marks(std::vector<std::string> keys, steady_time deadline) {
    if (keys.empty()) co_return result<>{};
    std::vector<operation> look;
    for (const std::string& key : keys) look.emplace_back(get{key});
    const result<std::vector<answer>> there = co_await primary_->batch(std::move(look), deadline);
    if (there.has_error()) co_return there.error();
    for (std::size_t i = 0; i < keys.size(); ++i) {
        const std::optional<record>& present = (*there)[i].present;
        if (!is_mark(present)) continue;
        const result<> erased =
            co_await mover_.erase_mark(std::move(keys[i]), present->version, deadline);
        if (erased.has_error()) co_return erased;
    }
    co_return result<>{};
}

// A mark that comes between erase_marks and the transaction, from a move that is late, and that the
// transaction touches, is taken for a record that was erased just after it.
task<std::vector<answer>> moving_store::transact(std::vector<operation> operations,
                                                 steady_time deadline) {
    const result<> fine = check(operations);
    if (fine.has_error()) co_return fine.error();
    std::set<std::string> keys;
    std::vector<std::string> touched;
    for (const operation& any : operations) {
        keys.insert(key_of(any));
        if (std::holds_alternative<touch>(any)) touched.push_back(key_of(any));
    }
    const result<> settled = co_await settle_all({keys.begin(), keys.end()}, deadline);
    if (settled.has_error()) co_return settled.error();
    while (true) {
        const result<> cleared = co_await erase_marks(touched, deadline);
        if (cleared.has_error())
            co_return nothing_changed(cleared.error(), clock_.steady_now(), deadline);
        result<std::vector<answer>> got = co_await primary_->transact(operations, deadline);
        if (got.has_error()) co_return got.error();
        std::vector<std::string> marked;
        for (std::size_t i = 0; i < operations.size(); ++i) {
            std::optional<record>& present = (*got)[i].present;
            if (!is_mark(present)) continue;
            present.reset();
            if (expects_absent(operations[i])) marked.push_back(key_of(operations[i]));
        }
        if (marked.empty()) co_return got;
        const result<> erased = co_await erase_marks(std::move(marked), deadline);
        if (erased.has_error())
            co_return nothing_changed(erased.error(), clock_.steady_now(), deadline);
    }
}

// The previous store first: what moves in between is then seen in the primary.
task<subject_page> moving_store::list_subject(std::string subject, std::string key_prefix,
                                              std::string after, std::size_t keys_max,
                                              steady_time deadline) {
    const result<subject_page> old =
        co_await previous_->list_subject(subject, key_prefix, after, keys_max, deadline);
    if (old.has_error()) co_return old.error();
    const result<subject_page> present = co_await primary_->list_subject(
        std::move(subject), std::move(key_prefix), std::move(after), keys_max, deadline);
    if (present.has_error()) co_return present.error();
    co_return merge(*old, *present, keys_max);
}

// Every change needs both.
task<> moving_store::ping(steady_time deadline) {
    const result<> primary = co_await primary_->ping(deadline);
    if (primary.has_error()) co_return primary;
    const result<> previous = co_await previous_->ping(deadline);
    co_return previous;
}

// The previous store first, for the same reason as a listing. The cursor says in which it stands.
task<scan_page> moving_store::scan(std::string cursor, std::size_t keys_max, steady_time deadline) {
    const bool in_primary = cursor.starts_with(of_primary);
    if (!cursor.empty() && !in_primary && !cursor.starts_with(of_previous))
        co_return LETHE_ERR(errc::malformed);
    if (!cursor.empty()) cursor.erase(0, 1);
    store& in = in_primary ? *primary_ : *previous_;
    result<scan_page> page = co_await in.scan(std::move(cursor), keys_max, deadline);
    if (page.has_error()) co_return page.error();
    const bool goes_over = !in_primary && !page->more;
    page->cursor = goes_over ? std::string(1, of_primary)
                             : (in_primary ? of_primary : of_previous) + page->cursor;
    page->more |= goes_over;
    co_return page;
}

task<std::size_t> moving_store::purge_expired(std::size_t records_max, steady_time deadline) {
    const result<std::size_t> primary = co_await primary_->purge_expired(records_max, deadline);
    if (primary.has_error() || *primary >= records_max) co_return primary;
    const result<std::size_t> previous =
        co_await previous_->purge_expired(records_max - *primary, deadline);
    if (previous.has_error()) co_return previous;
    co_return *primary + *previous;
}

task<examination> moving_store::examine(steady_time deadline) {
    result<examination> primary = co_await primary_->examine(deadline);
    if (primary.has_error()) co_return primary.error();
    result<examination> previous = co_await previous_->examine(deadline);
    if (previous.has_error()) co_return previous.error();
    examination out{.server = primary->server + ", moving from " + previous->server,
                    .promises = moving_promises(primary->promises, previous->promises),
                    .survives_failover = primary->survives_failover && previous->survives_failover,
                    .findings = {}};
    for (finding& one : primary->findings) {
        one.what = "primary: " + one.what;
        out.findings.push_back(std::move(one));
    }
    for (finding& one : previous->findings) {
        one.what = "previous: " + one.what;
        out.findings.push_back(std::move(one));
    }
    out.findings.push_back(
        {.how_bad = finding::weight::note,
         .what = "records move when they are used; every change asks both stores",
         .advice = "once `lethe store copy` has moved the rest, take `previous` out"});
    co_return out;
}

// Tells of the primary's.
task<migration> moving_store::migrate(steady_time deadline) {
    const result<migration> previous = co_await previous_->migrate(deadline);
    if (previous.has_error()) co_return previous.error();
    const result<migration> primary = co_await primary_->migrate(deadline);
    co_return primary;
}

}  // namespace lethe::store::moving
