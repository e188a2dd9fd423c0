// `lethe serve`: runs the gateway until it is told to stop.
#pragma once

namespace CLI {
class App;
}

namespace lethe::cli {

void add_serve_command(CLI::App& app, int& exit_code);

}  // namespace lethe::cli
