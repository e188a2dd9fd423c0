#include "upstream/balancer.hpp"

#include "base/bytes.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

namespace lethe::upstream {

namespace {

// A share is a weight in thousandths, so that one that grows by and by is a whole number too.
constexpr std::int64_t full_share = 1000;
// A replica that comes back begins with a tenth.
constexpr std::int64_t first_share = full_share / 10;

bool is_in(const std::vector<bool>& excluded, std::size_t replica) {
    return replica < excluded.size() && excluded[replica];
}

// In (0, 1), evenly.
double mixed(std::uint64_t key, std::uint64_t place) {
    char both[sizeof key + sizeof place];
    std::memcpy(both, &key, sizeof key);
    std::memcpy(both + sizeof key, &place, sizeof place);
    return (static_cast<double>(stable_hash({both, sizeof both}) >> 11) + 0.5) * 0x1p-53;
}

}  // namespace

balancer::balancer(const options& of, std::function<std::uint64_t()> random)
    : options_(of), random_(std::move(random)) {}

std::size_t balancer::join(const replica& one, std::optional<steady_time> slowly_from) {
    const auto free = std::ranges::find_if(
        state_, [](const state& old) { return !old.joined && old.under_way == 0; });
    const auto number = static_cast<std::size_t>(free - state_.begin());
    if (free == state_.end()) state_.emplace_back();
    // Workers and processes start at different places, or the first replica gets all first
    // requests.
    state_[number] = {.place = stable_hash(to_text(one)),
                      .weight = one.weight,
                      .back_since = slowly_from,
                      .credit = static_cast<std::int64_t>(random_() % full_share)};
    candidates_.reserve(state_.size());
    return number;
}

void balancer::join_again(std::size_t replica, steady_time now) {
    state& one = state_[replica];
    one.joined = one.healthy = true;
    one.failures = 0;
    one.ejected_until = {};
    one.back_since = now;
}

std::optional<std::size_t> balancer::pick(steady_time now, const std::vector<bool>& excluded,
                                          std::optional<std::uint64_t> key,
                                          ejected_replicas ejected) {
    for (const bool ejected_too : {false, true}) {
        if (ejected_too && ejected == ejected_replicas::never) break;
        candidates_.clear();
        for (std::size_t i = 0; i < state_.size(); ++i) {
            const state& one = state_[i];
            if (!one.joined || !one.healthy || is_in(excluded, i) ||
                one.under_way >= options_.connections_max)
                continue;
            if (ejected_too || one.ejected_until <= now)
                candidates_.push_back({i, share_of(i, now)});
        }
        if (candidates_.empty()) continue;
        if (candidates_.size() == 1) return candidates_.front().replica;
        if (options_.balance == balance_rule::round_robin) return in_turn();
        if (options_.balance == balance_rule::hash && key) return by_hash(*key);
        return less_busy();
    }
    return std::nullopt;
}

std::int64_t balancer::share_of(std::size_t replica, steady_time now) const {
    const std::int64_t weight = state_[replica].weight;
    const std::optional<steady_time>& since = state_[replica].back_since;
    if (!since || options_.slow_start.count() == 0) return weight * full_share;
    const std::chrono::milliseconds passed =
        std::chrono::duration_cast<std::chrono::milliseconds>(now - *since);
    return weight * std::clamp(passed.count() * full_share / options_.slow_start.count(),
                               first_share, full_share);
}

// Smooth weighted round robin: each earns its share, the richest is chosen and pays for all. Over
// the candidates, not the replicas: a missing one's part is spread over all others.
std::size_t balancer::in_turn() {
    std::int64_t paid = 0;
    std::size_t richest = candidates_.front().replica;
    for (const candidate& one : candidates_) {
        state_[one.replica].credit += one.share;
        paid += one.share;
        if (state_[one.replica].credit > state_[richest].credit) richest = one.replica;
    }
    state_[richest].credit -= paid;
    return richest;
}

// Power of two choices (Mitzenmacher 2001): nearly as good as the least loaded of all, and no herd
// runs to the one that looked idle to everybody. Both are drawn by their shares, and loads are
// compared as parts of them.
std::size_t balancer::less_busy() {
    const std::int64_t all =
        std::accumulate(candidates_.begin(), candidates_.end(), std::int64_t{0},
                        [](std::int64_t sum, const candidate& one) { return sum + one.share; });
    const auto drawn = [this](std::uint64_t bits, std::int64_t among, const candidate* without) {
        auto left = static_cast<std::int64_t>(bits % static_cast<std::uint64_t>(among));
        const candidate* last = nullptr;
        for (const candidate& one : candidates_) {
            if (&one == without) continue;
            last = &one;
            if (left < one.share) break;
            left -= one.share;
        }
        return last;
    };
    const candidate* const first = drawn(random_(), all, nullptr);
    const candidate* const second = drawn(random_(), all - first->share, first);
    // Equally busy, idle ones above all: the first, so that shares are kept.
    const std::int64_t of_first = std::int64_t{state_[first->replica].under_way} * second->share;
    const std::int64_t of_second = std::int64_t{state_[second->replica].under_way} * first->share;
    return of_first <= of_second ? first->replica : second->replica;
}

// Weighted rendezvous hashing (Thaler and Ravishankar 1998; the weights as Schindelhauer and
// Schomaker 2005): who is gone gives only its own keys to the others, and gets them back. By
// weights alone: a share that grows would move keys for as long as it does.
std::size_t balancer::by_hash(std::uint64_t key) const {
    double best = -1;
    std::size_t chosen = candidates_.front().replica;
    for (const candidate& one : candidates_) {
        const double score = static_cast<double>(state_[one.replica].weight) /
                             -std::log(mixed(key, state_[one.replica].place));
        if (score > best) {
            best = score;
            chosen = one.replica;
        }
    }
    return chosen;
}

bool balancer::usable(std::size_t replica, steady_time now,
                      const std::vector<bool>& excluded) const {
    const state& one = state_[replica];
    return one.joined && one.healthy && one.ejected_until <= now &&
           one.under_way < options_.connections_max && !is_in(excluded, replica);
}

std::optional<std::size_t> balancer::find(std::uint64_t place) const {
    for (std::size_t i = 0; i < state_.size(); ++i)
        if (state_[i].joined && state_[i].place == place) return i;
    return std::nullopt;
}

bool balancer::any_usable(const std::vector<bool>& excluded) const {
    for (std::size_t i = 0; i < state_.size(); ++i)
        if (state_[i].joined && state_[i].healthy && !is_in(excluded, i)) return true;
    return false;
}

bool balancer::failed(std::size_t replica, steady_time now) {
    state& one = state_[replica];
    ++one.failures;
    const ejection_options& rule = options_.ejection;
    if (rule.consecutive_failures == 0 || one.failures < rule.consecutive_failures) return false;
    one.failures = 0;
    one.ejected_until = now + rule.for_how_long;
    one.back_since = one.ejected_until;
    return true;
}

void balancer::set_healthy(std::size_t replica, bool yes, steady_time now) {
    state& one = state_[replica];
    if (yes && !one.healthy) {
        one.ejected_until = {};
        one.back_since = now;
    }
    one.healthy = yes;
}

}  // namespace lethe::upstream
