#include "stores/linearizable.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>

namespace lethe::store {
namespace {

using kind = event::kind;
using outcome = event::outcome;
using condition_kind = event::condition_kind;

constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

// An operation with its versions replaced by the records that had them.
struct step {
    event from;
    std::uint64_t expected = 0;  // the record whose version it expects
    std::int64_t begin = 0;
    std::int64_t end = never;
};

bool met(const step& of, std::uint64_t state) {
    switch (of.from.expects) {
        case condition_kind::none: return true;
        case condition_kind::absent: return state == 0;
        case condition_kind::version: return state != 0 && state == of.expected;
    }
    return false;
}

// Refused although the record is the one it expects: that one has moved and has another version.
bool moved_away(const step& of, const check_options& options) {
    return options.moves && of.from.expects == condition_kind::version &&
           of.from.seen_version != of.from.expected;
}

// The state after a step that was answered, where that answer fits the state before it.
std::optional<std::uint64_t> after(const step& one, std::uint64_t state,
                                   const check_options& options) {
    if (one.from.what == kind::read) {
        if (one.from.seen != state) return std::nullopt;
        return state;
    }
    if (one.from.answered == outcome::refused) {
        if (one.from.seen != state) return std::nullopt;
        if (met(one, state) && !moved_away(one, options)) return std::nullopt;
        return state;
    }
    if (!met(one, state)) return std::nullopt;
    return one.from.what == kind::put ? one.from.value : 0;
}

// What one key's events are made into before the search.
class preparation {
 public:
    explicit preparation(const check_options& options) : options_(options) {}

    // Answers why not, "" when all is well so far.
    std::string run(const std::vector<event>& events);

    std::vector<step> steps;     // must all be taken, in the order of their begins
    std::vector<step> erasures;  // of unknown outcome: may be taken
    std::uint64_t suspect = 0;

 private:
    std::string pair_up(const event& one, std::uint64_t record, std::uint64_t version);
    std::string look_at(const event& one);
    void add(const event& one);

    const check_options& options_;
    std::unordered_map<std::uint64_t, std::uint64_t> record_of_;   // by version
    std::unordered_map<std::uint64_t, std::uint64_t> version_of_;  // by record
    // By record: the end of the first operation that knew of it.
    std::unordered_map<std::uint64_t, std::int64_t> known_since_;
    std::unordered_set<std::uint64_t> not_done_;
};

std::string preparation::pair_up(const event& one, std::uint64_t record, std::uint64_t version) {
    const auto [by_version, fresh_version] = record_of_.emplace(version, record);
    const auto [by_record, fresh_record] = version_of_.emplace(record, version);
    if (version == 0 || by_version->second != record ||
        (by_record->second != version && !options_.moves))
        return "two records have one version, or one record two: " + to_text(one);
    return {};
}

std::string preparation::look_at(const event& one) {
    if (one.what == kind::put && one.answered == outcome::done) {
        std::string wrong = pair_up(one, one.value, one.version);
        if (!wrong.empty()) return wrong;
    }
    if (one.what == kind::put && one.answered == outcome::not_done) not_done_.insert(one.value);
    const bool looked = one.answered == outcome::refused ||
                        (one.what == kind::read && one.answered == outcome::done);
    if (!looked || one.seen == 0) return {};
    const auto [at, fresh] = known_since_.emplace(one.seen, one.end);
    at->second = std::min(at->second, one.end);
    return pair_up(one, one.seen, one.seen_version);
}

void preparation::add(const event& one) {
    step made{.from = one, .begin = one.begin, .end = one.end};
    if (one.expects == condition_kind::version) {
        const auto record = record_of_.find(one.expected);
        made.expected = record != record_of_.end() ? record->second : 0;
    }
    if (one.answered == outcome::not_done) return;
    if (one.answered == outcome::done || one.answered == outcome::refused) {
        steps.push_back(made);
        return;
    }
    if (one.what == kind::read) return;
    if (one.what == kind::erase) {
        made.end = never;
        erasures.push_back(made);
        return;
    }
    // A put of unknown outcome. Seen by somebody, it was done before that one's end. By nobody, it
    // can be left out: what comes after it needs no record that nobody has seen.
    const auto seen = known_since_.find(one.value);
    // Expected by its version: whoever did so had seen it.
    if (seen == known_since_.end()) return;
    made.end = seen->second;
    made.from.answered = outcome::done;
    steps.push_back(made);
}

std::string preparation::run(const std::vector<event>& events) {
    for (const event& one : events) {
        std::string wrong = look_at(one);
        if (!wrong.empty()) return wrong;
    }
    for (const event& one : events) {
        if (one.seen != 0 && not_done_.contains(one.seen) && one.answered != outcome::not_done) {
            suspect = one.seen;
            std::string out = "a put that was answered as not done was seen: " + to_text(one);
            for (const event& other : events)
                if (other.what == kind::put && other.value == one.seen)
                    out += "\n  the put: " + to_text(other);
            return out;
        }
        add(one);
    }
    const auto by_begin = [](const step& a, const step& b) { return a.begin < b.begin; };
    std::ranges::sort(steps, by_begin);
    std::ranges::sort(erasures, by_begin);
    return {};
}

// A place of the search: which steps are taken, and what the store holds then.
struct place {
    std::size_t first = 0;               // all before it are taken
    std::set<std::size_t> taken_beyond;  // and these behind it
    std::uint64_t state = 0;
    std::size_t erased_any = 0;  // how many unconditional erasures of unknown outcome
};

std::string to_key(const place& at) {
    std::string out;
    const auto add = [&](std::uint64_t number) {
        out.append(reinterpret_cast<const char*>(&number), sizeof number);
    };
    add(at.first);
    add(at.state);
    add(at.erased_any);
    for (const std::size_t one : at.taken_beyond) add(one);
    return out;
}

class search {
 public:
    search(const preparation& of, const check_options& options) : options_(options) {
        steps_ = of.steps;
        for (const step& one : of.erasures)
            (one.from.expects == condition_kind::version ? conditional_ : unconditional_)
                .push_back(one);
    }
    verdict run(std::size_t& steps_left);

 private:
    [[nodiscard]] bool taken(const place& at, std::size_t index) const {
        return index < at.first || at.taken_beyond.contains(index);
    }
    void take(place& at, std::size_t index) const {
        at.taken_beyond.insert(index);
        while (!at.taken_beyond.empty() && *at.taken_beyond.begin() == at.first) {
            at.taken_beyond.erase(at.taken_beyond.begin());
            ++at.first;
        }
    }
    // Nothing that begins later can come next: somebody has ended by then.
    [[nodiscard]] std::int64_t horizon(const place& at) const;
    void take_what_changes_nothing(place& at) const;
    void push_following(const place& at);
    [[nodiscard]] std::string describe_stuck() const;

    check_options options_;
    std::vector<step> steps_;
    std::vector<step> conditional_;
    std::vector<step> unconditional_;
    std::vector<place> open_;
    std::unordered_set<std::string> tried_;
    place deepest_;
};

std::int64_t search::horizon(const place& at) const {
    std::int64_t out = never;
    for (std::size_t i = at.first; i < steps_.size() && steps_[i].begin <= out; ++i)
        if (!taken(at, i)) out = std::min(out, steps_[i].end);
    return out;
}

// What may come next, fits and leaves the state alone comes next: nothing is lost by that.
void search::take_what_changes_nothing(place& at) const {
    for (bool again = true; again;) {
        again = false;
        const std::int64_t until = horizon(at);
        for (std::size_t i = at.first; i < steps_.size() && steps_[i].begin <= until; ++i) {
            // Not so an erase that finds nothing now: later on it may find something.
            const event& one = steps_[i].from;
            if (one.what != kind::read && one.answered != outcome::refused) continue;
            if (taken(at, i) || !after(steps_[i], at.state, options_)) continue;
            take(at, i);
            again = true;
        }
    }
}

void search::push_following(const place& at) {
    const std::int64_t until = horizon(at);
    const auto push = [&](place next) {
        take_what_changes_nothing(next);
        if (tried_.insert(to_key(next)).second) open_.push_back(std::move(next));
    };
    // The last pushed is tried first: the rare ways before the usual ones.
    if (at.state != 0) {
        place gone = at;
        gone.state = 0;
        if (options_.forgets) push(gone);
        for (const step& one : conditional_)
            if (one.begin <= until && one.expected == at.state) push(gone);
        // They are alike, so the one that was begun first goes first.
        if (at.erased_any < unconditional_.size() && unconditional_[at.erased_any].begin <= until) {
            ++gone.erased_any;
            push(gone);
        }
    }
    std::size_t end = at.first;
    while (end < steps_.size() && steps_[end].begin <= until) ++end;
    for (std::size_t i = end; i-- > at.first;) {
        if (taken(at, i)) continue;
        const std::optional<std::uint64_t> state = after(steps_[i], at.state, options_);
        if (!state) continue;
        place next = at;
        next.state = *state;
        take(next, i);
        push(std::move(next));
    }
}

verdict search::run(std::size_t& steps_left) {
    place begin;
    take_what_changes_nothing(begin);
    open_.push_back(std::move(begin));
    while (!open_.empty()) {
        const place at = std::move(open_.back());
        open_.pop_back();
        if (at.first == steps_.size()) return {};
        const auto depth = [](const place& of) { return of.first + of.taken_beyond.size(); };
        if (depth(at) >= depth(deepest_)) deepest_ = at;
        if (steps_left-- == 0)
            return {verdict::kind::undecided, "too many ways to try;" + describe_stuck()};
        push_following(at);
    }
    return {verdict::kind::violated, "no order explains all answers;" + describe_stuck()};
}

std::string search::describe_stuck() const {
    std::string out = " after " + std::to_string(deepest_.first + deepest_.taken_beyond.size()) +
                      " of " + std::to_string(steps_.size()) + " operations the store holds " +
                      std::to_string(deepest_.state) + ", and next comes one of:\n";
    const std::int64_t until = horizon(deepest_);
    for (std::size_t i = deepest_.first; i < steps_.size() && steps_[i].begin <= until; ++i)
        if (!taken(deepest_, i)) out += "  " + to_text(steps_[i].from) + "\n";
    out += "before that:\n";
    for (std::size_t i = deepest_.first - std::min<std::size_t>(deepest_.first, 12);
         i < deepest_.first; ++i)
        out += "  " + to_text(steps_[i].from) + "\n";
    return out;
}

}  // namespace

verdict check_linearizable(std::vector<event> events, check_options options) {
    std::map<std::size_t, std::vector<event>> by_key;
    for (event& one : events) by_key[one.key].push_back(one);
    std::size_t steps_left = options.steps_max;
    for (const auto& [key, all] : by_key) {
        preparation prepared(options);
        std::string wrong = prepared.run(all);
        if (!wrong.empty()) return {verdict::kind::violated, std::move(wrong), prepared.suspect};
        verdict found = search(prepared, options).run(steps_left);
        if (found.what != verdict::kind::linearizable) return found;
    }
    return {};
}

}  // namespace lethe::store
