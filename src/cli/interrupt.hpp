// Ctrl-C for commands that work for long: they end at the next good place.
#pragma once

namespace lethe::cli {

// From now on SIGINT and SIGTERM are noted; a second one ends the process at once.
void catch_interrupts();
[[nodiscard]] bool interrupted() noexcept;

// What a shell expects of a command that SIGINT ended.
inline constexpr int exit_interrupted = 130;

}  // namespace lethe::cli
