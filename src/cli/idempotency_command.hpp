// `lethe idempotency`: keys as an operator sees them, and outcomes that somebody has found out.
#pragma once

namespace CLI {
class App;
}

namespace lethe::cli {

// Adds the command to `app`. What it ends with goes to `exit_code`, which outlives the parsing: 0;
// 1 when there was nothing to show or to settle, or a store could not be asked; 2 for a mistake in
// the arguments.
void add_idempotency_command(CLI::App& app, int& exit_code);

}  // namespace lethe::cli
