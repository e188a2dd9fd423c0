#include "simulation/store_server.hpp"

#include "base/error.hpp"
#include "simulation/host.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace lethe::simulation {
namespace {

constexpr std::chrono::seconds lag_max{3};

bool holds(const store::expectation& expect, const std::optional<store::record>& present) {
    if (std::holds_alternative<store::absent>(expect)) return !present;
    if (const auto* version = std::get_if<store::record_version>(&expect))
        return present && present->version == *version;
    return true;
}

}  // namespace

std::optional<store::record> store_server::find(const std::string& key) const {
    const auto at = records_.find(key);
    if (at == records_.end()) return std::nullopt;
    if (at->second.expires <= to_system(time_.now())) return std::nullopt;
    return at->second;
}

void store_server::replace(const std::string& key, std::optional<store::record> by, seen& before) {
    std::optional<store::record> was = find(key);
    recent_.push_back({time_.now(), key, was});
    before.emplace_back(key, std::move(was));
    if (by)
        records_[key] = *std::move(by);
    else
        records_.erase(key);
}

store::answer store_server::apply(const store::operation& any, seen& before) {
    if (const auto* one = std::get_if<store::get>(&any))
        return {.done = true, .present = find(one->key)};
    if (const auto* one = std::get_if<store::put>(&any)) {
        LETHE_ASSERT(!one->key.empty() && one->ttl.count() > 0);
        std::optional<store::record> present = find(one->key);
        if (!holds(one->expect, present)) return {.done = false, .present = std::move(present)};
        const store::record_version version{++versions_};
        replace(one->key,
                store::record{one->value, version, to_system(time_.now()) + one->ttl, one->subject},
                before);
        return {.done = true, .version = version};
    }
    if (const auto* one = std::get_if<store::erase>(&any)) {
        std::optional<store::record> present = find(one->key);
        if (!holds(one->expect, present)) return {.done = false, .present = std::move(present)};
        replace(one->key, std::nullopt, before);
        return {.done = true};
    }
    const auto& one = std::get<store::touch>(any);
    if (!find(one.key)) return {};
    records_.at(one.key).expires = to_system(time_.now()) + one.ttl;
    return {.done = true};
}

// In the order of the changes: each state of a key is seen once.
void store_server::tell(const seen& before) {
    for (std::size_t i = 0; i < before.size(); ++i) {
        const auto& [key, was] = before[i];
        const bool again =
            std::any_of(before.begin() + static_cast<std::ptrdiff_t>(i) + 1, before.end(),
                        [&](const auto& one) { return one.first == key; });
        const bool clock = key.starts_with("lethe:clock:");  // put and erased at once
        LETHE_ASSERT(!again || clock);  // lethe's batches and transactions name a key once
        if (again) continue;
        const auto now = records_.find(key);
        if (now == records_.end())
            onlooker_.erased(key);
        else
            onlooker_.wrote(key, was ? &*was : nullptr, now->second);
    }
    const moment horizon = time_.now() - std::chrono::duration_cast<moment>(2 * lag_max);
    const auto old = std::find_if(recent_.begin(), recent_.end(),
                                  [horizon](const change& one) { return one.at >= horizon; });
    if (old - recent_.begin() > 256) recent_.erase(recent_.begin(), old);
}

std::vector<store::answer> store_server::batch(const std::vector<store::operation>& operations,
                                               std::size_t count) {
    seen before;
    std::vector<store::answer> answers;
    for (const store::operation& one : operations) {
        if (answers.size() == count) break;
        answers.push_back(apply(one, before));
    }
    tell(before);
    return answers;
}

std::vector<store::answer> store_server::transact(const std::vector<store::operation>& operations) {
    seen before;
    std::vector<store::answer> answers;
    bool all = true;
    for (const store::operation& one : operations) {
        answers.push_back(apply(one, before));
        all = all && answers.back().done;
    }
    if (all) {
        tell(before);
        return answers;
    }
    for (auto at = before.rbegin(); at != before.rend(); ++at) {
        recent_.pop_back();
        if (at->second)
            records_[at->first] = at->second.value();
        else
            records_.erase(at->first);
    }
    for (store::answer& one : answers) one.version = {};
    return answers;
}

void store_server::leave() {
    up_ = false;
    ++reign_;
    time_.note("store.leaves", {{"store", index_}});
}

void store_server::come_back() {
    up_ = true;
    time_.note("store.comes_back", {{"store", index_}});
}

void store_server::fail_over(microseconds lag) {
    LETHE_ASSERT(lag <= lag_max);
    ++reign_;
    const moment from = time_.now() - lag;
    std::set<std::string> keys;
    while (!recent_.empty() && lag > microseconds{0} && recent_.back().at >= from) {
        change& last = recent_.back();
        keys.insert(last.key);
        if (last.before)
            records_[last.key] = *std::move(last.before);
        else
            records_.erase(last.key);
        recent_.pop_back();
    }
    time_.note("store.fails_over", {{"store", index_}, {"forgotten", keys.size()}});
    for (const std::string& key : keys) onlooker_.forgot(key);
}

}  // namespace lethe::simulation
