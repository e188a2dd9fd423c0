// The options that name a file, for all sections that have one.
#pragma once

#include "gateway/config/table.hpp"

namespace lethe::gateway::config {

// Made absolute: a relative one starts at the configuration's directory. `words`: "a file with a
// key".
[[nodiscard]] inline codec<std::string> file_path(const std::string& words) {
    return {{.kind = value_kind::text, .words = words},
            [words](reader& with, const place& at, std::string& to) {
                if (want_scalar(with, at, words) == nullptr) return;
                if (at.value.text.empty()) return with.fail_value(at, "does not fit", words);
                to = with.absolute(at.value.text);
            },
            [](const std::string&) { return boost::json::value(); }};
}

}  // namespace lethe::gateway::config
