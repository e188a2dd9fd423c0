// The whole binary from outside: what an operator and a client meet.
#include "gateway/running_gateway.hpp"
#include "wire/peers.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <deque>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>

namespace lethe::test {
namespace {

using namespace std::chrono_literals;

bool contains(const std::string& text, std::string_view what) {
    return text.find(what) != std::string::npos;
}

// A backend that remembers what it got and answers with what the test wants.
class backend {
 public:
    explicit backend(std::string fields = {}, std::chrono::milliseconds pause = 0ms)
        : fields_(std::move(fields)), pause_(pause), origin_([this](raw_socket& c) { serve(c); }) {}

    [[nodiscard]] std::string url() const {
        return "http://127.0.0.1:" + std::to_string(origin_.port());
    }
    [[nodiscard]] std::vector<std::string> requests() {
        const std::lock_guard lock(mutex_);
        return requests_;
    }
    [[nodiscard]] std::string last() {
        const std::lock_guard lock(mutex_);
        return requests_.empty() ? "" : requests_.back();
    }
    void set_fields(std::string fields) {
        const std::lock_guard lock(mutex_);
        fields_ = std::move(fields);
    }

 private:
    void serve(raw_socket& connection) {
        while (true) {
            std::string request = connection.read_message();
            if (request.empty()) return;
            std::this_thread::sleep_for(pause_);
            std::string answer;
            {
                const std::lock_guard lock(mutex_);
                requests_.push_back(request);
                const std::string body = "answer " + std::to_string(requests_.size());
                answer = "HTTP/1.1 200 OK\r\n" + fields_ +
                         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
            }
            connection.send(answer);
        }
    }

    std::mutex mutex_;
    std::vector<std::string> requests_;
    std::string fields_;
    std::chrono::milliseconds pause_;
    scripted_origin origin_;
};

std::string plain_configuration(const backend& behind, const std::string& more = {}) {
    return "store: \"sqlite:${DIR}/state.db\"\nupstreams:\n  - {name: app, replicas: [\"" +
           behind.url() + "\"]}\n" + more + "routes:\n  - match: {prefix: /}\n    upstream: app\n";
}

TEST(Gateway, ProxiesAPlainRequestAndAnswersTheAdmin) {
    backend behind;
    running_gateway gateway(plain_configuration(behind));
    ASSERT_TRUE(gateway.start());
    client user(gateway.port);
    EXPECT_EQ(user.get("/hello?x=1").body, "answer 1");
    client admin(gateway.admin_port);
    EXPECT_EQ(admin.get("/healthz").status, 200);
    EXPECT_EQ(admin.get("/nothing").status, 404);
    EXPECT_EQ(admin.post("/metrics", "").status, 405);
    const std::string metrics = admin.get("/metrics").body;
    for (const char* line :
         {"lethe_gateway_requests_total{route=\"",
          "lethe_upstream_requests_total{outcome=\"answered\",upstream=\"app\"} 1",
          "lethe_gateway_request_duration_seconds_count{route=\"", "lethe_gateway_workers 2",
          "lethe_bugs_total 0"})
        EXPECT_TRUE(contains(metrics, line) ||
                    contains(metrics, "upstream=\"app\",outcome=\"answered\"} 1"))
            << line << "\n"
            << metrics;
}

TEST(Gateway, EveryMistakeOfTheFileIsReportedAndNothingStarts) {
    running_gateway gateway(
        "upstrems: []\nroutes:\n  - match: {prefix: /}\n    upstream: nobody\n    timeout: soon\n");
    const auto refused = gateway.start_refused();
    EXPECT_EQ(refused.exit, 1);
    for (const char* part :
         {"lethe.yaml:4:1", "upstreams", "nobody", "soon", "nothing was started"})
        EXPECT_TRUE(contains(refused.output, part)) << part << "\n" << refused.output;
}

TEST(Gateway, APortInUseIsSaidPlainly) {
    backend behind;
    running_gateway first(plain_configuration(behind));
    ASSERT_TRUE(first.start());
    running_gateway second(plain_configuration(behind));
    second.port = first.port;
    second.rewrite(plain_configuration(behind));
    const auto refused = second.start_refused();
    EXPECT_EQ(refused.exit, 1);
    EXPECT_TRUE(contains(refused.output, "another process")) << refused.output;
    EXPECT_TRUE(contains(refused.output, std::to_string(first.port))) << refused.output;
}

TEST(Gateway, AStoreThatIsNotADatabaseIsSaidPlainlyAndLeftAlone) {
    backend behind;
    running_gateway gateway(
        "store: \"sqlite:${DIR}/state.db\"\nupstreams:\n  - {name: app, replicas: [\"" +
        behind.url() +
        "\"]}\nroutes:\n  - match: {prefix: /}\n    session: {read: [cart]}\n    upstream: app\n");
    const std::string precious =
        "this is my diary, not a database, and longer than a header of one hundred bytes, "
        "so that nobody can take it for an empty file";
    std::ofstream(gateway.folder.path() / "state.db") << precious;
    const auto refused = gateway.start_refused();
    EXPECT_EQ(refused.exit, 1);
    EXPECT_TRUE(contains(refused.output, "state.db")) << refused.output;
    EXPECT_TRUE(contains(refused.output, "not a")) << refused.output;
    std::stringstream left;
    left << std::ifstream(gateway.folder.path() / "state.db").rdbuf();
    EXPECT_EQ(left.str(), precious);
}

TEST(Gateway, ForgedFieldsAreTakenAwayOnEveryRoute) {
    backend behind;
    const std::string key =
        run_command({lethe_binary(), "token", "key", "--alg", "ES256", "--kid", "k1"}, 10s).output;
    running_gateway gateway(
        "store: \"sqlite:${DIR}/state.db\"\nissuers:\n  - {name: id, issuer: "
        "\"https://id.example\", audience: [shop], "
        "algorithms: [ES256], keys: {file: \"${DIR}/keys.json\"}}\nupstreams:\n  - {name: app, "
        "replicas: [\"" +
        behind.url() +
        "\"]}\nroutes:\n  - match: {path: /me}\n    authenticate: {issuers: [id], forward: {sub: "
        "X-User}}\n"
        "    upstream: app\n  - match: {prefix: /}\n    upstream: app\n");
    std::ofstream(gateway.folder.path() / "keys.json") << key;
    ASSERT_TRUE(gateway.start());
    client user(gateway.port);
    const field_list forged = {{"X-User", "root"},
                               {"x_user", "root"},
                               {"Lethe-Attempt", "7"},
                               {"Lethe-Session", ":e30=:"},
                               {"X-Forwarded-For", "6.6.6.6"},
                               {"Forwarded", "for=6.6.6.6"}};
    EXPECT_EQ(user.get("/open", forged).status, 200);
    const std::string open = behind.last();
    for (const char* part : {"root", "Lethe-", "6.6.6.6"})
        EXPECT_FALSE(contains(open, part)) << part << open;
    EXPECT_TRUE(contains(open, "X-Forwarded-For: 127.0.0.1\r\n")) << open;

    EXPECT_EQ(user.get("/me", forged).status, 401);
    const std::string token =
        run_command({lethe_binary(), "token", "sign", "--key",
                     (gateway.folder.path() / "keys.json").string(), "--iss", "https://id.example",
                     "--aud", "shop", "--sub", "alice", "--ttl", "1h"},
                    10s)
            .output;
    field_list with_token = forged;
    with_token.emplace_back("Connection",
                            "keep-alive, X-User");  // must not take away what is set later
    with_token.emplace_back("Authorization", "Bearer " + token.substr(0, token.find('\n')));
    EXPECT_EQ(user.get("/me", with_token).status, 200);
    EXPECT_TRUE(contains(behind.last(), "X-User: alice\r\n")) << behind.last();
    EXPECT_FALSE(contains(behind.last(), "root")) << behind.last();
    EXPECT_FALSE(contains(gateway.log(), token.substr(0, 40))) << "a token is in the log";
    char& of_signature = with_token.back().second[with_token.back().second.size() - 10];
    of_signature = of_signature == 'A' ? 'B' : 'A';
    const http_answer bad = user.get("/me", with_token);
    EXPECT_EQ(bad.status, 401);
    EXPECT_TRUE(contains(bad.field_or_empty("WWW-Authenticate"), "invalid_token"))
        << bad.field_or_empty("WWW-Authenticate");
}

TEST(Gateway, UnmatchedRequestsGet404OrThe405ThatNamesTheMethods) {
    backend behind;
    running_gateway gateway(
        "store: \"memory:\"\nupstreams:\n  - {name: app, replicas: [\"" + behind.url() +
        "\"]}\nroutes:\n  - match: {path: /orders, methods: [POST, PUT]}\n    upstream: app\n");
    ASSERT_TRUE(gateway.start());
    client user(gateway.port);
    const http_answer missing = user.get("/nothing");
    EXPECT_EQ(missing.status, 404);
    EXPECT_TRUE(contains(missing.body, "urn:lethe:problem:no-route")) << missing.body;
    const http_answer wrong = user.get("/orders");
    EXPECT_EQ(wrong.status, 405);
    EXPECT_TRUE(contains(wrong.field_or_empty("Allow"), "POST")) << wrong.field_or_empty("Allow");
    EXPECT_EQ(user.post("/%6Frders", "").status, 200) << "routes see the normal form";
    EXPECT_EQ(user.post("/x/../orders", "").status, 200);
}

TEST(Gateway, ATraceIsPassedOnOrMade) {
    backend behind;
    running_gateway gateway(plain_configuration(behind));
    ASSERT_TRUE(gateway.start());
    client user(gateway.port);
    const std::string given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    EXPECT_EQ(user.get("/", {{"traceparent", given}}).status, 200);
    EXPECT_TRUE(contains(behind.last(), "traceparent: " + given + "\r\n")) << behind.last();
    EXPECT_EQ(user.get("/", {{"traceparent", "00-0-0-0"}}).status, 200);
    EXPECT_TRUE(contains(behind.last(), "traceparent: 00-")) << behind.last();
    EXPECT_FALSE(contains(behind.last(), "00-0-0-0")) << behind.last();
    EXPECT_TRUE(contains(gateway.log(), "4bf92f3577b34da6a3ce929d0e0e4736"))
        << "the access log names the trace";
}

TEST(Gateway, AReloadChangesRoutesAndABadFileChangesNothing) {
    backend old_backend;
    backend new_backend;
    running_gateway gateway(plain_configuration(old_backend));
    ASSERT_TRUE(gateway.start());
    client user(gateway.port);
    EXPECT_EQ(user.get("/").status, 200);
    gateway.rewrite("routes: [{}]\n");
    gateway.running().send(SIGHUP);
    ASSERT_TRUE(gateway.wait_for_event("gateway.reload_refused"));
    EXPECT_EQ(user.get("/").status, 200);
    gateway.rewrite(plain_configuration(new_backend));
    gateway.running().send(SIGHUP);
    ASSERT_TRUE(gateway.wait_for_event("gateway.reloaded"));
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_EQ(old_backend.requests().size(), 2U);
    EXPECT_EQ(new_backend.requests().size(), 1U);
}

TEST(Gateway, AStoreIsOpenedWhenARouteUsesItAndAReloadThatNeedsAnotherIsRefused) {
    backend behind;
    running_gateway gateway(plain_configuration(behind));
    ASSERT_TRUE(gateway.start());
    EXPECT_FALSE(std::filesystem::exists(gateway.folder.path() / "state.db"));
    gateway.rewrite("store: \"sqlite:${DIR}/state.db\"\nupstreams:\n  - {name: app, replicas: [\"" +
                    behind.url() +
                    "\"]}\nroutes:\n  - match: {prefix: /}\n    session: {read: [cart], write: "
                    "[cart]}\n    upstream: app\n");
    gateway.running().send(SIGHUP);
    ASSERT_TRUE(gateway.wait_for_event("gateway.reload_refused"));
    EXPECT_TRUE(contains(gateway.log(), "restart")) << gateway.log();
    client user(gateway.port);
    EXPECT_EQ(user.get("/").status, 200);
}

TEST(Gateway, SigtermUnderLoadAnswersEveryRequestAndExitsCleanly) {
    backend behind("", 5ms);
    running_gateway gateway(plain_configuration(behind));
    ASSERT_TRUE(gateway.start());
    std::atomic<int> answered{0};
    std::mutex mutex;
    std::string lost;
    std::vector<std::thread> clients;
    for (int i = 0; i < 16; ++i)
        clients.emplace_back([&] {
            client user(gateway.port);
            while (true) {
                const http_answer answer = user.get("/");
                if (answer.failure == http_failure::refused) return;  // it listens no more
                if (answer.complete() && answer.status == 200)
                    ++answered;
                else {
                    const std::lock_guard lock(mutex);
                    lost += std::string(to_text(answer.failure)) + " " +
                            std::to_string(answer.status) + "\n";
                }
            }
        });
    while (answered < 200) std::this_thread::sleep_for(1ms);
    gateway.running().send(SIGTERM);
    for (std::thread& one : clients) one.join();
    EXPECT_EQ(gateway.running().wait(10s), 0);
    EXPECT_EQ(lost, "");
    EXPECT_TRUE(contains(gateway.log(), "\"event\":\"gateway.stopped\",\"clean\":true"))
        << gateway.log();
}

TEST(Gateway, AnOutcomeIsReplayedAfterAKillAndByAnotherProcess) {
    backend behind;
    const std::string rest = "upstreams:\n  - {name: app, replicas: [\"" + behind.url() +
                             "\"]}\nroutes:\n  - match: {prefix: /}\n    idempotency: {mode: "
                             "required, scope: public}\n    upstream: app\n";
    running_gateway first("store: \"sqlite:${DIR}/state.db\"\n" + rest);
    ASSERT_TRUE(first.start());
    running_gateway second("store: \"sqlite:" + first.folder.path().string() + "/state.db\"\n" +
                           rest);
    ASSERT_TRUE(second.start());
    const field_list key = {{"Idempotency-Key", "7f1d2f0e-7d1e-4b59-9a1c-1f2e3d4c5b6a"}};
    client one(first.port);
    client two(second.port);
    const http_answer original = one.post("/orders", "{}", key);
    EXPECT_EQ(original.status, 200);
    EXPECT_EQ(original.field_or_empty("Idempotent-Replayed"), "");
    const http_answer elsewhere = two.post("/orders", "{}", key);
    EXPECT_EQ(elsewhere.body, original.body);
    EXPECT_EQ(elsewhere.field_or_empty("Idempotent-Replayed"), "true");
    first.running().kill_now();
    ASSERT_TRUE(first.start());
    client again(first.port);
    EXPECT_EQ(again.post("/orders", "{}", key).body, original.body);
    EXPECT_EQ(again.post("/orders", "{\"other\":1}", key).status, 422);
    EXPECT_EQ(again.post("/orders", "{}").status, 400);
    EXPECT_EQ(behind.requests().size(), 1U);
    EXPECT_TRUE(contains(behind.last(), "Lethe-Attempt: 1\r\n")) << behind.last();
}

TEST(Gateway, ASessionFollowsItsCookieThroughAnyProcess) {
    // {"cart":{"items":["a"]}} as a merge patch.
    backend behind("Lethe-Session-Patch: :eyJjYXJ0Ijp7Iml0ZW1zIjpbImEiXX19:;type=merge\r\n");
    const std::string rest = "upstreams:\n  - {name: app, replicas: [\"" + behind.url() +
                             "\"]}\nroutes:\n  - match: {prefix: /}\n    session: {read: [cart], "
                             "write: [cart]}\n    upstream: app\n";
    running_gateway first("store: \"sqlite:${DIR}/state.db\"\n" + rest);
    ASSERT_TRUE(first.start());
    running_gateway second("store: \"sqlite:" + first.folder.path().string() + "/state.db\"\n" +
                           rest);
    ASSERT_TRUE(second.start());
    client user(first.port);
    const http_answer made = user.get("/");
    EXPECT_EQ(made.status, 200);
    EXPECT_EQ(made.field_or_empty("Lethe-Session-Patch"), "") << "between gateway and backend only";
    ASSERT_TRUE(user.cookies().contains("__Host-lethe"));
    behind.set_fields("");
    user.use_port(second.port);
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_TRUE(contains(behind.last(), "Lethe-Session: :eyJjYXJ0Ijp7Iml0ZW1zIjpbImEiXX19:\r\n"))
        << behind.last();
    EXPECT_FALSE(contains(behind.last(), "__Host-lethe")) << behind.last();
    EXPECT_FALSE(contains(first.log() + second.log(), user.cookies()["__Host-lethe"]))
        << "a cookie is in a log";
}

TEST(Gateway, AStoreThatWillLoseStateIsToldInTheLogAtTheStart) {
    backend behind;
    running_gateway gateway("store: \"memory:\"\nupstreams:\n  - {name: app, replicas: [\"" +
                            behind.url() +
                            "\"]}\nroutes:\n  - match: {prefix: /}\n    session: {read: [cart], "
                            "allow_lossy: true}\n    upstream: app\n");
    ASSERT_TRUE(gateway.start());
    ASSERT_TRUE(gateway.wait_for_event("gateway.store_finding")) << gateway.log();
    EXPECT_TRUE(contains(gateway.log(), "everything is gone when lethe stops")) << gateway.log();
    EXPECT_TRUE(contains(gateway.log(), "\"weight\":\"fault\"")) << gateway.log();
}

TEST(Gateway, SessionsMoveToAnotherStoreAndNobodyIsLoggedOut) {
    // {"cart":{"items":["a"]}} as a merge patch.
    backend behind("Lethe-Session-Patch: :eyJjYXJ0Ijp7Iml0ZW1zIjpbImEiXX19:;type=merge\r\n");
    const std::string rest = "\nupstreams:\n  - {name: app, replicas: [\"" + behind.url() +
                             "\"]}\nroutes:\n  - match: {prefix: /}\n    session: {read: [cart], "
                             "write: [cart]}\n    upstream: app\n";
    running_gateway gateway("store: \"sqlite:${DIR}/a.db\"" + rest);
    ASSERT_TRUE(gateway.start());
    std::deque<client> users;
    for (int i = 0; i < 8; ++i) {
        users.emplace_back(gateway.port);
        EXPECT_EQ(users.back().get("/").status, 200);
    }
    behind.set_fields("");
    const auto expect_carts = [&] {
        for (client& user : users) {
            EXPECT_EQ(user.get("/").status, 200);
            EXPECT_TRUE(
                contains(behind.last(), "Lethe-Session: :eyJjYXJ0Ijp7Iml0ZW1zIjpbImEiXX19:\r\n"))
                << behind.last();
        }
    };
    const auto restart_with = [&](const std::string& store) {
        gateway.running().send(SIGTERM);
        EXPECT_EQ(gateway.running().wait(10s), 0);
        gateway.rewrite("store: " + store + rest);
        ASSERT_TRUE(gateway.start());
    };
    restart_with("{primary: \"sqlite:${DIR}/b.db\", previous: \"sqlite:${DIR}/a.db\"}");
    EXPECT_EQ(users.front().get("/").status, 200);
    const std::string file = (gateway.folder.path() / "lethe.yaml").string();
    const finished_command copied =
        run_command({lethe_binary(), "store", "copy", "-c", file, "--state",
                     (gateway.folder.path() / "state").string()},
                    60s);
    EXPECT_EQ(copied.exit, 0) << copied.output;
    expect_carts();
    restart_with("\"sqlite:${DIR}/b.db\"");
    expect_carts();
}

}  // namespace
}  // namespace lethe::test
