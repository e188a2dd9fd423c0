// Rows about what a route or an upstream may ask for beside: turns, another try after a conflict,
// signed fields, sessions in sealed cookies, and what is done where the store lost changes.
#include "rows/session_rows.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <atomic>
#include <cmath>
#include <csignal>
#include <ctime>
#include <set>
#include <sstream>

namespace lethe::test {
namespace {

// --- turns

int count_in(const std::string& slots) {
    const std::string number = text_after(slots, "count");
    return number.empty() ? 0 : std::stoi(number);
}

TEST_P(sessions, Serialize) {
    const std::string slots = "read: [cart], write: [cart]";
    start(with_session("prefix: /turn", slots + ", serialize: {wait: 15s}") +
          with_session("prefix: /show", "read: [cart]") + with_session("prefix: /", slots));
    const auto other = start_another();
    client user(gateway_->port);
    service_.answer(adding_one());
    EXPECT_EQ(user.get("/").status, 200);
    gate late;
    std::atomic<int> at_work{0};
    std::atomic<int> most{0};
    service_.answer_by([&](const seen_request& of) {
        if (of.target == "/show" || of.target == "/turn/stranger") return reply{};
        most = std::max(most.load(), ++at_work);
        if (of.target == "/turn/first") late.wait();
        --at_work;
        return merging("{\"cart\":{\"count\":" + std::to_string(count_in(slots_of(of)) + 1) + "}}");
    });
    const auto through = [&](std::uint16_t port, const char* target) {
        return std::make_unique<pending_call>([port, target, jar = user.cookies()] {
            client one(port, 20s);
            one.cookies() = jar;
            return one.get(target);
        });
    };
    const auto first = through(gateway_->port, "/turn/first");
    ASSERT_TRUE(service_.wait_for_count(2));
    const auto second = through(other->port, "/turn/second");
    const auto third = through(gateway_->port, "/turn/third");
    // Readers go by, through both gateways, and callers without a session.
    for (int i = 0; i < 10; ++i)
        for (const std::uint16_t port : {gateway_->port, other->port})
            EXPECT_EQ(through(port, "/show")->answer().status, 200);
    EXPECT_EQ(client(gateway_->port).get("/turn/stranger").status, 200) << "no session, no turn";
    for (const seen_request& one : service_.all())
        EXPECT_TRUE(one.target != "/turn/second" && one.target != "/turn/third")
            << "only when the first one was answered";
    late.open();
    for (const auto* one : {&first, &second, &third}) EXPECT_EQ((*one)->answer().status, 200);
    EXPECT_EQ(most, 1) << "never two at once";
    service_.answer({});
    EXPECT_EQ(user.get("/show").status, 200);
    EXPECT_EQ(slots_of(service_.last()), R"({"cart":{"count":4}})") << "each saw the one before";
}

TEST_P(sessions, SerializeBusy) {
    const std::string slots = "read: [cart], write: [cart]";
    start(with_session("prefix: /turn", slots + ", serialize: {wait: 300ms}") +
          with_session("prefix: /", slots));
    const auto other = start_another();
    client user(gateway_->port);
    service_.answer(adding_one());
    EXPECT_EQ(user.get("/").status, 200);
    gate late;
    service_.answer_by([&](const seen_request& of) {
        if (of.target == "/turn/first") late.wait();
        return adding_one();
    });
    client slow(gateway_->port, 20s);
    slow.cookies() = user.cookies();
    pending_call first([&slow] { return slow.get("/turn/first"); });
    ASSERT_TRUE(service_.wait_for_count(2));
    for (const std::uint16_t port : {gateway_->port, other->port}) {
        user.use_port(port);
        const http_answer refused = user.get("/turn/second");
        EXPECT_EQ(refused.status, 503);
        EXPECT_EQ(slug_of(refused), "session-busy");
        EXPECT_EQ(refused.field_or_empty("Retry-After"), "1");
    }
    EXPECT_EQ(service_.count(), 2U) << "nothing was done";
    late.open();
    EXPECT_EQ(first.answer().status, 200);
    EXPECT_EQ(user.get("/turn/second").status, 200);
    service_.answer({});
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_EQ(slots_of(service_.last()), R"({"cart":{"count":3}})");
}

// --- another try

TEST_P(sessions, ConflictRetry) {
    start(with_session("prefix: /again", "read: [cart], write: [cart], on_conflict: retry") +
          cart_route());
    client user(gateway_->port);
    const auto again = [&](const char* method) {
        service_.answer(merging(R"({"cart":{"count":1}})"));
        EXPECT_EQ(user.get("/").status, 200);
        gate late;
        service_.answer_by([&](const seen_request& of) {
            if (of.target == "/first") return merging(R"({"cart":{"count":2}})");
            late.wait();
            return merging("{\"cart\":{\"count\":" + std::to_string(count_in(slots_of(of)) + 10) +
                           "}}");
        });
        const std::size_t before = service_.count();
        client slow(gateway_->port);
        slow.cookies() = user.cookies();
        pending_call pending(
            [&] { return slow.send({.method = method, .target = "/again", .body = "the body"}); });
        EXPECT_TRUE(service_.wait_for_count(before + 1));
        EXPECT_EQ(user.get("/first").status, 200);
        late.open();
        http_answer answer = pending.answer();
        for (const seen_request& one : service_.all())
            if (one.target == "/again") EXPECT_EQ(one.body, "the body") << "whole each time";
        service_.answer({});
        EXPECT_EQ(user.get("/").status, 200);
        return answer;
    };
    EXPECT_EQ(again("PUT").status, 200);
    EXPECT_EQ(slots_of(service_.last()), R"({"cart":{"count":12}})")
        << "the service was asked again, with the session as it is now";
    const http_answer refused = again("POST");
    EXPECT_EQ(refused.status, 409) << "nobody knows whether it may run twice";
    EXPECT_EQ(slug_of(refused), "session-conflict");
    EXPECT_EQ(slots_of(service_.last()), R"({"cart":{"count":2}})");
}

// A service that makes a key's request take effect once: it is asked again with the same key, and
// what it answered last is the outcome. While it is asked again the gateway is killed.
TEST_P(sessions, ConflictRetryKeyed) {
    start(with_session("prefix: /again", "read: [cart], write: [cart], on_conflict: retry",
                       "    idempotency: {backend: dedups, lease: 3s}\n") +
          cart_route());
    client user(gateway_->port);
    service_.answer(merging(R"({"cart":{"count":1}})"));
    EXPECT_EQ(user.get("/").status, 200);
    const field_list key = {{"Idempotency-Key", new_key()}};
    std::atomic<bool> killed{false};
    gate late;
    service_.answer_by([&](const seen_request& of) {
        if (of.target == "/other") return merging(R"({"cart":{"count":2}})");
        const std::string attempt = of.field("Lethe-Attempt");
        if (attempt == "1") late.wait();
        if (attempt == "2" && !killed.exchange(true)) gateway_->running().send(SIGKILL);
        reply out =
            merging("{\"cart\":{\"count\":" + std::to_string(count_in(slots_of(of)) + 10) + "}}");
        out.fields.emplace_back("X-Attempt", attempt);
        return out;
    });
    const auto post = [&] {
        client one(gateway_->port);
        one.cookies() = user.cookies();
        return one.post("/again", "the body", key);
    };
    pending_call pending(post);
    EXPECT_TRUE(service_.wait_for_count(2));
    EXPECT_EQ(user.get("/other").status, 200);
    late.open();
    EXPECT_FALSE(pending.answer().complete());
    EXPECT_EQ(gateway_->running().wait(30s), 128 + SIGKILL);
    ASSERT_TRUE(gateway_->start());
    // Until the dead one's lease is over.
    http_answer done = post();
    for (int i = 0; i < 300 && slug_of(done) == "request-in-progress"; ++i) {
        std::this_thread::sleep_for(100ms);
        done = post();
    }
    EXPECT_EQ(done.status, 200) << done.body;
    EXPECT_EQ(done.field_or_empty("X-Attempt"), "3");
    const http_answer replay = post();
    EXPECT_TRUE(is_replay(replay));
    EXPECT_EQ(replay.field_or_empty("X-Attempt"), "3");
    std::vector<std::string> attempts;
    for (const seen_request& one : service_.all()) {
        if (one.target != "/again") continue;
        attempts.push_back(one.field("Lethe-Attempt"));
        EXPECT_EQ(one.field("Idempotency-Key"), key.front().second);
        EXPECT_EQ(one.body, "the body");
    }
    EXPECT_EQ(attempts, (std::vector<std::string>{"1", "2", "3"}));
    service_.answer({});
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_EQ(slots_of(service_.last()), R"({"cart":{"count":12}})") << "once";
}

// --- signed fields

std::string parameter_of(const std::string& field, const std::string& name) {
    const std::size_t at = field.find(";" + name + "=");
    if (at == std::string::npos) return "";
    const std::size_t from = at + name.size() + 2;
    if (field[from] != '"') return field.substr(from, field.find(';', from) - from);
    return field.substr(from + 1, field.find('"', from + 1) - from - 1);
}

std::vector<std::string> words_of(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> out;
    for (std::string word; in >> word;) out.push_back(word);
    return out;
}

// As docs/sessions.md tells services to.
bool verifies(const seen_request& request, const std::string& key) {
    const std::string field = request.field("Lethe-Signature");
    const std::string names = parameter_of(field, "fields");
    const std::string created = parameter_of(field, "created");
    std::string text = "lethe-signature 1\n" + parameter_of(field, "keyid") + "\n" + created +
                       "\n" + request.method + "\n" + request.target + "\n" + names + "\n";
    const std::vector<std::string> listed = words_of(names);
    for (const std::string& name : listed) text += name + ": " + request.field(name) + "\n";
    for (const auto& [name, value] : request.fields) {
        std::string lower = name;
        std::ranges::transform(lower, lower.begin(),
                               [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        if (lower.starts_with("lethe-") && lower != "lethe-signature" &&
            std::ranges::find(listed, lower) == listed.end())
            return false;
    }
    if (created.empty() || std::abs(std::time(nullptr) - std::stoll(created)) > 60) return false;
    std::array<unsigned char, EVP_MAX_MD_SIZE> sum{};
    unsigned size = 0;
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), sum.data(), &size);
    return field.starts_with(":" + base64({reinterpret_cast<const char*>(sum.data()), size}) +
                             ":;");
}

TEST_P(sessions, Signature) {
    const std::string key = "a-signing-key-that-both-sides-know";
    const std::string replica = ", replicas: [\"" + service_.url() + "\"]";
    start("  - match: {prefix: /plain}\n    session: {read: [cart]}\n    upstream: plain\n" +
              with_session("prefix: /", "read: [cart], write: [cart]",
                           "    authenticate: {issuers: [id], forward: {sub: X-User}}\n"),
          "upstreams:\n  - {name: app" + replica + ", signature: {key_id: k1, key: " + key +
              "}}\n  - {name: plain" + replica + "}\n");
    client user(gateway_->port);
    const field_list fields = {{"Authorization", "Bearer " + token_of("alice")},
                               {"Lethe-Signature", ":AAAA:;keyid=\"k1\";created=1;fields=\"\""},
                               {"Lethe-Session-Id", "\"forged\""},
                               {"X-User", "root"}};
    service_.answer(adding_one());
    EXPECT_EQ(user.get("/cart?page=1", fields).status, 200);
    EXPECT_TRUE(verifies(service_.last(), key)) << "also without a session";
    service_.answer({});
    EXPECT_EQ(user.post("/cart?page=1&q=%20", "{}", fields).status, 200);
    const seen_request seen = service_.last();
    EXPECT_EQ(seen.target, "/cart?page=1&q=%20");
    EXPECT_TRUE(verifies(seen, key)) << seen.field("Lethe-Signature");
    EXPECT_FALSE(verifies(seen, "a-signing-key-that-nobody-else-has")) << "the key counts";
    EXPECT_EQ(std::ranges::count(seen.fields, std::string("Lethe-Signature"),
                                 &std::pair<std::string, std::string>::first),
              1)
        << "what the client sent is gone";
    EXPECT_EQ(parameter_of(seen.field("Lethe-Signature"), "keyid"), "k1");
    EXPECT_EQ(seen.field("X-User"), "alice");
    const std::vector<std::string> signed_names =
        words_of(parameter_of(seen.field("Lethe-Signature"), "fields"));
    for (const char* name :
         {"lethe-session", "lethe-session-id", "lethe-session-version", "x-user"})
        EXPECT_NE(std::ranges::find(signed_names, name), signed_names.end()) << name;
    for (const char* name : {"X-User", "Lethe-Session", "Lethe-Session-Id"}) {
        seen_request changed = seen;
        for (auto& [one, value] : changed.fields)
            if (one == name) value += "x";
        EXPECT_FALSE(verifies(changed, key)) << name;
    }
    EXPECT_EQ(user.get("/plain", fields).status, 200);
    EXPECT_FALSE(service_.last().has("Lethe-Signature")) << "no key, nothing to believe";
    EXPECT_FALSE(contains(gateway_->log(), key));
}

// --- sealed cookies

TEST_P(sessions, SealedCookie) {
    const std::string key = (folder_.path() / "k1").string();
    ASSERT_EQ(lethe({"session", "key", key}).exit, 0);
    const std::string sealed =
        "sessions: {mode: sealed, revocation_delay: 0s, keys: [{id: k1, "
        "file: \"" +
        key + "\"}]}\n";
    start(cart_route("on_conflict: last_writer_wins"), sealed);
    const auto other = start_another();
    const std::string who = "sealed-" + new_key();
    const std::string word = "needle-" + new_key();
    client user(gateway_->port);
    service_.answer(logging_in(who));
    EXPECT_EQ(user.get("/").status, 200);
    service_.answer(merging("{\"user\":\"" + word + "\"}"));
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_FALSE(contains(user.cookies()["__Host-lethe"], word));
    EXPECT_FALSE(contains(store_.dump(folder_.path()), word));
    user.use_port(other->port);
    service_.answer({});
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_EQ(slots_of(service_.last()), "{\"user\":\"" + word + "\"}") << "any gateway opens it";
    service_.answer(adding_one());
    const http_answer cart = user.get("/");
    EXPECT_EQ(cart.status, 502) << "operations promise not to be lost";
    EXPECT_EQ(slug_of(cart), "session-operations-refused");
    running_gateway refused(configuration(cart_route(), sealed));
    EXPECT_EQ(refused.start_refused().exit, 1) << "a route that writes says who wins";
    service_.answer({});
    for (const std::size_t from_end : {3U, 40U}) {
        client forger(other->port);
        std::string changed = user.cookies()["__Host-lethe"];
        char& one = changed.at(changed.size() - from_end);
        one = one == 'A' ? 'B' : 'A';
        forger.cookies()["__Host-lethe"] = changed;
        EXPECT_EQ(forger.get("/").status, 200);
        EXPECT_FALSE(service_.last().has("Lethe-Session-Id"));
        EXPECT_TRUE(forger.cookies().empty());
    }
    // All that the subject has, copies of its cookies included, at every gateway.
    const auto copied = user.cookies();
    EXPECT_EQ(admin("DELETE", subject_path(who)).status, 200);
    for (const std::uint16_t port : {gateway_->port, other->port}) {
        client holder(port);
        holder.cookies() = copied;
        EXPECT_EQ(holder.get("/").status, 200);
        EXPECT_FALSE(service_.last().has("Lethe-Session-Id")) << "ended";
        EXPECT_TRUE(holder.cookies().empty());
    }
}

// --- a store that lost changes

TEST_P(sessions, Floor) {
    const std::string slots = "read: [cart], write: [cart], stale: ";
    start(with_session("prefix: /refusing", slots + "refuse") +
          with_session("prefix: /accepting", slots + "accept") +
          with_session("prefix: /retrying", slots + "retry") + cart_route());
    const auto stopped = [&](const std::function<void()>& then) {
        gateway_->running().send(15);
        EXPECT_EQ(gateway_->running().wait(10s), 0);
        then();
        ASSERT_TRUE(gateway_->start());
    };
    service_.answer(adding_one());
    client user(gateway_->port);
    client other(gateway_->port);
    EXPECT_EQ(user.get("/").status, 200);
    EXPECT_EQ(other.get("/").status, 200);
    stopped([&] { store_.keep_copy(folder_.path()); });
    EXPECT_EQ(user.get("/").status, 200);
    stopped([&] { store_.go_back_to_copy(folder_.path()); });
    service_.answer({});
    EXPECT_EQ(other.get("/").status, 200) << "who lost nothing goes on";
    EXPECT_EQ(slots_of(service_.last()), R"({"cart":{"count":1}})");
    EXPECT_FALSE(service_.last().has("Lethe-Session-Stale"));
    const std::size_t before = service_.count();
    for (const char* path : {"/", "/refusing", "/retrying"}) {
        const http_answer stale = user.get(path);
        EXPECT_EQ(stale.status, 503) << path;
        EXPECT_EQ(slug_of(stale), "session-stale") << path;
        EXPECT_NE(stale.field_or_empty("Retry-After"), "") << path;
    }
    EXPECT_EQ(service_.count(), before) << "the service is not asked";
    EXPECT_EQ(user.get("/accepting").status, 200);
    EXPECT_EQ(service_.last().field("Lethe-Session-Stale"), "?1");
    EXPECT_EQ(slots_of(service_.last()), R"({"cart":{"count":1}})");
    service_.answer(merging(R"({"cart":{"count":7}})"));
    EXPECT_EQ(user.get("/accepting").status, 200);
    service_.answer({});
    for (const char* path : {"/", "/refusing", "/accepting"}) {
        EXPECT_EQ(user.get(path).status, 200) << path;
        EXPECT_FALSE(service_.last().has("Lethe-Session-Stale")) << "until a change is made";
        EXPECT_EQ(slots_of(service_.last()), R"({"cart":{"count":7}})");
    }
}

}  // namespace
}  // namespace lethe::test
