// Idempotent handlers over HTTP, on both kinds of databases.
#include "library/outcome_table.hpp"
#include "library/test_service.hpp"
#include "support/fault_proxy.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>

namespace lethe {
namespace {

using boost::system::result;
using test::client;
using test::field_list;
using test::http_answer;
using namespace std::chrono_literals;

constexpr const char* table =
    "CREATE TABLE IF NOT EXISTS orders (caller TEXT, item TEXT UNIQUE, note TEXT)";

// Writes an order, then does what the body asks for.
response order(request& r, transaction& tx) {
    const std::string item(r.query_parameter("item").value_or("tea"));
    const auto done = tx.execute("INSERT INTO orders (caller, item) VALUES ($1, $2)",
                                 r.header("X-User").value_or(""), item);
    if (done.has_error()) return response::problem(409, "It is sold");
    if (r.body() == "throw") throw std::runtime_error("a secret");
    if (r.body() == "session")
        return response::text("done", 201).set("Lethe-Session-Patch", ":e30=:;type=merge");
    if (r.body() == "refuse") return response::problem(422, "No");
    if (r.body() == "login") return response::problem(401, "Who?");
    if (r.body() == "fail") return response::problem(500, "Broken");
    if (r.body() == "keep-failure")
        return response::problem(500, "Broken").set_outcome(outcome_wish::store);
    if (r.body() == "release") return response::text("no", 200).set_outcome(outcome_wish::release);
    if (r.body() == "unknown") return response::text("?", 200).set_outcome(outcome_wish::unknown);
    response out = response::json(json_value().set("item", item), 201);
    return out.set("Location", "/orders/" + item).set("Set-Cookie", "a=b");
}

class Idempotent : public testing::TestWithParam<const char*> {
 protected:
    Idempotent() {
        keys.caller_field = "X-User";
        const auto made = db.run([](transaction& tx) -> result<void> {
            const auto done = tx.execute(table);
            return done.has_value() ? result<void>() : result<void>(done.error());
        });
        EXPECT_TRUE(made.has_value()) << made.error().message();
    }

    void start() {
        shop.emplace(on_any_port());
        shop->post("/orders", idempotent(db, order, keys));
        shop->post("/other", idempotent(db, order, keys));
        shop->get("/orders/by-key/{key}", reconcile(db, keys));
        on.emplace(*shop);
    }
    http_answer ask(const std::string& target, const std::string& body, field_list fields) {
        client c(on->port());
        fields.emplace_back("X-User", "anna");
        return c.post(target, body, fields);
    }
    http_answer keyed(const std::string& key, const std::string& body = "",
                      const std::string& target = "/orders", int attempt = 0) {
        field_list fields = {{"Idempotency-Key", key}};
        if (attempt > 0) fields.emplace_back("Lethe-Attempt", std::to_string(attempt));
        return ask(target, body, fields);
    }
    http_answer question(const std::string& key, int attempt) {
        client c(on->port());
        field_list fields = {{"X-User", "anna"}, {"Idempotency-Key", key}};
        if (attempt > 0) fields.emplace_back("Lethe-Attempt", std::to_string(attempt));
        return c.get("/orders/by-key/" + key, fields);
    }
    std::int64_t orders(const std::string& sql = "SELECT count(*) FROM orders") {
        std::int64_t count = -1;
        const auto done = db.run([&](transaction& tx) -> result<void> {
            const auto got = tx.query_row<std::int64_t>(sql);
            if (got.has_value()) count = *got;
            return {};
        });
        return done.has_value() ? count : -2;
    }

    test_database place{GetParam()};
    database db{place.url()};
    idempotent_options keys;
    std::optional<service> shop;
    std::optional<running> on;
};
INSTANTIATE_TEST_SUITE_P(On, Idempotent, testing::Values("sqlite", "postgres"),
                         [](const auto& info) { return std::string(info.param); });

bool is_problem(const http_answer& a, std::string_view slug) {
    return a.body.find("urn:lethe:problem:" + std::string(slug) + "\"") != std::string::npos;
}

TEST_P(Idempotent, ARetryGetsTheAnswerThatWasKeptAndTheEffectIsThereOnce) {
    start();
    const http_answer first = keyed("\"k-1\"");
    EXPECT_EQ(first.status, 201);
    EXPECT_FALSE(first.field("Idempotent-Replayed"));
    for (int i = 0; i < 3; ++i) {
        const http_answer again = keyed(i == 0 ? "k-1" : "\"k-1\"");
        EXPECT_EQ(again.status, 201);
        EXPECT_EQ(again.body, first.body);
        EXPECT_EQ(again.field("Location"), "/orders/tea");
        EXPECT_EQ(again.field("Idempotent-Replayed"), "true");
        EXPECT_TRUE(again.field("Lethe-Original-Date"));
        EXPECT_FALSE(again.field("Set-Cookie"));
        EXPECT_FALSE(again.field("Lethe-Idempotency"));
    }
    EXPECT_EQ(orders(), 1);
    on.reset();
    start();  // another process would find the same
    EXPECT_EQ(keyed("k-1").field("Idempotent-Replayed"), "true");
}

TEST_P(Idempotent, AnotherRequestUnderTheKeyIsRefused) {
    start();
    ASSERT_EQ(keyed("k").status, 201);
    for (const http_answer& other :
         {keyed("k", "x"), keyed("k", "", "/orders?item=mug"), keyed("k", "", "/other")}) {
        EXPECT_EQ(other.status, 422);
        EXPECT_TRUE(is_problem(other, "idempotency-key-mismatch")) << other.body;
    }
    EXPECT_EQ(orders(), 1);
}

// The gateway asks again with a newer session after a conflict (on_conflict: retry).
TEST_P(Idempotent, ASessionChangeThatIsAnsweredAgainSaysWithWhichSessionItWasMade) {
    start();
    const auto with = [this](const char* version) {
        return ask("/orders", "session",
                   {{"Idempotency-Key", "k"},
                    {"Lethe-Session-Id", "\"p\""},
                    {"Lethe-Session-Version", version}});
    };
    const http_answer first = with("17");
    EXPECT_TRUE(first.field("Lethe-Session-Patch"));
    EXPECT_FALSE(first.field("Lethe-Session-Version"));
    const http_answer again = with("20");
    EXPECT_EQ(again.field("Lethe-Session-Patch"), first.field("Lethe-Session-Patch"));
    EXPECT_EQ(again.field("Lethe-Session-Version"), "17");
}

TEST_P(Idempotent, AKeyBelongsToItsCaller) {
    start();
    client c(on->port());
    const auto as = [&](field_list who, const std::string& item, std::string key = "k") {
        who.emplace_back("Idempotency-Key", std::move(key));
        return c.post("/orders?item=" + item, "", who);
    };
    EXPECT_EQ(as({{"X-User", "anna"}}, "a").status, 201);
    EXPECT_EQ(as({{"X-User", "bert"}}, "b").status, 201);
    EXPECT_EQ(as({{"Lethe-Session-Id", "\"anna\""}}, "c").status, 201);
    EXPECT_EQ(as({{"X-User", "anna"}}, "a").field("Idempotent-Replayed"), "true");
    EXPECT_TRUE(is_problem(as({}, "d"), "idempotency-key-unscoped"));
    EXPECT_EQ(orders(), 3);
    on.reset();
    keys.open_to_all = true;
    start();
    client d(on->port());
    const std::string uuid = "8E03978E-40d5-43dd-bc93-6894a57f9324";
    const field_list with = {{"Idempotency-Key", uuid}};
    EXPECT_EQ(d.post("/orders?item=e", "", with).status, 201);
    EXPECT_EQ(d.post("/orders?item=e", "", with).field("Idempotent-Replayed"), "true");
    EXPECT_TRUE(is_problem(d.post("/orders?item=f", "", {{"Idempotency-Key", "k"}}),
                           "idempotency-key-malformed"));
}

TEST_P(Idempotent, AMissingAndAMalformedKeyAreRefused) {
    start();
    EXPECT_TRUE(is_problem(ask("/orders", "", {}), "idempotency-key-required"));
    for (const char* key : {"", "a,b", "\"a", "a b"})
        EXPECT_TRUE(is_problem(keyed(key), "idempotency-key-malformed")) << key;
    EXPECT_TRUE(is_problem(ask("/orders", "", {{"Idempotency-Key", "a"}, {"Idempotency-Key", "b"}}),
                           "idempotency-key-malformed"));
    EXPECT_EQ(orders(), 0);
    on.reset();
    keys.required = false;
    start();
    EXPECT_EQ(ask("/orders", "", {}).status, 201);
    EXPECT_EQ(ask("/orders", "", {}).status, 409) << "each is a new one";
    EXPECT_EQ(orders(), 1);
}

TEST_P(Idempotent, TheAnswerDecidesWhatIsCommitted) {
    start();
    // Effect and outcome.
    EXPECT_EQ(keyed("a", "refuse", "/orders?item=a").status, 422);
    EXPECT_EQ(keyed("a", "refuse", "/orders?item=a").field("Idempotent-Replayed"), "true");
    EXPECT_EQ(keyed("b", "keep-failure", "/orders?item=b").status, 500);
    EXPECT_EQ(keyed("b", "keep-failure", "/orders?item=b").field("Idempotent-Replayed"), "true");
    EXPECT_EQ(orders(), 2);
    // Neither.
    for (const char* body : {"login", "fail", "throw", "release"}) {
        for (int i = 0; i < 2; ++i) {
            const http_answer got = keyed("c", body, "/orders?item=c");
            EXPECT_FALSE(got.field("Idempotent-Replayed")) << body;
            EXPECT_EQ(got.body.find("secret"), std::string::npos);
        }
        EXPECT_EQ(orders(), 2) << body;
    }
    EXPECT_EQ(keyed("c", "", "/orders?item=c").status, 201) << "the key stayed free";
    // The outcome alone: what the failed statement had done is gone.
    const http_answer sold = keyed("d", "", "/orders?item=c");
    EXPECT_EQ(sold.status, 409);
    EXPECT_EQ(keyed("d", "", "/orders?item=c").field("Idempotent-Replayed"), "true");
    EXPECT_EQ(orders(), 3);
    // That nobody knows.
    EXPECT_EQ(keyed("e", "unknown", "/orders?item=e").status, 200);
    const http_answer unknown = keyed("e", "unknown", "/orders?item=e");
    EXPECT_TRUE(is_problem(unknown, "outcome-unknown")) << unknown.body;
    EXPECT_EQ(unknown.field("Lethe-Outcome"), "unknown");
    EXPECT_EQ(orders(), 4);
}

TEST_P(Idempotent, AGatewayReadsWhatBecameOfTheKey) {
    start();
    EXPECT_EQ(keyed("a", "fail", "/orders", 1).field("Lethe-Idempotency"), "release");
    EXPECT_EQ(keyed("a", "throw", "/orders", 1).field("Lethe-Idempotency"), "release");
    EXPECT_EQ(keyed("a", "keep-failure", "/orders", 1).field("Lethe-Idempotency"), "store");
    EXPECT_EQ(keyed("a", "keep-failure", "/orders", 2).field("Lethe-Idempotency"), "store");
    EXPECT_EQ(keyed("a", "other", "/orders", 2).field("Lethe-Idempotency"), "release");
    EXPECT_EQ(keyed("b", "unknown", "/orders?item=b", 1).field("Lethe-Idempotency"), "unknown");
    EXPECT_EQ(keyed("b", "unknown", "/orders?item=b", 2).field("Lethe-Idempotency"), "unknown");
}

TEST_P(Idempotent, ALowerAttemptIsRefusedOnceAHigherOneCame) {
    start();
    EXPECT_EQ(keyed("k", "fail", "/orders", 3).status, 500) << "without an effect";
    const http_answer late = keyed("k", "", "/orders", 2);
    EXPECT_EQ(late.status, 409);
    EXPECT_TRUE(is_problem(late, "attempt-superseded")) << late.body;
    EXPECT_EQ(late.field("Lethe-Idempotency"), "unknown");
    EXPECT_EQ(orders(), 0);
    EXPECT_EQ(keyed("k", "", "/orders", 3).status, 201);
    EXPECT_EQ(keyed("k", "", "/orders", 2).field("Idempotent-Replayed"), "true")
        << "what is done, everybody may know";
    EXPECT_EQ(orders(), 1);
}

TEST_P(Idempotent, TheReconcileQuestionIsAnswered) {
    start();
    EXPECT_EQ(question("k", 0).status, 409) << "without an attempt nothing can be promised";
    EXPECT_EQ(question("k", 2).status, 404);
    EXPECT_TRUE(is_problem(keyed("k", "", "/orders", 1), "attempt-superseded"));
    EXPECT_EQ(question("k", 1).status, 409) << "an old question";
    EXPECT_EQ(keyed("k", "", "/orders", 2).status, 201);
    const http_answer done = question("k", 3);
    EXPECT_EQ(done.status, 200);
    EXPECT_EQ(done.body, "{\"item\":\"tea\"}\n");
    EXPECT_EQ(done.field("Location"), "/orders/tea");
    EXPECT_EQ(done.field("Lethe-Original-Status"), "201");
    EXPECT_EQ(keyed("u", "unknown", "/orders?item=u", 1).status, 200);
    EXPECT_EQ(question("u", 2).status, 409);
    EXPECT_EQ(orders(), 2);
}

TEST_P(Idempotent, AnOutcomeIsKeptForItsTime) {
    keys.ttl = 60ms;
    keys.tombstone = 1h;
    start();
    ASSERT_EQ(keyed("k").status, 201);
    EXPECT_TRUE(test::wait_for([&] { return is_problem(keyed("k"), "key-expired"); }, 10s));
    on.reset();
    keys.tombstone = 0ms;
    start();
    ASSERT_EQ(keyed("n", "release").status, 409) << "the article is sold";
    EXPECT_TRUE(
        test::wait_for([&] { return !keyed("n", "release").field("Idempotent-Replayed"); }, 10s))
        << "a new request, for which the article is sold again";
}

TEST_P(Idempotent, WhatNobodyMayAskForAnyMoreIsForgotten) {
    keys.ttl = 10ms;
    start();
    ASSERT_EQ(keyed("k").status, 201);
    internal::database_parts& in = internal::database_parts::of(db);
    const auto forget = [&](system_time now) -> std::size_t {
        result<library::open_transaction> open = in.begin(library::transaction_kind::writing);
        if (open.has_error()) return 0;
        const auto count = library::forget_old(open->on(), now, 10);
        const auto done = open->on().commit();
        return count.has_value() && done.has_value() ? *count : 0;
    };
    EXPECT_EQ(forget(system_time{}), 0U);
    EXPECT_EQ(orders("SELECT count(*) FROM lethe_outcomes"), 1);
    EXPECT_EQ(forget(system_time::max()), 1U);
    EXPECT_EQ(orders("SELECT count(*) FROM lethe_outcomes"), 0);
}

TEST_P(Idempotent, APersonsAnswersAreErasedAndTheKeyStaysUsed) {
    start();
    ASSERT_EQ(keyed("k").status, 201);
    EXPECT_EQ(*db.erase_outcomes("bert"), 0U);
    EXPECT_EQ(*db.erase_outcomes("anna"), 1U);
    EXPECT_EQ(*db.erase_outcomes("anna"), 0U);
    EXPECT_TRUE(is_problem(keyed("k"), "replay-unavailable"));
    EXPECT_EQ(orders(), 1);
}

// Waits in the handler until the test says so.
struct doorkeeper {
    std::latch entered{1};
    std::latch may_go{1};
    std::atomic<int> runs{0};

    response work(request&, transaction& tx) {
        ++runs;
        static_cast<void>(tx.execute("INSERT INTO orders (caller) VALUES ($1)", "anna"));
        entered.count_down();
        may_go.wait();
        return response::text("done", 201);
    }
};

TEST_P(Idempotent, ASecondRequestWaitsAWhileOrIsToldThatTheFirstIsUnderWay) {
    doorkeeper door;
    service hall(on_any_port());
    const transaction_handler work = [&](request& r, transaction& tx) { return door.work(r, tx); };
    hall.post("/orders", idempotent(db, work, keys));
    // A second process is a second database object: it shares no memory with the first.
    database elsewhere(place.url());
    service annex(on_any_port());
    idempotent_options patient = keys;
    patient.wait = 10s;
    annex.post("/orders", idempotent(elsewhere, work, patient));
    running in_hall(hall);
    running in_annex(annex);
    const auto post = [](std::uint16_t port) {
        client c(port, 30s);
        return c.post("/orders", "", {{"Idempotency-Key", "k"}, {"X-User", "anna"}});
    };
    auto first = std::async(std::launch::async, post, in_hall.port());
    door.entered.wait();
    const http_answer second = post(in_hall.port());
    EXPECT_TRUE(is_problem(second, "request-in-progress")) << second.body;
    EXPECT_EQ(second.field("Retry-After"), "1");
    auto third = std::async(std::launch::async, post, in_annex.port());
    door.may_go.count_down();
    EXPECT_EQ(first.get().status, 201);
    const http_answer waited = third.get();
    EXPECT_EQ(waited.body, "done");
    EXPECT_EQ(waited.field("Idempotent-Replayed"), "true");
    EXPECT_EQ(door.runs, 1);
    EXPECT_EQ(orders(), 1);
}

TEST_P(Idempotent, ManyClientsWithTheSameKeysLeaveOneEffectPerKey) {
    keys.wait = 10s;
    service_options options = on_any_port();
    options.workers = 2;
    options.blocking_threads = 8;
    shop.emplace(options);
    shop->post("/orders", idempotent(db, order, keys));
    on.emplace(*shop);
    constexpr int keys_count = 10;
    std::atomic<int> wrong{0};
    std::vector<std::thread> clients;
    for (int t = 0; t < 8; ++t)
        clients.emplace_back([&] {
            client c(on->port(), 30s);
            for (int k = 0; k < keys_count; ++k) {
                const std::string name = std::to_string(k);
                const http_answer got = c.post("/orders?item=" + name, "",
                                               {{"Idempotency-Key", name}, {"X-User", "anna"}});
                if (got.status != 201 || got.body != "{\"item\":\"" + name + "\"}\n") ++wrong;
            }
        });
    for (std::thread& one : clients) one.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(orders(), keys_count);
}

// --- what only a server on a network can do

class IdempotentOnPostgres : public testing::Test {
 protected:
    IdempotentOnPostgres() {
        options.statement_time = 500ms;
        options.settle_time = 5s;
    }
    // `each` is called in the handler, behind its statement.
    void start(std::function<void()> each) {
        db.emplace(place.through(proxy.port()), options);
        const transaction_handler work = [this, each](request&, transaction& tx) {
            ++runs;
            static_cast<void>(tx.execute("INSERT INTO orders (note) VALUES ($1)", "x"));
            each();
            return response::text("done", 201);
        };
        idempotent_options keys;
        keys.caller_field = "X-User";
        shop.emplace(on_any_port());
        shop->post("/orders", idempotent(*db, work, keys));
        on.emplace(*shop);
        const auto made = db->run([](transaction& tx) -> result<void> {
            const auto done = tx.execute(table);
            return done.has_value() ? result<void>() : result<void>(done.error());
        });
        ASSERT_TRUE(made.has_value());
    }
    http_answer post() {
        client c(on->port(), 30s);
        return c.post("/orders", "", {{"Idempotency-Key", "k"}, {"X-User", "anna"}});
    }
    int count() {
        database direct(place.url());
        int out = -1;
        static_cast<void>(direct.run([&](transaction& tx) -> result<void> {
            out = tx.query_row<int>("SELECT count(*) FROM orders").value();
            return {};
        }));
        return out;
    }

    test_database place{"postgres"};
    test::fault_proxy proxy{shared_postgres().port()};
    database_options options;
    std::optional<database> db;
    std::atomic<int> runs{0};
    std::optional<service> shop;
    std::optional<running> on;
};

TEST_F(IdempotentOnPostgres, ACommitWhoseAnswerIsLostIsLookedUpByItsKey) {
    // Behind the handler the server answers to the outcome's INSERT, then to COMMIT.
    start([this] { proxy.drop_piece(2); });
    const http_answer got = post();
    EXPECT_EQ(got.status, 201);
    EXPECT_EQ(got.body, "done");
    EXPECT_FALSE(got.field("Idempotent-Replayed"));
    EXPECT_EQ(runs, 1);
    EXPECT_EQ(count(), 1);
    EXPECT_EQ(post().field("Idempotent-Replayed"), "true");
}

TEST_F(IdempotentOnPostgres, ACommitThatNeverArrivedIsRunAgain) {
    // Neither the outcome's INSERT nor COMMIT reaches the server; the connection is lost.
    start([this] {
        if (runs == 1) proxy.cut();
    });
    EXPECT_EQ(post().status, 201);
    EXPECT_EQ(runs, 2);
    EXPECT_EQ(count(), 1);
}

TEST_F(IdempotentOnPostgres, WhatCannotBeLookedUpInTimeIsSaidToBeUnknownAndFoundLater) {
    options.settle_time = 300ms;
    start([this] {
        proxy.drop_piece(2);
        proxy.refuse(true);
    });
    const http_answer got = post();
    EXPECT_EQ(got.status, 504);
    EXPECT_TRUE(is_problem(got, "answer-lost")) << got.body;
    proxy.heal();
    const http_answer again = post();
    EXPECT_EQ(again.status, 201);
    EXPECT_EQ(again.field("Idempotent-Replayed"), "true");
    EXPECT_EQ(count(), 1);
}

TEST_F(IdempotentOnPostgres, TransactionsThatCannotBothBeRunAgain) {
    options.isolation = sql_isolation::serializable;
    options.statement_time = 10s;
    db.emplace(place.url(), options);
    const auto made = db->run([](transaction& tx) -> result<void> {
        const auto done = tx.execute("CREATE TABLE balance AS SELECT 0::bigint AS cents");
        return done.has_value() ? result<void>() : result<void>(done.error());
    });
    ASSERT_TRUE(made.has_value());
    std::latch both_read{2};
    const transaction_handler work = [&](request&, transaction& tx) {
        const auto seen = tx.query_row<int>("SELECT cents FROM balance");
        if (++runs <= 2) both_read.arrive_and_wait();
        if (seen.has_value())
            static_cast<void>(tx.execute("UPDATE balance SET cents = $1", *seen + 1));
        return response::text("paid", 201);
    };
    shop.emplace(on_any_port());
    idempotent_options keys;
    keys.caller_field = "X-User";
    shop->post("/pay", idempotent(*db, work, keys));
    on.emplace(*shop);
    const auto pay = [&](const char* key) {
        client c(on->port(), 30s);
        return c.post("/pay", "", {{"Idempotency-Key", key}, {"X-User", "anna"}}).status;
    };
    auto first = std::async(std::launch::async, pay, "a");
    EXPECT_EQ(pay("b"), 201);
    EXPECT_EQ(first.get(), 201);
    EXPECT_EQ(shared_postgres().running(), true);
    int cents = 0;
    static_cast<void>(db->run([&](transaction& tx) -> result<void> {
        cents = tx.query_row<int>("SELECT cents FROM balance").value();
        return {};
    }));
    EXPECT_EQ(cents, 2);
    EXPECT_GE(runs, 3);
}

TEST_F(IdempotentOnPostgres, ADatabaseThatIsAwayIsA503AndNothingWasDone) {
    proxy.refuse(true);
    db.emplace(place.through(proxy.port()), options);
    shop.emplace(on_any_port());
    idempotent_options keys;
    keys.caller_field = "X-User";
    const transaction_handler work = [](request&, transaction&) { return response(201); };
    shop->post("/orders", idempotent(*db, work, keys));
    shop->get("/orders", transactional(*db, work));
    on.emplace(*shop);
    const http_answer got = post();
    EXPECT_EQ(got.status, 503);
    EXPECT_TRUE(is_problem(got, "database-unavailable")) << got.body;
    EXPECT_EQ(got.field("Retry-After"), "1");
    client c(on->port());
    EXPECT_EQ(c.get("/orders").status, 503);
}

}  // namespace
}  // namespace lethe
