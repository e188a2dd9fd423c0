// What can happen to a session, row by row of the specification.
#include "base/bytes.hpp"
#include "session/engine_world.hpp"

namespace lethe::session::testing {
namespace {

using namespace std::chrono_literals;

// --- "Session-less first requests: create on first write only"

TEST_P(SessionEngine, IsCreatedByTheFirstWriteOnly) {
    const result<committed> nothing = commit(std::nullopt, change{});
    ASSERT_TRUE(nothing.has_value());
    EXPECT_EQ(nothing->what, effect::none);
    for (const std::string_view empty : {R"({"cart":null})", R"({})"}) {
        const result<committed> unchanged = commit(std::nullopt, merge(empty));
        ASSERT_TRUE(unchanged.has_value());
        EXPECT_FALSE(unchanged->hand_out);
    }
    change keyed = merge(R"({"cart":null})");
    keyed.operation = "op";
    EXPECT_EQ(commit(std::nullopt, keyed)->what, effect::none);
    change regenerate;
    regenerate.regenerate = true;
    EXPECT_EQ(commit(std::nullopt, regenerate)->what, effect::none);
    EXPECT_TRUE(records->live.empty());

    const ticket holder = make_cart();
    EXPECT_EQ(records->live.size(), 1U);
    EXPECT_EQ(slots(holder), R"({"cart":{"count":1}})");
    EXPECT_EQ(load(holder)->data().version, 1U);
}

TEST_P(SessionEngine, UnknownTicketsAreNoSessionAndAreNeverAdopted) {
    const ticket unknown = ticket::make(*random);
    EXPECT_FALSE(load(unknown));
    const ticket made = make_cart();
    EXPECT_NE(made.record_key(), unknown.record_key());
    EXPECT_FALSE(load(unknown));
}

// --- "Session = meta … + slots, each with its own version"

TEST_P(SessionEngine, EachSlotHasTheVersionOfItsLastChange) {
    const ticket holder = make_cart();
    ASSERT_TRUE(commit(load(holder), merge(R"({"wizard":{"step":1}})")).has_value());
    ASSERT_TRUE(commit(load(holder), merge(R"({"wizard":{"step":2}})")).has_value());
    const std::optional<view> now = load(holder);
    EXPECT_EQ(now->data().version, 3U);
    EXPECT_EQ(now->data().find("cart")->version, 1U);
    EXPECT_EQ(now->data().find("wizard")->version, 3U);
}

TEST_P(SessionEngine, AChangeOfNothingWritesNothing) {
    const ticket holder = make_cart();
    const int steps = store.steps;
    std::optional<view> seen = load(holder);
    const result<committed> same = commit(std::move(seen), merge(R"({"cart":{"count":1}})"));
    EXPECT_EQ(same->what, effect::none);
    EXPECT_EQ(store.steps, steps + 1);  // the read
    EXPECT_EQ(load(holder)->data().version, 1U);
}

// --- "Touch: only if last_seen is older than max(60 s, 5 % of idle TTL); conditional on existence;
// never changes data versions"

TEST_P(SessionEngine, IsTouchedWhenLastSeenLongEnoughAgo) {
    const ticket holder = make_cart();
    const system_time first = expiry(holder);
    const store::record_version version = records->live.at(holder.record_key()).version;
    time.advance(89s);  // 5 % of 30 min are 90 s
    EXPECT_FALSE(load(holder)->touched);
    EXPECT_EQ(expiry(holder), first);
    time.advance(1s);
    EXPECT_TRUE(load(holder)->touched);
    EXPECT_EQ(expiry(holder), first + 90s);
    EXPECT_FALSE(load(holder)->touched);
    EXPECT_EQ(records->live.at(holder.record_key()).version, version);
    EXPECT_EQ(load(holder)->data().version, 1U);
}

TEST_P(SessionEngine, TouchStepIsAtLeastAMinuteButNotMoreThanHalfTheIdleTtl) {
    settings options;
    options.idle_ttl = 10min;  // 5 % would be 30 s
    engine short_lived(store, time, *random, options);
    const result<committed> made =
        test::run(short_lived.commit(std::nullopt, merge(R"({"cart":1})"), forever));
    time.advance(59s);
    EXPECT_FALSE((*test::run(short_lived.load(*made->hand_out, forever)))->touched);
    time.advance(1s);
    EXPECT_TRUE((*test::run(short_lived.load(*made->hand_out, forever)))->touched);

    options.idle_ttl = 60s;
    engine brief(store, time, *random, options);
    const result<committed> other =
        test::run(brief.commit(std::nullopt, merge(R"({"cart":1})"), forever));
    for (int i = 0; i < 10; ++i) {  // used every 40 s it lives on
        time.advance(40s);
        ASSERT_TRUE(test::run(brief.load(*other->hand_out, forever))->has_value()) << i;
    }
}

TEST_P(SessionEngine, EndsWhenIdleAndAtItsAbsoluteExpiry) {
    const ticket idle = make_cart();
    time.advance(30min);
    EXPECT_FALSE(load(idle));

    const ticket busy = make_cart();
    const system_time end = time.system_now() + 24h;
    while (time.system_now() + 10min < end) {
        time.advance(10min);
        ASSERT_TRUE(load(busy));
        ASSERT_LE(expiry(busy), end);
    }
    time.advance(10min);
    EXPECT_FALSE(load(busy));
}

TEST_P(SessionEngine, TouchNeverRevivesADestroyedSession) {
    const ticket holder = make_cart();
    std::optional<view> seen = load(holder);
    time.advance(5min);  // the next load touches
    // The session is destroyed between the read and the touch of another request.
    scripted_store other_store{records, GetParam()};
    engine other(other_store, time, *random, settings{});
    store.steps = 0;
    store.plan = [&](int step) {
        if (step != 1) return fault::none;
        change destroy;
        destroy.destroy = true;
        EXPECT_EQ(test::run(other.commit(seen, destroy, forever))->what, effect::destroyed);
        return fault::none;
    };
    load(holder);
    store.plan = nullptr;
    EXPECT_FALSE(load(holder));
    EXPECT_EQ(commit(seen, merge(R"({"cart":2})")).error(), code(errc::ended));
    EXPECT_FALSE(load(holder));
}

TEST_P(SessionEngine, AFailedTouchDoesNotFailTheRequest) {
    const ticket holder = make_cart();
    time.advance(5min);
    store.steps = 0;
    store.plan = [](int step) { return step == 1 ? fault::refused : fault::none; };
    EXPECT_TRUE(load(holder));
}

// --- "Destroy: tombstone for 5 min; late writes fail."

TEST_P(SessionEngine, LateWritesToADestroyedSessionFail) {
    const ticket holder = make_cart();
    const std::optional<view> seen = load(holder);
    change destroy;
    destroy.destroy = true;
    EXPECT_EQ(commit(load(holder), destroy)->what, effect::destroyed);
    EXPECT_FALSE(load(holder));
    EXPECT_EQ(open(records->live.at(holder.record_key()).value, holder)->kind,
              record_kind::tombstone);
    EXPECT_EQ(expiry(holder), time.system_now() + 5min);

    for (const char* what : {"merge", "ops", "regenerate", "bind"}) {
        change late = std::string_view(what) == "ops"
                          ? ops(R"([{"op":"inc","path":"/cart/count"}])")
                          : merge(R"({"cart":9})");
        if (std::string_view(what) == "regenerate") late.regenerate = true;
        if (std::string_view(what) == "bind") late.subject = "u42";
        EXPECT_EQ(commit(seen, late).error(), code(errc::ended)) << what;
    }
    EXPECT_EQ(commit(seen, destroy)->what, effect::destroyed);  // twice is once
    time.advance(5min);
    EXPECT_EQ(commit(seen, merge(R"({"cart":9})")).error(), code(errc::ended));
    EXPECT_TRUE((records->drop_expired(), records->live.empty()));
}

TEST_P(SessionEngine, LateWritesToAnExpiredSessionFail) {
    const ticket holder = make_cart();
    const std::optional<view> seen = load(holder);
    time.advance(30min);
    EXPECT_EQ(commit(seen, ops(R"([{"op":"inc","path":"/cart/count"}])")).error(),
              code(errc::ended));
    EXPECT_FALSE(load(holder));
}

// --- "Regenerate: new id; old id is an alias for 10 s … at periodic rotation it maps to the new
// session"

TEST_P(SessionEngine, RotationKeepsTheSessionUnderANewTicketAndTheOldOneForTenSeconds) {
    const ticket old = make_cart();
    const std::string before = pseudonym(load(old)->data().identity, "shop");
    const std::optional<view> in_flight = load(old);
    change rotate = merge(R"({"wizard":1})");
    rotate.regenerate = true;
    const result<committed> done = commit(load(old), rotate);
    ASSERT_TRUE(done.has_value());
    EXPECT_EQ(done->what, effect::rotated);
    ASSERT_TRUE(done->hand_out);
    EXPECT_NE(done->hand_out->record_key(), old.record_key());
    EXPECT_EQ(slots(*done->hand_out), R"({"cart":{"count":1},"wizard":1})");
    EXPECT_EQ(pseudonym(load(*done->hand_out)->data().identity, "shop"), before);

    // By the old ticket: the new session, read and write, and its cookie.
    const std::optional<view> by_alias = load(old);
    ASSERT_TRUE(by_alias);
    EXPECT_TRUE(by_alias->moved);
    EXPECT_EQ(by_alias->holder.record_key(), done->hand_out->record_key());
    const result<committed> late = commit(in_flight, ops(R"([{"op":"inc","path":"/cart/count"}])"));
    ASSERT_TRUE(late.has_value());
    EXPECT_EQ(late->hand_out->record_key(), done->hand_out->record_key());
    EXPECT_EQ(slots(*done->hand_out), R"({"cart":{"count":2},"wizard":1})");

    // A second rotation under way at the same time leads to the same ticket.
    change again;
    again.regenerate = true;
    EXPECT_EQ(commit(in_flight, again)->hand_out->record_key(), done->hand_out->record_key());

    time.advance(10s);
    EXPECT_FALSE(load(old));
    EXPECT_TRUE(load(*done->hand_out));
}

TEST_P(SessionEngine, ATouchDoesNotProlongAnAlias) {
    const ticket old = make_cart();
    change rotate;
    rotate.regenerate = true;
    ASSERT_TRUE(commit(load(old), rotate).has_value());
    // A touch that was on its way when the ticket was rotated.
    ASSERT_TRUE(test::run(store.run(store::touch{old.record_key(), 30min}, forever))->done);
    time.advance(10s);
    EXPECT_FALSE(load(old));
}

TEST_P(SessionEngine, RotationKeepsTheAbsoluteExpiry) {
    const ticket old = make_cart();
    const system_time end = load(old)->data().absolute_expiry;
    time.advance(10min);
    change rotate;
    rotate.regenerate = true;
    const result<committed> done = commit(load(old), rotate);
    EXPECT_EQ(load(*done->hand_out)->data().absolute_expiry, end);
}

// --- "At login the alias keeps the pre-login snapshot and rights only"

TEST_P(SessionEngine, AtLoginTheOldTicketKeepsThePreLoginSnapshotOnly) {
    const ticket old = make_cart();
    const std::optional<view> in_flight = load(old);
    change login = merge(R"({"user":{"name":"Ada"}})");
    login.subject = "u42";
    const result<committed> done = commit(load(old), login);
    ASSERT_TRUE(done.has_value());
    EXPECT_EQ(done->what, effect::logged_in);
    const std::optional<view> inside = load(*done->hand_out);
    EXPECT_EQ(inside->data().subject, "u42");
    EXPECT_EQ(slots(*done->hand_out), R"({"cart":{"count":1},"user":{"name":"Ada"}})");
    EXPECT_NE(pseudonym(inside->data().identity, "shop"),
              pseudonym(in_flight->data().identity, "shop"));

    // Who fixed the old ticket sees what was there before, and changes nothing.
    const std::optional<view> outside = load(old);
    ASSERT_TRUE(outside);
    EXPECT_TRUE(outside->superseded());
    EXPECT_FALSE(outside->moved);
    EXPECT_EQ(outside->data().subject, "");
    EXPECT_EQ(slots(old), R"({"cart":{"count":1}})");
    for (const std::optional<view>& seen : {outside, in_flight}) {
        EXPECT_EQ(commit(seen, ops(R"([{"op":"inc","path":"/cart/count"}])")).error(),
                  code(errc::ended));
        change rotate;
        rotate.regenerate = true;
        EXPECT_EQ(commit(seen, rotate).error(), code(errc::ended));
    }
    change destroy;
    destroy.destroy = true;
    EXPECT_EQ(commit(outside, destroy)->what, effect::destroyed);
    EXPECT_FALSE(load(old));
    EXPECT_EQ(slots(*done->hand_out), R"({"cart":{"count":1},"user":{"name":"Ada"}})");
}

TEST_P(SessionEngine, TheLoginSnapshotLivesForTenSeconds) {
    const ticket old = make_cart();
    change login;
    login.subject = "u42";
    ASSERT_TRUE(commit(load(old), login).has_value());
    ASSERT_TRUE(test::run(store.run(store::touch{old.record_key(), 30min}, forever))->done);
    time.advance(9999ms);
    EXPECT_TRUE(load(old));
    time.advance(1ms);
    EXPECT_FALSE(load(old));
}

TEST_P(SessionEngine, ALoginWhoseAnswerWasLostCanBeDoneAgainWithTheOldTicket) {
    const ticket old = make_cart();
    change login = merge(R"({"user":{"name":"Ada"}})");
    login.subject = "u42";
    login.operation = "login-1";
    const result<committed> lost = commit(load(old), login);
    const result<committed> again = commit(load(old), login);
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->what, effect::logged_in);
    EXPECT_NE(again->hand_out->record_key(), lost->hand_out->record_key());
    EXPECT_EQ(slots(*again->hand_out), R"({"cart":{"count":1},"user":{"name":"Ada"}})");
    // With the new ticket it is a replay.
    EXPECT_EQ(commit(load(*again->hand_out), login)->what, effect::replayed);
}

TEST_P(SessionEngine, BindingTheSameSubjectChangesNothingUnlessTheTicketIsRegenerated) {
    change login;
    login.subject = "u42";
    const result<committed> first = commit(std::nullopt, login);
    ASSERT_EQ(first->what, effect::logged_in);
    const ticket holder = *first->hand_out;
    EXPECT_EQ(commit(load(holder), login)->what, effect::none);
    login.regenerate = true;
    const result<committed> again = commit(load(holder), login);
    EXPECT_EQ(again->what, effect::logged_in);
    EXPECT_TRUE(load(holder)->superseded());
    change other;
    other.subject = "u43";
    EXPECT_EQ(commit(load(*again->hand_out), other)->what, effect::logged_in);
}

TEST_P(SessionEngine, DestroyWinsOverAConcurrentRotation) {
    const ticket old = make_cart();
    const std::optional<view> in_flight = load(old);
    change rotate;
    rotate.regenerate = true;
    const result<committed> rotated = commit(load(old), rotate);
    change destroy;
    destroy.destroy = true;
    EXPECT_EQ(commit(in_flight, destroy)->what, effect::destroyed);
    EXPECT_FALSE(load(*rotated->hand_out));
    EXPECT_FALSE(load(old));
}

// A logout whose service thought for long: the ticket it came with was rotated and is no longer
// valid.
TEST_P(SessionEngine, DestroyFollowsARotationWhoseAliasIsOver) {
    const ticket old = make_cart();
    const std::optional<view> in_flight = load(old);
    change rotate;
    rotate.regenerate = true;
    const ticket rotated = *commit(load(old), rotate)->hand_out;
    time.advance(30s);
    EXPECT_FALSE(load(old));
    EXPECT_EQ(commit(in_flight, ops(R"([{"op":"inc","path":"/cart/count"}])")).error(),
              code(errc::ended));
    EXPECT_TRUE(load(rotated));
    change destroy;
    destroy.destroy = true;
    EXPECT_EQ(commit(in_flight, destroy)->what, effect::destroyed);
    EXPECT_FALSE(load(rotated));
}

// --- "Subject index … Every record of every kind carries subject"

TEST_P(SessionEngine, TheStoreFindsASubjectsSessions) {
    const ticket old = make_cart();
    change login;
    login.subject = "u42";
    const result<committed> done = commit(load(old), login);
    const auto page = test::run(store.list_subject("u42", "s:", "", 10, forever));
    EXPECT_EQ(page->keys, std::vector<std::string>{done->hand_out->record_key()});
    ASSERT_TRUE(commit(load(*done->hand_out), merge(R"({"cart":5})")).has_value());
    EXPECT_EQ(test::run(store.list_subject("u42", "s:", "", 10, forever))->keys.size(), 1U);
    change destroy;
    destroy.destroy = true;
    ASSERT_TRUE(commit(load(*done->hand_out), destroy).has_value());
    EXPECT_TRUE(test::run(store.list_subject("u42", "s:", "", 10, forever))->keys.empty());
}

// --- idempotency: "its effect on the session happens exactly once"

TEST_P(SessionEngine, AKeyedChangeTakesEffectOnceHoweverOftenItIsReplayed) {
    const ticket holder = make_cart();
    change keyed = ops(R"([{"op":"inc","path":"/cart/count"}])");
    keyed.operation = "operation-1";
    EXPECT_EQ(commit(load(holder), keyed)->what, effect::changed);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(commit(load(holder), keyed)->what, effect::replayed);
    EXPECT_EQ(slots(holder), R"({"cart":{"count":2}})");
    keyed.operation = "operation-2";
    EXPECT_EQ(commit(load(holder), keyed)->what, effect::changed);
    EXPECT_EQ(slots(holder), R"({"cart":{"count":3}})");
}

TEST_P(SessionEngine, AKeyedChangeThatChangedNothingStaysWithoutEffect) {
    const ticket holder = make_cart();
    change keyed = ops(R"([{"op":"put_if_absent","path":"/cart","value":5}])");
    keyed.operation = "operation-1";
    EXPECT_EQ(commit(load(holder), keyed)->what, effect::changed);
    ASSERT_TRUE(commit(load(holder), merge(R"({"cart":null,"wizard":1})")).has_value());
    EXPECT_EQ(commit(load(holder), keyed)->what, effect::replayed);
    EXPECT_EQ(slots(holder), R"({"wizard":1})");
}

TEST_P(SessionEngine, ASessionRemembersTheOperationThatMadeItAndTakesThemAlongToANewTicket) {
    change keyed = ops(R"([{"op":"inc","path":"/cart/count"}])");
    keyed.operation = "operation-1";
    const result<committed> made = commit(std::nullopt, keyed);
    EXPECT_EQ(commit(load(*made->hand_out), keyed)->what, effect::replayed);
    change rotate;
    rotate.regenerate = true;
    const ticket rotated = *commit(load(*made->hand_out), rotate)->hand_out;
    EXPECT_EQ(commit(load(rotated), keyed)->what, effect::replayed);
    change login;
    login.subject = "u42";
    const ticket inside = *commit(load(rotated), login)->hand_out;
    EXPECT_EQ(commit(load(inside), keyed)->what, effect::replayed);
}

// Without a ticket nobody holds the first session: the replay makes the caller one of its own.
TEST_P(SessionEngine, AReplayedCreationWithoutTheFirstTicketMakesAFreshSessionWithTheChangeOnce) {
    change keyed = ops(R"([{"op":"inc","path":"/cart/count"}])");
    keyed.operation = "operation-1";
    const ticket lost = *commit(std::nullopt, keyed)->hand_out;
    const ticket handed_out = *commit(std::nullopt, keyed)->hand_out;
    EXPECT_NE(lost.record_key(), handed_out.record_key());
    EXPECT_EQ(slots(handed_out), R"({"cart":{"count":1}})");
}

TEST_P(SessionEngine, FurtherKeyedChangesAreRefusedRatherThanEarlierOnesForgotten) {
    settings options;
    options.operations_max = 3;
    engine few(store, time, *random, options);
    const ticket holder = make_cart();
    const auto keyed = [&](const std::string& operation) {
        result<std::optional<view>> seen = test::run(few.load(holder, forever));
        change wanted = ops(R"([{"op":"inc","path":"/cart/count"}])");
        wanted.base_version = (*seen)->data().version;
        wanted.operation = operation;
        return test::run(few.commit(*seen, wanted, forever));
    };
    for (const char* operation : {"1", "2", "3"}) EXPECT_TRUE(keyed(operation).has_value());
    EXPECT_EQ(keyed("4").error(), code(errc::too_many_operations));
    EXPECT_EQ(keyed("1")->what, effect::replayed);
    EXPECT_TRUE(
        commit(load(holder), merge(R"({"wizard":1})")).has_value());  // without a key: as before
    // Remembered for longer than idempotent outcomes are kept.
    for (int i = 0; i < 24 * 6 - 1; ++i) {
        time.advance(10min);
        ASSERT_TRUE(load(holder)) << i;
    }
    EXPECT_EQ(keyed("4").error(), code(errc::too_many_operations));
    EXPECT_EQ(slots(holder), R"({"cart":{"count":4},"wizard":1})");
}

TEST_P(SessionEngine, OperationsAreForgottenAfterTheirTime) {
    settings options;
    options.operations_max = 1;
    options.operation_memory = 10min;
    engine few(store, time, *random, options);
    const ticket holder = make_cart();
    const auto keyed = [&](const std::string& operation) {
        result<std::optional<view>> seen = test::run(few.load(holder, forever));
        change wanted = ops(R"([{"op":"inc","path":"/cart/count"}])");
        wanted.operation = operation;
        return test::run(few.commit(*seen, wanted, forever));
    };
    EXPECT_TRUE(keyed("1").has_value());
    time.advance(9min + 58s);
    EXPECT_EQ(keyed("2").error(), code(errc::too_many_operations));
    time.advance(3s);
    EXPECT_TRUE(keyed("2").has_value());
}

// --- "Lethe-Session-Id: pseudonym HMAC(id, service); never the cookie"

TEST_P(SessionEngine, PseudonymsDifferByServiceAndTellNothing) {
    const ticket holder = make_cart();
    const state data = load(holder)->data();
    const std::string shop = pseudonym(data.identity, "shop");
    EXPECT_EQ(shop, pseudonym(load(holder)->data().identity, "shop"));
    EXPECT_NE(shop, pseudonym(data.identity, "mail"));
    EXPECT_EQ(shop.size(), 22U);
    EXPECT_EQ(holder.to_cookie_value().find(shop), std::string::npos);
}

// --- What a cookie's record was opened to is kept, and serves while the record is the same.

TEST_P(SessionEngine, ACallerIsKnownOnceTheirSessionWasFound) {
    const ticket unknown = ticket::make(*random);
    const auto load_by = [&](const std::shared_ptr<caller>& by) {
        return *test::run(sessions.load(by, forever));
    };
    EXPECT_EQ(sessions.recognize("no ticket"), nullptr);
    const auto stranger = sessions.recognize(unknown.to_cookie_value());
    EXPECT_FALSE(load_by(stranger));
    EXPECT_NE(sessions.recognize(unknown.to_cookie_value()), stranger);

    const std::string cookie = make_cart().to_cookie_value(1);
    const auto by = sessions.recognize(cookie);
    EXPECT_EQ(by->shown.floor, 1U);
    const std::optional<view> first = load_by(by);
    ASSERT_TRUE(first);
    EXPECT_EQ(sessions.recognize(cookie), by);
    EXPECT_EQ(load_by(by)->opened, first->opened) << "not opened anew";
}

TEST_P(SessionEngine, WhatIsKnownOfACallerGivesWayToWhatTheRecordSays) {
    engine elsewhere{store, time, *random, settings{}};
    const ticket holder = make_cart();
    const auto by = sessions.recognize(holder.to_cookie_value());
    const auto load_by = [&] { return *test::run(sessions.load(by, forever)); };
    const std::optional<view> first = load_by();
    ASSERT_TRUE(first);
    ASSERT_TRUE(commit(load(holder), merge(R"({"cart":{"count":2}})")).has_value());
    const std::optional<view> changed = load_by();
    EXPECT_EQ(changed->data().version, 2U);
    EXPECT_EQ(first->data().version, 1U) << "whoever still has the old one";
    // Another gateway's change is seen as soon as it is read.
    change login;
    login.subject = "u42";
    ASSERT_TRUE(test::run(elsewhere.commit(load(holder), login, forever)).has_value());
    EXPECT_TRUE(load_by()->superseded());
    time.advance(alias_ttl);
    EXPECT_FALSE(load_by()) << "an alias ends, though its record is the same";
    time.advance(tombstone_ttl);
    EXPECT_FALSE(load_by());
}

TEST_P(SessionEngine, AnEndedSessionIsNotKnownAnyLonger) {
    const ticket holder = make_cart();
    const auto by = sessions.recognize(holder.to_cookie_value());
    const auto load_by = [&] { return *test::run(sessions.load(by, forever)); };
    ASSERT_TRUE(load_by());
    change end;
    end.destroy = true;
    ASSERT_TRUE(commit(load(holder), end).has_value());
    EXPECT_FALSE(load_by());

    const ticket idle = make_cart();
    const auto other = sessions.recognize(idle.to_cookie_value());
    ASSERT_TRUE(*test::run(sessions.load(other, forever)));
    time.advance(settings{}.absolute_ttl);
    EXPECT_FALSE(*test::run(sessions.load(other, forever)));
}

TEST_P(SessionEngine, SettingsAreChecked) {
    EXPECT_FALSE(find_mistake(settings{}));
    settings plain;
    plain.cookie_secure = false;
    EXPECT_TRUE(find_mistake(plain));
    plain.cookie_name = "lethe";
    EXPECT_FALSE(find_mistake(plain));
    plain.idle_ttl = 25h;
    EXPECT_TRUE(find_mistake(plain));
    route_options route;
    route.write = {"cart"};
    EXPECT_FALSE(find_mistake(route));
    route.when_store_down = store_down_rule::anonymous;
    EXPECT_TRUE(find_mistake(route));
}

INSTANTIATE_TEST_SUITE_P(Store, SessionEngine, ::testing::Bool(), [](const auto& with) {
    return with.param ? std::string("WithTransactions") : std::string("WithoutTransactions");
});

}  // namespace
}  // namespace lethe::session::testing
