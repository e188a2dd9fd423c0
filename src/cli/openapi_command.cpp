#include "cli/openapi_command.hpp"

#include "gateway/config/load.hpp"
#include "gateway/openapi.hpp"

#include <CLI/CLI.hpp>

#include <iostream>
#include <memory>
#include <string>
#include <vector>

namespace lethe::cli {
namespace {

namespace config = gateway::config;

int print(const std::string& file) {
    std::vector<config::mistake> mistakes;
    const result<config::configuration> loaded = config::load_config(file, mistakes);
    if (loaded.has_error()) {
        std::cerr << to_text(mistakes);
        return 1;
    }
    std::cout << gateway::to_openapi(*loaded);
    return 0;
}

}  // namespace

void add_openapi_command(CLI::App& app, int& exit_code) {
    CLI::App* openapi = app.add_subcommand(
        "openapi", "Print what lethe adds to the API (Idempotency-Key) as OpenAPI 3.1");
    auto file = std::make_shared<std::string>("lethe.yaml");
    openapi->add_option("-c,--config", *file, "The configuration file")
        ->type_name("FILE")
        ->capture_default_str();
    openapi->footer(
        "The document has one operation for each route and method that takes an Idempotency-Key:\n"
        "the parameter, the fields of a replayed answer and the problems it may answer. Merge it\n"
        "into the description of your API. A route for a prefix stands under the prefix, with\n"
        "x-lethe-match: prefix.\n\n"
        "Examples:\n"
        "  lethe openapi -c lethe.yaml > idempotency.openapi.json");
    openapi->callback([file, &exit_code] { exit_code = print(*file); });
}

}  // namespace lethe::cli
