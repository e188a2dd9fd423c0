// Spec, model: "Sealed-cookie mode: … above that spill to the store automatically; revocation by
// per-subject valid_after; carts refused in this mode because the browser is last-write-wins."
#include "session/sealed_filter.hpp"

#include "session/filter_world.hpp"

#include <map>

namespace lethe::session::testing {
namespace {

using namespace std::chrono_literals;

struct SealedFilter : SessionFilter {
    std::shared_ptr<const keyring> ring;
    std::unique_ptr<revocations> revoked;
    std::unique_ptr<opened_cookies> known;
    bool with_store = false;
    std::map<std::string, std::string> cookies;  // the browser's

    void SetUp() override {
        options.mode = session_mode::sealed;
        options.session_bytes_max = 16384;
        options.patch_bytes_max = 65536;
        route.on_conflict = conflict_rule::last_writer_wins;
        use({{"k1", 'a'}});
    }
    void use(const std::vector<std::pair<std::string, char>>& ids,
             const std::vector<std::string>& retired = {}) {
        options.keys.clear();
        for (const auto& [id, of] : ids)
            options.keys.push_back({id, {}, secret(to_base64(std::string(key_bytes, of)))});
        ring = load_keyring(options.keys, retired).ring;
        build();
    }
    void build() {
        sessions = std::make_unique<engine>(store, time, *random, options, ring);
        revoked = std::make_unique<revocations>(store, time, options.revocation_delay);
        known = std::make_unique<opened_cookies>(opened_cookies_max);
        sealed_parts parts{.random = *random, .options = options, .keys = ring, .known = *known};
        if (with_store) {
            parts.stored = sessions.get();
            parts.revoked = revoked.get();
        }
        std::vector<std::unique_ptr<http::filter>> filters;
        filters.push_back(std::make_unique<sealed_filter>(std::move(parts), route, counts));
        filters.push_back(std::make_unique<keeper>());
        filters.push_back(std::make_unique<origin_stamp>());
        way = std::make_unique<http::chain>(std::move(filters), upstream);
    }
    void use_store() {
        with_store = true;
        build();
    }
    // As a browser keeps several cookies.
    answered visit(std::vector<std::pair<std::string, std::string>> fields = {}) {
        jar.clear();
        for (const auto& [name, value] : cookies)
            jar += (jar.empty() ? "" : "; ") + (name + "=" + value);
        const answered out = send(std::move(fields), false);
        for (const auto& [name, value] : out.fields) {
            if (!equal_ignoring_case(name, "Set-Cookie")) continue;
            const std::size_t equals = value.find('=');
            const std::string cookie = value.substr(0, equals);
            const std::string rest = value.substr(equals + 1);
            EXPECT_NE(rest.find("; Path=/; Secure; HttpOnly; SameSite=Lax"), std::string::npos);
            EXPECT_EQ(rest.find("Domain"), std::string::npos);
            if (rest.find("Max-Age=0") == std::string::npos)
                cookies[cookie] = rest.substr(0, rest.find(';'));
            else
                cookies.erase(cookie);
        }
        return out;
    }
    void merge(std::string_view json) { serve({patch_field(json, "merge")}); }
    answered keep_bytes(std::size_t bytes) {
        merge(R"({"cart":")" + std::string(bytes, 'x') + "\"}");
        return visit();
    }
    std::string shown() {
        serve({});
        const answered out = visit();
        if (out.status != 200) return std::to_string(out.status);
        if (!seen.slots) return "none";
        return *from_base64(std::string_view(*seen.slots).substr(1, seen.slots->size() - 2));
    }
    void log_in(const std::string& subject) {
        serve({{"Lethe-Session-Op", "bind;subject=\"" + subject + "\""}});
        EXPECT_EQ(visit().status, 200);
    }
    result<void> revoke(const std::string& subject) {
        return test::run(
            revoke_sealed(store, time, subject, options.absolute_ttl, steady_time::max()));
    }
};

TEST_F(SealedFilter, ASessionLivesInItsCookieAlone) {
    merge(R"({"cart":{"a":1}})");
    const answered made = visit();
    EXPECT_EQ(made.status, 200);
    EXPECT_EQ(made.field("Cache-Control"), "no-store");
    EXPECT_EQ(cookies.size(), 1U);
    EXPECT_TRUE(cookies.contains("__Host-lethe"));
    EXPECT_EQ(shown(), R"({"cart":{"a":1}})");
    EXPECT_FALSE(seen.cookie);
    ASSERT_TRUE(seen.session);
    EXPECT_EQ(seen.version, "1");
    const std::string pseudonym = seen.session->pseudonym;
    merge(R"({"cart":{"b":2}})");
    visit();
    EXPECT_EQ(shown(), R"({"cart":{"a":1,"b":2}})");
    EXPECT_EQ(seen.session->pseudonym, pseudonym);
    EXPECT_EQ(seen.version, "2");
    EXPECT_TRUE(records->live.empty());
    EXPECT_EQ(counts.created.value(), 1U);
    EXPECT_EQ(counts.changed.value(), 1U);
}

TEST_F(SealedFilter, ACookieThatWasOpenedIsKnownUntilItIsOver) {
    merge(R"({"cart":{"a":1}})");
    visit();
    const std::string cookie = cookies.begin()->second;
    EXPECT_EQ(known->find(cookie), nullptr);
    EXPECT_EQ(shown(), R"({"cart":{"a":1}})");
    ASSERT_NE(known->find(cookie), nullptr);
    const std::shared_ptr<opened_cookie> opened = *known->find(cookie);
    EXPECT_EQ(opened->texts.size(), 1U);
    EXPECT_EQ(shown(), R"({"cart":{"a":1}})");
    EXPECT_EQ(opened->texts.size(), 1U) << "made once";
    time.advance(options.idle_ttl);
    EXPECT_EQ(shown(), "none") << "it is over all the same";

    cookies[options.cookie_name] = cookie + "x";
    EXPECT_EQ(shown(), "none");
    EXPECT_EQ(known->find(cookie + "x"), nullptr) << "what does not open is not kept";
}

TEST_F(SealedFilter, ARequestThatChangesNothingSetsNoCookie) {
    keep_bytes(100);
    serve({{"Cache-Control", "max-age=60"}});
    const answered read = visit();
    EXPECT_FALSE(read.field("Set-Cookie"));
    EXPECT_EQ(read.field("Cache-Control"), "max-age=60");
    cookies.clear();
    EXPECT_FALSE(visit().field("Set-Cookie"));
    merge(R"({"cart":null})");
    EXPECT_FALSE(visit().field("Set-Cookie"));
}

// "touch: only if last_seen is older than max(60 s, 5 % of idle TTL)"
TEST_F(SealedFilter, TheCookieIsRenewedByTheTouchRuleOnly) {
    keep_bytes(10);
    const std::string first = cookies["__Host-lethe"];
    time.advance(89s);
    EXPECT_EQ(shown().size(), 21U);
    EXPECT_EQ(cookies["__Host-lethe"], first);
    time.advance(1s);  // 5 % of 30 min
    shown();
    EXPECT_NE(cookies["__Host-lethe"], first);
    EXPECT_EQ(seen.version, "1");
    EXPECT_EQ(counts.touches.value(), 1U);
}

TEST_F(SealedFilter, EndsWhenIdleAndAtItsAbsoluteExpiry) {
    keep_bytes(10);
    time.advance(30min);
    EXPECT_EQ(shown(), "none");
    EXPECT_TRUE(cookies.empty());
    EXPECT_EQ(counts.cookies_cleared.value(), 1U);
    keep_bytes(10);
    for (int i = 0; i < 24 * 4 - 1; ++i) {
        time.advance(15min);
        EXPECT_NE(shown(), "none");
    }
    time.advance(15min);
    EXPECT_EQ(shown(), "none");
    // A shorter limit holds at once.
    keep_bytes(10);
    time.advance(5min);
    options.absolute_ttl = 5min;
    options.idle_ttl = 5min;
    build();
    EXPECT_EQ(shown(), "none");
}

TEST_F(SealedFilter, StaleCookiesGoWhenTheSessionShrinks) {
    EXPECT_EQ(keep_bytes(8000).status, 200);
    EXPECT_EQ(cookies.size(), 3U);
    EXPECT_EQ(shown().size(), 8011U);
    EXPECT_FALSE(seen.cookie);
    keep_bytes(4000);
    EXPECT_EQ(cookies.size(), 2U);
    EXPECT_TRUE(cookies.contains("__Host-lethe-1"));
    keep_bytes(1);
    EXPECT_EQ(cookies.size(), 1U);
    EXPECT_EQ(shown(), R"({"cart":"x"})");
}

TEST_F(SealedFilter, MixedAndForeignCookiesAreNoSessionAndAreCleared) {
    keep_bytes(8000);
    const auto first = cookies;
    keep_bytes(7999);
    const auto second = cookies;
    for (const auto& [name, value] : first) {
        cookies = second;
        cookies[name] = value;
        EXPECT_EQ(shown(), "none") << name;
        EXPECT_FALSE(seen.cookie);
        EXPECT_TRUE(cookies.empty());
        cookies = second;
        cookies.erase(name);
        EXPECT_EQ(shown(), "none") << name;
        EXPECT_TRUE(cookies.empty());
    }
    cookies = {{"__Host-lethe", "v1-1.k1.AAAA"}, {"theme", "dark"}};
    EXPECT_EQ(shown(), "none");
    EXPECT_EQ(seen.cookie, "theme=dark");
    EXPECT_EQ(cookies.size(), 1U);
    cookies = {{"__Host-lethe", std::string(43, 'A')}};  // a ticket, and there is no store
    EXPECT_EQ(shown(), "none");
    EXPECT_TRUE(cookies.empty());
}

TEST_F(SealedFilter, AboveThreeCookiesWithoutAStoreItIsA413ThatSaysWhatToDo) {
    keep_bytes(8000);
    const auto before = cookies;
    const answered refused = keep_bytes(9000);
    EXPECT_EQ(refused.status, 413);
    EXPECT_EQ(refused.problem, "session-too-large");
    EXPECT_NE(refused.body.find("configure a store"), std::string::npos) << refused.body;
    EXPECT_EQ(cookies, before);
    EXPECT_EQ(shown().size(), 8011U);
}

TEST_F(SealedFilter, AboveThreeCookiesItMovesToTheStore) {
    use_store();
    keep_bytes(8000);
    log_in("u42");
    EXPECT_EQ(keep_bytes(9000).status, 200);
    EXPECT_EQ(counts.moves_to_store.value(), 1U);
    EXPECT_EQ(cookies.size(), 1U);  // the others were forgotten
    EXPECT_EQ(records->live.size(), 1U);
    EXPECT_EQ(records->live.begin()->second.subject, "u42");
    EXPECT_EQ(shown().size(), 9011U);
    EXPECT_EQ(seen.session->subject, "u42");
    EXPECT_EQ(seen.version, "3");
    merge(R"({"cart":{"a":1}})");
    visit();
    EXPECT_EQ(shown(), R"({"cart":{"a":1}})");
    serve({{"Lethe-Session-Op", "destroy"}});
    visit();
    EXPECT_TRUE(cookies.empty());
}

TEST_F(SealedFilter, AMoveThatTheStoreRefusesChangesNothing) {
    use_store();
    keep_bytes(8000);
    const auto before = cookies;
    store.plan = [](int) { return fault::refused; };
    EXPECT_EQ(keep_bytes(9000).problem, "session-unavailable");
    store.plan = nullptr;
    EXPECT_EQ(cookies, before);
    EXPECT_EQ(shown().size(), 8011U);
}

TEST_F(SealedFilter, LoginLogoutAndRegeneration) {
    keep_bytes(10);
    shown();
    const std::string anonymous = seen.session->pseudonym;
    const auto planted = cookies;
    log_in("u42");
    EXPECT_EQ(shown(), R"({"cart":"xxxxxxxxxx"})");
    EXPECT_EQ(seen.session->subject, "u42");
    EXPECT_NE(seen.session->pseudonym, anonymous);
    const std::string user = seen.session->pseudonym;
    // Who planted the cookie before the login has what was in it, and is nobody.
    const auto own = cookies;
    cookies = planted;
    shown();
    EXPECT_EQ(seen.session->subject, "");
    EXPECT_EQ(seen.session->pseudonym, anonymous);
    cookies = own;
    serve({{"Lethe-Session-Op", "regenerate"}});
    visit();
    EXPECT_NE(cookies, own);
    shown();
    EXPECT_EQ(seen.session->pseudonym, user);
    serve({{"Lethe-Session-Op", "destroy"}});
    visit();
    EXPECT_TRUE(cookies.empty());
    EXPECT_EQ(shown(), "none");
    EXPECT_EQ(counts.destroyed.value(), 1U);
}

// "revocation by per-subject valid_after"
TEST_F(SealedFilter, ASubjectsSessionsAreRevokedThroughTheStore) {
    use_store();
    keep_bytes(10);
    log_in("u42");
    const auto stolen = cookies;
    EXPECT_NE(shown(), "none");
    ASSERT_TRUE(revoke("u42").has_value());
    EXPECT_NE(shown(), "none");  // known for at most revocation_delay
    time.advance(options.revocation_delay);
    EXPECT_EQ(shown(), "none");
    EXPECT_TRUE(cookies.empty());
    EXPECT_EQ(counts.loads_revoked.value(), 1U);
    // Others' stay, and the subject may log in again.
    log_in("eve");
    EXPECT_NE(shown(), "500");
    EXPECT_EQ(seen.session->subject, "eve");
    cookies.clear();
    log_in("u42");
    shown();
    EXPECT_EQ(seen.session->subject, "u42");
    // The store may take its time: a renewed copy of the old cookie is still over.
    time.advance(20min);
    cookies = stolen;
    EXPECT_EQ(shown(), "none");
}

TEST_F(SealedFilter, WithoutDelayARevocationHoldsAtOnce) {
    options.revocation_delay = 0ms;
    use_store();
    log_in("u42");
    EXPECT_NE(shown(), "none");
    ASSERT_TRUE(revoke("u42").has_value());
    time.jump_system(-1s);  // another gateway's clock is behind: the later instant stays
    ASSERT_TRUE(revoke("u42").has_value());
    time.jump_system(1s);
    EXPECT_EQ(shown(), "none");
}

TEST_F(SealedFilter, WhetherASessionWasRevokedIsNotGuessedWhileTheStoreIsAway) {
    options.revocation_delay = 0ms;
    use_store();
    log_in("u42");
    store.plan = [](int) { return fault::refused; };
    EXPECT_EQ(shown(), "503");
    EXPECT_FALSE(cookies.empty());
    route.write = {};
    route.when_store_down = store_down_rule::anonymous;
    build();
    EXPECT_EQ(shown(), "none");
    EXPECT_FALSE(cookies.empty());
    store.plan = nullptr;
    EXPECT_EQ(shown(), "{}");
}

// "carts refused in this mode because the browser is last-write-wins"
TEST_F(SealedFilter, OperationsAreRefused) {
    serve_ops(R"([{"op":"inc","path":"/cart/count"}])");
    const answered refused = visit();
    EXPECT_EQ(refused.status, 502);
    EXPECT_EQ(refused.problem, "session-operations-refused");
    EXPECT_NE(refused.body.find("mode: stored"), std::string::npos);
    EXPECT_TRUE(cookies.empty());
}

TEST_F(SealedFilter, ARouteThatWritesSaysThatTheLastWriterWins) {
    route_options cart;
    cart.write = {"cart"};
    EXPECT_NE(find_mistake(cart, options)->find("no place for carts"), std::string::npos);
    EXPECT_FALSE(find_mistake(cart, settings{}));
    cart.on_conflict = conflict_rule::last_writer_wins;
    EXPECT_FALSE(find_mistake(cart, options));
    EXPECT_FALSE(find_mistake(route_options{}, options));
    options.keys.clear();
    EXPECT_TRUE(find_mistake(options));
}

// A replay does not bring the first answer's cookies: its change is made in the cookies that the
// caller has, once.
TEST_F(SealedFilter, AReplayMakesItsChangeOnceInTheCookiesThatTheCallerHas) {
    keep_bytes(1);
    const auto before = cookies;
    merge(R"({"cart":{"a":1}})");
    EXPECT_EQ(visit({{"Idempotency-Key", "k"}}).status, 200);
    const auto after = cookies;
    // The answer came: the change is there already.
    EXPECT_FALSE(visit({{"Idempotency-Key", "k"}}).field("Set-Cookie"));
    EXPECT_EQ(counts.replays_applied_before.value(), 1U);
    // It was lost: the caller still has the cookies from before.
    cookies = before;
    EXPECT_TRUE(visit({{"Idempotency-Key", "k"}}).field("Set-Cookie"));
    EXPECT_EQ(upstream.calls, 2);
    EXPECT_EQ(shown(), R"({"cart":{"a":1}})");
    // Another session is not changed by it.
    cookies.clear();
    keep_bytes(2);
    merge("{}");
    EXPECT_FALSE(visit({{"Idempotency-Key", "k"}}).field("Set-Cookie"));
    EXPECT_EQ(shown(), R"({"cart":"xx"})");
    EXPECT_EQ(counts.replays_of_another_session.value(), 1U);
    // Nor is what changed after the login undone.
    cookies = after;
    log_in("u42");
    EXPECT_FALSE(visit({{"Idempotency-Key", "k"}}).field("Set-Cookie"));
    EXPECT_EQ(seen.session->subject, "");
}

TEST_F(SealedFilter, AReplayOfTheAnswerThatMadeTheSession) {
    merge(R"({"cart":{"a":1}})");
    visit({{"Idempotency-Key", "k"}});
    cookies.clear();
    visit({{"Idempotency-Key", "k"}});
    EXPECT_EQ(upstream.calls, 1);
    EXPECT_EQ(shown(), R"({"cart":{"a":1}})");
}

TEST_F(SealedFilter, KeysAreChangedWhileSessionsLive) {
    keep_bytes(1);
    use({{"k2", 'b'}, {"k1", 'a'}});
    EXPECT_EQ(shown(), R"({"cart":"x"})");
    EXPECT_NE(cookies["__Host-lethe"].find(".k1."), std::string::npos);
    time.advance(2min);
    shown();
    EXPECT_NE(cookies["__Host-lethe"].find(".k2."), std::string::npos);
    use({{"k3", 'c'}});
    EXPECT_EQ(shown(), "503");
    EXPECT_FALSE(cookies.empty());
    use({{"k3", 'c'}}, {"k2"});
    EXPECT_EQ(shown(), "none");
    EXPECT_TRUE(cookies.empty());
}

TEST_F(SealedFilter, NonsenseFromTheServiceIsA502AndTheServiceHasNoSayInTheCookies) {
    keep_bytes(1);
    serve({{"Lethe-Session-Patch", "x"}});
    EXPECT_EQ(visit().problem, "session-patch-malformed");
    serve({patch_field(R"({"user":1})", "merge")});
    EXPECT_EQ(visit().problem, "session-slot-forbidden");
    serve({{"Set-Cookie", "__Host-lethe=evil"},
           {"Set-Cookie", "__Host-lethe-2=evil"},
           {"Set-Cookie", "__Host-lethe-3=mine; Path=/; Secure; HttpOnly; SameSite=Lax"}});
    visit();
    EXPECT_EQ(cookies.size(), 2U);
    EXPECT_TRUE(cookies.contains("__Host-lethe-3"));
    EXPECT_EQ(shown(), R"({"cart":"x"})");
    EXPECT_EQ(seen.cookie, "__Host-lethe-3=mine");
}

TEST_F(SealedFilter, ARouteMayRequireASession) {
    route.required = true;
    build();
    serve({});
    EXPECT_EQ(visit().problem, "session-required");
}

}  // namespace
}  // namespace lethe::session::testing
