// `lethe store copy` as a process: killed at any moment, interrupted, beside others.
#include "store/tools/workbench.hpp"
#include "support/process.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

namespace lethe::test {
namespace {

using namespace std::chrono_literals;

class StoreProcess : public ::testing::Test {
 protected:
    std::string path(const char* name) const { return (folder_.path() / name).string(); }
    std::string url(const char* name) const {
        return "sqlite:" + path(name) + "?synchronous=normal";
    }
    // `count` records of a few hundred bytes in a.db.
    void fill(std::size_t count) {
        store::tools::workbench bench;
        std::string why;
        store::store* const to = bench.open(url("a.db"), "", "test", why).value();
        for (std::size_t at = 0; at < count; at += 500) {
            std::vector<store::operation> some;
            for (std::size_t i = at; i < at + 500; ++i)
                some.emplace_back(store::put{"s:" + std::to_string(i),
                                             std::string(300, 'v') + std::to_string(i), 1h,
                                             store::anything{}, "alice"});
            const auto done = bench.run<std::vector<store::answer>>(
                [&] { return to->batch(some, bench.worker().time().steady_now() + 30s); });
            ASSERT_TRUE(done.has_value());
        }
    }
    std::vector<std::string> copy(std::vector<std::string> more = {}) const {
        std::vector<std::string> out{LETHE_BINARY, "store",     "copy",
                                     "--from",     url("a.db"), "--to",
                                     url("b.db"),  "--state",   path("state")};
        out.insert(out.end(), more.begin(), more.end());
        return out;
    }
    std::string output() const {
        std::ifstream in(path("out"));
        return {std::istreambuf_iterator<char>(in), {}};
    }
    // Until the copy has noted a page more than `before`; false when it ended first.
    bool wait_for_progress(process& running, const std::string& before) const {
        while (running.running()) {
            std::ifstream in(path("state"));
            const std::string now{std::istreambuf_iterator<char>(in), {}};
            if (!now.empty() && now != before) return true;
            std::this_thread::sleep_for(1ms);
        }
        return false;
    }
    std::string state() const {
        std::ifstream in(path("state"));
        return {std::istreambuf_iterator<char>(in), {}};
    }

    temporary_folder folder_{"lethe-store-process-"};
};

TEST_F(StoreProcess, ACopyThatIsKilledAgainAndAgainEndsWhole) {
    fill(10'000);
    std::size_t kills = 0;
    for (; kills < 8; ++kills) {
        const std::string before = state();
        process running({.command = copy({"--batches", "2"}), .output = path("out")});
        if (!wait_for_progress(running, before)) break;
        running.kill_now();
    }
    EXPECT_GE(kills, 3U) << output();
    const finished_command done = run_command(copy(), 120s);
    EXPECT_EQ(done.exit, 0) << done.output;
    EXPECT_NE(done.output.find("10,000 equal"), std::string::npos) << done.output;
    EXPECT_FALSE(std::filesystem::exists(path("state")));
}

TEST_F(StoreProcess, AnInterruptedOneSaysHowToGoOn) {
    fill(20'000);
    process running({.command = copy({"--batches", "1"}), .output = path("out")});
    ASSERT_TRUE(wait_for_progress(running, "")) << output();
    running.send(SIGINT);
    EXPECT_EQ(running.wait(20s), 130) << output();
    EXPECT_NE(output().find("the same command goes on from there"), std::string::npos) << output();
    EXPECT_TRUE(std::filesystem::exists(path("state")));
    const finished_command done = run_command(copy(), 120s);
    EXPECT_EQ(done.exit, 0) << done.output;
    EXPECT_NE(done.output.find("going on after "), std::string::npos) << done.output;
    EXPECT_NE(done.output.find("20,000 equal"), std::string::npos) << done.output;
}

// Killed while it moves through the pair: no record is lost or doubled, wherever it was.
TEST_F(StoreProcess, AMoveThatIsKilledLosesNothing) {
    fill(3'000);
    std::size_t kills = 0;
    for (; kills < 5; ++kills) {
        const std::string before = state();
        process running({.command = copy({"--move", "--batches", "2"}), .output = path("out")});
        if (!wait_for_progress(running, before)) break;
        running.kill_now();
    }
    EXPECT_GE(kills, 2U) << output();
    const finished_command done = run_command(copy({"--move"}), 120s);
    EXPECT_EQ(done.exit, 0) << done.output;
    const finished_command counted =
        run_command({LETHE_BINARY, "store", "count", "--url", url("b.db"), "--json"}, 30s);
    EXPECT_NE(counted.output.find("\"session\":3000"), std::string::npos) << counted.output;
}

TEST_F(StoreProcess, AMistypedCommandNamesTheNearest) {
    const finished_command wrong = run_command({LETHE_BINARY, "stroe", "count"}, 10s);
    EXPECT_EQ(wrong.exit, 2);
    EXPECT_NE(wrong.output.find("did you mean 'store'?"), std::string::npos) << wrong.output;
    const finished_command below = run_command({LETHE_BINARY, "config", "chek"}, 10s);
    EXPECT_EQ(below.exit, 2);
    EXPECT_NE(below.output.find("did you mean 'check'?"), std::string::npos) << below.output;
}

}  // namespace
}  // namespace lethe::test
