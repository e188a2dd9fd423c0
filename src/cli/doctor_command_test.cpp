// `lethe doctor` from its arguments to what it prints and ends with.
#include "cli/doctor_command.hpp"

#include "base/json.hpp"
#include "cli/test_run.hpp"
#include "support/process.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

namespace lethe::cli {
namespace {

using testing::outcome;

outcome run(std::vector<std::string> arguments) {
    return testing::run_with(add_doctor_command, std::move(arguments));
}

class DoctorCommand : public ::testing::Test {
 protected:
    std::string write(const std::string& store, const std::string& more = "") {
        const std::string file = (folder_.path() / "lethe.yaml").string();
        std::ofstream(file) << "listen: [{address: \"127.0.0.1:0\"}]\n"
                               "upstreams: [{name: shop, replicas: [\"http://127.0.0.1:9\"]}]\n"
                               "store: "
                            << store
                            << "\nroutes:\n"
                               "  - match: {path: /orders, methods: [POST]}\n"
                               "    session: {read: [cart], write: [cart]"
                            << more
                            << "}\n"
                               "    idempotency: {mode: required"
                            << more
                            << "}\n"
                               "    upstream: shop\n"
                               "  - {match: {prefix: /}, upstream: shop}\n";
        return file;
    }

    test::temporary_folder folder_{"lethe-doctor-"};
};

// How long it took and which SQLite it is differ from run to run.
std::string without(std::string text, const std::string& begin, char end, const std::string& by) {
    const std::size_t at = text.find(begin);
    if (at == std::string::npos) return text;
    const std::size_t last = text.find(end, at);
    return text.replace(at, last - at, by);
}

TEST_F(DoctorCommand, TellsEachRoutesStateAndLevel) {
    const std::string file = write("{default: \"sqlite:state.db\", spare: \"memory:\"}");
    std::ofstream(folder_.path() / "state.db").flush();
    outcome got = run({"doctor", "-c", file});
    EXPECT_EQ(got.exit_code, 0) << got.out;
    EXPECT_EQ(got.err, "");
    std::string out = without(got.out, "SQLite 3", '\n', "SQLite");
    const std::string place = "sqlite:" + folder_.path().string() + "/state.db";
    out = out.substr(0, out.find("  note"));
    const std::string last = got.out.substr(got.out.rfind("\nstore spare"));
    EXPECT_EQ(out.substr(0, out.find("\nstore spare")),
              "ROUTE         STATE        STORE    LEVEL  WHY\n"
              "POST /orders  session      default  -      kept until it expires: the store is "
              "durable and evicts\n"
              "                                           nothing\n"
              "              idempotency  default  G2     the store is durable and evicts nothing\n"
              "                                           methods that take keys: POST\n"
              "/*            -            -        G0     no state is kept; every request is "
              "forwarded\n"
              "\n"
              "store default: " +
                  place +
                  "\n"
                  "  server    SQLite\n"
                  "  promises  durable, never evicts, linearizable per key, transactions, shared, "
                  "lists its keys\n");
    EXPECT_EQ(last, "\nstore spare: no route uses it\n\nno faults, no warnings\n");
}

TEST_F(DoctorCommand, JsonIsForProgramsAndNothingElseIsPrinted) {
    const outcome got = run({"doctor", write("\"sqlite:state.db\""), "--json"});
    EXPECT_EQ(got.exit_code, 0);
    EXPECT_EQ(got.err, "");
    const auto said = json::parse_object(got.out.substr(0, got.out.size() - 1));
    ASSERT_TRUE(said.has_value()) << got.out;
    EXPECT_EQ(said->at("ok"), true);
    EXPECT_EQ(said->at("faults"), 0);
    const boost::json::object& route = said->at("routes").as_array().at(0).as_object();
    EXPECT_EQ(route.at("idempotency").as_object().at("level"), "G2");
    EXPECT_EQ(route.at("session").as_object().at("store"), "default");
    EXPECT_EQ(
        said->at("routes").as_array().at(1).as_object().at("idempotency").as_object().at("level"),
        "G0");
    const boost::json::object& store = said->at("stores").as_array().at(0).as_object();
    EXPECT_EQ(store.at("state"), "unmade");
    EXPECT_EQ(store.at("promises").as_object().at("durable"), true);
    EXPECT_FALSE(std::filesystem::exists(folder_.path() / "state.db"));
}

TEST_F(DoctorCommand, FaultsEndWithOneAndWarningsWhenStrict) {
    std::ofstream(folder_.path() / "not.db")
        << "this is not a database, and long enough to tell so";
    const outcome broken = run({"doctor", "-c", write("\"sqlite:not.db\"")});
    EXPECT_EQ(broken.exit_code, 1);
    EXPECT_NE(broken.out.find("FAULT"), std::string::npos) << broken.out;
    EXPECT_NE(broken.out.find("1 fault, 0 warnings\n"), std::string::npos) << broken.out;
    const std::string lossy = write("\"memory:\"", ", allow_lossy: true");
    const outcome allowed = run({"doctor", "-c", lossy});
    EXPECT_EQ(allowed.exit_code, 0) << allowed.out;
    EXPECT_NE(allowed.out.find("G1"), std::string::npos) << allowed.out;
    EXPECT_NE(allowed.out.find("0 faults, 1 warning\n"), std::string::npos) << allowed.out;
    EXPECT_EQ(run({"doctor", "-c", lossy, "--strict"}).exit_code, 1);
}

TEST_F(DoctorCommand, MistakesInTheConfigurationEndWithTwo) {
    const outcome refused = run({"doctor", "-c", write("\"memory:\"")});
    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_EQ(refused.out, "");
    EXPECT_NE(refused.err.find("allow_lossy: true"), std::string::npos) << refused.err;
    EXPECT_EQ(run({"doctor", "-c", "/none.yaml"}).exit_code, 2);
    EXPECT_EQ(run({"doctor", "--nonsense"}).exit_code, 2);
    const outcome help = run({"doctor", "--help"});
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_NE(help.out.find("lethe doctor -c lethe.yaml"), std::string::npos);
}

}  // namespace
}  // namespace lethe::cli
