// The rows "GraphQL", "Batch", "Mismatch" and "Key on another endpoint" of the table of corner
// cases.
#include "idempotency/test_filter.hpp"

namespace lethe::idempotency::test {
namespace {

request graphql(std::string body, std::string_view key = {}) {
    request out;
    out.path = "/graphql";
    out.header = {{"Content-Type", "application/json"}};
    if (!key.empty()) out.header.emplace_back("Idempotency-Key", key);
    out.body = std::move(body);
    return out;
}

class GraphqlRow : public Filter {
 protected:
    static route_options options(key_mode mode = key_mode::optional) {
        route_options out;
        out.graphql = true;
        out.mode = mode;
        return out;
    }
};

TEST_F(GraphqlRow, OnlyMutationsTakeAKey) {
    gateway& by = at(options(key_mode::required));
    EXPECT_EQ(by.send(graphql(R"({"query":"{a}"})")).status, 201);
    EXPECT_EQ(by.send(graphql(R"({"query":"{a}"})", "k")).status, 201);
    EXPECT_EQ(by.send(graphql(R"({"query":"{a}"})", "k")).replayed, false);
    EXPECT_EQ(service_.calls, 3);
    expect_problem(by.send(graphql(R"({"query":"mutation {a}"})")), 400,
                   "idempotency-key-required");
    expect_problem(by.send(graphql(R"({"query":"mutation {"})")), 400, "idempotency-key-required");
    EXPECT_EQ(service_.calls, 3);
    EXPECT_EQ(service_.body_seen, R"({"query":"{a}"})");
}

TEST_F(GraphqlRow, TheKeyComesFromHeaderDirectiveOrExtensions) {
    for (const auto& [body, header] : std::vector<std::pair<const char*, const char*>>{
             {R"({"query":"mutation {a}"})", "k"},
             {R"({"query":"mutation {a @idempotent(key: \"k\")}"})", ""},
             {R"({"query":"mutation ($k:ID!) @idempotent(key:$k) {a}","variables":{"k":"k"}})", ""},
             {R"({"query":"mutation {a}","extensions":{"idempotencyKey":"k"}})", "\"k\""}}) {
        world_.records.by_key.clear();
        gateway& by = at(options());
        const reply first = by.send(graphql(body, header));
        EXPECT_EQ(first.status, 201) << body;
        const reply again = by.send(graphql(body, header));
        EXPECT_TRUE(again.replayed) << body;
        EXPECT_EQ(again.body, first.body);
        EXPECT_EQ(by.counts.claimed.value(), 1U);
    }
}

TEST_F(GraphqlRow, KeysThatDifferOrCannotBeReadAreRefused) {
    gateway& by = at(options());
    for (const auto& [body, header] : std::vector<std::pair<const char*, const char*>>{
             {R"({"query":"mutation {a}","extensions":{"idempotencyKey":"x"}})", "y"},
             {R"({"query":"mutation {a @idempotent(key:\"x\") b @idempotent(key:\"y\")}"})", ""},
             {R"({"query":"mutation {a}","extensions":{"idempotencyKey":7}})", ""},
             {R"({"query":"mutation {a}","extensions":{"idempotencyKey":""}})", ""},
             {R"({"query":"mutation {a}","extensions":{"idempotencyKey":"ü"}})", ""}})
        expect_problem(by.send(graphql(body, header)), 400, "idempotency-key-malformed");
    EXPECT_EQ(service_.calls, 0);
}

TEST_F(GraphqlRow, SpacesAndExtensionsMayDifferVariablesMayNot) {
    gateway& by = at(options());
    const reply first =
        by.send(graphql(R"({"query":"mutation {a(x:1)}","variables":{"v":1}})", "k"));
    expect_replayed(
        by.send(graphql(
            R"({"query":"mutation { a(x: 1) }","variables":{"v":1},"extensions":{"trace":9}})",
            "k")),
        first);
    expect_problem(by.send(graphql(R"({"query":"mutation {a(x:1)}","variables":{"v":2}})", "k")),
                   422, "idempotency-key-mismatch");
}

TEST_F(GraphqlRow, TwoHundredWithErrorsIsStored) {
    gateway& by = at(options());
    service_.status = 200;
    service_.body = R"({"errors":[{"message":"no"}]})";
    const reply first = by.send(graphql(R"({"query":"mutation {a}"})", "k"));
    service_ = {};
    expect_replayed(by.send(graphql(R"({"query":"mutation {a}"})", "k")), first);
}

TEST_F(GraphqlRow, ArrayBatchesWithAKeyAreRefusedUnlessTheyAreAUnit) {
    const char* mutations = R"([{"query":"mutation {a}"},{"query":"{b}"}])";
    gateway& by = at(options());
    expect_problem(by.send(graphql(mutations, "k")), 400, "idempotency-batch-refused");
    EXPECT_EQ(by.send(graphql(mutations)).status, 201) << "no key, and none is wanted";
    EXPECT_EQ(by.send(graphql(R"([{"query":"{a}"}])", "k")).status, 201) << "nothing can change";
    route_options unit = options();
    unit.graphql_batch = batch_rule::unit;
    gateway& other = at(unit);
    const reply first = other.send(graphql(mutations, "k"));
    EXPECT_EQ(first.status, 201);
    expect_replayed(other.send(graphql(mutations, "k")), first);
    expect_problem(other.send(graphql(R"([{"query":"mutation {a}"}])", "k")), 422,
                   "idempotency-key-mismatch");
}

TEST_F(Filter, MismatchRowJsonMayCountByItsMeaning) {
    route_options options;
    options.fingerprint_body = body_rule::meaning;
    options.fingerprint_paths = {"$.sku"};
    gateway& by = at(options);
    const reply first = by.send({});
    request same;
    same.body = R"({ "note": "again", "sku": 1 })";
    expect_replayed(by.send(same), first);
    EXPECT_EQ(service_.body_seen, R"({"sku":1})");
    request other;
    other.body = R"({"sku":2})";
    expect_problem(by.send(other), 422, "idempotency-key-mismatch");
}

TEST_F(Filter, KeyOnAnotherEndpointRowOperationsMayHaveKeysOfTheirOwn) {
    route_options options;
    options.key_space = key_space_rule::operation;
    gateway& by = at(options);
    EXPECT_EQ(by.send({}).status, 201);
    request other;
    other.path = "/payments";
    const reply first = by.send(other);
    EXPECT_EQ(first.status, 201);
    EXPECT_FALSE(first.replayed);
    expect_replayed(by.send(other), first);
    EXPECT_EQ(service_.calls, 2);
}

}  // namespace
}  // namespace lethe::idempotency::test
