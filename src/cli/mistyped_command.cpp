#include "cli/mistyped_command.hpp"

#include "gateway/config/reader.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>

namespace lethe::cli {
namespace {

std::vector<const CLI::App*> commands_of(const CLI::App& of) {
    std::vector<const CLI::App*> out;
    for (const CLI::App* one : of.get_subcommands([](const CLI::App*) { return true; }))
        out.push_back(one);
    return out;
}

}  // namespace

std::string explain_mistyped_command(const CLI::App& app, const std::vector<std::string>& words) {
    const CLI::App* at = &app;
    std::string path;
    for (const std::string& word : words) {
        const std::vector<const CLI::App*> commands = commands_of(*at);
        // What comes behind the last command is its own; options stand before none.
        if (commands.empty() || word.starts_with('-')) return {};
        const auto found = std::ranges::find_if(
            commands, [&](const CLI::App* one) { return one->get_name() == word; });
        if (found != commands.end()) {
            at = *found;
            path += word + ' ';
            continue;
        }
        std::vector<std::string> known;
        for (const CLI::App* one : commands)
            if (!one->get_group().empty()) known.push_back(one->get_name());
        return "there is no command '" + path + word +
               "': " + gateway::config::suggest(word, known);
    }
    return {};
}

}  // namespace lethe::cli
