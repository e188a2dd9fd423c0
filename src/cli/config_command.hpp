// `lethe config`: looks at a configuration, and tells what can be in one.
#pragma once

namespace CLI {
class App;
}

namespace lethe::cli {

// Adds the command to `app`. What it ends with goes to `exit_code`, which outlives the parsing: 0
// the configuration is good, 1 it is not.
void add_config_command(CLI::App& app, int& exit_code);

}  // namespace lethe::cli
