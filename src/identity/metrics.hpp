// What identity counts, per worker.
#pragma once

#include "base/metrics.hpp"
#include "token/errors.hpp"

#include <array>
#include <cstdint>

namespace lethe::identity {

// Why a request was refused, beside the reasons of token/errors.hpp.
enum class refusal : std::uint8_t {
    no_credentials,
    unreadable_credentials,
    insufficient_scope,
    no_keys
};

struct metrics {
    explicit metrics(lethe::metrics::registry& in);

    lethe::metrics::counter& authenticated;
    lethe::metrics::counter& anonymous;
    lethe::metrics::counter& cache_hits;
    lethe::metrics::counter& cache_misses;
    lethe::metrics::gauge& cache_bytes;
    lethe::metrics::counter& claims_unforwarded;

    void count(refusal why) noexcept { refusals_[static_cast<std::size_t>(why)]->add(); }
    void count(token::errc why) noexcept;

 private:
    std::array<lethe::metrics::counter*, 4> refusals_{};
    std::array<lethe::metrics::counter*, token::token_reason_count + 1> token_refusals_{};
};

[[nodiscard]] std::string_view to_reason(refusal why) noexcept;

}  // namespace lethe::identity
