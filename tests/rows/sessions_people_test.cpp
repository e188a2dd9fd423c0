// Rows about a person's sessions: seen, ended, erased with a receipt.
#include "rows/session_rows.hpp"

namespace lethe::test {
namespace {

std::string id_in(const std::string& listed) {
    const std::string quoted = text_after(listed.substr(listed.find("\"sessions\"")), "id");
    return quoted.size() > 2 ? quoted.substr(1, quoted.size() - 2) : "";
}

TEST_P(sessions, SubjectIndex) {
    start(cart_route());
    const std::string who = "listed-" + new_key();
    service_.answer(logging_in(who));
    client phone(gateway_->port);
    client laptop(gateway_->port);
    EXPECT_EQ(phone.get("/").status, 200);
    EXPECT_EQ(laptop.get("/").status, 200);
    service_.answer({});
    const http_answer listed = admin("GET", subject_path(who));
    EXPECT_EQ(listed.status, 200);
    EXPECT_TRUE(contains(listed.body, "\"subject\":\"" + who + "\"")) << listed.body;
    for (const char* name : {"id", "created", "last_seen", "expires"})
        EXPECT_NE(text_after(listed.body, name), "") << name << listed.body;
    for (client* one : {&phone, &laptop})
        EXPECT_FALSE(contains(listed.body, one->cookies()["__Host-lethe"].substr(0, 20)))
            << "the id opens nothing";
    const std::string id = id_in(listed.body);
    ASSERT_NE(id, "");
    EXPECT_EQ(admin("GET", "/lethe/v1/subjects/nobody/sessions").status, 200);
    EXPECT_EQ(admin("DELETE", "/lethe/v1/subjects/nobody/sessions/" + id).status, 404)
        << "another person's";
    EXPECT_EQ(admin("DELETE", subject_path(who) + "/" + id).status, 204);
    EXPECT_EQ(admin("DELETE", subject_path(who) + "/" + id).status, 404);
    EXPECT_EQ(phone.get("/").status, 200);
    const bool phone_lives = service_.last().has("Lethe-Session-Id");
    EXPECT_EQ(laptop.get("/").status, 200);
    EXPECT_NE(service_.last().has("Lethe-Session-Id"), phone_lives) << "one of the two ended";
    EXPECT_TRUE(contains(admin("DELETE", subject_path(who)).body, "\"ended\":1"));
    for (client* one : {&phone, &laptop}) {
        EXPECT_EQ(one->get("/").status, 200);
        EXPECT_FALSE(service_.last().has("Lethe-Session-Id"));
    }
    EXPECT_EQ(client(gateway_->admin_port).get(subject_path(who)).status, 401);
}

TEST_P(sessions, SubjectIndexOfPending) {
    // What is on its way for a session that is ended from outside fails.
    start(cart_route());
    const std::string who = "pending-" + new_key();
    service_.answer(logging_in(who));
    client user(gateway_->port);
    EXPECT_EQ(user.get("/").status, 200);
    gate late;
    service_.answer_by([&](const seen_request&) {
        late.wait();
        return adding_one();
    });
    pending_call pending([&user] { return user.get("/"); });
    ASSERT_TRUE(service_.wait_for_count(2));
    EXPECT_TRUE(contains(admin("DELETE", subject_path(who)).body, "\"ended\":1"));
    late.open();
    EXPECT_EQ(slug_of(pending.answer()), "session-conflict");
    EXPECT_TRUE(contains(admin("GET", subject_path(who)).body, "\"sessions\":[]"));
}

TEST_P(sessions, Erase) {
    start(cart_route(), "");
    const std::string who = "erased-" + new_key();
    start(
        "  - match: {prefix: /orders}\n    session: {read: [cart], write: [cart]}\n    "
        "idempotency: {mode: required}\n    upstream: app\n" +
        cart_route());
    service_.answer(logging_in(who));
    client user(gateway_->port);
    EXPECT_EQ(user.get("/").status, 200);
    service_.answer({.status = 201, .body = "private"});
    const field_list key = {{"Idempotency-Key", new_key()}};
    EXPECT_EQ(user.post("/orders", "{}", key).body, "private");
    const std::string path = "/lethe/v1/subjects/" + who + "/erase";
    const http_answer receipt = admin("POST", path);
    EXPECT_EQ(receipt.status, 200);
    EXPECT_EQ(text_after(receipt.body, "sessions"), "1") << receipt.body;
    EXPECT_EQ(text_after(receipt.body, "idempotency"), "1") << receipt.body;
    EXPECT_TRUE(contains(receipt.body, who));
    service_.answer({});
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_FALSE(service_.last().has("Lethe-Session-Id"));
    const http_answer again = admin("POST", path);
    EXPECT_EQ(text_after(again.body, "sessions"), "0") << again.body;
    EXPECT_EQ(text_after(again.body, "idempotency"), "0") << again.body;
    const finished_command from_shell =
        lethe({"session", "erase", "--subject", who, "-c", configuration_file(), "--json"});
    EXPECT_EQ(from_shell.exit, 0) << from_shell.output;
}

TEST_P(sessions, EraseOutcomes) {
    start(
        "  - match: {prefix: /orders}\n    authenticate: {issuers: [id]}\n    idempotency: "
        "{mode: required}\n    upstream: app\n");
    const std::string who = "erased-" + new_key();
    const call small{.key = new_key(), .who = who};
    const call large{.key = new_key(), .who = who};
    service_.answer({.status = 201, .body = "private"});
    EXPECT_EQ(send(small).status, 201);
    service_.answer({.status = 201, .body = std::string(3 * 1024 * 1024, 'p')});
    EXPECT_EQ(send(large).status, 201);
    EXPECT_TRUE(is_replay(send(large)));
    const http_answer receipt = admin("POST", "/lethe/v1/subjects/" + who + "/erase");
    EXPECT_EQ(text_after(receipt.body, "idempotency"), "2") << receipt.body;
    for (const call* one : {&small, &large}) {
        const http_answer again = send(*one);
        EXPECT_EQ(again.status, 409) << "that the key was used is kept: it is not run again";
        EXPECT_EQ(slug_of(again), "replay-unavailable");
    }
    EXPECT_EQ(service_.count(), 2U);
    const finished_command left = lethe({"store", "count", "-c", configuration_file(), "--json"});
    EXPECT_EQ(left.exit, 0) << left.output;
}

}  // namespace
}  // namespace lethe::test
