// Fewer requests, then fewer faults, as long as the same promise is broken.
#include "simulation/world.hpp"

#include <algorithm>

namespace lethe::simulation {
namespace {

constexpr int runs_max = 400;

class shrinker {
 public:
    shrinker(run_options from, std::string invariant)
        : best_(std::move(from)), invariant_(std::move(invariant)) {
        best_.keep_trace = false;
    }

    run_options work(const run_result& found) {
        fewer_requests(static_cast<unsigned>(found.counts.requests));
        fewer_faults(std::vector<std::uint32_t>(found.faults));
        return best_;
    }

 private:
    std::optional<run_result> still_breaks(const run_options& options) {
        if (++runs_ > runs_max) return std::nullopt;
        run_result got = run(options);
        if (!got.broken || got.broken->invariant != invariant_) return std::nullopt;
        return got;
    }

    void fewer_requests(unsigned now) {
        for (unsigned step = now / 2; step > 0; step /= 2)
            while (now > step) {
                run_options with = best_;
                with.requests = now - step;
                if (!still_breaks(with)) break;
                now -= step;
                best_ = with;
            }
    }

    // Leaves out ever smaller parts.
    void fewer_faults(std::vector<std::uint32_t> names) {
        std::sort(names.begin(), names.end());
        names.erase(std::unique(names.begin(), names.end()), names.end());
        for (std::size_t part = std::max<std::size_t>(names.size(), 1); part > 0; part /= 2)
            for (std::size_t at = 0; at < names.size();) {
                std::vector<std::uint32_t> rest = names;
                const auto from = rest.begin() + static_cast<std::ptrdiff_t>(at);
                rest.erase(from,
                           from + static_cast<std::ptrdiff_t>(std::min(part, rest.size() - at)));
                run_options with = best_;
                with.only = std::set<std::uint32_t>(rest.begin(), rest.end());
                if (still_breaks(with)) {
                    names = std::move(rest);
                    best_ = with;
                } else {
                    at += part;
                }
            }
    }

    run_options best_;
    std::string invariant_;
    int runs_ = 0;
};

}  // namespace

run_options shrink(run_options options, const run_result& found) {
    if (!found.broken) return options;
    return shrinker(std::move(options), found.broken->invariant).work(found);
}

}  // namespace lethe::simulation
