#include "upstream/balancer.hpp"

#include <utility>

namespace lethe::upstream {

namespace {

bool is_in(const std::vector<bool>& excluded, std::size_t replica) {
    return replica < excluded.size() && excluded[replica];
}

}  // namespace

balancer::balancer(const options& of, std::function<std::uint64_t()> random)
    : options_(of), random_(std::move(random)), state_(of.replicas.size()) {
    // Workers and processes start at different places, or the first replica gets all first
    // requests.
    turn_ = random_() % state_.size();
    candidates_.reserve(state_.size());
}

std::optional<std::size_t> balancer::pick(steady_time now, const std::vector<bool>& excluded) {
    for (const bool ejected_too : {false, true}) {
        candidates_.clear();
        for (std::size_t i = 0; i < state_.size(); ++i) {
            const state& one = state_[i];
            if (!one.healthy || is_in(excluded, i) || one.under_way >= options_.connections_max)
                continue;
            if (ejected_too || one.ejected_until <= now) candidates_.push_back(i);
        }
        if (!candidates_.empty()) return choose(candidates_);
    }
    return std::nullopt;
}

std::optional<std::size_t> balancer::choose(const std::vector<std::size_t>& among) {
    if (options_.balance == balance_rule::round_robin) {
        // Over the candidates, not the replicas: a missing one's share is spread over all others.
        return among[++turn_ % among.size()];
    }
    // Power of two choices (Mitzenmacher 2001): nearly as good as the least loaded of all, and no
    // herd runs to the one that looked idle to everybody.
    const std::uint64_t bits = random_();
    const std::size_t first = (bits & 0xffffffff) % among.size();
    if (among.size() == 1) return among[first];
    std::size_t second = (bits >> 32) % (among.size() - 1);
    if (second >= first) ++second;
    return state_[among[first]].under_way <= state_[among[second]].under_way ? among[first]
                                                                             : among[second];
}

bool balancer::any_usable(const std::vector<bool>& excluded) const {
    for (std::size_t i = 0; i < state_.size(); ++i)
        if (state_[i].healthy && !is_in(excluded, i)) return true;
    return false;
}

bool balancer::failed(std::size_t replica, steady_time now) {
    state& one = state_[replica];
    ++one.failures;
    const ejection_options& rule = options_.ejection;
    if (rule.consecutive_failures == 0 || one.failures < rule.consecutive_failures) return false;
    one.failures = 0;
    one.ejected_until = now + rule.for_how_long;
    return true;
}

void balancer::set_healthy(std::size_t replica, bool yes) {
    state& one = state_[replica];
    if (yes && !one.healthy) one.ejected_until = {};
    one.healthy = yes;
}

}  // namespace lethe::upstream
