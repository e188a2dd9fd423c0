// How many requests an upstream takes at once without making them wait, found out by their latency.
// No I/O.
//
// A service that is given more than it can do at once queues the rest inside, and every answer
// becomes later. So the latency tells: about every 100 ms the median of the requests that ended is
// compared with the baseline, the median of requests that were few. The limit is multiplied by
// (1.5 × baseline + 2 ms) / median where that is below 1 (0.5 at least), and grows by its square
// root: in balance the answers take about half as long again as at rest. This is the gradient of
// Netflix' concurrency-limits; the baseline is measured as Envoy does it, by letting only a quarter
// through for a moment every half minute, since the lowest latency seen under load would creep up.
#pragma once

#include "base/clock.hpp"
#include "upstream/options.hpp"

#include <array>
#include <cstdint>

namespace lethe::upstream {

// One worker. `now` never goes back.
class concurrency_limit {
 public:
    // `phase`, any number, keeps workers from measuring at the same time.
    concurrency_limit(const concurrency_options& how, steady_time now, std::uint64_t phase);

    [[nodiscard]] std::uint32_t limit() const noexcept;

    // A request began; so many are now under way.
    void began(std::uint32_t in_flight) noexcept;
    // It was answered, or not in time; so many still are under way.
    void ended(steady_time began_at, steady_time now, std::uint32_t in_flight) noexcept;

 private:
    static constexpr std::size_t samples_max = 64;

    struct window {
        steady_time since;
        std::array<duration, samples_max> samples;
        std::size_t seen = 0;    // samples, also those that are not kept
        std::uint32_t peak = 0;  // in flight
    };

    void open_window(steady_time now, std::uint32_t in_flight) noexcept;
    [[nodiscard]] duration median() noexcept;
    [[nodiscard]] std::uint32_t at_rest() const noexcept;
    void begin_probe(steady_time now, std::uint32_t in_flight) noexcept;
    void look_at_probe(steady_time now, std::uint32_t in_flight) noexcept;
    void adapt(steady_time now) noexcept;
    void set_baseline(duration to, steady_time now) noexcept;

    const concurrency_options how_;
    double limit_;
    duration baseline_{};  // 0: not measured yet
    window window_;
    bool probing_ = true;
    bool drained_ = false;   // of the probe: only at_rest() are under way by now
    steady_time probe_due_;  // the next
    duration phase_;
};

}  // namespace lethe::upstream
