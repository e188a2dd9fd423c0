// `lethe openapi`: what lethe adds to an API, for the API's own description.
#pragma once

namespace CLI {
class App;
}

namespace lethe::cli {

// Adds the command to `app`. What it ends with goes to `exit_code`, which outlives the parsing: 0,
// or 1 for a configuration with mistakes.
void add_openapi_command(CLI::App& app, int& exit_code);

}  // namespace lethe::cli
