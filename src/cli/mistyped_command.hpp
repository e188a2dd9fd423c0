// Says which command somebody meant who typed one that there is not.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace lethe::cli {

// "there is no command 'stroe': did you mean 'store'?", or which ones there are; "" when the words
// (without the program's name) have no such mistake.
[[nodiscard]] std::string explain_mistyped_command(const CLI::App& app,
                                                   const std::vector<std::string>& words);

}  // namespace lethe::cli
