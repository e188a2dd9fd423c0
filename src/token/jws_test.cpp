// The compact form: rules J1 (size and form), J2 (base64url), J3 (JSON), J8 and J9 (header).
#include "token/test_tokens.hpp"

namespace lethe::token {
namespace {

using namespace test;
std::string fault_of(std::string_view token, std::size_t bytes_max = 8 * 1024) {
    jws parts;
    const result<> done = parse_jws(token, bytes_max, parts);
    return done.has_value() ? std::string() : std::string(to_reason(to_errc(done.error())));
}

std::string with_header(std::string_view header) {
    return to_base64url(header) + ".e30.c2ln";
}

TEST(Jws, IsTakenApart) {
    jws parts;
    const std::string token = with_header(R"({"alg":"ES256","kid":"k","typ":"at+jwt"})");
    ASSERT_TRUE(parse_jws(token, 8192, parts).has_value());
    EXPECT_EQ(parts.algorithm, algorithm::es256);
    EXPECT_EQ(parts.key_id, "k");
    EXPECT_EQ(parts.type, "at+jwt");
    EXPECT_EQ(parts.payload, "{}");
    EXPECT_EQ(parts.signature, "sig");
    EXPECT_EQ(parts.signing_input, token.substr(0, token.rfind('.')));
}

TEST(Jws, NothingOfTheTokenBeforeStaysBehind) {
    jws parts;
    ASSERT_TRUE(
        parse_jws(with_header(R"({"alg":"ES256","kid":"k","typ":"JWT","jku":"x"})"), 8192, parts)
            .has_value());
    ASSERT_TRUE(parse_jws(with_header(R"({"alg":"future"})"), 8192, parts).has_value());
    EXPECT_FALSE(parts.algorithm);
    EXPECT_FALSE(parts.key_id);
    EXPECT_FALSE(parts.type);
    EXPECT_FALSE(parts.has_key_header);
}

TEST(Jws, J1SizeComesBeforeWork) {
    EXPECT_EQ(fault_of(std::string(8193, 'a')), "too_large");
    EXPECT_EQ(fault_of(std::string(8192, 'a')), "not_compact");
    EXPECT_EQ(fault_of(std::string(1024 * 1024, '.')), "too_large");
    EXPECT_EQ(fault_of(std::string(8192, '.')), "not_compact");
    // A header of more than 2 KiB in a token that is small enough.
    const std::string large =
        R"({"alg":"ES256","x":")" + std::string(header_bytes_max, 'x') + "\"}";
    EXPECT_EQ(fault_of(with_header(large)), "too_large");
}

TEST(Jws, J1ExactlyTwoDots) {
    for (const char* token :
         {"", ".", "a", "e30.e30", "e30.e30.e30.e30", "e30.e30.e30.e30.e30.e30", "."})
        EXPECT_EQ(fault_of(token), "not_compact") << token;
    EXPECT_EQ(fault_of("e30.e30.e30.e30.e30"), "encrypted");
    EXPECT_EQ(fault_of(".."), "bad_header");
}

TEST(Jws, J1OtherBytesAndJsonPolyglotsAreRefused) {
    const std::string good = with_header(R"({"alg":"ES256"})");
    EXPECT_EQ(fault_of(good), "");
    for (const std::string& bad :
         {"{\"payload\":\"" + good + "\"}", " " + good, good + "\n", good + "=",
          good + std::string(1, '\0'), good + "\xff", "{" + good + "}", good + "+", good + "/"})
        EXPECT_EQ(fault_of(bad), "not_compact") << bad;
}

// Another spelling of the same bytes would be another key for caches and deny-lists.
TEST(Jws, J2Base64urlHasOneSpelling) {
    const std::string header = to_base64url(R"({"alg":"ES256"})");
    EXPECT_EQ(fault_of(header + ".e30.YQ"), "");
    EXPECT_EQ(fault_of(header + ".e30.YR"), "bad_encoding");   // bits left over that are not zero
    EXPECT_EQ(fault_of(header + ".e30.YWJ"), "bad_encoding");  // the same with two bits
    EXPECT_EQ(fault_of(header + ".e30.Y"), "bad_encoding");    // no length of any bytes
    EXPECT_EQ(fault_of(header + ".e31.YQ"), "bad_encoding");
    std::string out;
    for (std::size_t size = 0; size < 70; ++size) {
        const std::string bytes = make_seeded_random(size)->bytes(size);
        ASSERT_TRUE(decode_base64url(to_base64url(bytes), out));
        EXPECT_EQ(out, bytes);
    }
}

TEST(Jws, J2DecodesWhatTheStrictDecoderDecodes) {
    const auto random = make_seeded_random(20);
    constexpr std::string_view letters = "AQgwx-_=+/ .Z09\n";
    std::string out;
    for (int i = 0; i < 20'000; ++i) {
        std::string text;
        for (std::uint64_t n = random->below(9); n > 0; --n)
            text += letters[random->below(letters.size())];
        const result<std::string> expected = from_base64url(text);
        const bool decoded = decode_base64url(text, out);
        ASSERT_EQ(decoded, expected.has_value()) << text;
        if (decoded) ASSERT_EQ(out, *expected) << text;
    }
}

TEST(Jws, J3HeaderIsOneStrictJsonObject) {
    for (const char* header :
         {"", "null", "[]", "{", "{}x", R"({"alg":"ES256","alg":"none"})",
          R"({"alg":"none","alg":"ES256"})", R"({"alg":"ES256"} {"alg":"none"})",
          "{\"alg\":\"ES256\",\"x\":\"\xff\"}", R"({"alg":1})", R"({"alg":null})",
          R"({"alg":["ES256"]})", "{}", R"({"typ":"JWT"})", R"({"alg":"ES256","kid":5})",
          R"({"alg":"ES256","kid":null})", R"({"alg":"ES256","typ":{}})"})
        EXPECT_EQ(fault_of(with_header(header)), "bad_header") << header;
    EXPECT_EQ(fault_of(with_header("{\n\t\"alg\" : \"ES256\" }")), "");
}

TEST(Jws, J3DeepHeadersAreRefused) {
    const auto nested = [](std::size_t depth) {
        return R"({"alg":"ES256","x":)" + std::string(depth - 1, '[') +
               std::string(depth - 1, ']') + "}";
    };
    EXPECT_EQ(fault_of(with_header(nested(json_depth_max))), "");
    EXPECT_EQ(fault_of(with_header(nested(json_depth_max + 1))), "bad_header");
    EXPECT_EQ(fault_of(with_header(nested(900))), "bad_header");
}

TEST(Jws, J7KeyIdsAreBounded) {
    const auto named = [](std::size_t bytes) {
        return with_header(R"({"alg":"ES256","kid":")" + std::string(bytes, 'k') + "\"}");
    };
    EXPECT_EQ(fault_of(named(key_id_bytes_max)), "");
    EXPECT_EQ(fault_of(named(key_id_bytes_max + 1)), "bad_header");
    EXPECT_EQ(fault_of(named(10 * 1024), 64 * 1024), "too_large");
}

TEST(Jws, J9AnyCritIsRefused) {
    for (const char* crit :
         {"[]", R"(["exp"])", R"(["b64"])", R"(["x","x"])", R"("b64")", "null", "{}", R"([""])"})
        EXPECT_EQ(
            fault_of(with_header(std::string(R"({"alg":"ES256","x":1,"crit":)") + crit + "}")),
            "critical_header")
            << crit;
}

TEST(Jws, J9B64IsRefusedWithAndWithoutCrit) {
    for (const char* b64 : {"false", "true", "null"})
        EXPECT_EQ(fault_of(with_header(std::string(R"({"alg":"ES256","b64":)") + b64 + "}")),
                  "critical_header");
    EXPECT_EQ(fault_of(with_header(R"({"alg":"ES256","b64":false,"crit":["b64"]})")),
              "critical_header");
}

TEST(Jws, J8KeyHeadersAreSeen) {
    for (const char* name : {"jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256"}) {
        jws parts;
        const std::string header = std::string(R"({"alg":"ES256",")") + name + R"(":"x"})";
        ASSERT_TRUE(parse_jws(with_header(header), 8192, parts).has_value());
        EXPECT_TRUE(parts.has_key_header) << name;
    }
}

}  // namespace
}  // namespace lethe::token
