// `lethe store inspect|count|migrate|purge` from arguments to what they print and end with.
#include "base/bytes.hpp"
#include "base/json.hpp"
#include "cli/progress.hpp"
#include "cli/store_world.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace lethe::cli::testing {
namespace {

class StoreCommand : public store_world {};

boost::json::value parsed(const std::string& line) {
    const auto got = json::parse(line.substr(0, line.find('\n')));
    EXPECT_TRUE(got.has_value()) << line;
    return got.has_value() ? *got : boost::json::value();
}

TEST_F(StoreCommand, InspectShowsWhatIsKnownButNoValueAndNobodysName) {
    const std::string key = "i:" + sha256("k");
    put("a.db", key, "not a record of lethe's, and secret", "alice");
    const outcome human =
        run({"inspect", "--url", url("a.db"), "--value", "i:" + to_hex(sha256("k"))});
    EXPECT_EQ(human.exit_code, 0) << human.err;
    for (const char* part :
         {"kind            idempotency\n", "bytes           35\n", "damaged  true"})
        EXPECT_TRUE(human.says(part)) << part << "\n" << human.out;
    EXPECT_FALSE(human.says("secret"));
    EXPECT_FALSE(human.says("alice"));
    EXPECT_TRUE(human.says(to_hex(sha256("alice"))));
    const outcome machine = run({"inspect", "--url", url("a.db"), "--json", "--hex", to_hex(key)});
    const boost::json::value said = parsed(machine.out);
    EXPECT_EQ(said.at("kind"), "idempotency");
    EXPECT_EQ(said.at("key").as_string(), "i:" + to_hex(sha256("k")));
    EXPECT_GT(said.at("seconds_left").as_int64(), 3500);
    EXPECT_FALSE(said.as_object().contains("value"));
}

TEST_F(StoreCommand, InspectFindsAllOfASubject) {
    for (int i = 0; i < 230; ++i) put("a.db", "s:" + std::to_string(i), "v", "alice");
    put("a.db", "i:1", "v", "alice");
    put("a.db", "i:2", "v", "bob");
    const std::string file = configure("{default: \"memory:\", carts: \"sqlite:a.db\"}");
    const outcome all =
        run({"inspect", "-c", file, "--store", "carts", "--subject", "alice", "--json"});
    EXPECT_EQ(all.exit_code, 0) << all.err;
    EXPECT_EQ(parsed(all.out).as_array().size(), 231U);
    const outcome some =
        run({"inspect", "-c", file, "--store", "carts", "--subject", "alice", "--prefix", "i:"});
    EXPECT_TRUE(some.says("i:1\n"));
    EXPECT_FALSE(some.says("s:"));
    const outcome none = run({"inspect", "-c", file, "--store", "carts", "--subject", "eve"});
    EXPECT_EQ(none.exit_code, 1);
    EXPECT_TRUE(none.says("no record of this subject"));
}

TEST_F(StoreCommand, WhatIsNotThereEndsWithOne) {
    put("a.db", "s:1", "v");
    const outcome no_record = run({"inspect", "--url", url("a.db"), "s:2"});
    EXPECT_EQ(no_record.exit_code, 1);
    EXPECT_EQ(no_record.out, "");
    EXPECT_TRUE(no_record.says("there is no such record"));
    for (const char* command : {"count", "purge", "inspect"}) {
        std::vector<std::string> words{command, "--url", url("none.db")};
        if (words[0] == "inspect") words.emplace_back("s:1");
        if (words[0] == "purge") words.emplace_back("--expired");
        const outcome no_file = run(words);
        EXPECT_EQ(no_file.exit_code, 1) << command;
        EXPECT_TRUE(no_file.says("there is no file")) << no_file.err;
    }
    EXPECT_FALSE(std::filesystem::exists(path("none.db")));
}

TEST_F(StoreCommand, WrongUsageEndsWithTwo) {
    const std::string file = configure("{default: \"sqlite:a.db\", carts: \"memory:\"}");
    EXPECT_EQ(run({}).exit_code, 2);
    EXPECT_EQ(run({"inspect", "-c", file}).exit_code, 2);
    EXPECT_EQ(run({"inspect", "-c", file, "k", "--subject", "alice"}).exit_code, 2);
    EXPECT_EQ(run({"inspect", "-c", file, "--hex", "xyz"}).exit_code, 2);
    EXPECT_EQ(run({"purge", "-c", file}).exit_code, 2);
    EXPECT_EQ(run({"count", "-c", path("none.yaml")}).exit_code, 2);
    const outcome name = run({"count", "-c", file, "--store", "crats"});
    EXPECT_EQ(name.exit_code, 2);
    EXPECT_TRUE(name.says("did you mean 'carts'?")) << name.err;
    const outcome previous = run({"count", "-c", file, "--previous"});
    EXPECT_EQ(previous.exit_code, 2);
    EXPECT_TRUE(previous.says("does not move from another one")) << previous.err;
    const outcome url = run({"count", "--url", "redsi://me:hunter2@h"});
    EXPECT_EQ(url.exit_code, 2);
    EXPECT_FALSE(url.says("hunter2"));
}

TEST_F(StoreCommand, CountTellsHowManyOfEachKind) {
    fill("a.db", 12);
    put("a.db", "i:1", "v");
    put("a.db", "t:1", "1");
    put("a.db", "gone", "v", "", std::chrono::milliseconds{1});
    while (find("a.db", "gone")) {
    }
    const std::string file = configure("{primary: \"sqlite:b.db\", previous: \"sqlite:a.db\"}");
    const outcome machine = run({"count", "-c", file, "--previous", "--json"});
    EXPECT_EQ(machine.exit_code, 0) << machine.err;
    EXPECT_EQ(machine.out,
              "{\"total\":14,\"kinds\":{\"idempotency\":1,\"idempotency_tombstone\":1,"
              "\"session\":12}}\n");
    const outcome human = run({"count", "--url", url("a.db")});
    EXPECT_EQ(human.out,
              "idempotency                        1\n"
              "idempotency_tombstone              1\n"
              "session                           12\n"
              "total                             14\n");
}

TEST_F(StoreCommand, MigrateMakesTheSchemaAndSaysSo) {
    const outcome made = run({"migrate", "--url", url("a.db"), "--json"});
    EXPECT_EQ(made.exit_code, 0) << made.err;
    const boost::json::value said = parsed(made.out);
    EXPECT_EQ(said.at("from"), 0);
    EXPECT_GT(said.at("to").as_int64(), 0);
    const outcome again = run({"migrate", "--url", url("a.db")});
    EXPECT_EQ(again.exit_code, 0);
    EXPECT_TRUE(again.says("already")) << again.out;
    EXPECT_TRUE(run({"migrate", "--url", "memory:"}).says("needs none"));
}

TEST_F(StoreCommand, PurgeRemovesWhatHasExpired) {
    fill("a.db", 3);
    for (int i = 0; i < 5; ++i)
        put("a.db", "short-" + std::to_string(i), "v", "", std::chrono::milliseconds{1});
    while (find("a.db", "short-4")) {
    }
    const outcome got = run({"purge", "--expired", "--url", url("a.db"), "--json"});
    EXPECT_EQ(got.exit_code, 0) << got.err;
    EXPECT_LE(parsed(got.out).at("removed").as_int64(), 5);
    EXPECT_TRUE(
        run({"purge", "--expired", "--url", url("a.db")}).says("0 expired records removed"));
    EXPECT_TRUE(run({"count", "--url", url("a.db"), "--json"}).says("\"total\":3"));
}

TEST_F(StoreCommand, EveryHelpHasExamplesAndWarnsOfPasswords) {
    for (const char* name : {"inspect", "count", "migrate", "copy", "verify", "purge"}) {
        const outcome got = run({name, "--help"});
        EXPECT_EQ(got.exit_code, 0);
        EXPECT_TRUE(got.says(std::string("lethe store ") + name)) << got.out;
        EXPECT_TRUE(got.says("password")) << got.out;
    }
}

TEST(Progress, ALineTellsHowFarItIsHowFastAndHowLongYet) {
    EXPECT_EQ(progress::line("copied", 1000, 2000, 500, 1.0),
              "[###############...............]  50 %  1,000 of 2,000 copied, 500/s, 2 s left");
    EXPECT_EQ(progress::line("copied", 0, 2000, 0, 0),
              "[..............................]   0 %  0 of 2,000 copied");
    EXPECT_EQ(progress::line("copied", 1234567, 1000, 1234567, 2.0),
              "[##############################] 100 %  1,234,567 of 1,234,567 copied, 617,283/s");
    EXPECT_EQ(progress::line("records counted", 1500, 0, 1500, 3.0),
              "1,500 records counted, 500/s");
    EXPECT_EQ(progress::line("copied", 10, 36'010, 10, 2.0),
              "[..............................]   0 %  10 of 36,010 copied, 5/s, 2 h 0 min left");
}

}  // namespace
}  // namespace lethe::cli::testing
