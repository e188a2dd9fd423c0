// Tests of base: encodings, strict JSON, errors, metrics.
#include "base/arena.hpp"
#include "base/base64.hpp"
#include "base/bytes.hpp"
#include "base/hmac.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/metrics.hpp"
#include "base/random.hpp"
#include "base/recent.hpp"

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
    // libsodium takes some bytes above ASCII for digits: a token would have several spellings.
    for (int byte = 0x80; byte <= 0xff; ++byte) {
        const std::string text{'Z', 'm', static_cast<char>(byte), '8'};
        EXPECT_FALSE(from_base64url(text).has_value()) << byte;
        EXPECT_FALSE(from_base64(text).has_value()) << byte;
    }
    EXPECT_EQ(*from_base64url(""), "");
}

// The quick ones give and take exactly what the careful ones do.
TEST(Bytes, OpenBase64AgreesWithTheOther) {
    const auto random = make_seeded_random(4);
    for (std::size_t size = 0; size < 100; ++size) {
        const std::string bytes = random->bytes(size);
        std::string url = "x";
        append_open_base64(url, bytes, base64_alphabet::url);
        EXPECT_EQ(url, "x" + to_base64url(bytes));
        std::string standard;
        append_open_base64(standard, bytes, base64_alphabet::standard);
        EXPECT_EQ(standard, to_base64(bytes));
        std::string back;
        EXPECT_TRUE(decode_open_base64url(to_base64url(bytes), back));
        EXPECT_EQ(back, bytes);
    }
    for (int i = 0; i < 20'000; ++i) {
        // Long ones are decoded sixteen letters at a time, but for their end.
        const bool is_long = random->below(2) == 0;
        std::string text = to_base64url(random->bytes(random->below(is_long ? 100 : 8)));
        for (char& c : text)
            if (random->below(is_long ? 100 : 4) == 0) c = static_cast<char>(random->below(256));
        if (random->below(4) == 0) text += '=';
        const result<std::string> careful = from_base64url(text);
        std::string quick;
        EXPECT_EQ(decode_open_base64url(text, quick), careful.has_value()) << text;
        if (careful.has_value()) EXPECT_EQ(quick, *careful);
    }
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

TEST(Json, TheCanonicalTextIsThatOfRfc8785) {
    const auto canonical = [](std::string_view text) {
        const auto value = json::parse(text);
        EXPECT_TRUE(value.has_value()) << text;
        return value.has_value() ? json::canonical_text(*value) : std::string();
    };
    // Section 3.2.2's example and appendix B's numbers.
    EXPECT_EQ(
        canonical(R"({"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],
        "string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]})"),
        "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
        "\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
    for (const auto& [text, wanted] : std::vector<std::pair<const char*, const char*>>{
             {"-0", "0"},
             {"0.0", "0"},
             {"5e-324", "5e-324"},
             {"1.7976931348623157e308", "1.7976931348623157e+308"},
             {"1e21", "1e+21"},
             {"999999999999999900000.0", "999999999999999900000"},
             {"1e-6", "0.000001"},
             {"1e-7", "1e-7"},
             {"123456.75", "123456.75"},
             {"-1.50", "-1.5"},
             {"100", "100"},
             {"1e2", "100"}})
        EXPECT_EQ(canonical(text), wanted);
    // Two amounts that a double cannot tell apart stay two.
    EXPECT_NE(canonical("9007199254740993"), canonical("9007199254740992"));
    // Section 3.2.3: UTF-16 order, in which U+1F600 stands before U+FB33.
    EXPECT_EQ(canonical("{\"\\ufb33\":1,\"\\ud83d\\ude00\":2,\"\\u20ac\":3,\"1\":4}"),
              "{\"1\":4,\"€\":3,\"😀\":2,\"\xef\xac\xb3\":1}");
    EXPECT_EQ(canonical(R"( { "b" : {} , "a" : [ ] } )"), R"({"a":[],"b":{}})");
}

TEST(Bytes, CaseIsIgnoredForLettersAndForNothingElse) {
    const auto lower = [](int c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; };
    for (std::size_t size = 1; size <= 19; ++size)
        for (int a = 0; a < 256; ++a)
            for (int b = 0; b < 256; ++b) {
                std::string one(size, 'k');
                std::string other(size, 'K');
                const std::size_t at = static_cast<std::size_t>(a + b) % size;
                one[at] = static_cast<char>(a);
                other[at] = static_cast<char>(b);
                ASSERT_EQ(equal_ignoring_case(one, other), lower(a) == lower(b))
                    << size << " " << a << " " << b;
            }
    EXPECT_FALSE(equal_ignoring_case("abcdefgh", "abcdefghi"));
    EXPECT_TRUE(equal_ignoring_case("", ""));
}

TEST(Arena, KeepsTextUntilReset) {
    arena memory;
    const std::string_view first = memory.copy("hello");
    const std::string big(10000, 'x');
    const std::string_view second = memory.concat({big, "!"});
    EXPECT_EQ(first, "hello");
    EXPECT_EQ(second.size(), 10001U);
    EXPECT_EQ(first, "hello");
    memory.reset();
    EXPECT_EQ(memory.copy("again"), "again");
    // Many blocks, each aligned for anything.
    for (std::size_t size = 1; size < 6000; size += 7)
        EXPECT_EQ(
            reinterpret_cast<std::uintptr_t>(memory.allocate(size)) % alignof(std::max_align_t),
            0U);
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

// RFC 4231, cases 1, 2 and 6; the parts are one text.
TEST(Hash, HmacIsTheOneOfTheStandard) {
    EXPECT_EQ(to_hex(hmac_sha256(std::string(20, '\x0b'), {"Hi There"})),
              "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    EXPECT_EQ(to_hex(hmac_sha256("Jefe", {"what do ya want ", "for nothing?"})),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    EXPECT_EQ(to_hex(hmac_sha256(std::string(131, '\xaa'),
                                 {"Test Using Larger Than Block-Size Key - Hash Key First"})),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Base64, EveryByteAndLengthComesBackAndNothingElseIsTaken) {
    const auto random = make_seeded_random(11);
    for (std::size_t size = 0; size < 80; ++size) {
        const std::string bytes = random->bytes(size);
        const std::string url = to_base64url(bytes);
        const std::string plain = to_base64(bytes);
        EXPECT_EQ(from_base64url(url).value(), bytes);
        EXPECT_EQ(from_base64(plain).value(), bytes);
        EXPECT_EQ(plain.size() % 4, 0U);
        EXPECT_EQ(from_base64url(plain).has_value(), plain == url) << plain;
    }
    const std::string url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const std::string plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    EXPECT_EQ(to_base64url(from_base64url(url).value()), url);
    EXPECT_EQ(to_base64(from_base64(plain).value()), plain);
    for (unsigned c = 0; c < 256; ++c) {
        const std::string text = std::string("AA") + static_cast<char>(c) + "A";
        const bool is_url = url.find(static_cast<char>(c)) != std::string::npos;
        const bool is_plain = plain.find(static_cast<char>(c)) != std::string::npos;
        EXPECT_EQ(from_base64url(text).has_value(), is_url) << c;
        EXPECT_EQ(from_base64(text).has_value(), is_plain) << c;
    }
    for (const char* wrong : {"A", "AAAAA", "AB", "AAB", "AA==", "AA=", "=", "====", "A==="})
        EXPECT_TRUE(from_base64url(wrong).has_error()) << wrong;
    for (const char* wrong :
         {"AA", "AAA", "AB==", "AAB=", "AA=A", "A===", "====", "=AAA", "AA==AAAA"})
        EXPECT_TRUE(from_base64(wrong).has_error()) << wrong;
}

TEST(Random, SeededIsRepeatableAndBelowStaysBelow) {
    const auto one = make_seeded_random(7);
    const auto two = make_seeded_random(7);
    EXPECT_EQ(one->bytes(16), two->bytes(16));
    for (int i = 0; i < 1000; ++i) EXPECT_LT(one->below(3), 3U);
    EXPECT_NE(make_secure_random()->bytes(16), make_secure_random()->bytes(16));
    EXPECT_NE(make_buffered_random()->bytes(16), make_buffered_random()->bytes(16));
}

TEST(StableHash, NeverChanges) {
    // Written down once: another value would make every record of a running site on Memcached
    // unfindable, and send every caller to another replica.
    EXPECT_EQ(stable_hash(""), 0xefd01f60ba992926U);
    EXPECT_EQ(stable_hash("s:1"), 359'536'814'855'581'649U);
}

TEST(Bytes, EqualInConstantTimeLooksAtEveryByte) {
    EXPECT_TRUE(equal_constant_time("", ""));
    EXPECT_FALSE(equal_constant_time("a", ""));
    for (std::size_t size = 1; size < 40; ++size) {
        const std::string text(size, 'x');
        EXPECT_TRUE(equal_constant_time(text, std::string(text)));
        EXPECT_FALSE(equal_constant_time(text, text + 'x'));
        for (std::size_t at = 0; at < size; ++at)
            for (unsigned bit = 0; bit < 8; ++bit) {
                std::string other = text;
                other[at] = static_cast<char>(other[at] ^ (1 << bit));
                EXPECT_FALSE(equal_constant_time(text, other)) << size << ' ' << at;
            }
    }
}

TEST(Recent, WhatWasNotUsedForLongestMakesRoom) {
    recent<int> some(recent<int>::ways);
    EXPECT_EQ(some.find("0"), nullptr);
    for (int i = 0; i < 8; ++i) some.keep(std::to_string(i), i);
    for (int i = 0; i < 8; ++i)
        if (i != 3) EXPECT_EQ(*some.find(std::to_string(i)), i);
    some.keep("8", 8);
    EXPECT_EQ(some.find("3"), nullptr);
    EXPECT_EQ(*some.find("8"), 8);
    some.keep("0", 10);
    EXPECT_EQ(*some.find("0"), 10) << "in its old one's place";
    EXPECT_EQ(*some.find("1"), 1);
    EXPECT_EQ(some.find(""), nullptr);
}

TEST(Recent, MoreThanThereIsRoomForLeavesTheLast) {
    recent<std::size_t> some(64);
    for (std::size_t i = 0; i < 1000; ++i) some.keep("text " + std::to_string(i), i);
    std::size_t there = 0;
    for (std::size_t i = 0; i < 1000; ++i)
        if (const std::size_t* const found = some.find("text " + std::to_string(i))) {
            EXPECT_EQ(*found, i);
            ++there;
        }
    EXPECT_EQ(there, 64U);
    EXPECT_EQ(*some.find("text 999"), 999U);
}

}  // namespace
}  // namespace lethe
