// `mode: sealed` of running gateways: no store, larger sessions in a store, a subject's sessions
// ended through it.
#include "gateway/running_gateway.hpp"
#include "gateway/session_service.hpp"

#include <gtest/gtest.h>

#include <filesystem>

namespace lethe::test {
namespace {

class SessionCookies : public ::testing::Test {
 protected:
    void SetUp() override {
        const finished_command made =
            run_command({lethe_binary(), "session", "key", key()}, std::chrono::seconds{20});
        ASSERT_EQ(made.exit, 0) << made.output;
    }
    [[nodiscard]] std::string key() const { return (folder_.path() / "k1.key").string(); }
    [[nodiscard]] std::string configuration(const std::string& store,
                                            const std::string& more = "") const {
        return store +
               "sessions: {mode: sealed, session_bytes_max: 16KiB, patch_bytes_max: 64KiB, "
               "revocation_delay: 0s, keys: "
               "[{id: k1, file: \"" +
               key() + "\"}]}\nupstreams:\n  - {name: app, replicas: [\"" + service_.url() +
               "\"]}\nroutes:\n  - match: {prefix: /}\n    session: {read: [page], write: [page], "
               "on_conflict: last_writer_wins}\n" +
               more + "    upstream: app\n";
    }
    static std::string page(std::size_t bytes) {
        return R"({"page":{"a":")" + std::string(bytes, 'x') + "\"}}";
    }

    temporary_folder folder_{"lethe-session-cookies"};
    session_service service_;
};

TEST_F(SessionCookies, NeedNoStoreAndOpenAtAnyGatewayWithTheKey) {
    running_gateway a(configuration(""));
    running_gateway b(configuration(""));
    ASSERT_TRUE(a.start() && b.start());
    client user(a.port);
    EXPECT_EQ(user.post("/set/a/4000", "").status, 200);
    EXPECT_EQ(user.cookies().size(), 2U);
    user.use_port(b.port);
    EXPECT_EQ(user.get("/show").body, page(4000));
    EXPECT_EQ(user.post("/set/a/3", "").status, 200);
    EXPECT_EQ(user.cookies().size(), 1U);
    EXPECT_EQ(user.post("/set/a/9000", "").status, 413);
    EXPECT_EQ(user.post("/add", "").status, 502);
    user.use_port(a.port);
    EXPECT_EQ(user.get("/show").body, page(3));
    EXPECT_EQ(user.get("/logout").status, 200);
    EXPECT_TRUE(user.cookies().empty());
    EXPECT_FALSE(std::filesystem::exists(a.folder.path() / "lethe.db"));
}

TEST_F(SessionCookies, LargerOnesMoveToTheStoreAndASubjectsAreEndedThroughIt) {
    running_gateway gateway(configuration("store: \"sqlite:${DIR}/state.db\"\n"));
    ASSERT_TRUE(gateway.start());
    client user(gateway.port);
    EXPECT_EQ(user.get("/login/u42").status, 200);
    EXPECT_EQ(user.post("/set/a/5", "").status, 200);
    const auto copied = user.cookies();
    EXPECT_EQ(user.post("/set/a/9000", "").status, 200);
    EXPECT_EQ(user.cookies().size(), 1U);
    EXPECT_EQ(user.get("/show").body, page(9000));

    client admin(gateway.admin_port);
    const http_answer ended = admin.send(
        {.method = "DELETE",
         .target = "/lethe/v1/subjects/u42/sessions",
         .fields = {{"Authorization", std::string("Bearer ") + running_gateway::api_token}}});
    EXPECT_EQ(ended.status, 200);
    EXPECT_NE(ended.body.find("\"ended\":1"), std::string::npos) << ended.body;
    EXPECT_EQ(user.get("/show").body, "none");
    user.cookies() = copied;
    EXPECT_EQ(user.get("/show").body, "none");
    EXPECT_TRUE(user.cookies().empty());
    EXPECT_EQ(user.get("/login/u42").status, 200);
    EXPECT_EQ(user.get("/show").body, "{}");
    const finished_command all =
        run_command({lethe_binary(), "session", "end", "--subject", "u42", "--all", "-c",
                     (gateway.folder.path() / "lethe.yaml").string()},
                    std::chrono::seconds{20});
    EXPECT_EQ(all.exit, 0) << all.output;
    EXPECT_EQ(user.get("/show").body, "none");
}

// The first answer's Set-Cookie is lost with it; the replay makes the change in the cookies that
// are there.
TEST_F(SessionCookies, AReplayChangesTheCookiesThatItFinds) {
    running_gateway gateway(
        configuration("store: \"sqlite:${DIR}/state.db\"\n", "    idempotency: {}\n"));
    ASSERT_TRUE(gateway.start());
    client user(gateway.port);
    EXPECT_EQ(user.get("/login/u42").status, 200);
    const auto before = user.cookies();
    const field_list key = {{"Idempotency-Key", "8e03978e-40d5-43dd-bc93-6894a57f9324"}};
    EXPECT_EQ(user.post("/set/a/5", "", key).status, 200);
    user.cookies() = before;
    const http_answer replay = user.post("/set/a/5", "", key);
    EXPECT_EQ(replay.field_or_empty("Idempotent-Replayed"), "true");
    EXPECT_EQ(user.get("/show").body, page(5));
    const auto after = user.cookies();
    EXPECT_EQ(user.post("/set/a/5", "", key).status, 200);
    EXPECT_EQ(user.cookies(), after);
}

TEST_F(SessionCookies, ACartInCookiesIsRefusedWithTheConfiguration) {
    std::string cart = configuration("");
    cart.erase(cart.find(", on_conflict: last_writer_wins"), 31);
    running_gateway gateway(cart);
    const running_gateway::refusal refused = gateway.start_refused();
    EXPECT_NE(refused.exit, 0);
    EXPECT_NE(refused.output.find("no place for carts and counters"), std::string::npos)
        << refused.output;
}

}  // namespace
}  // namespace lethe::test
