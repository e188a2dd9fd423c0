// `lethe token`: make keys, sign, verify and look at tokens.
#pragma once

namespace CLI {
class App;
}

namespace lethe::cli {

// Adds the command to `app`. What it ends with goes to `exit_code`, which outlives the parsing: 0
// done, 1 not valid or not possible, 2 wrong usage. Errors of the parsing itself are the caller's.
void add_token_command(CLI::App& app, int& exit_code);

}  // namespace lethe::cli
