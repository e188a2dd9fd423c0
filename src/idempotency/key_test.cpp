#include "idempotency/key.hpp"

#include "idempotency/fingerprint.hpp"

#include <gtest/gtest.h>

namespace lethe::idempotency {
namespace {

result<std::string> parse(std::string_view text) {
    return parse_key(text, {});
}

TEST(Key, MalformedRowAQuotedAndABareKeyAreOneKey) {
    EXPECT_EQ(parse("\"12345-abcde\"").value(), "12345-abcde");
    EXPECT_EQ(parse("12345-abcde").value(), "12345-abcde");
    EXPECT_EQ(parse("  12345-abcde\t").value(), "12345-abcde");
    EXPECT_EQ(parse(R"("a\"b\\c")").value(), R"(a"b\c)");
    EXPECT_EQ(parse("\"a b, c\"").value(), "a b, c");
}

TEST(Key, MalformedRowParametersAreIgnored) {
    EXPECT_EQ(parse("\"k1\";a=1; b=\"x\"").value(), "k1");
    EXPECT_EQ(parse("k1;a=1").value(), "k1");
    EXPECT_EQ(parse("k1;").error(), make_error_code(errc::key_malformed));
    EXPECT_EQ(parse("k1;A=1").error(), make_error_code(errc::key_malformed));
}

TEST(Key, MalformedRowRefusesWhatIsNoSingleKey) {
    for (const std::string_view bad :
         {"", "  ", "\"\"", "a,b", "\"a\", \"b\"", "\"a", "a\"b", "a b", "\"a\"b", "\x01", "a\x7f",
          "\"a\tb\"", "gr\xc3\xbc\xc3\x9f", ";a=1", ","}) {
        EXPECT_EQ(parse(bad).error(), make_error_code(errc::key_malformed)) << "'" << bad << "'";
    }
}

TEST(Key, MalformedRowTakes255CharactersAndNotOneMore) {
    const std::string longest(255, 'k');
    EXPECT_EQ(parse(longest).value(), longest);
    EXPECT_EQ(parse('"' + longest + '"').value(), longest);
    EXPECT_EQ(parse(longest + 'k').error(), make_error_code(errc::key_too_long));
    EXPECT_EQ(parse('"' + longest + "k\"").error(), make_error_code(errc::key_too_long));
}

TEST(Key, StrictTakesQuotedKeysOnly) {
    const key_rules strict{true, key_format::any};
    EXPECT_EQ(parse_key("\"k\"", strict).value(), "k");
    EXPECT_EQ(parse_key("k", strict).error(), make_error_code(errc::key_not_quoted));
}

TEST(Key, FormatUuidTakesUuidsInAnyCaseAndNoneThatEverybodyGuesses) {
    const key_rules uuid{false, key_format::uuid};
    EXPECT_EQ(parse_key("\"8E03978E-40D5-43DD-BC93-6894A57F9324\"", uuid).value(),
              "8e03978e-40d5-43dd-bc93-6894a57f9324");
    for (const std::string_view bad :
         {"12345-abcde", "8e03978e40d543ddbc936894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f932g",
          "00000000-0000-0000-0000-000000000000", "FFFFFFFF-ffff-ffff-ffff-ffffffffffff"}) {
        EXPECT_EQ(parse_key(bad, uuid).error(), make_error_code(errc::key_not_uuid)) << bad;
    }
}

TEST(Key, OtherCallerRowCallersAndTenantsNeverShareARecord) {
    const std::string one = caller_of_principal("https://a", "u1");
    EXPECT_NE(one, caller_of_principal("https://b", "u1"));
    EXPECT_NE(one, caller_of_principal("https://au", "1"));
    EXPECT_NE(caller_of_session("x"), caller_of_principal("x", ""));
    EXPECT_NE(caller_of_session(""), caller_of_nobody());
    EXPECT_EQ(make_record_id({"t", one}, "k"), make_record_id({"t", one}, "k"));
    EXPECT_NE(make_record_id({"t", one}, "k"), make_record_id({"u", one}, "k"));
    EXPECT_NE(make_record_id({"t", one}, "k"), make_record_id({"t", one}, "l"));
}

class Fingerprint : public ::testing::Test {
 protected:
    std::string of(std::string_view method, std::string_view path, std::string_view query,
                   std::string_view type, std::string_view body, std::string_view extra = "a") {
        http::request_head head(memory_);
        head.method_text = method;
        head.path = path;
        head.query = query;
        head.has_query = !query.empty();
        head.header.add("Content-Type", type);
        head.header.add("X-Api-Version", extra);
        head.header.add("traceparent", extra);
        const std::vector<std::string> names = {"x-api-version", "traceparent"};
        return make_fingerprint(head, body, names);
    }
    arena memory_;
};

TEST_F(Fingerprint, MismatchRowEachPartCounts) {
    const std::string base = of("POST", "/a", "q=1", "application/json", "{}");
    EXPECT_EQ(base.size(), 32U);
    EXPECT_EQ(base, of("POST", "/a", "q=1", "Application/JSON ; charset=utf-8", "{}"));
    EXPECT_NE(base, of("PATCH", "/a", "q=1", "application/json", "{}"));
    EXPECT_NE(base, of("POST", "/b", "q=1", "application/json", "{}"));
    EXPECT_NE(base, of("POST", "/a", "q=2", "application/json", "{}"));
    EXPECT_NE(base, of("POST", "/a", "q=1", "text/plain", "{}"));
    EXPECT_NE(base, of("POST", "/a", "q=1", "application/json", "{ }"));
    EXPECT_NE(base, of("POST", "/a", "q=1", "application/json", "{}", "b"));
}

TEST_F(Fingerprint, MismatchRowNeverCountsWhatDiffersBetweenRetries) {
    for (const std::string_view name :
         {"Authorization", "traceparent", "User-Agent", "DATE", "cookie", "Idempotency-Key"})
        EXPECT_FALSE(may_be_fingerprinted(name)) << name;
    EXPECT_TRUE(may_be_fingerprinted("X-Api-Version"));
}

TEST(Options, MistakesAreNamed) {
    EXPECT_FALSE(find_mistake({}));
    const auto wrong = [](auto change) {
        route_options options;
        change(options);
        return find_mistake(options).has_value();
    };
    using std::chrono::seconds;
    EXPECT_TRUE(wrong([](auto& o) { o.lease = seconds{0}; }));
    EXPECT_TRUE(wrong([](auto& o) { o.ttl = seconds{10}; }));
    EXPECT_TRUE(wrong([](auto& o) { o.wait = seconds{11}; }));
    EXPECT_TRUE(wrong([](auto& o) { o.fingerprint_headers = {"Authorization"}; }));
    EXPECT_TRUE(wrong([](auto& o) { o.fingerprint_headers = {"a b"}; }));
    EXPECT_TRUE(wrong([](auto& o) { o.not_replayed = {""}; }));
    EXPECT_TRUE(wrong([](auto& o) { o.described_by = "a>b"; }));
    EXPECT_TRUE(wrong([](auto& o) { o.answer_bytes_max = (1 << 30) + 1; }));
    EXPECT_TRUE(wrong([](auto& o) {
        o.mode = key_mode::required;
        o.store_down = store_down_rule::pass;
    }));
}

}  // namespace
}  // namespace lethe::idempotency
