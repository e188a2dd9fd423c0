// Where the sources of this build lie: tests read vectors and examples from there.
#pragma once

#include <filesystem>

namespace lethe::test {

std::filesystem::path source_tree();

}  // namespace lethe::test
