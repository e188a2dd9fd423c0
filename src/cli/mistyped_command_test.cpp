// A command that there is not names the nearest one that there is.
#include "cli/mistyped_command.hpp"

#include "cli/config_command.hpp"
#include "cli/store_command.hpp"

#include <CLI/CLI.hpp>
#include <gtest/gtest.h>

namespace lethe::cli {
namespace {

std::string explain(const std::vector<std::string>& words) {
    CLI::App app("lethe");
    int code = 0;
    add_config_command(app, code);
    add_store_command(app, code);
    return explain_mistyped_command(app, words);
}

TEST(MistypedCommand, TheNearestOneIsNamedElseAllOfThem) {
    EXPECT_EQ(explain({"stroe"}), "there is no command 'stroe': did you mean 'store'?");
    EXPECT_EQ(explain({"config", "chek", "lethe.yaml"}),
              "there is no command 'config chek': did you mean 'check'?");
    EXPECT_EQ(explain({"store", "cuont", "--json"}),
              "there is no command 'store cuont': did you mean 'count'?");
    EXPECT_EQ(explain({"xyzzy"}), "there is no command 'xyzzy': expected config or store");
}

TEST(MistypedCommand, WhatIsNoneIsLeftToTheParser) {
    EXPECT_EQ(explain({}), "");
    EXPECT_EQ(explain({"--help"}), "");
    EXPECT_EQ(explain({"config"}), "");
    EXPECT_EQ(explain({"config", "check", "chek"}), "");
    EXPECT_EQ(explain({"store", "inspect", "some-key"}), "");
    // Not shown in the help, but there.
    EXPECT_EQ(explain({"config", "docs"}), "");
}

}  // namespace
}  // namespace lethe::cli
