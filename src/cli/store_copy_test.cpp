// `lethe store copy` and `lethe store verify` from arguments to what they print and end with.
#include "base/json.hpp"
#include "cli/store_world.hpp"
#include "store/tools/copy_file.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace lethe::cli::testing {
namespace {

class StoreCopy : public store_world {
 protected:
    std::vector<std::string> words(const char* command, std::vector<std::string> more = {}) {
        std::vector<std::string> out{command, "--from", url("a.db"), "--to", url("b.db")};
        out.insert(out.end(), more.begin(), more.end());
        return out;
    }
    std::string state() const { return path("state.json"); }
};

TEST_F(StoreCopy, CopiesVerifiesAndLeavesNoStateBehind) {
    fill("a.db", 700);
    const outcome got = run(words("copy", {"--state", state()}));
    EXPECT_EQ(got.exit_code, 0) << got.err;
    EXPECT_EQ(got.out,
              "copied: 700 records, 0 there before, 0 gone meanwhile\n"
              "verified: 700 records of the first store, 700 equal, 0 newer in the second, 0 gone "
              "meanwhile, 0 differing\n");
    EXPECT_FALSE(std::filesystem::exists(state()));
    EXPECT_EQ(find("b.db", "s:699")->value, "v699");
    const outcome again = run(words("copy", {"--state", state(), "--json"}));
    EXPECT_EQ(again.exit_code, 0);
    const auto said = json::parse_object(again.out.substr(0, again.out.size() - 1)).value();
    EXPECT_EQ(said.at("copied"), 0);
    EXPECT_EQ(said.at("present"), 700);
    EXPECT_EQ(said.at("verified").as_object().at("equal"), true);
}

TEST_F(StoreCopy, GoesOnFromAStateThatIsThere) {
    fill("a.db", 20);
    store::tools::copy_state half{.cursor = "s:14", .total = 20, .looked_at = 6, .copied = 6};
    std::string why;
    const std::string id = store::tools::copy_id(url("a.db"), url("b.db"), false);
    ASSERT_TRUE(store::tools::save_copy(state(), id, half, why).has_value());
    const outcome got = run(words("copy", {"--state", state()}));
    EXPECT_TRUE(got.says("going on after 6 records")) << got.err;
    EXPECT_TRUE(got.says("copied: 20 records") || got.exit_code == 1) << got.out;
    // What the state says was copied, was not: the comparison finds it.
    EXPECT_EQ(got.exit_code, 1);
    EXPECT_TRUE(got.says("s:10 is not in the second store")) << got.out;
    EXPECT_FALSE(std::filesystem::exists(state()));
    EXPECT_EQ(run(words("copy", {"--state", state()})).exit_code, 0);
    std::ofstream(state()) << "{}";
    const outcome foreign = run(words("copy", {"--state", state()}));
    EXPECT_EQ(foreign.exit_code, 1);
    EXPECT_TRUE(foreign.says("is not the state of a copy"));
}

TEST_F(StoreCopy, VerifyTellsWhatDiffersAndEndsWithOne) {
    fill("a.db", 5);
    EXPECT_EQ(run(words("copy", {"--state", state(), "--no-verify"})).exit_code, 0);
    EXPECT_EQ(run(words("verify")).exit_code, 0);
    ask("b.db", {store::erase{"s:3", store::anything{}}});
    const outcome got = run(words("verify"));
    EXPECT_EQ(got.exit_code, 1);
    EXPECT_TRUE(got.says("s:3 is not in the second store\n")) << got.out;
    const outcome machine = run(words("verify", {"--json"}));
    EXPECT_EQ(machine.exit_code, 1);
    EXPECT_TRUE(machine.says("\"differing\":1")) << machine.out;
}

TEST_F(StoreCopy, OfAConfigurationThatMovesThePairIsMoved) {
    fill("a.db", 40);
    const std::string file = configure("{primary: \"sqlite:b.db\", previous: \"sqlite:a.db\"}");
    EXPECT_EQ(run({"verify", "-c", file}).exit_code, 1);  // there is no b.db yet
    const outcome got = run({"copy", "-c", file, "--state", state()});
    EXPECT_EQ(got.exit_code, 0) << got.err;
    EXPECT_TRUE(got.says("moved: 40 records")) << got.out;
    EXPECT_FALSE(find("a.db", "s:7"));
    EXPECT_EQ(find("b.db", "s:7")->subject, "alice");
    EXPECT_EQ(run({"verify", "-c", file}).exit_code, 0);
}

TEST_F(StoreCopy, WrongUsageIsToldApart) {
    fill("a.db", 1);
    const std::string file = configure("{default: \"sqlite:a.db\", other: \"sqlite:b.db\"}");
    const outcome one_sided = run({"copy", "-c", file, "--from", "default"});
    EXPECT_EQ(one_sided.exit_code, 2);
    EXPECT_TRUE(one_sided.says("both --from and --to"));
    const outcome same = run({"copy", "-c", file, "--from", "default", "--to", "default"});
    EXPECT_EQ(same.exit_code, 2);
    EXPECT_TRUE(same.says("the same store"));
    const outcome no_pair = run({"copy", "-c", file});
    EXPECT_EQ(no_pair.exit_code, 2);
    EXPECT_TRUE(no_pair.says("does not move from another one"));
    const outcome gone = run({"copy", "--from", url("none.db"), "--to", url("b.db")});
    EXPECT_EQ(gone.exit_code, 1);
    EXPECT_TRUE(gone.says("there is no file"));
    EXPECT_EQ(run({"copy", "-c", file, "--from", "default", "--to", "other", "--state", state()})
                  .exit_code,
              0);
    EXPECT_EQ(run(words("copy", {"--batches", "0"})).exit_code, 2);
}

}  // namespace
}  // namespace lethe::cli::testing
