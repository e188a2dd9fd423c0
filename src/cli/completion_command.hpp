// `lethe completion`: what a shell needs to complete lethe's commands and options.
#pragma once

namespace CLI {
class App;
}

namespace lethe::cli {

// Adds the command to `app`; the script lists whatever commands `app` has when it is asked for.
void add_completion_command(CLI::App& app);

}  // namespace lethe::cli
