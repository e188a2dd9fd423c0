// `lethe doctor`: what is promised for each route, and whether the stores keep it.
#pragma once

namespace CLI {
class App;
}

namespace lethe::cli {

// Adds the command to `app`. What it ends with goes to `exit_code`, which outlives the parsing: 0
// fine, 1 faults were found (with --strict also warnings), 2 wrong usage or configuration.
void add_doctor_command(CLI::App& app, int& exit_code);

}  // namespace lethe::cli
