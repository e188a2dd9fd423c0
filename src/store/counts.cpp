#include "store/counts.hpp"

namespace lethe::store {
namespace {

constexpr const char* kind_names[] = {"get", "put", "erase", "touch", "list", "ping"};
constexpr std::size_t kind_list = 4;
constexpr std::size_t kind_ping = 5;
// The order of errc behind the first two.
constexpr const char* outcome_names[] = {"done",       "conflict",  "unavailable",
                                         "overloaded", "timeout",   "outcome_unknown",
                                         "corrupt",    "too_large", "malformed"};
constexpr std::size_t outcome_done = 0;
constexpr std::size_t outcome_conflict = 1;

std::size_t outcome_of(const error_code& error) noexcept {
    if (!error) return outcome_done;
    return outcome_conflict + static_cast<std::size_t>(error.value());
}

}  // namespace

counts::counts(metrics::registry& registry, const std::string& store_name) {
    static_assert(std::size(kind_names) == kinds && std::size(outcome_names) == outcomes);
    static_assert(static_cast<std::size_t>(errc::malformed) + outcome_conflict == outcomes - 1);
    for (std::size_t k = 0; k < kinds; ++k)
        for (std::size_t o = 0; o < outcomes; ++o)
            counters_[k][o] = &registry.make_counter(
                "lethe_store_operations_total", "Operations asked of a store, by how they ended.",
                {{"store", store_name}, {"kind", kind_names[k]}, {"outcome", outcome_names[o]}});
}

void counts::batch(std::span<const operation> operations,
                   const result<std::vector<answer>>& answers) {
    for (std::size_t i = 0; i < operations.size(); ++i) {
        std::size_t outcome = outcome_of(answers.has_error() ? answers.error() : error_code{});
        if (answers.has_value() && !(*answers)[i].done) outcome = outcome_conflict;
        counters_[operations[i].index()][outcome]->add();
    }
}

void counts::one(const operation& any, const result<answer>& answered) {
    std::size_t outcome = outcome_done;
    if (answered.has_error())
        outcome = outcome_of(answered.error());
    else if (!answered->done)
        outcome = outcome_conflict;
    counters_[any.index()][outcome]->add();
}

void counts::listing(const error_code& error) {
    counters_[kind_list][outcome_of(error)]->add();
}

void counts::ping(const error_code& error) {
    counters_[kind_ping][outcome_of(error)]->add();
}

}  // namespace lethe::store
