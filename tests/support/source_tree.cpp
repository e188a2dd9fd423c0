#include "support/source_tree.hpp"

namespace lethe::test {

std::filesystem::path source_tree() {
    return LETHE_SOURCE_DIR;
}

}  // namespace lethe::test
