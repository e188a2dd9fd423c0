// Rows about the cookie: its form, its life, logout and login.
#include "rows/session_rows.hpp"

namespace lethe::test {
namespace {

std::string set_cookie_of(const http_answer& answer) {
    for (const auto& [name, value] : answer.fields)
        if (name == "Set-Cookie" && value.starts_with("__Host-lethe=")) return value;
    return {};
}

TEST_P(sessions, Cookie) {
    start(cart_route());
    service_.answer(merging("{\"cart\":{\"n\":1}}"));
    client user(gateway_->port);
    const http_answer made = user.get("/", {{"Cookie", "theme=dark"}});
    const std::string cookie = set_cookie_of(made);
    ASSERT_NE(cookie, "");
    std::vector<std::string> attributes;
    for (std::size_t at = cookie.find(';'); at != std::string::npos;) {
        const std::size_t end = cookie.find(';', at + 1);
        attributes.push_back(cookie.substr(at + 2, end == std::string::npos ? end : end - at - 2));
        at = end;
    }
    std::ranges::sort(attributes);
    EXPECT_EQ(attributes,
              (std::vector<std::string>{"HttpOnly", "Path=/", "SameSite=Lax", "Secure"}))
        << "no Domain, no age";
    const std::string value = cookie.substr(13, cookie.find(';') - 13);
    EXPECT_GE(value.size(), 43U) << "128 bits of id and 128 bits of secret";
    EXPECT_EQ(made.field_or_empty("Cache-Control"), "no-store");
    service_.answer({});
    const http_answer next = user.get("/", {{"Cookie", "theme=dark"}});
    EXPECT_EQ(set_cookie_of(next), "");
    const seen_request seen = service_.last();
    EXPECT_EQ(seen.field("Cookie"), "theme=dark") << "other cookies pass";
    for (const auto& [name, text] : seen.fields)
        EXPECT_FALSE(contains(text, value)) << name << " forwards the cookie";
    EXPECT_FALSE(contains(gateway_->log(), value));
}

TEST_P(sessions, CookieOfOthers) {
    start(cart_route());
    service_.answer(merging("{\"cart\":1}"));
    for (const std::string& cookie :
         {std::string("x"), std::string(43, 'A'), std::string(86, 'A'), std::string(5000, 'B')}) {
        client user(gateway_->port);
        user.cookies()["__Host-lethe"] = cookie;
        EXPECT_EQ(user.get("/").status, 200);
        EXPECT_FALSE(service_.last().has("Lethe-Session-Id")) << cookie;
        EXPECT_NE(user.cookies()["__Host-lethe"], cookie) << "an id from outside is never adopted";
    }
    // The right id with another secret opens nothing.
    client owner(gateway_->port);
    EXPECT_EQ(owner.get("/").status, 200);
    std::string stolen = owner.cookies()["__Host-lethe"];
    char& last = stolen[stolen.size() - 4];
    last = last == 'A' ? 'B' : 'A';
    client thief(gateway_->port);
    thief.cookies()["__Host-lethe"] = stolen;
    service_.answer({});
    EXPECT_EQ(thief.get("/").status, 200);
    EXPECT_FALSE(service_.last().has("Lethe-Session"));
}

TEST_P(sessions, Touch) {
    start(cart_route(), "sessions: {idle_ttl: 10s}\n");
    const std::string who = "touched-" + new_key();
    service_.answer(logging_in(who));
    client user(gateway_->port);
    EXPECT_EQ(user.get("/").status, 200);
    service_.answer({});
    const std::string made = admin("GET", subject_path(who)).body;
    const auto expires = [&] {
        return text_after(admin("GET", subject_path(who)).body, "expires");
    };
    const std::string first = expires();
    ASSERT_NE(first, "") << made;
    for (int i = 0; i < 5; ++i) EXPECT_EQ(user.get("/").status, 200);
    EXPECT_EQ(expires(), first) << "no write with each request";
    const std::string version = service_.last().field("Lethe-Session-Version");
    std::this_thread::sleep_for(5500ms);
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_NE(expires(), first) << "but often enough to stay alive";
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_EQ(service_.last().field("Lethe-Session-Version"), version) << "data keeps its version";
    std::this_thread::sleep_for(5500ms);
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_TRUE(service_.last().has("Lethe-Session-Id")) << "11 s old, idle for 5.5";
    EXPECT_EQ(admin("DELETE", subject_path(who)).status, 200);
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_FALSE(service_.last().has("Lethe-Session-Id")) << "a touch revives nothing";
    EXPECT_EQ(expires(), "");
}

TEST_P(sessions, Expiry) {
    start(cart_route(), "sessions: {idle_ttl: 10s, absolute_ttl: 10s}\n");
    service_.answer(merging("{\"cart\":1}"));
    client user(gateway_->port);
    EXPECT_EQ(user.get("/").status, 200);
    service_.answer({});
    std::this_thread::sleep_for(6s);
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_TRUE(service_.last().has("Lethe-Session-Id"));
    std::this_thread::sleep_for(4200ms);
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_FALSE(service_.last().has("Lethe-Session-Id"))
        << "the absolute end comes, touched or not";
}

TEST_P(sessions, Destroy) {
    start(cart_route());
    service_.answer(merging("{\"cart\":{\"count\":1}}"));
    client user(gateway_->port);
    EXPECT_EQ(user.get("/").status, 200);
    const std::string cookie = user.cookies()["__Host-lethe"];
    // A request is under way while another one logs out; it answers late, with a change.
    gate late;
    service_.answer_by([&](const seen_request& of) {
        if (of.target == "/logout") return reply{.fields = {{"Lethe-Session-Op", "destroy"}}};
        if (of.target == "/slow") {
            late.wait();
            return adding_one();
        }
        return reply{};
    });
    client slow(gateway_->port);
    slow.cookies()["__Host-lethe"] = cookie;
    pending_call pending([&slow] { return slow.get("/slow"); });
    ASSERT_TRUE(service_.wait_for_count(2));
    const http_answer out = user.get("/logout");
    EXPECT_TRUE(contains(set_cookie_of(out), "Max-Age=0")) << set_cookie_of(out);
    EXPECT_FALSE(user.cookies().contains("__Host-lethe"));
    late.open();
    const http_answer too_late = pending.answer();
    EXPECT_EQ(too_late.status, 409) << "late writes fail";
    EXPECT_EQ(slug_of(too_late), "session-conflict");
    user.cookies()["__Host-lethe"] = cookie;
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_FALSE(service_.last().has("Lethe-Session-Id")) << "it never comes back";
    const auto other = start_another();
    user.use_port(other->port);
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_FALSE(service_.last().has("Lethe-Session-Id"));
}

TEST_P(sessions, Regenerate) {
    start(cart_route());
    service_.answer(merging("{\"cart\":{\"count\":1}}"));
    client user(gateway_->port);
    EXPECT_EQ(user.get("/").status, 200);
    const std::string old = user.cookies()["__Host-lethe"];
    service_.answer({.fields = {{"Lethe-Session-Op", "regenerate"}}});
    EXPECT_EQ(user.get("/").status, 200);
    const std::string fresh = user.cookies()["__Host-lethe"];
    EXPECT_NE(fresh, old);
    service_.answer(adding_one());
    client behind(gateway_->port);
    behind.cookies()["__Host-lethe"] = old;
    EXPECT_EQ(behind.get("/").status, 200);
    EXPECT_EQ(slots_of(service_.last()), R"({"cart":{"count":1}})");
    // The ticket; what stands behind it is the version, which has grown.
    EXPECT_EQ(behind.cookies()["__Host-lethe"].substr(0, 43), fresh.substr(0, 43))
        << "who comes late is given the new one";
    service_.answer({});
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_EQ(slots_of(service_.last()), R"({"cart":{"count":2}})") << "one session, not two";
    std::this_thread::sleep_for(10500ms);
    behind.cookies()["__Host-lethe"] = old;
    EXPECT_EQ(behind.get("/").status, 200);
    EXPECT_FALSE(service_.last().has("Lethe-Session-Id")) << "the alias ends after 10 s";
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_TRUE(service_.last().has("Lethe-Session-Id"));
}

TEST_P(sessions, RegenerateAtLogin) {
    start(cart_route());
    const std::string who = "login-" + new_key();
    service_.answer(merging("{\"cart\":{\"count\":1}}"));
    client user(gateway_->port);
    EXPECT_EQ(user.get("/").status, 200);
    const std::string before = service_.last().field("Lethe-Session-Id");
    const std::string planted = user.cookies()["__Host-lethe"];
    reply login = merging("{\"user\":{\"name\":\"u\"}}");
    login.fields.emplace_back("Lethe-Session-Op", "bind;subject=\"" + who + "\"");
    service_.answer(login);
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_NE(user.cookies()["__Host-lethe"], planted) << "a login has a cookie of its own";
    service_.answer({});
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_EQ(slots_of(service_.last()), R"({"cart":{"count":1},"user":{"name":"u"}})");
    EXPECT_NE(service_.last().field("Lethe-Session-Id"), before);
    client attacker(gateway_->port);
    attacker.cookies()["__Host-lethe"] = planted;
    EXPECT_EQ(attacker.get("/").status, 200);
    EXPECT_EQ(slots_of(service_.last()), R"({"cart":{"count":1}})") << "what was before the login";
    EXPECT_EQ(attacker.cookies()["__Host-lethe"], planted) << "and is not led to what is after";
    service_.answer(adding_one());
    EXPECT_EQ(attacker.get("/").status, 409) << "it changes nothing";
    service_.answer({});
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_TRUE(contains(slots_of(service_.last()), "\"count\":1"));
}

}  // namespace
}  // namespace lethe::test
