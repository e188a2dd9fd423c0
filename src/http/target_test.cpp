// Request targets: one normal form, whoever looks at it.
#include "http/target.hpp"

#include "support/source_tree.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace lethe::http {
namespace {

std::string normal(std::string_view path) {
    arena memory;
    const result<std::string_view> out = normalise_path(path, memory);
    return out.has_value() ? std::string(*out) : "refused";
}

TEST(Target, APathHasOneNormalForm) {
    struct row {
        std::string_view path;
        std::string_view normal;
    };
    constexpr row rows[] = {
        {"/", "/"},
        {"/a/b", "/a/b"},
        {"/a/", "/a/"},
        // dot segments (RFC 3986 section 5.2.4)
        {"/.", "/"},
        {"/./", "/"},
        {"/a/.", "/a/"},
        {"/a/./b", "/a/b"},
        {"/a/..", "/"},
        {"/a/../", "/"},
        {"/a/../b", "/b"},
        {"/a/b/../../c", "/c"},
        {"/a/b/..", "/a/"},
        {"/a/./../b/.", "/b/"},
        // not dot segments
        {"/...", "/..."},
        {"/.a", "/.a"},
        {"/..a/b.", "/..a/b."},
        {"/a../b..", "/a../b.."},
        {"/.well-known/x", "/.well-known/x"},
        // slashes in a row
        {"//", "/"},
        {"//a", "/a"},
        {"/a//b/", "/a/b/"},
        {"/a///", "/a/"},
        {"//%61dmin", "/admin"},
        {"/a//../b", "/b"},
        {"/a//..", "/"},
        {"/a/..//b", "/b"},
        // escapes
        {"/%61%62%63", "/abc"},
        {"/%41%7e%2D%5f%2e", "/A~-_."},
        {"/%2e", "/"},
        {"/a/%2e%2e/b", "/b"},
        {"/a/%2E./b", "/b"},
        {"/a/.%2e", "/"},
        {"/%3a%2f%5c", "/%3A%2F%5C"},
        {"/a%2fb", "/a%2Fb"},
        {"/%c3%a9", "/%C3%A9"},
        {"/%ff", "/%FF"},
        {"/%20", "/%20"},
        {"/%25", "/%25"},
        {"/%252e%252e/", "/%252e%252e/"},
        {"/%2525", "/%2525"},
        // sub-delims, ':' and '@' as they are
        {"/!$&'()*+,;=:@", "/!$&'()*+,;=:@"},
        {"/a;b=c/d", "/a;b=c/d"},
        // what browsers send raw
        {"/a|b", "/a%7Cb"},
        {"/[x]{y}^`<>\"", "/%5Bx%5D%7By%7D%5E%60%3C%3E%22"},
        {"/[/../]", "/%5D"},
        {"/a|/../..b", "/..b"},
    };
    for (const row& one : rows) {
        EXPECT_EQ(normal(one.path), one.normal) << one.path;
        EXPECT_EQ(normal(one.normal), one.normal) << "applied twice: " << one.path;
    }
}

TEST(Target, PathsThatTwoServersReadDifferentlyAreRefused) {
    constexpr std::string_view paths[] = {
        "", "a", "*", "http://a/",
        // above the root
        "/..", "/../a", "/a/../..", "/a/../../b", "/%2e%2e/", "/./..",
        // no ASCII, control bytes, space, fragment, backslash, raw and escaped
        "/\xc3\xa9", "/\xc0\xaf", "/a b", "/a\tb", "/a#b", "/a\\b", "/..\\a", "/a?b", "/\x7f",
        "/\x01", "/%00", "/a%00.jpg", "/%0d%0aX:y", "/%1f", "/%7f", "/%09",
        // broken escapes
        "/%", "/%4", "/%zz", "/%4z", "/%%41", "/a%", "/%u0041", "/% 1",
        // dots that become dot segments elsewhere
        "/a/..;/b", "/..;", "/.;a/b", "/a/..;x=y/b", "/a/..%2fb", "/a/..%2Fb", "/a/..%5cb",
        "/a/.%2f", "/a%2f..", "/a%2f../b", "/a%2f..%2fb", "/a%5c..%5cb", "/%2f..", "/a%2f%2e%2e/b",
        "/%2f.", "/a/%2e%2e%2fb", "/a/%2e%2e;/b"};
    for (const std::string_view path : paths) EXPECT_EQ(normal(path), "refused") << path;
    EXPECT_EQ(normal(std::string_view("/a\0b", 4)), "refused");
}

TEST(Target, APathInNormalFormIsNotCopied) {
    arena memory;
    for (const std::string_view path : {"/", "/a.b/c_d~e", "/a%2Fb", "/.hidden"}) {
        const result<std::string_view> out = normalise_path(path, memory);
        ASSERT_TRUE(out.has_value());
        EXPECT_EQ(static_cast<const void*>(out->data()), static_cast<const void*>(path.data()))
            << path;
    }
}

TEST(Target, TheQueryIsPassedOnAsSent) {
    arena memory;
    const result<target> out =
        parse_target("/a/../b?x=%41&y=../|{}[]\\^`\"<>%zz?/", method::get, memory);
    ASSERT_TRUE(out.has_value());
    EXPECT_EQ(out->path, "/b");
    EXPECT_EQ(out->query, "x=%41&y=../|{}[]\\^`\"<>%zz?/");
    EXPECT_TRUE(out->has_query);
    EXPECT_TRUE(parse_target("/?", method::get, memory)->has_query);
    EXPECT_FALSE(parse_target("/", method::get, memory)->has_query);
    for (const std::string_view text :
         {std::string_view("/?a#b"), std::string_view("/?\xc3\xa9"), std::string_view("/?a\tb"),
          std::string_view("/?\x7f"), std::string_view("/?\0", 3), std::string_view("/?\r\n")})
        EXPECT_FALSE(parse_target(text, method::get, memory).has_value()) << text;
}

TEST(Target, OnlyOptionsHasTheAsteriskForm) {
    arena memory;
    EXPECT_EQ(parse_target("*", method::options, memory)->path, "*");
    EXPECT_FALSE(parse_target("*", method::get, memory).has_value());
    EXPECT_FALSE(parse_target("**", method::options, memory).has_value());
    EXPECT_FALSE(parse_target("*?a", method::options, memory).has_value());
    EXPECT_EQ(parse_target("http://a", method::options, memory)->path, "*");
    EXPECT_EQ(parse_target("http://a?b", method::options, memory)->path, "/");
    EXPECT_EQ(parse_target("http://a/", method::options, memory)->path, "/");
}

TEST(Target, TheAbsoluteFormIsTakenApart) {
    arena memory;
    const result<target> out =
        parse_target("HTTP://Shop.Example:8080/a/./b?c", method::get, memory);
    ASSERT_TRUE(out.has_value());
    EXPECT_EQ(out->authority, "shop.example:8080");
    EXPECT_EQ(out->path, "/a/b");
    EXPECT_EQ(out->query, "c");
    EXPECT_EQ(out->default_port, 80);
    EXPECT_EQ(parse_target("https://a", method::get, memory)->path, "/");
    EXPECT_EQ(parse_target("https://a", method::get, memory)->default_port, 443);
    EXPECT_EQ(parse_target("http://a?b", method::get, memory)->query, "b");
    for (const char* text :
         {"", "http:/a", "http://", "http:///a", "http://?a", "ftp://a/", "http:a", "http://u@a/",
          "http://u:p@a/", "http://a:b/", "a:443", "//", "http://a#b", "http://a/../",
          "javascript:x", "a/b", "?a", "http://a\\b/", "http://[::1/"}) {
        if (std::string_view(text) == "//") continue;  // origin form
        EXPECT_FALSE(parse_target(text, method::get, memory).has_value()) << text;
    }
}

TEST(Target, AnAuthorityIsAHostAndPerhapsAPort) {
    for (const char* text :
         {"a", "a.b", "localhost:8080", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:80",
          "[2001:db8::1.2.3.4]", "a_b-c~d.e.", "A.EXAMPLE", "a:65535", "a:0"})
        EXPECT_TRUE(is_authority(text)) << text;
    for (const std::string_view text :
         {std::string_view(""),           std::string_view(":80"),
          std::string_view("a:"),         std::string_view("a:b"),
          std::string_view("a:65536"),    std::string_view("a:000080"),
          std::string_view("a:-1"),       std::string_view("a:80:80"),
          std::string_view("::1"),        std::string_view("[::1"),
          std::string_view("::1]"),       std::string_view("[]"),
          std::string_view("[::1]x"),     std::string_view("[::1%eth0]"),
          std::string_view("[v1.a]"),     std::string_view("[1.2.3.4]"),
          std::string_view("u@a"),        std::string_view("a/b"),
          std::string_view("a b"),        std::string_view("a,b"),
          std::string_view("a;b"),        std::string_view("a%2eb"),
          std::string_view("\xc3\xa9"),   std::string_view("a\0", 2),
          std::string_view("[::1\0]", 6), std::string_view("a?"),
          std::string_view("a#"),         std::string_view("a\\b"),
          std::string_view("[")})
        EXPECT_FALSE(is_authority(text)) << text;
    EXPECT_FALSE(is_authority(std::string(256, 'a')));
}

TEST(Target, AuthoritiesAreComparedByHostAndPort) {
    EXPECT_TRUE(same_authority("a", "A", 80));
    EXPECT_TRUE(same_authority("a:80", "a", 80));
    EXPECT_TRUE(same_authority("[::1]:443", "[::1]", 443));
    EXPECT_TRUE(same_authority("a:080", "a:80", 80));
    EXPECT_FALSE(same_authority("a:80", "a", 443));
    EXPECT_FALSE(same_authority("a", "b", 80));
    EXPECT_FALSE(same_authority("a:1", "a:2", 80));
}

// Browsers' inputs as targets: whatever is accepted is in one safe form and stays in it.
TEST(Target, HostileUrlsAreRefusedOrMadeSafe) {
    std::ifstream in(lethe::test::source_tree() / "tests/vectors/whatwg-url/urltestdata.json",
                     std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    std::size_t accepted = 0;
    std::size_t refused = 0;
    const boost::json::value tests = boost::json::parse(text.str());
    for (const boost::json::value& test : tests.as_array()) {
        if (!test.is_object()) continue;
        const std::string input(test.at("input").as_string());
        for (const std::string& tried : {input, "/" + input, "/a/" + input, "http://h/" + input}) {
            SCOPED_TRACE(tried);
            arena memory;
            const result<target> out = parse_target(tried, method::get, memory);
            ++(out.has_value() ? accepted : refused);
            if (!out.has_value()) continue;
            ASSERT_TRUE(out->path.starts_with('/'));
            for (const char c : out->path) {
                EXPECT_TRUE(c > 0x20 && c < 0x7f);
                EXPECT_EQ(std::string_view("\\#?\"<>[]^`{|}").find(c), std::string_view::npos) << c;
            }
            const std::string with_slash = std::string(out->path) + "/";
            EXPECT_EQ(with_slash.find("/./"), std::string::npos);
            EXPECT_EQ(with_slash.find("/../"), std::string::npos);
            EXPECT_EQ(normal(out->path), out->path);
        }
    }
    EXPECT_GT(accepted, 500U);
    EXPECT_GT(refused, 500U);
}

}  // namespace
}  // namespace lethe::http
