// What one store counts: operations by kind and outcome.
#pragma once

#include "base/metrics.hpp"
#include "store/store.hpp"

#include <array>
#include <span>
#include <string>

namespace lethe::store {

// Written by the store's worker alone.
class counts {
 public:
    counts(metrics::registry& registry, const std::string& store_name);

    void batch(std::span<const operation> operations, const result<std::vector<answer>>& answers);
    void one(const operation& any, const result<answer>& answered);
    void listing(const error_code& error);
    void ping(const error_code& error);

 private:
    static constexpr std::size_t kinds = 6;     // get, put, erase, touch, list, ping
    static constexpr std::size_t outcomes = 9;  // done, conflict and one per errc

    std::array<std::array<metrics::counter*, outcomes>, kinds> counters_{};
};

}  // namespace lethe::store
