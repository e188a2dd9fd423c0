// Counters, gauges and histograms in Prometheus' text format.
//
// Each worker owns one registry and is the only writer of what is in it, so that counting costs a
// plain add; the admin listener reads all registries at any time and adds up equal names and
// labels. Names: lethe_<folder>_<noun>_<unit>_total. Labels are bounded: never a key, a subject or
// a path.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lethe::metrics {

using labels = std::vector<std::pair<std::string, std::string>>;

// Written by one thread, read by any.
class counter {
 public:
    void add(std::uint64_t by = 1) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t value() const noexcept {
        return value_.load(std::memory_order_relaxed);
    }

 private:
    std::atomic<std::uint64_t> value_{0};
};

class gauge {
 public:
    void set(std::int64_t to) noexcept { value_.store(to, std::memory_order_relaxed); }
    void add(std::int64_t by) noexcept { set(value() + by); }
    [[nodiscard]] std::int64_t value() const noexcept {
        return value_.load(std::memory_order_relaxed);
    }

 private:
    std::atomic<std::int64_t> value_{0};
};

// Seconds, in fixed buckets from 0.5 ms to 30 s.
class histogram {
 public:
    static constexpr std::array<double, 15> bounds = {
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0};
    void observe(double seconds) noexcept;

    [[nodiscard]] std::uint64_t bucket(std::size_t index) const noexcept {
        return buckets_[index].value();
    }
    [[nodiscard]] std::uint64_t micros_sum() const noexcept { return micros_.value(); }

 private:
    std::array<counter, bounds.size() + 1> buckets_;
    counter micros_;
};

// References stay valid as long as the registry lives. Asking again for the same name and labels
// answers the same metric.
class registry {
 public:
    counter& make_counter(std::string_view name, std::string_view help, labels l = {});
    gauge& make_gauge(std::string_view name, std::string_view help, labels l = {});
    histogram& make_histogram(std::string_view name, std::string_view help, labels l = {});

 private:
    friend std::string to_prometheus(std::span<const registry* const> registries);

    template <class Metric>
    struct entry {
        std::string name;
        std::string help;
        labels with;
        Metric metric;
    };

    template <class Metric>
    static Metric& find_or_make(std::mutex& mutex, std::deque<entry<Metric>>& in,
                                std::string_view name, std::string_view help, labels l);

    mutable std::mutex mutex_;  // making and reading; never taken to count
    std::deque<entry<counter>> counters_;
    std::deque<entry<gauge>> gauges_;
    std::deque<entry<histogram>> histograms_;
};

[[nodiscard]] std::string to_prometheus(std::span<const registry* const> registries);

}  // namespace lethe::metrics
