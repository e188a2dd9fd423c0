// A mistake in a configuration, said so that it can be put right: where, what is wrong, what was
// expected.
#pragma once

#include <compare>
#include <cstddef>
#include <string>
#include <vector>

namespace lethe::gateway::config {

// Both count from 1; 0: the file as a whole.
struct mark {
    int line = 0;
    int column = 0;

    auto operator<=>(const mark&) const = default;
};

struct mistake {
    std::string file;
    mark at;
    std::string path;      // "routes[0].match.path"; "" for the file as a whole
    std::string what;      // "is missing", "\"5x\" is not a duration"
    std::string expected;  // what was expected, or what to do

    bool operator==(const mistake&) const = default;
};

// Further ones of one file are not listed: they cost time and nobody reads them.
inline constexpr std::size_t mistakes_max = 200;

// "lethe.yaml:4:9: routes[0].timeout: \"5x\" is not a duration, expected …"
[[nodiscard]] std::string to_text(const mistake& one);
// One line each.
[[nodiscard]] std::string to_text(const std::vector<mistake>& all);

}  // namespace lethe::gateway::config
