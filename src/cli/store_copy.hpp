// `lethe store copy` and `lethe store verify`.
#pragma once

namespace CLI {
class App;
}

namespace lethe::cli {

void add_copy_command(CLI::App& store, int& exit_code);
void add_verify_command(CLI::App& store, int& exit_code);

}  // namespace lethe::cli
