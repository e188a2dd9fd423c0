// Rows about the store under the sessions: away, killed, another one.
#include "rows/session_rows.hpp"

namespace lethe::test {
namespace {

TEST_P(sessions, StoreDown) {
    start(
        "  - match: {prefix: /shop}\n    session: {read: [cart], when_store_down: anonymous}\n    "
        "upstream: app\n" +
            cart_route(),
        "sessions: {store_timeout: 300ms}\n");
    service_.answer(merging("{\"cart\":1}"));
    client user(gateway_->port);
    EXPECT_EQ(user.get("/").status, 200);
    service_.answer({});
    EXPECT_EQ(user.get("/shop").status, 200);
    EXPECT_EQ(slots_of(service_.last()), "{\"cart\":1}");
    const std::size_t before = service_.count();
    store_.go_away(folder_.path(), "state");
    const http_answer refused = user.get("/");
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(slug_of(refused), "session-unavailable");
    EXPECT_NE(refused.field_or_empty("Retry-After"), "");
    EXPECT_EQ(service_.count(), before) << "refused before the service is asked";
    EXPECT_EQ(user.get("/shop").status, 200);
    EXPECT_FALSE(service_.last().has("Lethe-Session-Id")) << "as if there were no session";
    EXPECT_FALSE(service_.last().has("Lethe-Session")) << "never a copy in one process";
    EXPECT_TRUE(user.cookies().contains("__Host-lethe")) << "the cookie stays";
    client stranger(gateway_->port);
    EXPECT_EQ(stranger.get("/").status, 200) << "without a session nothing is asked of the store";
    service_.answer(merging("{\"cart\":1}"));
    const http_answer unmade = stranger.get("/");
    EXPECT_GE(unmade.status, 500) << "no acknowledged change without a store";
    EXPECT_TRUE(stranger.cookies().empty());
    service_.answer({});
    store_.come_back();
    http_answer back;
    for (int i = 0; i < 200 && back.status != 200; ++i) {
        back = user.get("/");
        if (back.status != 200) std::this_thread::sleep_for(50ms);
    }
    EXPECT_EQ(back.status, 200);
    EXPECT_EQ(slots_of(service_.last()), "{\"cart\":1}") << "what was acknowledged is there";
    running_gateway refused_at_start(configuration(cart_route("when_store_down: anonymous"), ""));
    EXPECT_EQ(refused_at_start.start_refused().exit, 1) << "only for routes that write no slot";
}

TEST_P(sessions, GatewayDies) {
    start(cart_route());
    const auto other = start_another();
    service_.answer(adding_one());
    client user(gateway_->port);
    for (int i = 1; i <= 3; ++i) {
        EXPECT_EQ(user.get("/").status, 200);
        gateway_->running().kill_now();
        client elsewhere(other->port);
        elsewhere.cookies() = user.cookies();
        service_.answer({});
        EXPECT_EQ(elsewhere.get("/").status, 200);
        EXPECT_EQ(slots_of(service_.last()), "{\"cart\":{\"count\":" + std::to_string(i) + "}}");
        service_.answer(adding_one());
        ASSERT_TRUE(gateway_->start());
    }
}

TEST_P(sessions, Migration) {
    const std::string previous = "sqlite:" + (folder_.path() / "old.db").string();
    const std::string primary = store_.url(folder_.path(), "state");
    const std::string both =
        "store: {primary: \"" + primary + "\", previous: \"" + previous + "\"}\n";
    start(cart_route(), "store: \"" + previous + "\"\n");
    service_.answer(adding_one());
    std::vector<std::unique_ptr<client>> users;
    for (int i = 0; i < 4; ++i) {
        users.push_back(std::make_unique<client>(gateway_->port));
        EXPECT_EQ(users.back()->get("/").status, 200);
    }
    gateway_->running().send(15);
    EXPECT_EQ(gateway_->running().wait(10s), 0);
    start(cart_route(), both);
    for (const auto& user : users) user->use_port(gateway_->port);
    EXPECT_EQ(users[0]->get("/").status, 200);  // written: moves
    service_.answer({});
    EXPECT_EQ(users[1]->get("/").status, 200);  // read
    EXPECT_EQ(slots_of(service_.last()), R"({"cart":{"count":1}})");
    service_.answer({.fields = {{"Lethe-Session-Op", "destroy"}}});
    const std::string ended = users[2]->cookies()["__Host-lethe"];
    EXPECT_EQ(users[2]->get("/").status, 200);
    users[2]->cookies()["__Host-lethe"] = ended;
    service_.answer({});
    const finished_command copied = lethe({"store", "copy", "-c", configuration_file(), "--state",
                                           (folder_.path() / "copy").string()});
    EXPECT_EQ(copied.exit, 0) << copied.output;
    gateway_->running().send(15);
    EXPECT_EQ(gateway_->running().wait(10s), 0);
    start(cart_route(), "store: \"" + primary + "\"\n");
    const char* const left[] = {R"({"cart":{"count":2}})", R"({"cart":{"count":1}})", "",
                                R"({"cart":{"count":1}})"};
    for (std::size_t i = 0; i < users.size(); ++i) {
        users[i]->use_port(gateway_->port);
        EXPECT_EQ(users[i]->get("/").status, 200);
        EXPECT_EQ(slots_of(service_.last()), left[i]) << i;
    }
}

TEST_P(sessions, StoreDump) {
    // What the store alone tells: not a word of the slots.
    start(cart_route());
    const std::string word = "needle-" + new_key();
    service_.answer(merging("{\"cart\":\"" + word + "\"}"));
    client user(gateway_->port);
    EXPECT_EQ(user.get("/").status, 200);
    const std::string cookie = user.cookies()["__Host-lethe"];
    const std::string everything = store_.dump(folder_.path());
    EXPECT_GT(everything.size(), 100U);
    EXPECT_FALSE(contains(everything, word));
    EXPECT_FALSE(contains(everything, cookie));
    EXPECT_FALSE(contains(everything, cookie.substr(0, 22)));
}

TEST_P(sessions, Keyring) {
    const auto key_file = [&](const char* id) { return (folder_.path() / id).string(); };
    const auto ring = [&](const std::string& ids) {
        std::string keys;
        for (const char* id : {"k1", "k2"}) {
            const std::size_t at = ids.find(id);
            if (at == std::string::npos) continue;
            const std::string one = std::string("{id: ") + id + ", file: \"" + key_file(id) + "\"}";
            // In the order that `ids` has them.
            keys = keys.empty() ? one : at == 0 ? one + ", " + keys : keys + ", " + one;
        }
        return "sessions: {encryption: keyring, keys: [" + keys + "]";
    };
    for (const char* id : {"k1", "k2"}) EXPECT_EQ(lethe({"session", "key", key_file(id)}).exit, 0);
    start(cart_route(), ring("k1") + "}\n");
    const std::string word = "needle-" + new_key();
    service_.answer(merging("{\"cart\":\"" + word + "\"}"));
    client user(gateway_->port);
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_FALSE(contains(store_.dump(folder_.path()), word)) << "a dump alone opens nothing";
    service_.answer({});
    const auto shown = [&] {
        user.use_port(gateway_->port);
        const http_answer answer = user.get("/");
        return answer.status == 200 ? slots_of(service_.last()) : slug_of(answer);
    };
    start(cart_route(), ring("k2 k1") + "}\n");
    EXPECT_EQ(shown(), "{\"cart\":\"" + word + "\"}") << "all keys open";
    start(cart_route(), ring("k2") + "}\n");
    EXPECT_EQ(shown(), "session-unavailable") << "a key that is not here yet: no stranger";
    start(cart_route(), ring("k2") + ", retired_keys: [k1]}\n");
    EXPECT_EQ(shown(), "") << "what a retired key sealed is over";
}

}  // namespace
}  // namespace lethe::test
