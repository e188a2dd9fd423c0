// Tests of base: encodings, strict JSON, errors, metrics.
#include "base/arena.hpp"
#include "base/bytes.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/metrics.hpp"
#include "base/random.hpp"

#include <gtest/gtest.h>

namespace lethe {
namespace {

TEST(Bytes, Base64UrlRefusesPaddingSpacesAndTrailingBits) {
    EXPECT_EQ(*from_base64url("Zm8"), "fo");
    EXPECT_FALSE(from_base64url("Zm8=").has_value());
    EXPECT_FALSE(from_base64url("Zm 8").has_value());
    EXPECT_FALSE(from_base64url("Zh").has_value()) << "unused bits are set";
    EXPECT_FALSE(from_base64url("Z").has_value());
    EXPECT_FALSE(from_base64url("Zm8/").has_value());
    EXPECT_EQ(*from_base64url(""), "");
}

TEST(Bytes, Base64RoundTripsEveryLength) {
    std::string bytes;
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(*from_base64(to_base64(bytes)), bytes);
        EXPECT_EQ(*from_base64url(to_base64url(bytes)), bytes);
        EXPECT_EQ(*from_hex(to_hex(bytes)), bytes);
        bytes += static_cast<char>(i * 37);
    }
}

TEST(Bytes, Sha256OfPartsDependsOnWhereThePartsEnd) {
    EXPECT_NE(sha256_of_parts({"ab", "c"}), sha256_of_parts({"a", "bc"}));
    EXPECT_EQ(to_hex(sha256("abc")),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Bytes, Utf8RefusesOverlongSurrogatesAndTruncation) {
    EXPECT_TRUE(is_utf8("Gr\xC3\xBC\xC3\x9F\x65 \xF0\x9F\x98\x80"));
    EXPECT_FALSE(is_utf8("\xC0\x80"));
    EXPECT_FALSE(is_utf8("\xED\xA0\x80"));
    EXPECT_FALSE(is_utf8("\xE2\x82"));
    EXPECT_FALSE(is_utf8("\xF4\x90\x80\x80"));
}

TEST(Json, RefusesDuplicateMembersAtAnyDepth) {
    EXPECT_TRUE(json::parse(R"({"a":{"b":1},"c":[{"b":1}]})").has_value());
    EXPECT_FALSE(json::parse(R"({"a":1,"a":2})").has_value());
    EXPECT_FALSE(json::parse(R"([{"x":{"a":1,"b":2,"a":3}}])").has_value());
    EXPECT_FALSE(json::parse(R"({"a":1,"\u0061":2})").has_value())
        << "an escape spells the same name";
}

TEST(Json, RefusesDepthTrailingBytesAndBadUtf8) {
    EXPECT_TRUE(json::parse("[[1]]", {100, 2}).has_value());
    const auto deep = json::parse("[[[1]]]", {100, 2});
    ASSERT_FALSE(deep.has_value());
    EXPECT_EQ(deep.error(), condition::too_large);
    EXPECT_FALSE(json::parse("{} x").has_value());
    EXPECT_FALSE(json::parse("").has_value());
    EXPECT_FALSE(json::parse("\"\xff\"").has_value());
    EXPECT_FALSE(json::parse("{\"a\":").has_value());
    EXPECT_FALSE(json::parse("[1e999]").has_value()) << "no finite number";
    EXPECT_EQ(json::to_text(*json::parse(R"({"n":1.5,"s":"é","l":[true,null]})")),
              R"({"n":1.5E0,"s":"é","l":[true,null]})");
}

TEST(Arena, KeepsTextUntilReset) {
    arena memory;
    const std::string_view first = memory.copy("hello");
    const std::string big(10000, 'x');
    const std::string_view second = memory.concat({big, "!"});
    EXPECT_EQ(first, "hello");
    EXPECT_EQ(second.size(), 10001U);
    memory.reset();
    EXPECT_EQ(memory.copy("again"), "again");
}

TEST(Metrics, AddUpOverRegistries) {
    metrics::registry a;
    metrics::registry b;
    a.make_counter("lethe_x_total", "X.", {{"kind", "q\"uote"}}).add(2);
    b.make_counter("lethe_x_total", "X.", {{"kind", "q\"uote"}}).add(3);
    a.make_histogram("lethe_y_seconds", "Y.").observe(0.002);
    const metrics::registry* all[] = {&a, &b};
    const std::string text = metrics::to_prometheus(all);
    EXPECT_NE(text.find("lethe_x_total{kind=\"q\\\"uote\"} 5\n"), std::string::npos) << text;
    EXPECT_NE(text.find("lethe_y_seconds_bucket{le=\"0.001\"} 0\n"), std::string::npos) << text;
    EXPECT_NE(text.find("lethe_y_seconds_bucket{le=\"0.0025\"} 1\n"), std::string::npos) << text;
    EXPECT_NE(text.find("lethe_y_seconds_count 1\n"), std::string::npos) << text;
}

TEST(Log, StringsAreValidJsonWhateverTheBytes) {
    std::string out;
    log::append_json_string(out, "a\"b\\\n\x01\xff");
    EXPECT_EQ(out, "\"a\\\"b\\\\\\u000a\\u0001\\ufffd\"");
    EXPECT_TRUE(json::parse(out).has_value());
}

TEST(Random, SeededIsRepeatableAndBelowStaysBelow) {
    const auto one = make_seeded_random(7);
    const auto two = make_seeded_random(7);
    EXPECT_EQ(one->bytes(16), two->bytes(16));
    for (int i = 0; i < 1000; ++i) EXPECT_LT(one->below(3), 3U);
    EXPECT_NE(make_secure_random()->bytes(16), make_secure_random()->bytes(16));
}

}  // namespace
}  // namespace lethe
