#include "store/memcached/store.hpp"

#include <charconv>

namespace lethe::store::memcached {
namespace {

using weight = finding::weight;

std::uint64_t number(std::string_view lines, std::string_view name) {
    const std::string_view text = statistic(lines, name).value_or("");
    std::uint64_t out = 0;
    std::from_chars(text.data(), text.data() + text.size(), out);
    return out;
}

std::string mebibytes(std::uint64_t bytes) {
    return std::to_string(bytes >> 20) + " MiB";
}

}  // namespace

void judge_statistics(const std::string& host, std::string_view general, std::string_view settings,
                      examination& into) {
    const auto add = [&](weight how_bad, std::string what, std::string advice) {
        into.findings.push_back({.how_bad = how_bad,
                                 .what = host + ": " + std::move(what),
                                 .advice = std::move(advice)});
    };
    const std::string version(statistic(general, "version").value_or("of an unknown version"));
    // Named once for all hosts of the same version.
    if (into.server.find(version) == into.server.npos)
        into.server += (into.server == "Memcached" ? " " : ", ") + version;

    const std::uint64_t maxbytes = number(settings, "maxbytes");
    const std::uint64_t used = number(general, "bytes");
    add(weight::note, "uses " + mebibytes(used) + " of " + mebibytes(maxbytes), "");
    if (const std::uint64_t evicted = number(general, "evictions"); evicted > 0)
        add(weight::fault,
            std::to_string(evicted) +
                " items were evicted before their time since it started: "
                "records are being forgotten",
            "give it more memory (-m), or more hosts");
    if (statistic(settings, "evictions") == "off")
        add(weight::warning,
            "evictions are off (-M): once it is full, changes are refused and the records that "
            "they were to change are forgotten",
            "leave evictions on and watch their number");
    if (const std::uint64_t most = number(settings, "item_size_max");
        most > 0 && most < std::uint64_t{64} * 1024)
        add(weight::warning,
            "items of at most " + std::to_string(most) +
                " bytes: larger records are split into "
                "very many",
            "set -I to 1m");
}

}  // namespace lethe::store::memcached
