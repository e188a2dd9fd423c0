#include "cli/config_command.hpp"

#include "base/json.hpp"
#include "gateway/config/load.hpp"
#include "gateway/config/schema.hpp"
#include "store/open.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <iostream>
#include <memory>
#include <string>
#include <vector>

namespace lethe::cli {
namespace {

namespace config = gateway::config;
namespace bj = boost::json;

std::string count_of(std::size_t count, std::string_view noun) {
    return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string summary(const config::configuration& of) {
    std::string out = fmt::format("{}, {}", count_of(of.routes.size(), "route"),
                                  count_of(of.upstreams.size(), "upstream"));
    if (!of.issuers.empty()) out += ", " + count_of(of.issuers.size(), "issuer");
    for (const auto& [name, options] : of.stores) {
        const std::string called = of.stores.size() > 1 ? name + " " : "";
        out += fmt::format(", store {}{}", called, store::shown_url(options.url));
        if (!options.previous.empty()) out += " moving from " + store::shown_url(options.previous);
    }
    return out;
}

bj::object to_json(const config::mistake& one) {
    return {{"file", one.file},    {"line", one.at.line}, {"column", one.at.column},
            {"path", one.path},    {"what", one.what},    {"expected", one.expected},
            {"text", to_text(one)}};
}

void print_json(const std::string& file, const std::vector<config::mistake>& mistakes) {
    bj::array all;
    for (const config::mistake& one : mistakes) all.push_back(to_json(one));
    const bj::object out{{"file", file}, {"ok", mistakes.empty()}, {"mistakes", std::move(all)}};
    std::cout << json::to_text(out) << '\n';
}

int check(const std::string& file, bool as_json) {
    std::vector<config::mistake> mistakes;
    const result<config::configuration> loaded = config::load_config(file, mistakes);
    if (as_json) {
        print_json(file, mistakes);
    } else if (loaded.has_error()) {
        std::cerr << to_text(mistakes) << file << ": " << count_of(mistakes.size(), "mistake")
                  << '\n';
    } else {
        std::cout << file << ": ok (" << summary(*loaded) << ")\n";
    }
    return loaded.has_error() ? 1 : 0;
}

void add_check(CLI::App& app, int& exit_code) {
    CLI::App* check_app =
        app.add_subcommand("check", "Read a configuration and report every mistake at once");
    struct arguments {
        std::string file = "lethe.yaml";
        bool as_json = false;
    };
    auto given = std::make_shared<arguments>();
    check_app->add_option("file", given->file, "The configuration file")
        ->type_name("FILE")
        ->capture_default_str();
    check_app->add_flag("--json", given->as_json, "Answer as JSON on standard output");
    check_app->footer(
        "Mistakes are one line each: file:line:column: option: what is wrong, what was expected.\n"
        "Exit code 0: no mistake; 1: at least one.\n\n"
        "Examples:\n"
        "  lethe config check lethe.yaml\n"
        "  lethe config check lethe.yaml --json");
    check_app->callback([given, &exit_code] { exit_code = check(given->file, given->as_json); });
}

}  // namespace

void add_config_command(CLI::App& app, int& exit_code) {
    CLI::App* config_app =
        app.add_subcommand("config", "Check a configuration, show its JSON Schema");
    config_app->require_subcommand(1);
    config_app->footer(
        "Examples:\n"
        "  lethe config check lethe.yaml\n"
        "  lethe config schema > lethe.schema.json   # for editors: completion and checks");
    add_check(*config_app, exit_code);

    CLI::App* schema = config_app->add_subcommand(
        "schema", "Print the JSON Schema of a configuration, for editors");
    schema->footer(
        "With the YAML language server, the first line of a configuration may be:\n"
        "  # yaml-language-server: $schema=lethe.schema.json\n\n"
        "Examples:\n"
        "  lethe config schema > lethe.schema.json");
    schema->callback([] { std::cout << config::to_json_schema(); });

    // For the docs alone, so not shown in the help.
    CLI::App* docs =
        config_app->add_subcommand("docs", "Print the reference of all options in Markdown");
    docs->group("");
    docs->callback([] { std::cout << config::to_markdown_reference(); });
}

}  // namespace lethe::cli
