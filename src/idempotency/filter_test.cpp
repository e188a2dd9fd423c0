// The rows of the table of corner cases about keys, callers, replays and expiry.
#include "idempotency/test_filter.hpp"

#include <algorithm>
#include <functional>

namespace lethe::idempotency::test {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

TEST_F(Filter, TheFirstRequestIsForwardedOnceAndItsAnswerReplayed) {
    gateway& one = at();
    const reply first = one.send({});
    EXPECT_EQ(first.status, 201);
    EXPECT_FALSE(first.replayed);
    EXPECT_FALSE(first.has("Idempotent-Replayed"));
    EXPECT_EQ(service_.body_seen, R"({"sku":1})");
    EXPECT_EQ(service_.key_seen, "\"12345-abcde\"");  // unchanged
    EXPECT_EQ(service_.attempts, std::vector<std::uint64_t>{1});
    EXPECT_TRUE(first.survives_client);
    EXPECT_EQ(first.operation_id.size(), 32U);

    for (gateway* by : {&one, &at()}) {
        const reply again = by->send({});
        expect_replayed(again, first);
        EXPECT_EQ(again.first("Location"), "/orders/1");
    }
    EXPECT_EQ(service_.calls, 1);
    EXPECT_EQ(one.counts.claimed.value(), 1U);
    EXPECT_EQ(one.counts.stored.value(), 1U);
    EXPECT_EQ(one.counts.replayed.value(), 1U);
}

TEST_F(Filter, MethodsRowPostAndPatchTakeAKeyPutAndDeleteOnlyWhereTheRouteSaysSo) {
    for (const std::string_view method : {"POST", "PATCH", "PUT", "DELETE", "GET", "HEAD"}) {
        for (const bool opted_in : {false, true}) {
            world_.records.by_key.clear();
            service_.calls = 0;
            route_options options;
            options.put = options.delete_ = opted_in;
            gateway& by = at(options);
            request twice;
            twice.method = method;
            by.send(twice);
            by.send(twice);
            const bool keyed = method == "POST" || method == "PATCH" ||
                               (opted_in && (method == "PUT" || method == "DELETE"));
            EXPECT_EQ(service_.calls, keyed ? 1 : 2) << method << opted_in;
        }
    }
}

TEST_F(Filter, MissingKeyRowPassesWhereOptional) {
    gateway& by = at();
    const reply got = by.send(without_key());
    EXPECT_EQ(got.status, 201);
    EXPECT_FALSE(got.survives_client);  // unkeyed: cancelled with its client
    EXPECT_EQ(got.operation_id, "");
    by.send(without_key());
    EXPECT_EQ(service_.calls, 2);  // two equal orders are legal
    EXPECT_TRUE(world_.records.by_key.empty());
}

TEST_F(Filter, MissingKeyRowIs400WithALinkWhereRequired) {
    route_options options;
    options.mode = key_mode::required;
    options.described_by = "https://shop.example/docs/idempotency";
    gateway& by = at(options);
    const reply got = by.send(without_key());
    expect_problem(got, 400, "idempotency-key-required");
    EXPECT_EQ(got.first("Link"), "<https://shop.example/docs/idempotency>; rel=\"describedby\"");
    EXPECT_EQ(service_.calls, 0);
    EXPECT_EQ(by.counts.missing.value(), 1U);
}

TEST_F(Filter, MalformedRowIs400AndNeverForwarded) {
    gateway& by = at();
    for (const std::string_view bad : {"", "\"\"", "a, b", "a b", "\"a"})
        expect_problem(by.send(with_key(bad)), 400, "idempotency-key-malformed");
    request two_lines;
    two_lines.header.insert(two_lines.header.begin(), two_lines.header.front());
    expect_problem(by.send(two_lines), 400, "idempotency-key-malformed");
    EXPECT_EQ(service_.calls, 0);
    EXPECT_EQ(by.counts.malformed.value(), 6U);
    EXPECT_TRUE(world_.records.by_key.empty());
}

TEST_F(Filter, MalformedRowAQuotedAndABareKeyAreOneKey) {
    gateway& by = at();
    const reply first = by.send(with_key("12345-abcde"));
    const reply again = by.send(with_key("\"12345-abcde\";p=1"));
    expect_replayed(again, first);
    EXPECT_EQ(again.first("Idempotency-Key"), "\"12345-abcde\";p=1");  // echoed as sent
    EXPECT_EQ(service_.calls, 1);
}

TEST_F(Filter, MismatchRowIs422) {
    gateway& by = at();
    by.send({});
    const std::vector<std::function<void(request&)>> changes = {
        [](request& r) { r.body = R"({"sku":2})"; },
        [](request& r) { r.query = "dry=1"; },
        [](request& r) { r.method = "PATCH"; },
        [](request& r) { r.header[1].second = "text/plain"; },
        [](request& r) { r.body.clear(); },
    };
    for (const auto& change : changes) {
        request other;
        change(other);
        const reply got = by.send(other);
        expect_problem(got, 422, "idempotency-key-mismatch");
        EXPECT_TRUE(got.has("Link"));
    }
    EXPECT_EQ(service_.calls, 1);
    EXPECT_EQ(by.counts.mismatch.value(), changes.size());
}

TEST_F(Filter, MismatchRowAddsListedFieldsAndNoOthers) {
    route_options options;
    options.fingerprint_headers = {"X-Api-Version"};
    gateway& by = at(options);
    request first;
    first.header.insert(first.header.end(), {{"X-Api-Version", "1"}, {"traceparent", "00-a"}});
    by.send(first);
    request traced = first;
    traced.header[3].second = "00-b";
    EXPECT_TRUE(by.send(traced).replayed);
    request changed = first;
    changed.header[2].second = "2";
    EXPECT_EQ(by.send(changed).status, 422);
}

TEST_F(Filter, KeyOnAnotherEndpointRowIs422) {
    gateway& by = at();
    by.send({});
    request other;
    other.path = "/payments";
    expect_problem(by.send(other), 422, "idempotency-key-mismatch");
}

TEST_F(Filter, ConcurrentRowIs409WithRetryAfter) {
    gateway& by = at();
    service_.takes = seconds{3};
    const auto replies = by.send_at_once({{}, {}, {}});
    const auto created = std::ranges::count(replies, 201, &reply::status);
    EXPECT_EQ(created, 1);
    for (const reply& got : replies)
        if (got.status != 201) {
            expect_problem(got, 409, "request-in-progress");
            EXPECT_EQ(got.first("Retry-After"), "1");
        }
    EXPECT_EQ(service_.calls, 1);
    EXPECT_EQ(by.counts.in_flight.value(), 2U);
}

TEST_F(Filter, ConcurrentRowWaitsABoundedTimeThenReplays) {
    route_options options;
    options.wait = seconds{10};
    gateway& by = at(options);
    service_.takes = seconds{3};
    const auto replies = by.send_at_once({{}, {}, {}, {}, {}, {}, {}, {}});
    for (const reply& got : replies) EXPECT_EQ(got.status, 201);
    EXPECT_EQ(std::ranges::count(replies, true, &reply::replayed), 7);
    EXPECT_EQ(service_.calls, 1);
    EXPECT_EQ(by.counts.waits.value(), 7U);
}

TEST_F(Filter, ConcurrentRowAWaitThatIsOverIs409) {
    route_options options;
    options.wait = seconds{2};
    gateway& by = at(options);
    service_.takes = seconds{5};
    const auto replies = by.send_at_once({{}, {}});
    EXPECT_EQ(std::ranges::count(replies, 201, &reply::status), 1);
    EXPECT_EQ(std::ranges::count(replies, 409, &reply::status), 1);
}

TEST_F(Filter, OtherCallerRowEachPrincipalHasItsOwnKeys) {
    gateway& by = at();
    by.send({});
    request other;
    other.principal->subject = "u2";
    EXPECT_FALSE(by.send(other).replayed);
    other.principal->issuer = "https://elsewhere.example";
    EXPECT_FALSE(by.send(other).replayed);
    EXPECT_EQ(service_.calls, 3);
    request refreshed;  // a new token for the same subject is the same caller
    refreshed.principal->claims_json = R"({"iat":2})";
    EXPECT_TRUE(by.send(refreshed).replayed);
}

TEST_F(Filter, OtherCallerRowAnonymousCallersAreScopedByTheirSession) {
    gateway& by = at();
    request one;
    one.principal.reset();
    one.session = http::session_reference{"p1", ""};
    request two = one;
    two.session->pseudonym = "p2";
    by.send(one);
    EXPECT_TRUE(by.send(one).replayed);
    EXPECT_FALSE(by.send(two).replayed);
}

TEST_F(Filter, OtherCallerRowWithoutPrincipalOrSessionIs400) {
    gateway& by = at();
    request nobody;
    nobody.principal.reset();
    expect_problem(by.send(nobody), 400, "idempotency-key-unscoped");
    EXPECT_EQ(service_.calls, 0);
    EXPECT_EQ(by.counts.unscoped.value(), 1U);
}

TEST_F(Filter, OtherCallerRowScopePublicTakesUuidKeysOnly) {
    route_options options;
    options.scope = key_scope::open;
    gateway& by = at(options);
    request nobody;
    nobody.principal.reset();
    expect_problem(by.send(nobody), 400, "idempotency-key-malformed");
    nobody.header[0].second = "8e03978e-40d5-43dd-bc93-6894a57f9324";
    EXPECT_EQ(by.send(nobody).status, 201);
    EXPECT_TRUE(by.send(nobody).replayed);
    request somebody;  // who has a name keeps the keys of that name
    EXPECT_EQ(by.send(somebody).status, 201);
}

TEST_F(Filter, OtherCallerRowTenantsAreApart) {
    route_options options;
    options.tenant = "a";
    at(options).send({});
    options.tenant = "b";
    EXPECT_FALSE(at(options).send({}).replayed);
}

TEST_F(Filter, RejectedBeforeForwardingRowFreesTheKeyAndTheRetryIsForwarded) {
    gateway& by = at();
    service_.outcome = http::upstream_outcome::not_sent;
    service_.status = 503;
    EXPECT_EQ(by.send({}).status, 503);
    service_.outcome = http::upstream_outcome::answered;
    service_.status = 201;
    const reply got = by.send({});
    EXPECT_EQ(got.status, 201);
    EXPECT_FALSE(got.replayed);
    EXPECT_EQ(by.counts.released.value(), 1U);
    EXPECT_EQ(service_.attempts, std::vector<std::uint64_t>{2});  // the epoch went on
}

TEST_F(Filter, ConnectFailedRowAnErrorBeforeAnythingWasSentFreesTheKey) {
    gateway& by = at();
    service_.outcome = http::upstream_outcome::not_sent;
    service_.error = LETHE_ERR(store::errc::unavailable);
    EXPECT_TRUE(by.send({}).error.has_value());
    service_ = {};
    EXPECT_EQ(by.send({}).status, 201);
}

TEST_F(Filter, NotReplayedRowKeepsTheRestInOrder) {
    route_options options;
    options.not_replayed = {"X-Served-By"};
    gateway& by = at(options);
    const header_lines kept = {{"Content-Type", "application/json"},
                               {"ETag", "\"1\""},
                               {"Link", "</a>; rel=a"},
                               {"Link", "</b>; rel=b"},
                               {"Cache-Control", "private"},
                               {"X-Custom", "c"}};
    service_.header = kept;
    for (const char* name :
         {"Date", "Set-Cookie", "Age", "Server-Timing", "Traceparent", "X-Request-Id", "RateLimit",
          "RateLimit-Policy", "X-RateLimit-Remaining", "Retry-After", "Alt-Svc", "WWW-Authenticate",
          "Keep-Alive", "X-Served-By", "Idempotent-Replayed", "Lethe-Outcome"})
        service_.header.emplace_back(name, "value");
    service_.header.emplace_back("Connection", "X-Hop");
    service_.header.emplace_back("X-Hop", "h");
    EXPECT_TRUE(by.send({}).has("Set-Cookie"));  // the first answer has them
    reply again = by.send({});
    ASSERT_TRUE(again.replayed);
    again.header.resize(kept.size());
    EXPECT_EQ(again.header, kept);
    EXPECT_FALSE(by.send({}).has("Set-Cookie"));
    EXPECT_FALSE(by.send({}).has("Lethe-Outcome"));
    EXPECT_EQ(by.send({}).first("Idempotent-Replayed"), "true");
}

TEST_F(Filter, ReplayMarksRowTellsTheFirstDateAndLetsABrowserReadIt) {
    gateway& by = at();
    request browser;
    browser.header.emplace_back("Origin", "https://shop.example");
    service_.header = {{"Access-Control-Allow-Origin", "https://shop.example"},
                       {"Access-Control-Expose-Headers", "ETag"}};
    by.send(browser);
    world_.time.advance(hours{1});
    const reply again = by.send(browser);
    EXPECT_EQ(again.first("Lethe-Original-Date"), "Tue, 14 Nov 2023 22:13:20 GMT");
    EXPECT_EQ(again.first("Idempotency-Key"), "\"12345-abcde\"");
    EXPECT_EQ(again.first("Access-Control-Allow-Origin"), "https://shop.example");
    std::string exposed;
    for (const auto& [name, value] : again.header)
        if (name == "Access-Control-Expose-Headers") exposed += value + ", ";
    EXPECT_EQ(exposed, "ETag, Idempotent-Replayed, Idempotency-Key, Lethe-Original-Date, ");

    request elsewhere = browser;  // what one origin may read says nothing about another
    elsewhere.header.back().second = "https://other.example";
    EXPECT_FALSE(by.send(elsewhere).has("Access-Control-Allow-Origin"));
    EXPECT_FALSE(by.send({}).has("Access-Control-Expose-Headers"));
}

TEST_F(Filter, SessionPatchRowIsKeptWithTheOutcomeUnderOneOperation) {
    gateway& by = at();
    service_.header = {{"Lethe-Session-Patch", ":e30=:;type=merge"},
                       {"Lethe-Session-If", "any"},
                       {"Lethe-Session-Op", "regenerate"}};
    const reply first = by.send({});
    const reply again = by.send({});
    for (const auto& [name, value] : service_.header) {
        EXPECT_EQ(first.first(name), value);
        EXPECT_EQ(again.first(name), value);
    }
    EXPECT_EQ(first.operation_id, again.operation_id);
}

TEST_F(Filter, ExpiryRowAReuseAfterItIsANewRequest) {
    gateway& by = at();
    const reply first = by.send({});
    world_.time.advance(hours{24});
    const reply later = by.send({});
    EXPECT_FALSE(later.replayed);
    EXPECT_NE(later.operation_id, first.operation_id);
    EXPECT_EQ(service_.calls, 2);
}

TEST_F(Filter, ReuseAfterExpiryRowIs409WhereTheRouteRejectsIt) {
    route_options options;
    options.expired = expired_rule::reject;
    gateway& by = at(options);
    by.send({});
    EXPECT_TRUE(by.send({}).replayed);
    world_.time.advance(hours{24});
    expect_problem(by.send({}), 409, "key-expired");
    EXPECT_EQ(service_.calls, 1);
    EXPECT_EQ(by.counts.expired.value(), 1U);
}

TEST_F(Filter, BatchRowABodyIsOneUnit) {
    gateway& by = at();
    request batch;
    batch.header[1].second = "multipart/mixed; boundary=b";
    batch.body = "--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--";
    service_.status = 207;
    const reply first = by.send(batch);
    EXPECT_EQ(first.status, 207);
    expect_replayed(by.send(batch), first);
}

TEST_F(Filter, ALongSubjectStillHasARecord) {
    gateway& by = at();
    request long_name;
    long_name.principal->subject = std::string(5000, 's');
    EXPECT_EQ(by.send(long_name).status, 201);
    EXPECT_EQ(world_.records.by_key.begin()->second.subject.substr(0, 7), "sha256:");
}

}  // namespace
}  // namespace lethe::idempotency::test
