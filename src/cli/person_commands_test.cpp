// `lethe session` and `lethe idempotency`, from arguments to what they print and end with.
#include "base/bytes.hpp"
#include "base/json.hpp"
#include "cli/store_world.hpp"
#include "idempotency/engine.hpp"
#include "idempotency/key.hpp"
#include "session/engine.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace lethe::cli::testing {
namespace {

using namespace std::chrono_literals;

class PersonCommands : public store_world {
 protected:
    void SetUp() override {
        std::ofstream(path("lethe.yaml"))
            << "listen: [{address: \"127.0.0.1:0\"}]\n"
               "store: {default: \"sqlite:a.db\", carts: \"sqlite:b.db\"}\n"
               "upstreams: [{name: shop, replicas: [\"http://127.0.0.1:9\"]}]\n"
               "routes: [{match: {prefix: /}, session: {read: [a], store: carts}, idempotency: "
               "{scope: public}, upstream: shop}]\n";
        // Both files are there, as beside a gateway.
        put("a.db", "x", "v");
        put("b.db", "x", "v");
    }
    outcome with_config(std::vector<std::string> words) {
        words.emplace_back("-c");
        words.push_back(path("lethe.yaml"));
        return run_lethe(std::move(words));
    }
    // Runs on the store alone.
    template <class T>
    T on_store(const std::string& name, std::function<task<T>(store::store&, net::worker&)> what) {
        store::tools::workbench bench;
        std::string why;
        store::store* const opened = bench.open(url(name), "", "test", why).value();
        return bench.run<T>([&] { return what(*opened, bench.worker()); }).value();
    }
    static task<int> log_in(store::store& in, net::worker& on) {
        session::engine sessions(in, on.time(), on.random(), {});
        session::change login;
        login.subject = "u42";
        const auto done =
            co_await sessions.commit(std::nullopt, login, on.time().steady_now() + 10s);
        co_return done.has_value() ? 1 : 0;
    }
    static task<int> log_in_with(store::store& in, net::worker& on,
                                 std::vector<session::key_source> keys) {
        session::settings options;
        options.keys = keys;
        options.encryption = session::encryption_mode::keyring;
        session::engine sessions(in, on.time(), on.random(), options,
                                 session::load_keyring(keys, {}).ring);
        session::change login;
        login.subject = "u42";
        login.writable = {"cart"};
        login.edit =
            session::patch::parse(session::patch_type::merge, R"({"cart":{"count":1}})", 100)
                .value();
        const auto done =
            co_await sessions.commit(std::nullopt, login, on.time().steady_now() + 10s);
        co_return done.has_value() ? 1 : 0;
    }
    static task<int> lose(store::store& in, net::worker& on) {
        idempotency::engine keys(in, on.time(), on.random());
        idempotency::claim_request request{
            .id = idempotency::make_record_id(
                {"", idempotency::caller_of_principal("https://id", "u42")}, "k1"),
            .fingerprint = std::string(32, 'f'),
            .subject = "u42",
            .lease = 30s,
            .ttl = 1h};
        const steady_time soon = on.time().steady_now() + 10s;
        auto got = co_await keys.claim(request, soon);
        if (got.has_error()) co_return 0;
        const result<> marked = co_await keys.mark_unknown(std::move(got->claim), soon);
        co_return marked.has_value() ? 1 : 0;
    }
};

TEST_F(PersonCommands, WhatASessionHoldsIsShownWhereTheKeysOpenIt) {
    EXPECT_TRUE(run_lethe({"session", "key", path("k1.key")}).says("made "));
    EXPECT_EQ(run_lethe({"session", "key", path("k1.key")}).exit_code, 1);
    EXPECT_EQ(run_lethe({"session", "key"}).out.size(), 45U);
    const auto show = [&] {
        const auto all =
            json::parse(with_config({"session", "list", "--subject", "u42", "--json"}).out);
        const std::string id(all->at(0).at("id").as_string());
        const outcome text = with_config({"session", "show", "--subject", "u42", id});
        EXPECT_EQ(text.exit_code, 0) << text.err;
        return std::pair(text.out,
                         with_config({"session", "show", "--subject", "u42", id, "--json"}).out);
    };
    EXPECT_EQ(on_store<int>("b.db", log_in), 1);
    EXPECT_NE(show().first.find("sealed with the secret in its cookie"), std::string::npos);
    EXPECT_NE(show().second.find("\"opened\":false"), std::string::npos);
    EXPECT_TRUE(with_config({"session", "end", "--subject", "u42", "--all"}).says("1 session"));

    const std::vector<session::key_source> keys = {
        {.id = "k1", .file = path("k1.key"), .text = {}}};
    EXPECT_EQ(on_store<int>("b.db", [&](store::store& in,
                                        net::worker& on) { return log_in_with(in, on, keys); }),
              1);
    EXPECT_NE(show().first.find("the key k1, which is not in this configuration's"),
              std::string::npos);
    std::ofstream(path("lethe.yaml"), std::ios::app)
        << "sessions: {keys: [{id: k1, file: k1.key}]}\n";
    EXPECT_NE(show().first.find("cart  {\"count\":1}"), std::string::npos) << show().first;
    EXPECT_NE(show().second.find("\"slots\":{\"cart\":{\"count\":1}}"), std::string::npos)
        << show().second;
}

TEST_F(PersonCommands, SessionsAreListedShownAndEnded) {
    for (int i = 0; i < 2; ++i) EXPECT_EQ(on_store<int>("b.db", log_in), 1);
    const outcome listed = with_config({"session", "list", "--subject", "u42", "--json"});
    EXPECT_EQ(listed.exit_code, 0) << listed.err;
    const auto all = json::parse(listed.out);
    ASSERT_EQ(all->as_array().size(), 2U) << listed.out;
    const std::string id(all->at(0).at("id").as_string());
    EXPECT_EQ(all->at(0).at("store"), "carts");
    EXPECT_TRUE(with_config({"session", "show", "--subject", "u42", id}).says(id));
    EXPECT_EQ(with_config({"session", "show", "--subject", "eve", id}).exit_code, 1);
    EXPECT_EQ(with_config({"session", "end", "--subject", "u42"}).exit_code, 2);
    EXPECT_TRUE(with_config({"session", "end", "--subject", "u42", id}).says("1 session ended"));
    EXPECT_EQ(with_config({"session", "end", "--subject", "u42", id}).exit_code, 1);
    EXPECT_TRUE(with_config({"session", "end", "--subject", "u42", "--all", "--json"})
                    .says("{\"ended\":1}"));
    const outcome none = with_config({"session", "list", "--subject", "u42"});
    EXPECT_EQ(none.exit_code, 1);
    EXPECT_TRUE(none.says("has no session"));
}

TEST_F(PersonCommands, APersonIsForgotten) {
    EXPECT_EQ(on_store<int>("b.db", log_in), 1);
    EXPECT_EQ(on_store<int>("a.db", lose), 1);
    const outcome erased = with_config({"session", "erase", "--subject", "u42", "--json"});
    EXPECT_EQ(erased.exit_code, 0) << erased.err;
    for (const char* part :
         {"\"sessions\":1", "\"idempotency\":1", "\"stores\":[\"carts\",\"default\"]"})
        EXPECT_TRUE(erased.says(part)) << erased.out;
}

TEST_F(PersonCommands, AnUnknownOutcomeIsSeenAndSettled) {
    EXPECT_EQ(on_store<int>("a.db", lose), 1);
    const outcome listed =
        with_config({"idempotency", "list", "--subject", "u42", "--unknown", "--json"});
    EXPECT_TRUE(listed.says("\"state\":\"unknown\"")) << listed.out << listed.err;
    const std::vector<std::string> key = {"--key",      "\"k1\"",    "--issuer",
                                          "https://id", "--subject", "u42"};
    const auto with_key = [&](std::vector<std::string> words) {
        words.insert(words.end(), key.begin(), key.end());
        return with_config(std::move(words));
    };
    EXPECT_TRUE(with_key({"idempotency", "show"}).says("unknown"));
    EXPECT_EQ(with_key({"idempotency", "resolve"}).exit_code, 2);
    EXPECT_EQ(with_key({"idempotency", "resolve", "--status", "99"}).exit_code, 2);
    EXPECT_EQ(with_key({"idempotency", "resolve", "--status", "201", "--field", "x"}).exit_code, 2);
    std::ofstream(path("answer.json")) << "{\"order\":7}";
    const outcome settled = with_key({"idempotency", "resolve", "--status", "201", "--field",
                                      "Location: /orders/7", "--body", path("answer.json")});
    EXPECT_EQ(settled.exit_code, 0) << settled.err;
    const outcome shown = with_key({"idempotency", "show", "--json"});
    for (const char* part : {"\"state\":\"done\"", "\"status\":201", "\"has_body\":true"})
        EXPECT_TRUE(shown.says(part)) << shown.out;
    EXPECT_FALSE(shown.says("order"));
    const outcome again = with_key({"idempotency", "resolve", "--not-done"});
    EXPECT_EQ(again.exit_code, 1);
    EXPECT_TRUE(again.says("not unknown")) << again.err;
    EXPECT_EQ(with_config({"idempotency", "show", std::string(64, 'a')}).exit_code, 1);
    EXPECT_EQ(with_config({"idempotency", "show", "xyz"}).exit_code, 2);
    EXPECT_EQ(with_config({"idempotency", "list", "--subject", "eve"}).exit_code, 1);
}

TEST_F(PersonCommands, WhatWasNotDoneIsFree) {
    EXPECT_EQ(on_store<int>("a.db", lose), 1);
    const auto listed =
        json::parse(with_config({"idempotency", "list", "--subject", "u42", "--json"}).out);
    const std::string id(listed->at(0).at("id").as_string());
    const outcome freed = with_config({"idempotency", "resolve", id, "--not-done"});
    EXPECT_TRUE(freed.says("the key is free")) << freed.err;
    EXPECT_TRUE(with_config({"idempotency", "show", id}).says("released"));
}

}  // namespace
}  // namespace lethe::cli::testing
