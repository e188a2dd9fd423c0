// Rows about what a service sees of a session, and how it changes it.
#include "rows/session_rows.hpp"

namespace lethe::test {
namespace {

TEST_P(sessions, RequestFields) {
    start(
        "  - match: {prefix: /narrow}\n    session: {read: [cart], write: [cart]}\n    upstream: "
        "app\n  - match: {prefix: /other}\n    session: {read: [cart]}\n    upstream: other\n" +
            cart_route(),
        "upstreams:\n  - {name: app, replicas: [\"" + service_.url() +
            "\"]}\n  - {name: other, replicas: [\"" + service_.url() + "\"]}\n");
    client user(gateway_->port);
    const field_list forged = {
        {"Lethe-Session-Id", "\"p\""}, {"Lethe-Session-Version", "9"},
        {"Lethe-Session", ":e30=:"},   {"lethe-session-url", "\"http://evil\""},
        {"Lethe-Attempt", "7"},        {"Lethe-Signature", "x"},
        {"LETHE-ANYTHING", "x"}};
    EXPECT_EQ(user.get("/", forged).status, 200);
    for (const auto& [name, value] : forged) EXPECT_FALSE(service_.last().has(name)) << name;
    service_.answer(merging(R"({"cart":{"n":1},"user":{"secret":true}})"));
    EXPECT_EQ(user.get("/").status, 200);
    service_.answer({});
    EXPECT_EQ(user.get("/", forged).status, 200);
    const seen_request whole = service_.last();
    EXPECT_EQ(slots_of(whole), R"({"cart":{"n":1},"user":{"secret":true}})");
    EXPECT_EQ(whole.field("Lethe-Session").front(), ':');
    EXPECT_EQ(whole.field("Lethe-Session").back(), ':');
    EXPECT_NE(whole.field("Lethe-Session-Version"), "9");
    EXPECT_FALSE(whole.has("LETHE-ANYTHING"));
    const std::string id = whole.field("Lethe-Session-Id");
    EXPECT_TRUE(id.starts_with('"') && id.ends_with('"')) << id;
    EXPECT_EQ(user.get("/narrow").status, 200);
    EXPECT_EQ(slots_of(service_.last()), R"({"cart":{"n":1}})") << "declared slots only";
    EXPECT_EQ(service_.last().field("Lethe-Session-Id"), id)
        << "one session, one service: one name";
    EXPECT_EQ(user.get("/other").status, 200);
    EXPECT_NE(service_.last().field("Lethe-Session-Id"), id) << "another for each service";
    EXPECT_FALSE(contains(id, user.cookies()["__Host-lethe"].substr(0, 12)));
}

TEST_P(sessions, Slots) {
    start(
        "  - match: {prefix: /narrow}\n    session: {read: [cart, user], write: [cart]}\n    "
        "upstream: app\n" +
        cart_route());
    client user(gateway_->port);
    service_.answer(merging(R"({"cart":{"n":1},"user":{"n":1}})"));
    EXPECT_EQ(user.get("/").status, 200);
    const http_answer forbidden = user.get("/narrow");
    EXPECT_GE(forbidden.status, 400);
    EXPECT_EQ(slug_of(forbidden), "session-slot-forbidden");
    EXPECT_TRUE(contains(forbidden.body, "200")) << "the client reads what the service had said";
    service_.answer({});
    EXPECT_EQ(user.get("/").status, 200);
    const int version = std::stoi(service_.last().field("Lethe-Session-Version"));
    service_.answer(merging(R"({"cart":{"n":2}})"));
    EXPECT_EQ(user.get("/narrow").status, 200);
    service_.answer({});
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_EQ(std::stoi(service_.last().field("Lethe-Session-Version")), version + 1);
    EXPECT_EQ(slots_of(service_.last()), R"({"cart":{"n":2},"user":{"n":1}})");
}

TEST_P(sessions, ReadYourWrites) {
    start(cart_route());
    const auto other = start_another();
    client user(gateway_->port);
    for (int i = 1; i <= 20; ++i) {
        service_.answer(adding_one());
        const http_answer answer = user.get("/");
        EXPECT_EQ(answer.field_or_empty("Lethe-Session-Patch"), "") << "never reaches the client";
        service_.answer({});
        client elsewhere(other->port);
        elsewhere.cookies() = user.cookies();
        EXPECT_EQ(elsewhere.get("/").status, 200);
        EXPECT_EQ(slots_of(service_.last()), "{\"cart\":{\"count\":" + std::to_string(i) + "}}");
    }
    // Whatever the status; all of the family is taken out.
    reply failed = adding_one();
    failed.status = 500;
    failed.fields.emplace_back("Lethe-Session-If", "any");
    failed.fields.emplace_back("Lethe-Anything", "x");
    service_.answer(failed);
    const http_answer answer = user.get("/");
    EXPECT_EQ(answer.status, 500);
    for (const char* name : {"Lethe-Session-Patch", "Lethe-Session-If", "Lethe-Anything"})
        EXPECT_FALSE(answer.field(name).has_value()) << name;
    service_.answer({});
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_EQ(slots_of(service_.last()), R"({"cart":{"count":21}})");
}

TEST_P(sessions, PatchOps) {
    start(cart_route());
    client user(gateway_->port);
    const auto change = [&](const std::string& ops) {
        service_.answer(patching("ops", ops));
        return user.get("/").status;
    };
    const auto now = [&] {
        service_.answer({});
        EXPECT_EQ(user.get("/").status, 200);
        return slots_of(service_.last());
    };
    EXPECT_EQ(change(R"([{"op":"set_add","path":"/cart/items","value":"sku-1"},
                         {"op":"inc","path":"/cart/count","by":1,"min":0,"max":2}])"),
              200);
    EXPECT_EQ(change(R"([{"op":"set_add","path":"/cart/items","value":"sku-1"},
                         {"op":"set_add","path":"/cart/items","value":"sku-2"},
                         {"op":"inc","path":"/cart/count"}])"),
              200);
    EXPECT_EQ(now(), R"({"cart":{"items":["sku-1","sku-2"],"count":2}})");
    EXPECT_EQ(change(R"([{"op":"set_remove","path":"/cart/items","value":"sku-2"},
                         {"op":"inc","path":"/cart/count","by":1,"min":0,"max":2}])"),
              409);
    EXPECT_EQ(now(), R"({"cart":{"items":["sku-1","sku-2"],"count":2}})") << "all or none";
    EXPECT_EQ(change(R"([{"op":"set_remove","path":"/cart/items","value":"sku-1"},
                         {"op":"inc","path":"/cart/count","by":-2},
                         {"op":"append","path":"/cart/log","value":1,"limit":2},
                         {"op":"append","path":"/cart/log","value":2,"limit":2},
                         {"op":"append","path":"/cart/log","value":3,"limit":2},
                         {"op":"put_if_absent","path":"/user/name","value":"a"},
                         {"op":"put_if_absent","path":"/user/name","value":"b"}])"),
              200);
    EXPECT_EQ(now(), R"({"cart":{"items":["sku-2"],"count":0,"log":[2,3]},"user":{"name":"a"}})");
}

TEST_P(sessions, PatchMergeAndJson) {
    start(cart_route());
    client user(gateway_->port);
    const auto change = [&](const char* type, const std::string& json) {
        service_.answer(patching(type, json));
        const http_answer answer = user.get("/");
        return answer.status;
    };
    const auto now = [&] {
        service_.answer({});
        EXPECT_EQ(user.get("/").status, 200);
        return slots_of(service_.last());
    };
    EXPECT_EQ(change("merge", R"({"cart":{"a":1,"b":{"c":2}},"user":1})"), 200);
    EXPECT_EQ(change("merge", R"({"cart":{"a":null,"b":{"d":3}},"user":null})"), 200);
    EXPECT_EQ(now(), R"({"cart":{"b":{"c":2,"d":3}}})");
    EXPECT_EQ(change("json-patch", R"([{"op":"test","path":"/cart/b/c","value":2},
                                       {"op":"add","path":"/cart/l","value":[1]},
                                       {"op":"add","path":"/cart/l/-","value":2},
                                       {"op":"replace","path":"/cart/b/c","value":4},
                                       {"op":"copy","from":"/cart/l","path":"/cart/m"},
                                       {"op":"move","from":"/cart/b/d","path":"/cart/d"},
                                       {"op":"remove","path":"/cart/l"}])"),
              200);
    EXPECT_EQ(now(), R"({"cart":{"b":{"c":4},"d":3,"m":[1,2]}})");
    EXPECT_EQ(change("json-patch", R"([{"op":"test","path":"/cart/d","value":4},
                                       {"op":"remove","path":"/cart/m"}])"),
              409)
        << "test is a condition";
    EXPECT_EQ(now(), R"({"cart":{"b":{"c":4},"d":3,"m":[1,2]}})");
}

TEST_P(sessions, PatchMalformed) {
    start(cart_route());
    client user(gateway_->port);
    service_.answer(merging("{\"cart\":1}"));
    EXPECT_EQ(user.get("/").status, 200);
    const std::string large = "{\"cart\":\"" + std::string(8192, 'x') + "\"}";
    for (const std::string& patch :
         {std::string("e30="), std::string(":e30=:"), std::string(":e30=:;type=nothing"),
          std::string(":!!:;type=merge"), ":" + base64("[1]") + ":;type=merge",
          ":" + base64("{") + ":;type=merge", ":" + base64(R"([{"op":"add"}])") + ":;type=ops",
          ":" + base64(large) + ":;type=merge"}) {
        service_.answer({.fields = {{"Lethe-Session-Patch", patch}}});
        const http_answer refused = user.get("/");
        EXPECT_EQ(refused.status, 502) << patch.substr(0, 60);
        EXPECT_EQ(slug_of(refused), "session-patch-malformed") << patch.substr(0, 60);
    }
    service_.answer({.fields = {{"Lethe-Session-Op", "explode"}}});
    EXPECT_EQ(slug_of(user.get("/")), "session-patch-malformed");
    service_.answer({});
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_EQ(slots_of(service_.last()), "{\"cart\":1}");
}

// Two requests see version 1; one of them changes the session before the other answers.
class two_writers {
 public:
    two_writers(service& by, std::uint16_t port, reply first, reply second) {
        client user(port);
        by.answer(merging(R"({"cart":{"count":1},"user":{"n":1}})"));
        EXPECT_EQ(user.get("/").status, 200);
        gate late;
        by.answer_by([&](const seen_request& of) {
            if (of.target == "/first") return first;
            if (of.target != "/second") return reply{};
            late.wait();
            return second;
        });
        const std::size_t before = by.count();
        client slow(port);
        slow.cookies() = user.cookies();
        pending_call pending([&slow] { return slow.get("/second"); });
        EXPECT_TRUE(by.wait_for_count(before + 1));
        EXPECT_EQ(user.get("/first").status, 200);
        late.open();
        answer = pending.answer();
        EXPECT_EQ(user.get("/").status, 200);
        left = slots_of(by.last());
    }
    http_answer answer;
    std::string left;
};

reply relying_on(reply from, const char* basis) {
    from.fields.emplace_back("Lethe-Session-If", basis);
    return from;
}

TEST_P(sessions, Conflict) {
    start(
        "  - match: {path: /second, methods: [PUT]}\n    session: {read: [cart], write: [cart], "
        "on_conflict: last_writer_wins}\n    upstream: app\n" +
        cart_route());
    const auto both = [&](const reply& first, const reply& second) {
        return two_writers(service_, gateway_->port, first, second);
    };
    const two_writers untouched =
        both(merging(R"({"user":{"n":2}})"), merging(R"({"cart":{"count":5}})"));
    EXPECT_EQ(untouched.answer.status, 200) << "another slot: the change is made again";
    EXPECT_EQ(untouched.left, R"({"cart":{"count":5},"user":{"n":2}})");
    const two_writers touched =
        both(merging(R"({"cart":{"count":2}})"), merging(R"({"cart":{"count":5}})"));
    EXPECT_EQ(touched.answer.status, 409);
    EXPECT_EQ(slug_of(touched.answer), "session-conflict");
    EXPECT_EQ(touched.left, R"({"cart":{"count":2},"user":{"n":1}})");
    const two_writers commuting = both(adding_one(), adding_one());
    EXPECT_EQ(commuting.answer.status, 200) << "cart adds never conflict";
    EXPECT_EQ(commuting.left, R"({"cart":{"count":3},"user":{"n":1}})");
}

TEST_P(sessions, ConflictLastWriterWins) {
    start(cart_route("on_conflict: last_writer_wins"));
    const two_writers both(service_, gateway_->port, merging(R"({"cart":{"count":2}})"),
                           merging(R"({"cart":{"count":5}})"));
    EXPECT_EQ(both.answer.status, 200);
    EXPECT_EQ(both.left, R"({"cart":{"count":5},"user":{"n":1}})");
}

TEST_P(sessions, If) {
    start(cart_route());
    const reply other_slot = merging(R"({"user":{"n":2}})");
    const reply same_slot = merging(R"({"cart":{"count":2}})");
    const reply wanted = merging(R"({"cart":{"count":5}})");
    const auto status = [&](const reply& first, const reply& second) {
        return two_writers(service_, gateway_->port, first, second).answer.status;
    };
    EXPECT_EQ(status(other_slot, relying_on(wanted, "slots")), 200);
    EXPECT_EQ(status(same_slot, relying_on(wanted, "slots")), 409);
    EXPECT_EQ(status(other_slot, relying_on(wanted, "version")), 409);
    EXPECT_EQ(status(other_slot, relying_on(adding_one(), "version")), 409) << "operations, too";
    EXPECT_EQ(status(same_slot, relying_on(wanted, "any")), 200);
    EXPECT_EQ(status(same_slot, relying_on(wanted, "never")), 502);
}

TEST_P(sessions, Crowd) {
    start(cart_route());
    const auto other = start_another();
    service_.answer(adding_one());
    client user(gateway_->port);
    EXPECT_EQ(user.get("/").status, 200);
    std::vector<std::thread> crowd;
    std::atomic<int> acknowledged{1};
    for (int i = 0; i < 8; ++i)
        crowd.emplace_back([&, port = i % 2 == 0 ? gateway_->port : other->port] {
            client one(port);
            one.cookies() = user.cookies();
            for (int k = 0; k < 10; ++k) acknowledged += one.get("/").status == 200 ? 1 : 0;
        });
    for (std::thread& one : crowd) one.join();
    service_.answer({});
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_EQ(acknowledged, 81);
    EXPECT_EQ(slots_of(service_.last()),
              "{\"cart\":{\"count\":" + std::to_string(acknowledged) + "}}");
}

TEST_P(sessions, FirstRequests) {
    start(cart_route());
    client user(gateway_->port);
    for (int i = 0; i < 3; ++i) {
        EXPECT_FALSE(user.get("/").field("Set-Cookie").has_value()) << "reading makes no session";
        EXPECT_FALSE(service_.last().has("Lethe-Session-Id"));
    }
    // What changes nothing makes none, either.
    for (const reply& nothing : {merging("{}"), reply{.fields = {{"Lethe-Session-Op", "destroy"}}},
                                 reply{.fields = {{"Lethe-Session-Op", "regenerate"}}}}) {
        service_.answer(nothing);
        EXPECT_EQ(user.get("/").status, 200);
        EXPECT_TRUE(user.cookies().empty());
    }
    // Of several at once only the one that writes makes a session.
    service_.answer_by(
        [](const seen_request& of) { return of.target == "/write" ? adding_one() : reply{}; });
    std::vector<std::thread> parallel;
    std::atomic<int> cookies{0};
    for (int i = 0; i < 8; ++i)
        parallel.emplace_back([&, i] {
            client one(gateway_->port);
            EXPECT_EQ(one.get(i == 3 ? "/write" : "/read").status, 200);
            cookies += static_cast<int>(one.cookies().size());
        });
    for (std::thread& one : parallel) one.join();
    EXPECT_EQ(cookies, 1);
}

}  // namespace
}  // namespace lethe::test
