// Sessions as HTTP sees them: cookies, the Lethe-Session* fields, problems.
#include "http/structured.hpp"
#include "session/filter_world.hpp"

namespace lethe::session::testing {
namespace {

// --- "the slots that the route declares", also where what was shown before is kept

TEST_F(SessionFilter, RoutesOfOneSessionShowTheirOwnSlotsAndNames) {
    serve_ops(R"([{"op":"inc","path":"/cart/count"}])");
    send();
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
    const std::string name = seen.session->pseudonym;
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})") << "from what was kept";
    EXPECT_EQ(seen.session->pseudonym, name);

    // Further routes of the same engine, more than texts are kept for one session.
    for (const std::string service : {"billing", "search", "shop", "billing"}) {
        route_options other = route;
        other.service = service;
        other.read = {"user"};
        std::vector<std::unique_ptr<http::filter>> filters;
        filters.push_back(std::make_unique<filter>(*sessions, other, counts, urls, turn_queue));
        way = std::make_unique<http::chain>(std::move(filters), upstream);
        EXPECT_EQ(slots(), "{}") << service;
        EXPECT_EQ(seen.session->pseudonym == name, service == "shop") << service;
    }
    // Another gateway changes it.
    engine elsewhere{store, time, *random, options, keys};
    const ticket holder = *ticket::parse(jar.substr(jar.find('=') + 1));
    change more;
    more.edit = *patch::parse(patch_type::merge, R"({"user":"Ada"})", 8192);
    more.relies_on = basis::any;
    more.writable = {"user"};
    const std::optional<view> now = *test::run(elsewhere.load(holder, steady_time::max()));
    ASSERT_TRUE(test::run(elsewhere.commit(now, more, steady_time::max())).has_value());
    EXPECT_EQ(slots(), R"({"user":"Ada"})");
}

// --- "Cookie: __Host-lethe, Secure, HttpOnly, SameSite=Lax, Path=/, no Domain, 128-bit id +
// 128-bit secret"

TEST_F(SessionFilter, ACreatedSessionHandsOutItsCookie) {
    serve_ops(R"([{"op":"inc","path":"/cart/count"}])");
    const answered answer = send();
    EXPECT_EQ(answer.status, 200);
    const std::string cookie = *answer.field("Set-Cookie");
    EXPECT_EQ(cookie.substr(0, 13), "__Host-lethe=");
    // 128-bit id, 128-bit secret, and the version floor.
    EXPECT_EQ(cookie.substr(13 + 64), "; Path=/; Secure; HttpOnly; SameSite=Lax");
    EXPECT_EQ(from_base64url(cookie.substr(13, 64))->size(), 16U + 16U + 16U);
    EXPECT_EQ(answer.field("Cache-Control"), "no-store");
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
    EXPECT_EQ(counts.created.value(), 1U);
    EXPECT_FALSE(send().field("Set-Cookie"));
    EXPECT_FALSE(send().field("Cache-Control"));
}

TEST_F(SessionFilter, AReadOnlyRequestMakesNoSession) {
    serve({{"Cache-Control", "max-age=60"}});
    const answered answer = send();
    EXPECT_FALSE(answer.field("Set-Cookie"));
    EXPECT_EQ(answer.field("Cache-Control"), "max-age=60");
    EXPECT_FALSE(seen.id);
    EXPECT_FALSE(seen.slots);
    EXPECT_FALSE(seen.session);
    EXPECT_TRUE(records->live.empty());
}

TEST_F(SessionFilter, WithoutSecureForDevelopmentTheCookieHasAnotherName) {
    options.cookie_secure = false;
    options.cookie_name = "lethe";
    rebuild();
    serve_ops(R"([{"op":"inc","path":"/cart/count"}])");
    const std::string cookie = *send().field("Set-Cookie");
    EXPECT_EQ(cookie.find("Secure"), std::string::npos);
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
}

// --- "Never forwarded upstream."

TEST_F(SessionFilter, TheCookieStaysAtTheGatewayAndTheOthersGoOn) {
    make_cart();
    const std::string ours = jar;
    serve({});
    for (const std::string& cookies :
         {ours + "; a=1; b=2", "a=1; " + ours + "; b=2", "a=1;  b=2 ;" + ours}) {
        jar = cookies;
        send();
        EXPECT_EQ(seen.cookie, "a=1; b=2") << cookies;
        EXPECT_EQ(seen.version, "1");
    }
    jar = ours;
    send();
    EXPECT_FALSE(seen.cookie);
    jar = "a=1";
    send({{"Cookie", ours}, {"Cookie", "b=2; " + ours}});
    EXPECT_EQ(seen.cookie, "a=1; b=2");
    EXPECT_EQ(seen.version, "1");
    // Untouched where ours is not there.
    jar = "a=1;b=2";
    send();
    EXPECT_EQ(seen.cookie, "a=1;b=2");
}

// Two of them, in one field or in several: the first counts, as servers have it (RFC 6265 has no
// word on it; with __Host- browsers keep one alone). Both stay at the gateway.
TEST_F(SessionFilter, OfTwoSessionCookiesTheFirstCountsAndNoneGoesOn) {
    make_cart();
    const std::string ours = jar;
    const std::string foreign = "__Host-lethe=" + std::string(43, 'A');
    serve({});
    jar = ours + "; a=1; " + foreign;
    send();
    EXPECT_EQ(seen.version, "1");
    EXPECT_EQ(seen.cookie, "a=1");
    jar = foreign + "; a=1; " + ours;
    send();
    EXPECT_FALSE(seen.version);
    EXPECT_EQ(seen.cookie, "a=1");
    jar = "a=1";
    send({{"Cookie", foreign}, {"Cookie", ours}});
    EXPECT_FALSE(seen.version);
    EXPECT_EQ(seen.cookie, "a=1");
}

TEST_F(SessionFilter, AQuotedCookieIsNotOursAndStaysAtTheGatewayAllTheSame) {
    make_cart();
    const std::string value = jar.substr(13);
    serve({});
    for (const std::string& cookies :
         {"__Host-lethe=\"" + value + "\"; a=1", "a=1; __Host-lethe = " + value,
          std::string("a=1; __Host-lethe"),
          "__Host-lethe-1=" + value + "; a=1; __Host-lethe-2=\"\""}) {
        jar = cookies;
        send();
        EXPECT_FALSE(seen.version) << cookies;
        EXPECT_EQ(seen.cookie, "a=1") << cookies;
    }
    // Another cookie whose value looks like ours, or whose name only begins like it.
    jar = "b=\"__Host-lethe=" + value + "\"; __Host-lethe-3=x; __Host-lethes=y";
    const std::string others = jar;
    send();
    EXPECT_EQ(seen.cookie, others);
}

TEST_F(SessionFilter, ForeignAndMalformedCookiesAreNoSession) {
    serve({});
    for (const std::string& value :
         {std::string("x"), std::string(43, 'A'), std::string(5000, 'A'), std::string()}) {
        jar = "__Host-lethe=" + value;
        const answered answer = send();
        EXPECT_EQ(answer.status, 200);
        EXPECT_FALSE(seen.id);
        EXPECT_FALSE(seen.cookie);
        EXPECT_FALSE(answer.field("Set-Cookie"));
    }
    EXPECT_EQ(counts.loads_malformed.value(), 3U);
    EXPECT_EQ(counts.loads_missing.value(), 1U);
}

TEST_F(SessionFilter, ARightIdWithAWrongSecretIsNoSession) {
    make_cart();
    std::string bytes = from_base64url(jar.substr(13))->substr(0, 32);
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    jar = "__Host-lethe=" + to_base64url(bytes);
    serve({});
    EXPECT_EQ(send().status, 200);
    EXPECT_FALSE(seen.id);
    EXPECT_EQ(counts.loads_not_opened.value(), 1U);
}

TEST_F(SessionFilter, TheServiceHasNoSayInTheCookie) {
    serve({{"Set-Cookie", "__Host-lethe=evil; Path=/"}, {"Set-Cookie", "a=1"}});
    const answered answer = send();
    ASSERT_EQ(answer.fields.size(), 1U);
    EXPECT_EQ(answer.field("Set-Cookie"), "a=1");
}

// --- "Gateway strips inbound Lethe-*, then adds"

TEST_F(SessionFilter, TheServiceSeesIdVersionAndAllowedSlots) {
    make_cart();
    serve({});
    send({{"Lethe-Session", ":forged:"},
          {"lethe-session-id", "\"forged\""},
          {"Lethe-Session-Version", "99"}});
    ASSERT_TRUE(seen.session);
    EXPECT_EQ(seen.id, '"' + seen.session->pseudonym + '"');
    EXPECT_EQ(seen.version, "1");
    EXPECT_EQ(seen.slots, ":" + to_base64(R"({"cart":{"count":1}})") + ":");
    EXPECT_EQ(jar.find(seen.session->pseudonym), std::string::npos);
    for (const std::string& field : {*seen.id, *seen.version, *seen.slots})
        EXPECT_TRUE(http::structured::parse_item(field).has_value()) << field;

    route.read = {"user"};
    rebuild();
    EXPECT_EQ(slots(), "{}");
    route.read = {};
    rebuild();
    EXPECT_EQ(slots(), "none");
    EXPECT_TRUE(seen.id);
    route.service = "mail";
    const std::string before = seen.session->pseudonym;
    rebuild();
    slots();
    EXPECT_NE(seen.session->pseudonym, before);
}

// --- "committed before response headers go out = read-your-writes"

TEST_F(SessionFilter, WhatAnAnswerChangedTheNextRequestSees) {
    make_cart();
    for (int i = 2; i < 6; ++i) {
        serve_ops(R"([{"op":"inc","path":"/cart/count"}])");
        EXPECT_EQ(send().status, 200);
        EXPECT_EQ(slots(), R"({"cart":{"count":)" + std::to_string(i) + "}}");
    }
}

TEST_F(SessionFilter, AllPatchTypesAndSpellingsWork) {
    make_cart();
    serve({patch_field(R"({"cart":{"note":"x"}})", "merge")});
    EXPECT_EQ(send().status, 200);
    serve({patch_field(
        R"([{"op":"test","path":"/cart/note","value":"x"},{"op":"remove","path":"/cart/note"}])",
        "\"json-patch\"")});
    EXPECT_EQ(send().status, 200);
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
}

// An answer is the service's word whatever its status.
TEST_F(SessionFilter, AChangeIsMadeWhateverTheStatus) {
    make_cart();
    for (const int status : {302, 404, 422, 500}) {
        serve({patch_field(R"([{"op":"inc","path":"/cart/count"}])", "ops")}, status);
        EXPECT_EQ(send().status, status);
    }
    EXPECT_EQ(slots(), R"({"cart":{"count":5}})");
}

// --- what the upstream may not do

TEST_F(SessionFilter, NonsenseFromTheServiceIsA502AndChangesNothing) {
    make_cart();
    const std::string good = patch_field("{}", "merge").second;
    const std::vector<std::vector<std::pair<std::string, std::string>>> nonsense = {
        {{"Lethe-Session-Patch", "{}"}},
        {{"Lethe-Session-Patch", ":e30=:"}},
        {{"Lethe-Session-Patch", ":e30=:;type=xml"}},
        {{"Lethe-Session-Patch", "\"{}\";type=merge"}},
        {{"Lethe-Session-Patch", ":e30:;type=merge"}, {"Lethe-Session-If", "sometimes"}},
        {patch_field("{", "merge")},
        {patch_field("[]", "merge")},
        {patch_field(R"([{"op":"drop","path":"/cart"}])", "ops")},
        {patch_field(R"([{"op":"remove","path":"/cart/none"}])", "json-patch")},
        {patch_field(R"({"cart":")" + std::string(9000, 'x') + R"("})", "merge")},
        {{"Lethe-Session-Patch", good}, {"Lethe-Session-Patch", good}},
        {{"Lethe-Session-Op", "explode"}},
        {{"Lethe-Session-Op", "bind"}},
        {{"Lethe-Session-Op", "bind;subject=u42"}},
        {{"Lethe-Session-Op", "bind;subject=\"\""}},
        {{"Lethe-Session-Op", "bind;subject=\"" + std::string(600, 'x') + "\""}},
        {{"Lethe-Session-Op", "(regenerate)"}},
        {{"Lethe-Session-Op", "regenerate,"}},
    };
    for (const auto& fields : nonsense) {
        serve(fields, 201);
        const answered answer = send();
        EXPECT_EQ(answer.status, 502) << fields.front().second;
        EXPECT_EQ(answer.problem, "session-patch-malformed") << fields.front().second;
        EXPECT_FALSE(answer.field("Set-Cookie"));
    }
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
    EXPECT_EQ(seen.version, "1");
}

TEST_F(SessionFilter, ASlotTheRouteMayNotWriteIsA502) {
    make_cart();
    serve({patch_field(R"({"user":{"admin":true}})", "merge")});
    EXPECT_EQ(send().problem, "session-slot-forbidden");
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
    EXPECT_EQ(counts.refused_forbidden.value(), 1U);
}

TEST_F(SessionFilter, ASessionThatWouldBeTooLargeIsA413) {
    make_cart();
    serve({patch_field(R"({"cart":")" + std::string(5000, 'x') + R"("})", "merge")});
    const answered answer = send();
    EXPECT_EQ(answer.status, 413);
    EXPECT_EQ(answer.problem, "session-too-large");
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
}

// --- "Conflict … 409 (default for unsafe methods) | lww"

TEST_F(SessionFilter, AConflictIsA409AndTheAnswerIsDropped) {
    make_cart();
    const auto between = [this](std::vector<std::pair<std::string, std::string>> fields) {
        return [this, fields](http::exchange& x) {
            // While this request runs, another one changes the cart.
            arena memory;
            http::exchange other(memory, time);
            other.request.header.add("Cookie", jar);
            const auto outer = std::exchange(upstream.answer, [](http::exchange& y) {
                y.response.status = 200;
                const auto field = patch_field(R"({"cart":{"count":7}})", "merge");
                y.response.header.add(field.first, field.second);
            });
            EXPECT_TRUE(test::run(way->handle(other)).has_value());
            upstream.answer = outer;
            x.response.status = 201;
            x.response.header.add("Location", "/orders/1");
            for (const auto& [name, value] : fields) x.response.header.add(name, value);
        };
    };
    upstream.answer = between({patch_field(R"({"cart":{"count":2}})", "merge")});
    const answered refused = send();
    EXPECT_EQ(refused.status, 409);
    EXPECT_EQ(refused.problem, "session-conflict");
    EXPECT_FALSE(refused.field("Location"));
    EXPECT_NE(
        refused.body.find("The service answered with status 201. The session was not changed"),
        std::string::npos);
    EXPECT_EQ(slots(), R"({"cart":{"count":7}})");
    EXPECT_EQ(counts.conflicts_slot.value(), 1U);

    upstream.answer = between({patch_field(R"([{"op":"inc","path":"/cart/count"}])", "ops")});
    EXPECT_EQ(send().status, 201);
    EXPECT_EQ(slots(), R"({"cart":{"count":8}})");

    upstream.answer =
        between({patch_field(R"({"cart":{"count":2}})", "merge"), {"Lethe-Session-If", "any"}});
    EXPECT_EQ(send().status, 201);
    EXPECT_EQ(slots(), R"({"cart":{"count":2}})");

    upstream.answer = between({patch_field(R"([{"op":"inc","path":"/cart/count"}])", "ops"),
                               {"Lethe-Session-If", "version"}});
    EXPECT_EQ(send().problem, "session-conflict");
    EXPECT_EQ(counts.conflicts_version.value(), 1U);

    route.on_conflict = conflict_rule::last_writer_wins;
    rebuild();
    upstream.answer = between({patch_field(R"({"cart":{"count":3}})", "merge")});
    EXPECT_EQ(send().status, 201);
    EXPECT_EQ(slots(), R"({"cart":{"count":3}})");
}

TEST_F(SessionFilter, AnIncrementBeyondItsBoundIsAConflict) {
    make_cart();
    serve_ops(R"([{"op":"inc","path":"/cart/count","max":1}])");
    EXPECT_EQ(send().problem, "session-conflict");
    EXPECT_EQ(counts.conflicts_bound.value(), 1U);
}

// --- "Lethe-Session-Op: regenerate | destroy | bind;subject="u42""

TEST_F(SessionFilter, DestroyEndsTheSessionAndExpiresTheCookie) {
    make_cart();
    const std::string before = jar;
    serve({{"Lethe-Session-Op", "destroy"}});
    const answered answer = send();
    EXPECT_EQ(answer.field("Set-Cookie"),
              "__Host-lethe=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
    EXPECT_TRUE(jar.empty());
    jar = before;
    EXPECT_EQ(slots(), "none");
    // Also for a cookie whose session is long gone; not where there was none.
    serve({{"Lethe-Session-Op", "destroy"}});
    jar = before;
    EXPECT_TRUE(send().field("Set-Cookie"));
    EXPECT_FALSE(send().field("Set-Cookie"));
}

TEST_F(SessionFilter, RegenerateHandsOutANewCookieForTheSameSession) {
    make_cart();
    const std::string before = jar;
    slots();
    const std::string id = *seen.id;
    serve({{"Lethe-Session-Op", "regenerate"}});
    EXPECT_TRUE(send().field("Set-Cookie"));
    EXPECT_NE(jar, before);
    const std::string after = jar;
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
    EXPECT_EQ(seen.id, id);
    // Whose answer with the new cookie was lost gets it again by the old one.
    jar = before;
    serve({});
    EXPECT_EQ(send().field("Set-Cookie")->substr(0, after.size()), after);
}

TEST_F(SessionFilter, BindLogsInWithANewCookieAndASubject) {
    make_cart();
    const std::string before = jar;
    serve({{"Lethe-Session-Op", "regenerate, bind;subject=\"u42\""}});
    EXPECT_TRUE(send().field("Set-Cookie"));
    const std::string after = jar;
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
    EXPECT_EQ(seen.session->subject, "u42");
    jar = before;
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
    EXPECT_EQ(seen.session->subject, "");
    EXPECT_EQ(jar, before);  // the old ticket does not lead inside
    serve_ops(R"([{"op":"inc","path":"/cart/count"}])");
    EXPECT_EQ(send().problem, "session-conflict");
    jar = after;
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
}

TEST_F(SessionFilter, BindWithoutASessionMakesOne) {
    serve({{"Lethe-Session-Op", "bind;subject=\"u42\""}});
    EXPECT_TRUE(send().field("Set-Cookie"));
    EXPECT_EQ(slots(), "{}");
    EXPECT_EQ(seen.session->subject, "u42");
}

// --- "Store down: 503 by default; anonymous allowed for read routes; never a silent in-process
// copy."

TEST_F(SessionFilter, WithoutTheStoreARequestWithASessionIsRefusedBeforeTheServiceIsAsked) {
    make_cart();
    const int calls = upstream.calls;
    store.plan = [](int) { return fault::refused; };
    const answered answer = send();
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(answer.problem, "session-unavailable");
    EXPECT_EQ(answer.field("Retry-After"), "1");
    EXPECT_EQ(upstream.calls, calls);
    EXPECT_EQ(counts.loads_failed.value(), 1U);
}

TEST_F(SessionFilter, WithoutTheStoreARequestWithoutASessionIsServed) {
    store.plan = [](int) { return fault::refused; };
    serve({});
    EXPECT_EQ(send().status, 200);
}

TEST_F(SessionFilter, AReadRouteMayServeAnonymouslyWhileTheStoreIsAway) {
    make_cart();
    route.write.clear();
    route.when_store_down = store_down_rule::anonymous;
    rebuild();
    store.plan = [](int) { return fault::refused; };
    serve({});
    EXPECT_EQ(send().status, 200);
    EXPECT_FALSE(seen.id);
    EXPECT_FALSE(seen.session);
    serve({{"Lethe-Session-Op", "destroy"}});
    EXPECT_EQ(send().problem, "session-unavailable");
    EXPECT_FALSE(jar.empty());
}

TEST_F(SessionFilter, AnAnswerWhoseChangeCannotBeStoredDoesNotGoOut) {
    make_cart();
    store.plan = [n = 0](int) mutable { return n++ == 0 ? fault::none : fault::refused; };
    serve({patch_field(R"([{"op":"inc","path":"/cart/count"}])", "ops"), {"Location", "/x"}}, 201);
    const answered refused = send();
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.problem, "session-unavailable");
    EXPECT_EQ(refused.field("Retry-After"), "1");
    EXPECT_FALSE(refused.field("Location"));
    store.plan = [n = 0](int) mutable { return n++ == 0 ? fault::none : fault::lost_before; };
    EXPECT_EQ(send().problem, "session-outcome-unknown");
    store.plan = nullptr;
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
}

TEST_F(SessionFilter, ADamagedRecordIsNotTakenForNoSession) {
    make_cart();
    records->live.begin()->second.value = "what is this";
    EXPECT_EQ(send().problem, "session-unavailable");
}

TEST_F(SessionFilter, ARouteMayRequireASession) {
    route.required = true;
    rebuild();
    const answered answer = send();
    EXPECT_EQ(answer.status, 403);
    EXPECT_EQ(answer.problem, "session-required");
    EXPECT_EQ(upstream.calls, 0);
    route.required = false;
    rebuild();
    make_cart();
    route.required = true;
    rebuild();
    EXPECT_EQ(slots(), R"({"cart":{"count":1}})");
}

// --- shared caches

TEST_F(SessionFilter, AnAnswerWithTheCookieIsKeptFromSharedCaches) {
    for (const auto& [theirs, expected] : std::vector<std::pair<std::string, std::string>>{
             {"public, max-age=60", "no-store"},
             {"s-maxage=5", "no-store"},
             {"Private, max-age=60", "Private, max-age=60"},
             {"no-store", "no-store"},
             {"max-age=60, x=\"private\"", "no-store"}}) {
        jar.clear();
        serve({patch_field(R"({"cart":1})", "merge"), {"Cache-Control", theirs}});
        EXPECT_EQ(send().field("Cache-Control"), expected) << theirs;
    }
}

}  // namespace
}  // namespace lethe::session::testing
