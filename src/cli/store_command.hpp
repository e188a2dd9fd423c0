// `lethe store`: look into a store, count it, migrate it, move it to another one, clean it up.
#pragma once

namespace CLI {
class App;
}

namespace lethe::cli {

// Adds the command to `app`. What it ends with goes to `exit_code`, which outlives the parsing: 0
// done, 1 not possible, not found or not equal, 2 wrong usage or configuration, 130 interrupted.
void add_store_command(CLI::App& app, int& exit_code);

}  // namespace lethe::cli
