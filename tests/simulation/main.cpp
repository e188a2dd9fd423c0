// Replays one seed of the simulation, or looks for seeds that break a promise. Exit status: 0 all
// promises held, 1 one was broken, 2 wrong arguments.
#include "base/error.hpp"
#include "base/log.hpp"
#include "simulation/report.hpp"

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace lethe::simulation {
namespace {

constexpr const char* usage =
    "usage: lethe_simulation --seed N [--seeds COUNT] [--steps M] [--trace] [--only NAME,...]\n"
    "                        [--plant BUG] [--counts]\n"
    "  --seed N       the seed to run, or the first of them\n"
    "  --seeds COUNT  so many seeds from there on (default: 1)\n"
    "  --steps M      requests that clients begin (default: as the seed says)\n"
    "  --trace        print what happens, step by step\n"
    "  --only NAMES   these faults and no others, as a failure prints them; 'none' for none\n"
    "  --plant BUG    build this bug in; see docs/simulation.md\n"
    "  --counts       print what the gateways counted\n";

struct arguments {
    run_options run;
    std::uint64_t seeds = 1;
    bool counts = false;
};

bool parse_number(const char* text, std::uint64_t& out, int base = 10) {
    char* end = nullptr;
    out = std::strtoull(text, &end, base);
    return *text != '\0' && *end == '\0';
}

bool parse_only(std::string_view text, run_options& out) {
    out.only.emplace();
    if (text == "none") return true;
    while (!text.empty()) {
        const std::string one(text.substr(0, text.find(',')));
        std::uint64_t name = 0;
        if (!parse_number(one.c_str(), name, 16)) return false;
        out.only->insert(static_cast<std::uint32_t>(name));
        text.remove_prefix(std::min(one.size() + 1, text.size()));
    }
    return true;
}

bool parse(int count, char** words, arguments& out) {
    bool seeded = false;
    for (int i = 1; i < count; ++i) {
        const std::string_view word = words[i];
        if (word == "--trace") {
            out.run.keep_trace = true;
            continue;
        }
        if (word == "--counts") {
            out.counts = true;
            continue;
        }
        if (i + 1 == count) return false;
        const char* const value = words[++i];
        std::uint64_t number = 0;
        if (word == "--seed") {
            if (!parse_number(value, out.run.seed)) return false;
            seeded = true;
        } else if (word == "--seeds") {
            if (!parse_number(value, out.seeds)) return false;
        } else if (word == "--steps") {
            if (!parse_number(value, number)) return false;
            out.run.requests = static_cast<unsigned>(number);
        } else if (word == "--only") {
            if (!parse_only(value, out.run)) return false;
        } else if (word == "--plant") {
            const auto bug = planted_named(value);
            if (!bug) return false;
            out.run.bug = *bug;
        } else {
            return false;
        }
    }
    return seeded;
}

bool run_one(const run_options& options) {
    const run_result got = run(options);
    if (options.keep_trace) std::fputs(got.trace.c_str(), stdout);
    std::printf("%s", describe(options, got).c_str());
    return got.broken.has_value();
}

}  // namespace
}  // namespace lethe::simulation

int main(int count, char** words) {
    using namespace lethe::simulation;
    arguments asked;
    if (!parse(count, words, asked)) {
        std::fputs(usage, stderr);
        return 2;
    }
    lethe::log::set_level(lethe::log::level::off);
    lethe::abort_on_bug(true);
    lethe::metrics::registry counted;
    asked.run.counted = &counted;
    bool broken = false;
    if (asked.seeds == 1) {
        broken = run_one(asked.run);
    } else {
        const search_result found = search(asked.run, asked.seeds);
        std::printf("%s", found.text.c_str());
        broken = found.broken;
    }
    const lethe::metrics::registry* const all[] = {&counted};
    if (asked.counts) std::printf("%s", lethe::metrics::to_prometheus(all).c_str());
    return broken ? 1 : 0;
}
