// For tests: reads a text as a configuration and says what was wrong, without looking at files.
#pragma once

#include "gateway/config/load.hpp"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lethe::gateway::config::test {

struct outcome {
    std::optional<configuration> made;
    std::vector<mistake> mistakes;
    std::string text;  // the mistakes, a line each
};

inline outcome parse(const std::string& text, std::map<std::string, std::string> variables = {}) {
    parse_options options;
    options.file = "t.yaml";
    options.directory = "/etc/lethe";
    options.look_at_files = false;
    options.variables =
        [variables = std::move(variables)](std::string_view name) -> std::optional<std::string> {
        const auto found = variables.find(std::string(name));
        return found == variables.end() ? std::nullopt : std::optional(found->second);
    };
    outcome out;
    auto made = parse_config(text, options, out.mistakes);
    if (made.has_value()) out.made = *std::move(made);
    out.text = to_text(out.mistakes);
    return out;
}

// The first six lines, which every test can start from; what is appended starts at line 7.
inline std::string base(const std::string& rest = "") {
    return "listen: [{address: \"127.0.0.1:8080\"}]\n"
           "store: \"sqlite:/s/l.db\"\n"
           "issuers:\n"
           "  - {name: id, issuer: \"https://id\", audience: [shop], keys: {file: k.json}}\n"
           "upstreams:\n"
           "  - {name: shop, replicas: [\"http://127.0.0.1:9001\"]}\n" +
           rest;
}

// The routes as well: the route under test stands at lines 8 and following.
inline std::string with_route(const std::string& route) {
    return base("routes:\n" + route);
}

}  // namespace lethe::gateway::config::test
