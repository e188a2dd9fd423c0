#include "cli/completion_command.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

namespace lethe::cli {
namespace {

// One command and what may stand behind it.
struct command_words {
    std::string path;  // "config check"
    std::vector<std::string> commands;
    std::vector<std::string> options;
};

void collect(const CLI::App& of, const std::string& path, std::vector<command_words>& out) {
    command_words made{path, {}, {}};
    for (const CLI::Option* one : of.get_options()) {
        if (one->get_group().empty()) continue;
        for (const std::string& name : one->get_lnames()) made.options.push_back("--" + name);
        for (const std::string& name : one->get_snames()) made.options.push_back("-" + name);
    }
    std::vector<const CLI::App*> below;
    for (const CLI::App* one : of.get_subcommands([](const CLI::App*) { return true; })) {
        if (one->get_group().empty()) continue;
        made.commands.push_back(one->get_name());
        below.push_back(one);
    }
    out.push_back(made);
    for (const CLI::App* one : below)
        collect(*one, path.empty() ? one->get_name() : path + " " + one->get_name(), out);
}

std::string join(const command_words& of) {
    std::vector<std::string> all = of.commands;
    all.insert(all.end(), of.options.begin(), of.options.end());
    return fmt::format("{}", fmt::join(all, " "));
}

// The commands on the line so far choose what may come next.
std::string case_lines(const std::vector<command_words>& all, std::string_view indent) {
    std::string out;
    for (const command_words& one : all)
        out += fmt::format("{}\"{}\") words=\"{}\" ;;\n", indent, one.path, join(one));
    return out;
}

std::string all_commands(const std::vector<command_words>& all) {
    std::vector<std::string> names;
    for (const command_words& one : all)
        for (const std::string& name : one.commands)
            if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    return fmt::format("{}", fmt::join(names, "|"));
}

std::string for_bash(const std::vector<command_words>& all) {
    return fmt::format(
        "# bash completion of lethe\n"
        "_lethe() {{\n"
        "    local word=${{COMP_WORDS[COMP_CWORD]}} path= words= i\n"
        "    for ((i = 1; i < COMP_CWORD; ++i)); do\n"
        "        case ${{COMP_WORDS[i]}} in\n"
        "            {}) path=\"${{path:+$path }}${{COMP_WORDS[i]}}\" ;;\n"
        "        esac\n"
        "    done\n"
        "    case $path in\n"
        "{}"
        "    esac\n"
        "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
        "}}\n"
        "complete -o default -F _lethe lethe\n",
        all_commands(all), case_lines(all, "        "));
}

// zsh's own array of the line is called `words`, so ours is not.
std::string for_zsh(const std::vector<command_words>& all) {
    std::string cases;
    for (const command_words& one : all)
        cases += fmt::format("        \"{}\") compadd -- {} ;;\n", one.path, join(one));
    return fmt::format(
        "#compdef lethe\n"
        "_lethe() {{\n"
        "    local command= i\n"
        "    for ((i = 2; i < CURRENT; ++i)); do\n"
        "        case $words[i] in\n"
        "            {}) command=\"${{command:+$command }}$words[i]\" ;;\n"
        "        esac\n"
        "    done\n"
        "    case $command in\n"
        "{}"
        "    esac\n"
        "    _files\n"
        "}}\n"
        "compdef _lethe lethe\n",
        all_commands(all), cases);
}

std::string for_fish(const std::vector<command_words>& all) {
    std::string out =
        "# fish completion of lethe\n"
        "function __lethe_path\n"
        "    set -l path\n"
        "    for word in (commandline -opc)[2..-1]\n"
        "        switch $word\n";
    std::string names = all_commands(all);
    std::replace(names.begin(), names.end(), '|', ' ');
    out += fmt::format("            case {}\n", names);
    out +=
        "                set -a path $word\n"
        "        end\n"
        "    end\n"
        "    echo \"$path\"\n"
        "end\n";
    for (const command_words& one : all)
        out += fmt::format("complete -c lethe -n 'test (__lethe_path) = \"{}\"' -a '{}'\n",
                           one.path, join(one));
    return out;
}

}  // namespace

void add_completion_command(CLI::App& app) {
    CLI::App* completion =
        app.add_subcommand("completion", "Print a completion script for a shell");
    completion->require_subcommand(1);
    completion->footer(
        "Examples:\n"
        "  lethe completion bash > /etc/bash_completion.d/lethe\n"
        "  lethe completion zsh > \"${fpath[1]}/_lethe\"\n"
        "  lethe completion fish > ~/.config/fish/completions/lethe.fish");
    const auto add = [&app, completion](const char* shell, auto make) {
        completion->add_subcommand(shell, std::string("For ") + shell)->callback([&app, make] {
            std::vector<command_words> all;
            collect(app, "", all);
            std::cout << make(all);
        });
    };
    add("bash", for_bash);
    add("zsh", for_zsh);
    add("fish", for_fish);
}

}  // namespace lethe::cli
