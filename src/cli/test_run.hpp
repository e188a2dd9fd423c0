// For tests: runs commands as main() does, and keeps what they print and end with.
#pragma once

#include <CLI/CLI.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::cli::testing {

struct outcome {
    int exit_code = 0;
    std::string out;
    std::string err;

    [[nodiscard]] bool says(std::string_view what) const {
        return (out + err).find(what) != std::string::npos;
    }
};

// `add` adds the commands, which leave their exit code in the second. Errors of the parsing itself
// end with 2, as main() has it.
inline outcome run_with(const std::function<void(CLI::App&, int&)>& add,
                        std::vector<std::string> arguments) {
    CLI::App app("lethe");
    outcome got;
    add(app, got.exit_code);
    std::reverse(arguments.begin(), arguments.end());
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    try {
        app.parse(arguments);
    } catch (const CLI::ParseError& error) {
        got.exit_code = app.exit(error) == 0 ? 0 : 2;
    }
    got.out = ::testing::internal::GetCapturedStdout();
    got.err = ::testing::internal::GetCapturedStderr();
    return got;
}

}  // namespace lethe::cli::testing
