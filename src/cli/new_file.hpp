// Files with keys.
#pragma once

#include <string>

namespace lethe::cli {

// Readable by its owner alone, and never over a file that is there: it may be the only copy of a
// key. What went wrong; "" when the file is there.
[[nodiscard]] std::string write_new_file(const std::string& path, const std::string& text);

}  // namespace lethe::cli
