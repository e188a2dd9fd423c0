// Reads a configuration: checked whole, every mistake reported at once, nothing started.
#pragma once

#include "base/error.hpp"
#include "gateway/config/config.hpp"
#include "gateway/config/document.hpp"
#include "gateway/config/mistake.hpp"

#include <string>
#include <vector>

namespace lethe::gateway::config {

enum class errc {
    unreadable = 1,  // the file cannot be read
    invalid,         // it has mistakes
};
[[nodiscard]] error_code make_error_code(errc e) noexcept;

// The process's own environment.
[[nodiscard]] environment process_environment();

// Blocks: reads the file and looks at the files it names. On an error `mistakes` has at least one
// entry, in the order of the file; on success it is empty. At start and on SIGHUP.
[[nodiscard]] result<configuration> load_config(const std::string& file,
                                                std::vector<mistake>& mistakes);

struct parse_options {
    std::string file = "configuration";  // how messages call it
    std::string directory = ".";         // what relative paths start from
    environment variables;               // empty: none is set
    bool look_at_files = true;           // that key files are there and readable
};
[[nodiscard]] result<configuration> parse_config(const std::string& text,
                                                 const parse_options& options,
                                                 std::vector<mistake>& mistakes);

// The paths of options that differ and that a running gateway cannot take over; empty: a reload
// does.
[[nodiscard]] std::vector<std::string> changes_needing_restart(const configuration& old,
                                                               const configuration& fresh);

}  // namespace lethe::gateway::config

template <>
struct boost::system::is_error_code_enum<lethe::gateway::config::errc> : std::true_type {};
