// `lethe`: parses the command line and calls the command. Nothing else.
#include "cli/completion_command.hpp"
#include "cli/config_command.hpp"
#include "cli/doctor_command.hpp"
#include "cli/idempotency_command.hpp"
#include "cli/mistyped_command.hpp"
#include "cli/openapi_command.hpp"
#include "cli/serve_command.hpp"
#include "cli/session_command.hpp"
#include "cli/store_command.hpp"
#include "cli/token_command.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

namespace {

constexpr int usage_error = 2;

int run(int argc, char** argv) {
    CLI::App app{
        "lethe stands in front of HTTP services and takes the state off them: sessions, retries "
        "that "
        "are safe, verified callers.",
        "lethe"};
    int exit_code = 0;
    app.require_subcommand(1);
    app.set_version_flag("--version", "lethe " LETHE_VERSION, "Print the version");
    app.set_help_flag("-h,--help", "Print this help");
    lethe::cli::add_serve_command(app, exit_code);
    lethe::cli::add_config_command(app, exit_code);
    lethe::cli::add_openapi_command(app, exit_code);
    lethe::cli::add_doctor_command(app, exit_code);
    lethe::cli::add_store_command(app, exit_code);
    lethe::cli::add_session_command(app, exit_code);
    lethe::cli::add_idempotency_command(app, exit_code);
    lethe::cli::add_token_command(app, exit_code);
    lethe::cli::add_completion_command(app);
    app.footer(
        "Examples:\n"
        "  lethe config check lethe.yaml   # every mistake at once\n"
        "  lethe serve -c lethe.yaml       # run the gateway\n"
        "  lethe doctor -c lethe.yaml      # what is promised for each route, and do stores "
        "answer\n"
        "  lethe store --help              # look into a store, copy it into another\n"
        "  lethe token --help              # make keys, sign and verify tokens\n\n"
        "`lethe COMMAND --help` tells more about each.");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& stopped) {
        const std::string mistyped =
            lethe::cli::explain_mistyped_command(app, {argv + 1, argv + argc});
        if (stopped.get_exit_code() != 0 && !mistyped.empty()) {
            std::cerr << "lethe: " << mistyped << '\n';
            return usage_error;
        }
        // Also the way in which CLI11 says that it printed a help text: then the code is 0.
        return app.exit(stopped) == 0 ? 0 : usage_error;
    }
    std::cout.flush();
    if (!std::cout) {
        std::cerr << "lethe: cannot write to standard output\n";
        return exit_code == 0 ? 1 : exit_code;
    }
    return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& thrown) {
        std::fprintf(stderr, "lethe: %s\n", thrown.what());
        return 1;
    }
}
