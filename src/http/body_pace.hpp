// How long a client may take for the next piece of its body: who sends a byte now and then would
// else hold the connection for as long as it likes.
#pragma once

#include "http/server.hpp"

#include <algorithm>
#include <cstdint>

namespace lethe::http {

// Of one body. Only the time that is waited for the client counts, not that others take to ask.
class body_pace {
 public:
    void took(duration waited, std::size_t bytes) noexcept {
        waited_ += waited;
        received_ += bytes;
    }
    // body_timeout at most; less when it was waited for as long as that in all and not enough came.
    [[nodiscard]] duration patience(const server_settings& s) const noexcept {
        if (s.body_rate_min == 0) return s.body_timeout;
        const std::uint64_t seconds = received_ / s.body_rate_min;
        // What it has earned beyond that is of no use to it.
        if (seconds > earned_seconds_max) return s.body_timeout;
        const std::uint64_t rest = received_ % s.body_rate_min * 1'000 / s.body_rate_min;
        const std::chrono::milliseconds earned(seconds * 1'000 + rest);
        return std::clamp<duration>(s.body_timeout + earned - waited_, duration(0), s.body_timeout);
    }

 private:
    static constexpr std::uint64_t earned_seconds_max = std::uint64_t{10} * 365 * 24 * 3'600;

    duration waited_{};
    std::uint64_t received_ = 0;
};

}  // namespace lethe::http
