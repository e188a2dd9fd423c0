// The configuration's JSON Schema and its reference in Markdown, both made from the tables.
#pragma once

#include <string>

namespace lethe::gateway::config {

// JSON Schema 2020-12, indented, with a newline at its end.
[[nodiscard]] std::string to_json_schema();
// A chapter for each section, with a table of its options.
[[nodiscard]] std::string to_markdown_reference();

}  // namespace lethe::gateway::config
