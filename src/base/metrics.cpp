#include "base/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace lethe::metrics {
namespace {

std::string escape(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\\' || c == '"') out += '\\';
        if (c == '\n')
            out += "\\n";
        else
            out += c;
    }
    return out;
}

std::string to_text(const labels& l, std::string_view extra = {}) {
    std::string out;
    for (const auto& [name, value] : l) {
        if (!out.empty()) out += ',';
        out += fmt::format("{}=\"{}\"", name, escape(value));
    }
    if (!extra.empty()) {
        if (!out.empty()) out += ',';
        out += extra;
    }
    return out.empty() ? out : "{" + out + "}";
}

struct family {
    std::string_view type;
    std::string help;
    std::map<std::string, std::int64_t> values;  // by label text
    std::map<std::string, std::vector<std::uint64_t>>
        buckets;  // histograms: cumulated later, then the sum
    std::map<std::string, labels> with;
};

void append_histograms(std::string& out, const std::string& name, const family& f) {
    for (const auto& [text, counts] : f.buckets) {
        const labels& l = f.with.at(text);
        std::uint64_t running = 0;
        for (std::size_t i = 0; i <= histogram::bounds.size(); ++i) {
            running += counts[i];
            const std::string le = i < histogram::bounds.size()
                                       ? fmt::format("le=\"{}\"", histogram::bounds[i])
                                       : std::string("le=\"+Inf\"");
            out += fmt::format("{}_bucket{} {}\n", name, to_text(l, le), running);
        }
        out += fmt::format("{}_sum{} {:.6f}\n{}_count{} {}\n", name, text,
                           static_cast<double>(counts.back()) / 1e6, name, text, running);
    }
}

}  // namespace

void histogram::observe(double seconds) noexcept {
    const auto at = std::lower_bound(bounds.begin(), bounds.end(), seconds);
    buckets_[static_cast<std::size_t>(at - bounds.begin())].add();
    micros_.add(static_cast<std::uint64_t>(std::max(0.0, seconds) * 1e6));
}

template <class Metric>
Metric& registry::find_or_make(std::mutex& mutex, std::deque<entry<Metric>>& in,
                               std::string_view name, std::string_view help, labels l) {
    const std::lock_guard lock(mutex);
    for (entry<Metric>& e : in)
        if (e.name == name && e.with == l) return e.metric;
    entry<Metric>& made = in.emplace_back();
    made.name = name;
    made.help = help;
    made.with = std::move(l);
    return made.metric;
}

counter& registry::make_counter(std::string_view name, std::string_view help, labels l) {
    return find_or_make(mutex_, counters_, name, help, std::move(l));
}
gauge& registry::make_gauge(std::string_view name, std::string_view help, labels l) {
    return find_or_make(mutex_, gauges_, name, help, std::move(l));
}
histogram& registry::make_histogram(std::string_view name, std::string_view help, labels l) {
    return find_or_make(mutex_, histograms_, name, help, std::move(l));
}

std::string to_prometheus(std::span<const registry* const> registries) {
    std::map<std::string, family> families;
    const auto family_of = [&](const auto& e, std::string_view type) -> family& {
        family& f = families[e.name];
        f.type = type;
        f.help = e.help;
        f.with.emplace(to_text(e.with), e.with);
        return f;
    };
    for (const registry* r : registries) {
        const std::lock_guard lock(r->mutex_);
        for (const auto& e : r->counters_)
            family_of(e, "counter").values[to_text(e.with)] +=
                static_cast<std::int64_t>(e.metric.value());
        for (const auto& e : r->gauges_)
            family_of(e, "gauge").values[to_text(e.with)] += e.metric.value();
        for (const auto& e : r->histograms_) {
            auto& counts = family_of(e, "histogram").buckets[to_text(e.with)];
            counts.resize(histogram::bounds.size() + 2);
            for (std::size_t i = 0; i <= histogram::bounds.size(); ++i)
                counts[i] += e.metric.bucket(i);
            counts.back() += e.metric.micros_sum();
        }
    }
    std::string out;
    for (const auto& [name, f] : families) {
        out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, f.help, name, f.type);
        for (const auto& [text, value] : f.values)
            out += fmt::format("{}{} {}\n", name, text, value);
        append_histograms(out, name, f);
    }
    return out;
}

}  // namespace lethe::metrics
