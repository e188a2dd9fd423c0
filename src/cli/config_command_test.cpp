// `lethe config` and `lethe completion` from their arguments to what they print and end with.
#include "cli/config_command.hpp"

#include "base/json.hpp"
#include "cli/completion_command.hpp"
#include "cli/test_run.hpp"
#include "support/process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace lethe::cli {
namespace {

using testing::outcome;

outcome run(std::vector<std::string> arguments) {
    return testing::run_with(
        [](CLI::App& app, int& exit_code) {
            add_config_command(app, exit_code);
            add_completion_command(app);
        },
        std::move(arguments));
}

class ConfigCommand : public ::testing::Test {
 protected:
    std::string write(const std::string& text) const {
        std::ofstream(folder_.path() / "lethe.yaml") << text;
        return (folder_.path() / "lethe.yaml").string();
    }

    const test::temporary_folder folder_{"lethe-config-"};
};

constexpr const char* good =
    "listen: [{address: \"127.0.0.1:0\"}]\n"
    "upstreams: [{name: a, replicas: [\"http://b\"]}]\n"
    "routes: [{match: {prefix: /}, upstream: a}]\n";

TEST_F(ConfigCommand, AGoodFileIsCountedUp) {
    const std::string file = write(good);
    const outcome got = run({"config", "check", file});
    EXPECT_EQ(got.exit_code, 0) << got.err;
    EXPECT_EQ(got.out, file + ": ok (1 route, 1 upstream, store sqlite:" +
                           (folder_.path() / "lethe.db").string() + ")\n");
    EXPECT_EQ(got.err, "");
}

TEST_F(ConfigCommand, ABadFileGetsALineForEachMistake) {
    const std::string file = write("listen: []\nroutes: [{upstream: a}]\n");
    const outcome got = run({"config", "check", file});
    EXPECT_EQ(got.exit_code, 1);
    EXPECT_EQ(got.out, "");
    EXPECT_NE(got.err.find(file + ":1:9: listen: is empty"), std::string::npos) << got.err;
    EXPECT_NE(got.err.find(file + ":2:10: routes[0].match: is missing"), std::string::npos)
        << got.err;
    EXPECT_NE(got.err.find(file + ": 3 mistakes\n"), std::string::npos) << got.err;
}

TEST_F(ConfigCommand, JsonIsForProgramsAndNothingElseIsPrinted) {
    const std::string file = write("listen: []\nroutes: [{upstream: a}]\n");
    const outcome bad = run({"config", "check", "--json", file});
    EXPECT_EQ(bad.exit_code, 1);
    EXPECT_EQ(bad.err, "");
    const auto said = json::parse_object(bad.out);
    ASSERT_TRUE(said.has_value()) << bad.out;
    EXPECT_EQ(said->at("ok"), false);
    const boost::json::object& first = said->at("mistakes").as_array().at(0).as_object();
    EXPECT_EQ(first.at("line"), 1);
    EXPECT_EQ(first.at("column"), 9);
    EXPECT_EQ(first.at("path"), "listen");
    const outcome fine = run({"config", "check", write(good), "--json"});
    EXPECT_EQ(fine.exit_code, 0);
    EXPECT_EQ(json::parse_object(fine.out).value().at("ok"), true);
}

TEST_F(ConfigCommand, AFileThatIsNotThereAndACommandThatIsNotOne) {
    const outcome gone = run({"config", "check", (folder_.path() / "none.yaml").string()});
    EXPECT_EQ(gone.exit_code, 1);
    EXPECT_NE(gone.err.find("cannot be read"), std::string::npos);
    EXPECT_EQ(run({"config", "chekc"}).exit_code, 2);
    EXPECT_EQ(run({"config"}).exit_code, 2);
    EXPECT_EQ(run({"config", "--help"}).exit_code, 0);
}

TEST_F(ConfigCommand, TheSchemaIsPrinted) {
    const outcome got = run({"config", "schema"});
    EXPECT_EQ(got.exit_code, 0);
    EXPECT_TRUE(json::parse_object(got.out).has_value());
}

TEST(CompletionCommand, EachShellIsToldAllCommandsAndOptionsButTheHiddenOnes) {
    for (const char* shell : {"bash", "zsh", "fish"}) {
        const outcome got = run({"completion", shell});
        EXPECT_EQ(got.exit_code, 0);
        for (const char* word : {"config check", "schema", "--json", "completion"})
            EXPECT_NE(got.out.find(word), std::string::npos) << shell << "\n" << got.out;
        EXPECT_EQ(got.out.find("docs"), std::string::npos) << shell;
    }
}

TEST(CompletionCommand, TheBashScriptCompletes) {
    const std::filesystem::path script =
        std::filesystem::temp_directory_path() / ("lethe-complete-" + std::to_string(::getpid()));
    std::ofstream(script) << run({"completion", "bash"}).out
                          << "COMP_WORDS=(lethe config ch); COMP_CWORD=2; _lethe\n"
                             "[ \"${COMPREPLY[*]}\" = check ] || exit 1\n"
                             "COMP_WORDS=(lethe config check --j); COMP_CWORD=3; _lethe\n"
                             "[ \"${COMPREPLY[*]}\" = --json ] || exit 2\n";
    EXPECT_EQ(std::system(("bash " + script.string()).c_str()), 0);
    std::filesystem::remove(script);
}

}  // namespace
}  // namespace lethe::cli
