// The filter: the result contract of RFC 6750 section 3 and rules E1 to E6.
#include "identity/authenticate.hpp"

#include "identity/problems.hpp"
#include "support/run.hpp"
#include "token/test_tokens.hpp"

#include <gtest/gtest.h>

namespace lethe::identity {
namespace {

namespace bj = boost::json;
using namespace token::test;
using token::algorithm;

// Answers 200 and remembers what reached it.
class fake_upstream final : public http::handler {
 public:
    task<> handle(http::exchange& x) override {
        ++calls;
        x.response.status = 200;
        co_return result<>{};
    }
    int calls = 0;
};

class Authenticate : public ::testing::Test {
 protected:
    Authenticate() {
        shop_.name = "shop-id";
        shop_.issuer = "https://id.example";
        shop_.audience = {"shop"};
        shop_.algorithms = {algorithm::es256};
        options_.issuers = {"shop-id"};
        options_.forward = {{"sub", "X-User"}};
        trusted_ = {{shop_, make_set({key_})}};
    }

    // One request through the filter; fields as name and value.
    http::exchange& send(const std::vector<std::pair<std::string, std::string>>& fields) {
        if (!table_) table_.emplace(trusted_, registry_);
        exchange_.reset();  // what it holds lies in the arena
        memory_.reset();
        exchange_.emplace(memory_, time_);
        exchange_->request.query = query_;
        for (const auto& [name, value] : fields) exchange_->request.header.add(name, value);
        std::vector<std::unique_ptr<http::filter>> filters;
        filters.push_back(std::make_unique<authenticate>(options_, *table_));
        http::chain chain(std::move(filters), upstream_);
        const int before = upstream_.calls;
        const result<> done = test::run(chain.handle(*exchange_));
        EXPECT_TRUE(done.has_value());
        passed_ = upstream_.calls == before + 1;
        return *exchange_;
    }
    http::exchange& send_token(const std::string& token) {
        return send({{"Authorization", "Bearer " + token}});
    }

    std::string sign(std::string_view payload) {
        return sign_parts(key_, algorithm::es256, good_header(key_, algorithm::es256), payload);
    }
    std::string good() { return sign(good_payload()); }

    std::string challenge() const {
        return std::string(exchange_->response.header.first("WWW-Authenticate").value_or("none"));
    }
    // E1: every refusal says that it must not be stored.
    void expect_refused(int status, const http::problem_type& type) const {
        EXPECT_FALSE(passed_);
        EXPECT_EQ(exchange_->response.status, status);
        EXPECT_EQ(exchange_->problem, type.slug);
        EXPECT_EQ(exchange_->response.header.first("Cache-Control"), "no-store");
        EXPECT_FALSE(exchange_->principal);
    }
    std::uint64_t counted(const std::string& reason) {
        return registry_.make_counter("lethe_identity_refusals_total", "", {{"reason", reason}})
            .value();
    }

    token::key key_ = make_key(algorithm::es256, "k1");
    issuer_options shop_;
    authenticate_options options_;
    std::vector<trusted_issuer> trusted_;
    lethe::metrics::registry registry_;
    std::optional<issuer_table> table_;
    manual_clock time_;
    arena memory_;
    std::optional<http::exchange> exchange_;
    std::string query_;
    fake_upstream upstream_;
    bool passed_ = false;
};

TEST_F(Authenticate, GoodTokenNamesThePrincipalAndGoesOn) {
    const http::exchange& x = send_token(good());
    EXPECT_TRUE(passed_);
    EXPECT_EQ(x.response.status, 200);
    ASSERT_TRUE(x.principal);
    EXPECT_EQ(x.principal->issuer, "https://id.example");
    EXPECT_EQ(x.principal->subject, "alice");
    EXPECT_EQ(x.principal->claims_json, good_payload());
    EXPECT_EQ(x.request.header.first("X-User"), "alice");
    EXPECT_TRUE(x.request.header.first("Authorization"));  // the backend may want it
}

TEST_F(Authenticate, SchemeNameIgnoresCase) {
    for (const char* scheme : {"bearer ", "BEARER ", "Bearer   "}) {
        send({{"Authorization", scheme + good()}});
        EXPECT_TRUE(passed_) << scheme;
    }
}

TEST_F(Authenticate, WithoutCredentialsIsAChallengeWithoutAnError) {
    send({});
    expect_refused(401, authentication_required);
    EXPECT_EQ(challenge(), "Bearer realm=\"lethe\"");
    send({{"Authorization", "Basic YTpi"}});
    expect_refused(401, authentication_required);
    EXPECT_EQ(challenge(), "Bearer realm=\"lethe\"");
    EXPECT_EQ(counted("no_credentials"), 2U);
}

TEST_F(Authenticate, UnreadableCredentialsAre400) {
    const std::string token = good();
    const std::vector<std::vector<std::pair<std::string, std::string>>> all = {
        {{"Authorization", "Bearer " + token}, {"Authorization", "Bearer " + token}},
        {{"Authorization", "Bearer " + token}, {"authorization", "Basic YTpi"}},
        {{"Authorization", ""}},
        {{"Authorization", "Bearer"}},
        {{"Authorization", "Bearer "}},
        {{"Authorization", "Bearer " + token + " " + token}},
        {{"Authorization", "Bearer " + token + ", Basic YTpi"}},
        {{"Authorization", "Bearer\t" + token}},
        {{"Authorization", "Bearer {\"payload\":\"x\"}"}},
        {{"Authorization", "Bearer =" + token}},
        {{"Authorization", "\"Bearer\" " + token}}};
    for (const auto& fields : all) {
        send(fields);
        expect_refused(400, invalid_credentials);
        EXPECT_NE(challenge().find("error=\"invalid_request\""), std::string::npos);
    }
    EXPECT_EQ(counted("unreadable_credentials"), all.size());
}

// The client learns one thing from every bad token; metric and log have the reason.
TEST_F(Authenticate, BadTokensAre401WithOneFixedDescription) {
    const token::key other = make_key(algorithm::es256, "k1");
    const std::vector<std::pair<std::string, std::string>> all = {
        {"not_compact", "junk"},
        {"bad_signature",
         sign_parts(other, algorithm::es256, good_header(other, algorithm::es256), good_payload())},
        {"expired", sign(with_claim("exp", noon - 60))},
        {"wrong_audience", sign(with_claim("aud", "other"))},
        {"unknown_issuer", sign(with_claim("iss", "https://evil.example"))},
        {"algorithm_not_allowed",
         sign_parts(key_, algorithm::es256, R"({"alg":"none"})", good_payload())},
        {"too_large", std::string(9000, 'a')},
        {"bad_encoding", good() + "="},
    };
    for (const auto& [reason, token] : all) {
        const http::exchange& x = send_token(token);
        expect_refused(401, invalid_token);
        EXPECT_EQ(challenge(),
                  "Bearer realm=\"lethe\", error=\"invalid_token\", error_description=\"The access "
                  "token is not valid\"");
        EXPECT_EQ(
            x.response_body->whole(),
            R"({"type":"urn:lethe:problem:invalid-token","title":"The access token is not valid","status":401})"
            "\n");
        // '=' at the end is within the field's grammar, but not within the token's.
        EXPECT_EQ(counted(reason == "bad_encoding" ? "not_compact" : reason),
                  reason == "bad_encoding" ? 2U : 1U)
            << reason;
    }
    EXPECT_EQ(upstream_.calls, 0);
}

TEST_F(Authenticate, MissingScopeIs403AndNamesWhatIsNeeded) {
    options_.scopes = {"cart", "orders"};
    send_token(sign(with_claim("scope", "cart")));
    expect_refused(403, insufficient_scope);
    EXPECT_NE(challenge().find("error=\"insufficient_scope\""), std::string::npos);
    EXPECT_NE(challenge().find("scope=\"cart orders\""), std::string::npos);
    send_token(sign(with_claim("scope", "orders cart more")));
    EXPECT_TRUE(passed_);
    send({});
    EXPECT_EQ(challenge(), "Bearer realm=\"lethe\", scope=\"cart orders\"");
}

TEST_F(Authenticate, WithoutKeysNobodyCanDecideSo503) {
    trusted_ = {{shop_, nullptr}};
    const http::exchange& x = send_token(good());
    expect_refused(503, identity_unavailable);
    EXPECT_TRUE(x.response.header.first("Retry-After"));
    send({});  // who brings nothing learns at once what is needed
    expect_refused(401, authentication_required);
    table_->replace_keys(0, make_set({key_}));
    send_token(good());
    EXPECT_TRUE(passed_);
}

TEST_F(Authenticate, E3ForgedFieldsNeverPass) {
    const http::exchange& x = send({{"Authorization", "Bearer " + good()},
                                    {"x-user", "root"},
                                    {"X_User", "root"},
                                    {"X-USER", "root"},
                                    {"X.User", "root"},
                                    {"X-Usera", "kept"}});
    ASSERT_TRUE(passed_);
    EXPECT_EQ(x.request.header.count("X-User"), 1U);
    EXPECT_EQ(x.request.header.first("X-User"), "alice");
    EXPECT_EQ(x.request.header.count("X_User"), 0U);
    EXPECT_EQ(x.request.header.count("X.User"), 0U);
    EXPECT_EQ(x.request.header.first("X-Usera"), "kept");
}

TEST_F(Authenticate, E3ForgedFieldsOfAnonymousCallersNeverPass) {
    options_.optional = true;
    const http::exchange& x = send({{"X-User", "root"}});
    EXPECT_TRUE(passed_);
    EXPECT_EQ(x.request.header.count("X-User"), 0U);
    EXPECT_FALSE(x.principal);
}

// CVE-2022-29226: that a token is there says nothing.
TEST_F(Authenticate, E6OptionalStillRefusesABadToken) {
    options_.optional = true;
    send_token("junk");
    expect_refused(401, invalid_token);
    send_token(sign(with_claim("exp", noon - 60)));
    expect_refused(401, invalid_token);
    send_token(good());
    EXPECT_TRUE(passed_);
    ASSERT_TRUE(exchange_->principal);
    send({{"Authorization", "Bearer"}});
    expect_refused(400, invalid_credentials);
    send({{"Authorization", "Basic YTpi"}});  // the backend's own affair
    EXPECT_TRUE(passed_);
    EXPECT_FALSE(exchange_->principal);
}

TEST_F(Authenticate, E2TokensInQueriesAreNotLookedFor) {
    query_ = "access_token=" + good();
    send({});
    expect_refused(401, authentication_required);
}

TEST_F(Authenticate, TokenItselfCanBeKeptFromTheUpstream) {
    options_.strip_authorization = true;
    const http::exchange& x = send_token(good());
    EXPECT_TRUE(passed_);
    EXPECT_FALSE(x.request.header.first("Authorization"));
}

TEST_F(Authenticate, ClaimsThatNoFieldCanCarryAreLeftOutAndCounted) {
    options_.forward = {{"sub", "X-User"},
                        {"note", "X-Note"},
                        {"roles", "X-Roles"},
                        {"age", "X-Age"},
                        {"none", "X-None"}};
    bj::object said = make_good_claims();
    said["note"] = "a\r\nX-User: root";
    said["roles"] = bj::array{"a", "b"};
    said["age"] = 7;
    const http::exchange& x = send_token(sign(json::to_text(said)));
    ASSERT_TRUE(passed_);
    EXPECT_EQ(x.request.header.count("X-Note"), 0U);
    EXPECT_EQ(x.request.header.first("X-Roles"), "a b");
    EXPECT_EQ(x.request.header.first("X-Age"), "7");
    EXPECT_EQ(x.request.header.count("X-None"), 0U);
    EXPECT_EQ(registry_.make_counter("lethe_identity_claims_unforwarded_total", "").value(), 1U);
}

// The cache must not carry one route's verdict to another (fast-jwt GHSA-rp9m-7r4c-75qg).
TEST_F(Authenticate, CachedTokenStillMeetsEachRoutesOwnRules) {
    const std::string token = sign(with_claim("aud", bj::array{"shop", "cart"}));
    send_token(token);
    EXPECT_TRUE(passed_);
    options_.audience = {"admin"};
    send_token(token);
    expect_refused(401, invalid_token);
    options_.audience = {"cart"};
    send_token(token);
    EXPECT_TRUE(passed_);
    options_.scopes = {"orders"};
    send_token(token);
    expect_refused(403, insufficient_scope);
    EXPECT_EQ(table_->counters().cache_hits.value(), 3U);
}

TEST_F(Authenticate, E4LogsNameATokenByItsFingerprintOnly) {
    const std::string token = sign(with_claim("exp", noon - 60));
    ::testing::internal::CaptureStderr();
    send_token(token);
    const std::string logged = ::testing::internal::GetCapturedStderr();
    EXPECT_NE(logged.find("identity.token_refused"), std::string::npos);
    EXPECT_NE(logged.find("expired"), std::string::npos);
    EXPECT_NE(logged.find(token::fingerprint(token::digest_of(token))), std::string::npos);
    for (std::size_t at = 0; at + 20 < token.size(); at += 20)
        EXPECT_EQ(logged.find(token.substr(at, 20)), std::string::npos);
}

TEST_F(Authenticate, FloodOfBadTokensIsNoFloodOfLines) {
    ::testing::internal::CaptureStderr();
    for (int i = 0; i < 100; ++i) send_token("junk");
    const std::string logged = ::testing::internal::GetCapturedStderr();
    EXPECT_EQ(std::count(logged.begin(), logged.end(), '\n'), 10);
    EXPECT_EQ(counted("not_compact"), 100U);
}

}  // namespace
}  // namespace lethe::identity
