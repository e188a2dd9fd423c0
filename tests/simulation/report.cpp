#include "simulation/report.hpp"

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>

namespace lethe::simulation {
namespace {

// An assertion of lethe's ends the process: the seed that did it is said, all the same.
volatile std::uint64_t seed_under_way = 0;

extern "C" void tell_seed(int) {
    char text[80];
    const int length = std::snprintf(text, sizeof text, "lethe_simulation --seed %llu aborts\n",
                                     static_cast<unsigned long long>(seed_under_way));
    if (length > 0) [[maybe_unused]]
        const auto written = ::write(STDERR_FILENO, text, static_cast<std::size_t>(length));
    std::signal(SIGABRT, SIG_DFL);
}

std::string command_of(const run_options& options) {
    std::string out = "lethe_simulation --seed " + std::to_string(options.seed);
    if (options.requests) out += " --steps " + std::to_string(*options.requests);
    if (options.bug != planted::nothing) out += " --plant " + std::string(name_of(options.bug));
    if (!options.only) return out;
    out += " --only ";
    if (options.only->empty()) return out + "none";
    bool first = true;
    for (const std::uint32_t name : *options.only) {
        char text[16];
        std::snprintf(text, sizeof text, "%s%08x", first ? "" : ",", name);
        out += text;
        first = false;
    }
    return out;
}

std::string text_of(const run_counts& counts) {
    return std::to_string(counts.steps) + " steps, " + std::to_string(counts.requests) +
           " requests, " + std::to_string(counts.forwards) + " keyed forwards, " +
           std::to_string(counts.replays) + " replays, " + std::to_string(counts.acknowledgements) +
           " session changes, " + std::to_string(counts.deaths) + " deaths, " +
           std::to_string(counts.moved) + " records moved\n";
}

std::string describe_failure(const run_options& options, const run_result& got) {
    run_options small = shrink(options, got);
    small.keep_trace = true;
    const run_result again = run(small);
    return describe(options, got) + "the least that breaks it: " + command_of(small) +
           " --trace\n" + again.trace;
}

}  // namespace

void run_counts::add(const run_counts& more) {
    steps += more.steps;
    requests += more.requests;
    forwards += more.forwards;
    replays += more.replays;
    acknowledgements += more.acknowledgements;
    deaths += more.deaths;
    moves += more.moves;
    moved += more.moved;
}

std::string describe(const run_options& options, const run_result& got) {
    std::string out = "seed " + std::to_string(options.seed) + ": ";
    if (!got.broken) return out + text_of(got.counts);
    out += "BROKEN: " + got.broken->invariant + ": " + got.broken->what + "\n";
    return out + "see it again: " + command_of(options) + " --trace\n";
}

search_result search(run_options options, std::uint64_t seeds) {
    std::signal(SIGABRT, tell_seed);
    search_result out;
    const auto began = std::chrono::steady_clock::now();
    for (; out.seeds < seeds; ++options.seed) {
        seed_under_way = options.seed;
        const run_result got = run(options);
        ++out.seeds;
        out.counts.add(got.counts);
        if (!got.broken) continue;
        out.broken = true;
        out.text = describe_failure(options, got);
        return out;
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    out.text = std::to_string(seeds) + " seeds in " + std::to_string(took.count()) + " s, " +
               std::to_string(static_cast<std::uint64_t>(double(seeds) / took.count())) +
               " a second: " + text_of(out.counts);
    return out;
}

}  // namespace lethe::simulation
