// `encryption: keyring` of running gateways: keys are changed by reloads while both serve, and
// operators see with the keys what sessions hold.
#include "gateway/running_gateway.hpp"
#include "gateway/session_service.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <map>

namespace lethe::test {
namespace {

class SessionKeys : public ::testing::Test {
 protected:
    static std::string lethe(std::vector<std::string> words, int exit = 0) {
        words.insert(words.begin(), lethe_binary());
        const finished_command done = run_command(words, std::chrono::seconds{20});
        EXPECT_EQ(done.exit, exit) << done.output;
        return done.output;
    }
    [[nodiscard]] std::string key_file(const std::string& id) const {
        return (folder_.path() / (id + ".key")).string();
    }
    [[nodiscard]] std::string configuration(const std::vector<std::string>& ids) const {
        std::string keys;
        for (const std::string& id : ids)
            keys +=
                (keys.empty() ? "" : ", ") + ("{id: " + id + ", file: \"" + key_file(id)) + "\"}";
        return "store: \"sqlite:" + (folder_.path() / "state.db").string() +
               "\"\nsessions: {encryption: keyring, keys: [" + keys +
               "]}\nupstreams:\n  - {name: app, replicas: [\"" + service_.url() +
               "\"]}\nroutes:\n  - match: {prefix: /}\n    session: {read: [cart], write: [cart]}\n"
               "    upstream: app\n";
    }
    void reload(running_gateway& it, const std::string& with) {
        it.rewrite(with);
        it.running().send(SIGHUP);
        ++reloads_[&it];
        ASSERT_TRUE(it.wait_for_event("gateway.reloaded", reloads_[&it])) << it.log();
    }
    // One more in the cart, by one gateway and seen by both.
    void add(client& user, running_gateway& by, running_gateway& other) {
        user.use_port(by.port);
        EXPECT_EQ(user.post("/add", "").status, 200);
        ++count_;
        const std::string expected = R"({"cart":{"count":)" + std::to_string(count_) + "}}";
        EXPECT_EQ(user.get("/show").body, expected);
        user.use_port(other.port);
        EXPECT_EQ(user.get("/show").body, expected);
    }

    std::map<running_gateway*, int> reloads_;
    temporary_folder folder_{"lethe-session-keys"};
    session_service service_;
    int count_ = 0;
};

TEST_F(SessionKeys, AreChangedStepByStepWhileTwoGatewaysServe) {
    lethe({"session", "key", key_file("k1")});
    lethe({"session", "key", key_file("k2")});
    running_gateway a(configuration({"k1"}));
    running_gateway b(configuration({"k1"}));
    ASSERT_TRUE(a.start() && b.start());
    client user(a.port);
    EXPECT_EQ(user.get("/login/u42").status, 200);
    add(user, a, b);
    // Each line of docs/sessions.md#changing-keys reaches one gateway before the other.
    for (const std::vector<std::string>& step :
         {std::vector<std::string>{"k1", "k2"}, {"k2", "k1"}, {"k2"}}) {
        reload(a, configuration(step));
        add(user, a, b);
        add(user, b, a);
        reload(b, configuration(step));
        // What the old key sealed is sealed anew by a write; then it may go.
        add(user, b, a);
    }
    EXPECT_EQ(count_, 10);

    const std::string config = (a.folder.path() / "lethe.yaml").string();
    const std::string listed = lethe({"session", "list", "--subject", "u42", "-c", config});
    const std::size_t row = listed.find('\n') + 1;
    const std::string id = listed.substr(row, listed.find(' ', row) - row);
    const std::string shown = lethe({"session", "show", "--subject", "u42", id, "-c", config});
    EXPECT_NE(shown.find(R"(cart  {"count":10})"), std::string::npos) << shown;
    EXPECT_NE(shown.find("sealed with the key k2"), std::string::npos) << shown;
}

TEST_F(SessionKeys, AGatewayWithoutTheKeyRefusesAndOneThatRetiredItBeginsAnew) {
    lethe({"session", "key", key_file("k1")});
    lethe({"session", "key", key_file("k2")});
    running_gateway a(configuration({"k1"}));
    running_gateway b(configuration({"k2"}));
    ASSERT_TRUE(a.start() && b.start());
    client user(a.port);
    EXPECT_EQ(user.post("/add", "").status, 200);
    user.use_port(b.port);
    EXPECT_EQ(user.get("/show").status, 503);
    client probe(b.admin_port);
    EXPECT_NE(probe.get("/metrics").body.find("loads_total{result=\"key_missing\"} 1"),
              std::string::npos);
    std::string retired = configuration({"k2"});
    retired.replace(retired.find("]}\n"), 3, "], retired_keys: [k1]}\n");
    reload(b, retired);
    EXPECT_EQ(user.get("/show").body, "none");
}

TEST_F(SessionKeys, AKeyFileThatOthersMayReadStopsTheStart) {
    lethe({"session", "key", key_file("k1")});
    EXPECT_NE(lethe({"session", "key", key_file("k1")}, 1).find("exists already"),
              std::string::npos);
    std::filesystem::permissions(key_file("k1"), std::filesystem::perms::others_read,
                                 std::filesystem::perm_options::add);
    running_gateway a(configuration({"k1"}));
    const running_gateway::refusal refused = a.start_refused();
    EXPECT_NE(refused.exit, 0);
    EXPECT_NE(refused.output.find("sessions.keys[0]"), std::string::npos) << refused.output;
    EXPECT_NE(refused.output.find("chmod 600"), std::string::npos) << refused.output;
}

}  // namespace
}  // namespace lethe::test
