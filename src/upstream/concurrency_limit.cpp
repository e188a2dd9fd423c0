#include "upstream/concurrency_limit.hpp"

#include <algorithm>
#include <cmath>

namespace lethe::upstream {
namespace {

using namespace std::chrono_literals;

constexpr duration window_time = 100ms;
constexpr std::size_t window_samples = 10;
// Where few requests come, a window is as long as this.
constexpr duration window_time_max = 1s;
constexpr std::size_t probe_samples = 10;
constexpr duration probe_time_max = 5s;
constexpr duration probe_interval = 30s;
constexpr duration probe_again_after = 1s;
constexpr double tolerance = 1.5;
constexpr duration allowance = 2ms;  // what the machine's own moods may add
constexpr double gradient_min = 0.5;

}  // namespace

concurrency_limit::concurrency_limit(const concurrency_options& how, steady_time now,
                                     std::uint64_t phase)
    : how_(how),
      limit_(how.adaptive ? std::min(how.min, how.max) : how.max),
      phase_(std::chrono::milliseconds(phase % 10'000)) {
    probing_ = how_.adaptive;
    open_window(now, 0);
    probe_due_ = now + probe_interval + phase_;
    drained_ = true;
}

std::uint32_t concurrency_limit::limit() const noexcept {
    return probing_ ? at_rest() : static_cast<std::uint32_t>(limit_);
}

// So few that none waits for another, but not so few that the service stands still.
std::uint32_t concurrency_limit::at_rest() const noexcept {
    return std::max(std::min(how_.min, how_.max), static_cast<std::uint32_t>(limit_ / 4));
}

void concurrency_limit::open_window(steady_time now, std::uint32_t in_flight) noexcept {
    window_.since = now;
    window_.seen = 0;
    window_.peak = in_flight;
}

void concurrency_limit::began(std::uint32_t in_flight) noexcept {
    window_.peak = std::max(window_.peak, in_flight);
}

duration concurrency_limit::median() noexcept {
    const std::size_t kept = std::min(window_.seen, samples_max);
    const auto middle = window_.samples.begin() + static_cast<std::ptrdiff_t>(kept / 2);
    std::nth_element(window_.samples.begin(), middle,
                     window_.samples.begin() + static_cast<std::ptrdiff_t>(kept));
    return *middle;
}

void concurrency_limit::ended(steady_time began_at, steady_time now,
                              std::uint32_t in_flight) noexcept {
    if (!how_.adaptive) return;
    if (probing_ && !drained_) {
        if (in_flight <= at_rest() || now - window_.since > probe_time_max) {
            drained_ = true;
            open_window(now, in_flight);
        }
        return;
    }
    // While the load is measured at rest, only who began at rest counts.
    if (probing_ && began_at < window_.since) return;
    window_.samples[window_.seen++ % samples_max] = now - began_at;
    if (probing_)
        look_at_probe(now, in_flight);
    else
        adapt(now);
    if (window_.seen == 0) window_.peak = in_flight;
}

void concurrency_limit::set_baseline(duration to, steady_time now) noexcept {
    baseline_ = std::max(to, duration(1us));
    probe_due_ = now + probe_interval + phase_;
}

void concurrency_limit::begin_probe(steady_time now, std::uint32_t in_flight) noexcept {
    probing_ = true;
    drained_ = in_flight <= at_rest();
    open_window(now, in_flight);
}

void concurrency_limit::look_at_probe(steady_time now, std::uint32_t in_flight) noexcept {
    if (window_.seen < probe_samples && now - window_.since < probe_time_max) return;
    const duration before = baseline_;
    set_baseline(median(), now);
    // So much better than thought: a quarter of the limit may still have been too many.
    if (baseline_ < before / 4 * 3) probe_due_ = now + probe_again_after;
    probing_ = false;
    open_window(now, in_flight);
}

void concurrency_limit::adapt(steady_time now) noexcept {
    const duration open_for = now - window_.since;
    const bool is_full = open_for >= window_time && window_.seen >= window_samples;
    if (!is_full && open_for < window_time_max) return;
    const duration now_takes = std::max(median(), duration(1us));
    // So few were under way that none waited for another: as good as a probe.
    if (window_.peak <= how_.min) set_baseline(now_takes, now);
    // The service has become faster: no need to wait for the next probe.
    if (now_takes < baseline_ / 2) baseline_ = now_takes;
    const duration wanted = std::chrono::duration_cast<duration>(baseline_ * tolerance) + allowance;
    const double gradient =
        std::clamp(static_cast<double>(wanted.count()) / static_cast<double>(now_takes.count()),
                   gradient_min, 1.0);
    const double next = std::clamp(gradient * limit_ + std::sqrt(limit_),
                                   static_cast<double>(std::min(how_.min, how_.max)),
                                   static_cast<double>(how_.max));
    // A limit that nobody needs says nothing when it is kept.
    const bool is_used = window_.peak * 2 >= static_cast<std::uint32_t>(limit_);
    if (next < limit_ || is_used) limit_ = next;
    if (now >= probe_due_)
        begin_probe(now, window_.peak);
    else
        open_window(now, 0);
}

}  // namespace lethe::upstream
