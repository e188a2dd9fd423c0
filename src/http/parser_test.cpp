// Heads: what is read from them, what is refused and how, keep-alive and framing rules. Tables, one
// row a corner; docs/http.md gives the reasons.
#include "http/parser.hpp"

#include <gtest/gtest.h>

#include <string>

namespace lethe::http {
namespace {

struct parsed_request {
    explicit parsed_request(std::string text, head_limits limits = {})
        : bytes(std::move(text)),
          head(memory),
          outcome(parse_request_head(bytes, limits, head, frame)) {}

    [[nodiscard]] bool ok() const { return outcome.has_value(); }
    [[nodiscard]] error_code error() const { return outcome.error(); }

    arena memory;
    std::string bytes;
    request_head head;
    framing frame;
    result<> outcome;
};

struct parsed_response {
    explicit parsed_response(std::string text, method asked = method::get)
        : bytes(std::move(text)),
          head(memory),
          outcome(parse_response_head(bytes, head_limits{}, asked, head, frame)) {}

    [[nodiscard]] bool ok() const { return outcome.has_value(); }

    arena memory;
    std::string bytes;
    response_head head;
    framing frame;
    result<> outcome;
};

// A request that has a body, with these fields besides Host.
parsed_request post(const std::string& fields, int version_minor = 1) {
    return parsed_request("POST / HTTP/1." + std::to_string(version_minor) + "\r\nHost: a\r\n" +
                          fields + "\r\n");
}
parsed_response answer(const std::string& fields, int status = 200, method asked = method::get) {
    return parsed_response("HTTP/1.1 " + std::to_string(status) + " X\r\n" + fields + "\r\n",
                           asked);
}

const error_code malformed = make_error_code(errc::malformed);

// --- request heads

TEST(RequestHead, EveryPartIsRead) {
    const parsed_request out(
        "GET /a/%62?x=1 HTTP/1.1\r\nHost: Shop.example:8080\r\nAccept: */*\r\nX-Empty:\r\nX-Tab:\t "
        "a\tb \t\r\n"
        "\r\n");
    ASSERT_TRUE(out.ok());
    EXPECT_EQ(out.head.method, method::get);
    EXPECT_EQ(out.head.method_text, "GET");
    EXPECT_EQ(out.head.path, "/a/b");
    EXPECT_EQ(out.head.query, "x=1");
    EXPECT_TRUE(out.head.has_query);
    EXPECT_EQ(out.head.authority, "shop.example:8080");
    EXPECT_EQ(out.head.version_minor, 1);
    EXPECT_EQ(out.head.header.size(), 4U);
    EXPECT_EQ(out.head.header.first(field_id::host), "Shop.example:8080");
    EXPECT_EQ(out.head.header.first("x-empty"), "");
    EXPECT_EQ(out.head.header.first("x-tab"), "a\tb");
    EXPECT_TRUE(out.frame.keep_alive);
    EXPECT_FALSE(out.frame.chunked);
    EXPECT_FALSE(out.frame.content_length.has_value());
}

TEST(RequestHead, FieldsAreViewsIntoTheHead) {
    const parsed_request out(
        "GET /a HTTP/1.1\r\nHost: a\r\nX-Long-Enough: to not be short\r\n\r\n");
    ASSERT_TRUE(out.ok());
    for (const field_line& line : out.head.header) {
        EXPECT_GE(line.name.data(), out.bytes.data());
        EXPECT_LT(line.value.data(), out.bytes.data() + out.bytes.size());
    }
    EXPECT_EQ(static_cast<const void*>(out.head.path.data()), out.bytes.data() + 4);
}

TEST(RequestHead, UnknownMethodsAreReadAndCaseMatters) {
    const parsed_request out("get / HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_TRUE(out.ok());
    EXPECT_EQ(out.head.method, method::other);
    EXPECT_TRUE(parsed_request(std::string(32, 'M') + " / HTTP/1.1\r\nHost: a\r\n\r\n").ok());
    EXPECT_FALSE(parsed_request(std::string(33, 'M') + " / HTTP/1.1\r\nHost: a\r\n\r\n").ok());
}

TEST(RequestHead, MalformedRequestLinesAreRefused) {
    for (const std::string_view line : {std::string_view("GET  / HTTP/1.1"),
                                        std::string_view("GET /  HTTP/1.1"),
                                        std::string_view("GET / HTTP/1.1 "),
                                        std::string_view(" GET / HTTP/1.1"),
                                        std::string_view("GET\t/ HTTP/1.1"),
                                        std::string_view("GET /\tHTTP/1.1"),
                                        std::string_view("GET / "),
                                        std::string_view("GET /"),
                                        std::string_view("GET"),
                                        std::string_view("GET HTTP/1.1"),
                                        std::string_view("G(T / HTTP/1.1"),
                                        std::string_view("GET / HTTP/1.1x"),
                                        std::string_view("GET / http/1.1"),
                                        std::string_view("GET / HTTP/1"),
                                        std::string_view("GET / HTTP/11"),
                                        std::string_view("GET / HTTP/1,1"),
                                        std::string_view("GET / HTTP/01.1"),
                                        std::string_view("GET / HTTP/1.01"),
                                        std::string_view("GET / HTTP/ 1.1"),
                                        std::string_view("GET / HTTP /1.1"),
                                        std::string_view("GET / XTTP/1.1"),
                                        std::string_view("GET / HTTP/1.1\rX"),
                                        std::string_view("GET / HTTP/1.1\nX"),
                                        std::string_view("GET /a b HTTP/1.1"),
                                        std::string_view("GET /\0 HTTP/1.1", 15),
                                        std::string_view("GE\0T / HTTP/1.1", 15),
                                        std::string_view("GET /\xff HTTP/1.1"),
                                        std::string_view("GET a HTTP/1.1"),
                                        std::string_view("GET /../a HTTP/1.1"),
                                        std::string_view("GET /%0d%0aX:%20y HTTP/1.1"),
                                        std::string_view("GET * HTTP/1.1")})
        EXPECT_EQ(parsed_request(std::string(line) + "\r\nHost: a\r\n\r\n").error(), malformed)
            << line;
}

TEST(RequestHead, OtherVersionsAreNotSpoken) {
    for (const char* version : {"HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/9.9", "HTTP/3.1"})
        EXPECT_EQ(parsed_request(std::string("GET / ") + version + "\r\nHost: a\r\n\r\n").error(),
                  make_error_code(errc::unsupported_version))
            << version;
    EXPECT_EQ(parsed_request("PRI * HTTP/2.0\r\n\r\n").error(),
              make_error_code(errc::unsupported_version));
}

TEST(RequestHead, ConnectAndTraceAreNotSpoken) {
    EXPECT_EQ(parsed_request("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n").error(),
              make_error_code(errc::unsupported_method));
    EXPECT_EQ(parsed_request("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n").error(),
              make_error_code(errc::unsupported_method));
}

TEST(RequestHead, MalformedFieldLinesAreRefused) {
    for (const std::string_view line : {std::string_view("X"),
                                        std::string_view("X y"),
                                        std::string_view("X : y"),
                                        std::string_view("X\t: y"),
                                        std::string_view(": y"),
                                        std::string_view(" X: y"),
                                        std::string_view("\tX: y"),
                                        std::string_view("X: a\r\n b"),
                                        std::string_view("X: a\r\n\tb"),
                                        std::string_view("X: a\r\n "),
                                        std::string_view("X: a\rb"),
                                        std::string_view("X: a\nb"),
                                        std::string_view("X: a\nY: b"),
                                        std::string_view("X: a\r\rY: b"),
                                        std::string_view("X: \0", 4),
                                        std::string_view("X: a\x01"),
                                        std::string_view("X: 12345678\x0b"),
                                        std::string_view("X: \x7f"),
                                        std::string_view("X: 123456789012\x7f"),
                                        std::string_view("X: a\x08z"),
                                        std::string_view("X\0: a", 5),
                                        std::string_view("X\xc3\xa9: a"),
                                        std::string_view("X[: a"),
                                        std::string_view("X,Y: a"),
                                        std::string_view("\"X\": a"),
                                        std::string_view("X@: a"),
                                        std::string_view("X: \x1f")})
        EXPECT_EQ(post(std::string(line) + "\r\n").error(), malformed) << line;
}

TEST(RequestHead, ValuesMayHoldTabsAndHighBytes) {
    const parsed_request out = post("X: a\tb\xc3\xa9\xff 12345678\t1234567\t12345678 \r\n");
    ASSERT_TRUE(out.ok());
    EXPECT_EQ(out.head.header.first("X"), "a\tb\xc3\xa9\xff 12345678\t1234567\t12345678");
}

TEST(RequestHead, EveryByteOfNameAndValueIsJudged) {
    for (int c = 0; c < 256; ++c) {
        const char byte = static_cast<char>(c);
        // In every place of an 8-byte word.
        for (std::size_t before = 0; before < 9; ++before) {
            const bool allowed = (c >= 0x20 && c != 0x7f) || c == '\t';
            const std::string value = std::string(before, 'v') + byte + std::string(9, 'w');
            EXPECT_EQ(post("X: " + value + "\r\n").ok(), allowed) << c << " behind " << before;
        }
        const bool token =
            c > 0x20 && c < 0x7f &&
            std::string_view("\"(),/:;<=>?@[\\]{}").find(byte) == std::string_view::npos;
        EXPECT_EQ(post(std::string("X") + byte + "Y: a\r\n").ok(), token || c == ':') << c;
        EXPECT_EQ(is_token(std::string("X") + byte), token) << c;
    }
}

TEST(RequestHead, EveryByteIsJudgedWhereverItStandsInALongName) {
    for (std::size_t size = 1; size < 40; ++size) {
        for (std::size_t place = 0; place < size; ++place) {
            for (int c = 0; c < 256; ++c) {
                std::string name(size, place % 2 == 0 ? 'x' : 'Z');
                name[place] = static_cast<char>(c);
                const parsed_request out("GET / HTTP/1.1\r\nHost: a\r\n" + name + ": b\r\n\r\n");
                // A colon ends the name where it stands; the rest is of the value.
                const bool sound = c == ':' ? place != 0 : is_token(name);
                ASSERT_EQ(out.ok(), sound) << "size " << size << ", place " << place << ", " << c;
                if (!sound) continue;
                const std::string_view read = (out.head.header.end() - 1)->name;
                ASSERT_EQ(read, std::string_view(name).substr(0, c == ':' ? place : size));
            }
        }
    }
}

TEST(RequestHead, AControlByteIsFoundWhereverItStandsInALongValue) {
    for (std::size_t at = 0; at < 70; ++at)
        for (const char bad : {'\0', '\n', '\r', '\x1f', '\x7f'}) {
            std::string value(70, 'x');
            value[at / 2] = '\t';
            value[at] = bad;
            EXPECT_FALSE(
                parsed_request("GET / HTTP/1.1\r\nHost: a\r\nX: " + value + "\r\n\r\n").ok())
                << at << " " << int(bad);
            value[at] = '\xff';
            EXPECT_TRUE(
                parsed_request("GET / HTTP/1.1\r\nHost: a\r\nX: " + value + "\r\n\r\n").ok());
        }
}

TEST(HeadScanner, ABareLineBreakIsFoundWhereverItStandsInALongLine) {
    for (std::size_t at = 0; at < 70; ++at)
        for (const char bad : {'\n', '\r'}) {
            std::string line(70, 'x');
            head_scanner fine(1024);
            const std::string whole = "GET / HTTP/1.1\r\nX: " + line + "\r\n\r\n";
            const result<std::optional<std::size_t>> found = fine.scan(whole);
            EXPECT_TRUE(found.has_value() && *found == whole.size());
            line[at] = bad;
            head_scanner strict(1024);
            EXPECT_TRUE(strict.scan("GET / HTTP/1.1\r\nX: " + line + "\r\n\r\n").has_error())
                << at << " " << int(bad);
        }
}

TEST(RequestHead, LimitsAreKept) {
    const std::string head = "GET /1234 HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
    EXPECT_TRUE(parsed_request(head, {head.size(), 2, 5}).ok());
    EXPECT_EQ(parsed_request(head, {head.size() - 1, 2, 5}).error(),
              make_error_code(errc::head_too_large));
    EXPECT_EQ(parsed_request(head, {head.size(), 1, 5}).error(),
              make_error_code(errc::too_many_fields));
    EXPECT_EQ(parsed_request(head, {head.size(), 2, 4}).error(),
              make_error_code(errc::target_too_long));
}

TEST(RequestHead, OnlyAWholeHeadIsRead) {
    const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for (std::size_t size = 0; size < head.size(); ++size)
        EXPECT_FALSE(parsed_request(head.substr(0, size)).ok()) << size;
    EXPECT_FALSE(parsed_request(head + head).ok()) << "two heads are not one";
    EXPECT_FALSE(parsed_request("\r\n\r\n").ok());
    EXPECT_FALSE(parsed_request("\r\n\r\n\r\n\r\n").ok());
    EXPECT_TRUE(parsed_request("\r\n\r\n" + head).ok()) << "RFC 9112 section 2.2";
    EXPECT_TRUE(parsed_request("\r\n\r\n\r\n\r\n" + head).ok());
    EXPECT_FALSE(parsed_request("\r\n\r\n\r\n\r\n\r\n" + head).ok()) << "as the scanner has it";
}

// --- Host

TEST(RequestHead, Http11NeedsExactlyOneSoundHost) {
    const auto with = [](const std::string& fields) {
        return parsed_request("GET / HTTP/1.1\r\n" + fields + "\r\n").outcome;
    };
    EXPECT_TRUE(with("Host: a\r\n").has_value());
    EXPECT_TRUE(with("hOST:[::1]:80\r\n").has_value());
    for (const char* fields : {"", "Host:\r\n", "Host: a\r\nHost: a\r\n", "Host: a\r\nHost: b\r\n",
                               "Host: a, b\r\n", "Host: a/b\r\n", "Host: u@a\r\n", "Host: a:b\r\n",
                               "Host: a b\r\n", "Host: http://a\r\n", "Host: a%00\r\n"})
        EXPECT_EQ(with(fields).error(), malformed) << fields;
}

TEST(RequestHead, Http10MayLackItsHost) {
    const parsed_request out("GET / HTTP/1.0\r\n\r\n");
    ASSERT_TRUE(out.ok());
    EXPECT_EQ(out.head.authority, "");
    EXPECT_EQ(out.head.version_minor, 0);
    EXPECT_FALSE(parsed_request("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n").ok());
}

TEST(RequestHead, AnAbsoluteTargetAgreesWithHost) {
    const auto with = [](const char* target, const char* host) {
        return parsed_request(std::string("GET ") + target + " HTTP/1.1\r\nHost: " + host +
                              "\r\n\r\n");
    };
    const parsed_request out = with("http://Shop.example/a/../b?c", "shop.EXAMPLE");
    ASSERT_TRUE(out.ok());
    EXPECT_EQ(out.head.authority, "shop.example");
    EXPECT_EQ(out.head.path, "/b");
    EXPECT_TRUE(with("http://a:80/", "a").ok());
    EXPECT_TRUE(with("https://a/", "a:443").ok());
    EXPECT_EQ(with("http://a/", "b").error(), malformed);
    EXPECT_EQ(with("http://a/", "a:443").error(), malformed);
    EXPECT_FALSE(parsed_request("GET http://a/ HTTP/1.1\r\n\r\n").ok()) << "no Host";
    EXPECT_EQ(parsed_request("GET http://a/ HTTP/1.0\r\n\r\n").head.authority, "a");
}

// --- framing

TEST(RequestHead, ContentLengthIsPlainDigitsOnce) {
    EXPECT_EQ(post("Content-Length: 0\r\n").frame.content_length, 0U);
    EXPECT_EQ(post("Content-Length: 5 \r\n").frame.content_length, 5U);
    EXPECT_EQ(post("content-length:9223372036854775807\r\n").frame.content_length,
              9223372036854775807U);
    for (const char* value : {"",
                              "+5",
                              "-1",
                              "5,5",
                              "5, 5",
                              "5 5",
                              "0x5",
                              "0o5",
                              "1_0",
                              "5.0",
                              "1e3",
                              "00",
                              "05",
                              "abc",
                              "9223372036854775808",
                              "18446744073709551616",
                              "99999999999999999999999",
                              "\"5\"",
                              "5;",
                              "\xd9\xa1"})
        EXPECT_EQ(post(std::string("Content-Length: ") + value + "\r\n").error(), malformed)
            << value;
    EXPECT_EQ(post("Content-Length: 5\r\nContent-Length: 5\r\n").error(), malformed);
    EXPECT_EQ(post("Content-Length: 5\r\nX: y\r\ncontent-length: 6\r\n").error(), malformed);
}

TEST(RequestHead, TransferEncodingIsChunkedAlone) {
    EXPECT_TRUE(post("Transfer-Encoding: chunked\r\n").frame.chunked);
    EXPECT_TRUE(post("transfer-encoding:\tCHUNKED\t\r\n").frame.chunked);
    for (const char* value : {"gzip", "gzip, chunked", "identity", "xchunked", "deflate"})
        EXPECT_EQ(post(std::string("Transfer-Encoding: ") + value + "\r\n").error(),
                  make_error_code(errc::unsupported_transfer_coding))
            << value;
    for (const char* value : {"", ",", "chunked,", ", chunked", "chunked, chunked", "chunked, gzip",
                              "chunked, identity", "chunked;q=1", "\"chunked\"", "chun ked",
                              "chunked x", "gzip,, chunked"})
        EXPECT_EQ(post(std::string("Transfer-Encoding: ") + value + "\r\n").error(), malformed)
            << value;
    EXPECT_EQ(post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n").error(),
              malformed);
    EXPECT_EQ(post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n").error(), malformed);
    EXPECT_EQ(post("Transfer-Encoding: chunked\r\n", 0).error(), malformed) << "HTTP/1.0 has none";
}

TEST(RequestHead, TwoWaysToDelimitABodyAreRefused) {
    EXPECT_EQ(post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n").error(), malformed);
    EXPECT_EQ(post("Transfer-Encoding: gzip\r\nContent-Length: 0\r\n").error(), malformed);
    EXPECT_EQ(post("Content-Length: x\r\nTransfer-Encoding: chunked\r\n").error(), malformed);
}

TEST(RequestHead, NamesThatCgiTakesForKnownOnesAreRefused) {
    for (const char* name :
         {"Transfer_Encoding", "content_length", "X_Forwarded_For", "Lethe_Session",
          "lethe_anything_else", "LETHE-Session_X", "Idempotency_Key", "user_agent"})
        EXPECT_EQ(post(std::string(name) + ": 5\r\n").error(), malformed) << name;
    EXPECT_TRUE(post("my_field: 5\r\n_: 6\r\n").ok());
    EXPECT_TRUE(post("a_name_that_is_longer_than_any_that_is_known: 5\r\n").ok());
}

TEST(RequestHead, Rfc9112KeepAliveRulesHold) {
    struct row {
        int version_minor;
        const char* fields;
        bool keep_alive;
    };
    constexpr row rows[] = {
        {1, "", true},
        {1, "Connection: close\r\n", false},
        {1, "Connection: CLOSE\r\n", false},
        {1, "Connection: keep-alive\r\n", true},
        {1, "Connection: keep-alive, close\r\n", false},
        {1, "Connection: keep-alive\r\nConnection: x,close\r\n", false},
        {1, "Connection: x-close\r\n", true},
        {1, "Connection:\r\n", true},
        {1, "Connection: ,, \r\n", true},
        {1, "Proxy-Connection: close\r\n", true},
        {0, "", false},
        {0, "Connection: keep-alive\r\n", true},
        {0, "Connection: Keep-Alive\r\n", true},
        {0, "Connection: close, keep-alive\r\n", false},
        {0, "Connection: x\r\n", false},
        {0, "Keep-Alive: timeout=5\r\n", false},
    };
    for (const row& one : rows) {
        const parsed_request out = post(one.fields, one.version_minor);
        ASSERT_TRUE(out.ok()) << one.fields;
        EXPECT_EQ(out.frame.keep_alive, one.keep_alive) << one.version_minor << " " << one.fields;
    }
}

TEST(RequestHead, ConnectionCannotTakeEndToEndFieldsOut) {
    for (const char* name : {"Host", "content-length", "Authorization", "Cookie", "X-Forwarded-For",
                             "Idempotency-Key", "lethe-session", "Forwarded", "close, host"})
        EXPECT_EQ(post(std::string("Connection: ") + name + "\r\n").error(), malformed) << name;
    EXPECT_TRUE(post("Connection: TE, Upgrade, HTTP2-Settings, keep-alive, X-Mine\r\n").ok());
}

TEST(RequestHead, OnlyTheExpectation100ContinueIsKnown) {
    EXPECT_TRUE(post("Content-Length: 5\r\nExpect: 100-Continue\r\n").frame.expects_continue);
    EXPECT_TRUE(
        post("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n").frame.expects_continue);
    EXPECT_FALSE(post("Expect: 100-continue\r\n").frame.expects_continue) << "no body to wait for";
    EXPECT_FALSE(post("Content-Length: 0\r\nExpect: 100-continue\r\n").frame.expects_continue);
    EXPECT_FALSE(post("Content-Length: 5\r\nExpect: 100-continue\r\n", 0).frame.expects_continue);
    for (const char* value : {"200-ok", "", "100-continue, x", "100-continue, 100-continue"})
        EXPECT_EQ(post(std::string("Expect: ") + value + "\r\n").error(),
                  make_error_code(errc::unsupported_expectation))
            << value;
    EXPECT_TRUE(post("Expect: 200-ok\r\n", 0).ok()) << "HTTP/1.0 knows no expectations";
}

TEST(RequestHead, AnUpgradeIsWantedByTwoFieldsTogether) {
    EXPECT_TRUE(
        post("Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n").frame.wants_upgrade);
    EXPECT_FALSE(post("Upgrade: websocket\r\n").frame.wants_upgrade);
    EXPECT_FALSE(post("Connection: upgrade\r\n").frame.wants_upgrade);
    EXPECT_FALSE(post("Connection: upgrade\r\nUpgrade: websocket\r\n", 0).frame.wants_upgrade);
}

// --- response heads

TEST(ResponseHead, EveryPartIsRead) {
    const parsed_response out("HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\nServer: a b\r\n\r\n");
    ASSERT_TRUE(out.ok());
    EXPECT_EQ(out.head.status, 404);
    EXPECT_EQ(out.head.header.size(), 2U);
    EXPECT_EQ(out.frame.content_length, 5U);
    EXPECT_TRUE(out.frame.keep_alive);
    EXPECT_FALSE(out.frame.until_close);
}

TEST(ResponseHead, TheReasonMayBeMissing) {
    EXPECT_TRUE(parsed_response("HTTP/1.1 200 \r\n\r\n").ok());
    EXPECT_TRUE(parsed_response("HTTP/1.1 200\r\n\r\n").ok());
    EXPECT_TRUE(parsed_response("HTTP/1.1 200 \xc3\xa9\t!\r\n\r\n").ok());
}

TEST(ResponseHead, MalformedStatusLinesAreRefused) {
    for (const std::string_view line :
         {std::string_view("HTTP/1.1 20 OK"), std::string_view("HTTP/1.1 2000 OK"),
          std::string_view("HTTP/1.1  200 OK"), std::string_view("HTTP/1.1 2x0 OK"),
          std::string_view("HTTP/1.1 099 OK"), std::string_view("HTTP/1.1 600 OK"),
          std::string_view("HTTP/1.1 200\tOK"), std::string_view("HTTP/1.1 200 O\0K", 16),
          std::string_view("HTTP/1.1 200 O\rK"), std::string_view("HTTP/1.1 200 O\nK"),
          std::string_view("HTTP/1.1"), std::string_view(""), std::string_view("ICY 200 OK"),
          std::string_view("http/1.1 200 OK"), std::string_view("\r\nHTTP/1.1 200 OK"),
          std::string_view("HTTP/1.1-200 OK"), std::string_view("HTTP/1.10 200 OK")})
        EXPECT_EQ(parsed_response(std::string(line) + "\r\nA: b\r\n\r\n").outcome.error(),
                  malformed)
            << line;
    EXPECT_EQ(parsed_response("HTTP/2.0 200 OK\r\n\r\n").outcome.error(),
              make_error_code(errc::unsupported_version));
    for (const char* line : {"X : y", " X: y", "X", "X: a\r\n b", "X: \x01", "X: a\nb"})
        EXPECT_EQ(answer(std::string(line) + "\r\n").outcome.error(), malformed) << line;
}

TEST(ResponseHead, ABodyWithoutALengthEndsWithTheConnection) {
    const parsed_response out = answer("");
    EXPECT_TRUE(out.frame.until_close);
    EXPECT_FALSE(out.frame.keep_alive);
    EXPECT_FALSE(out.frame.content_length.has_value());
    EXPECT_FALSE(
        parsed_response("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n").frame.keep_alive);
}

TEST(ResponseHead, Rfc9112KeepAliveRulesHold) {
    EXPECT_TRUE(answer("Transfer-Encoding: chunked\r\n").frame.keep_alive);
    EXPECT_FALSE(answer("Content-Length: 0\r\nConnection: close\r\n").frame.keep_alive);
    EXPECT_FALSE(parsed_response("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").frame.keep_alive);
    EXPECT_TRUE(
        parsed_response("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n")
            .frame.keep_alive);
}

TEST(ResponseHead, AnswersThatHaveNoBodyHaveNone) {
    const auto empty = [](const parsed_response& out) {
        return out.ok() && out.frame.content_length == 0U && !out.frame.chunked &&
               !out.frame.until_close;
    };
    EXPECT_TRUE(empty(answer("Content-Length: 5\r\n", 200, method::head)));
    EXPECT_TRUE(empty(answer("Transfer-Encoding: chunked\r\n", 200, method::head)));
    EXPECT_TRUE(empty(answer("", 200, method::head)));
    EXPECT_TRUE(answer("", 200, method::head).frame.keep_alive);
    EXPECT_TRUE(empty(answer("Content-Length: 5\r\n", 304)));
    EXPECT_TRUE(answer("Content-Length: 5\r\n", 304).frame.keep_alive);
    EXPECT_EQ(answer("Content-Length: 5\r\n", 304).head.header.first(field_id::content_length),
              "5");
    for (const int status : {100, 101, 103, 204}) {
        EXPECT_TRUE(empty(answer("", status)));
        EXPECT_TRUE(answer("Content-Length: 0\r\n", status).frame.keep_alive);
    }
    for (const char* announced : {"Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"}) {
        EXPECT_TRUE(empty(answer(announced, 204)));
        EXPECT_FALSE(answer(announced, 204).frame.keep_alive) << "may send it all the same";
        for (const int interim : {100, 101, 103})
            EXPECT_EQ(answer(announced, interim).outcome.error(), malformed)
                << "and the answer to this request would be read from it";
    }
}

TEST(ResponseHead, AmbiguousFramingIsRefused) {
    for (const char* fields :
         {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
          "Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length: 5, 5\r\n",
          "Content-Length: \r\n", "Content-Length: +5\r\n",
          "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
          "Transfer-Encoding: chunked, gzip\r\n"})
        EXPECT_EQ(answer(fields).outcome.error(), malformed) << fields;
    EXPECT_EQ(answer("Transfer-Encoding: gzip\r\n").outcome.error(),
              make_error_code(errc::unsupported_transfer_coding));
    EXPECT_FALSE(parsed_response("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").ok());
    EXPECT_FALSE(answer("Content-Length: x\r\n", 200, method::head).ok());
}

TEST(ResponseHead, OnlyAWholeHeadIsRead) {
    const std::string head = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
    for (std::size_t size = 0; size < head.size(); ++size)
        EXPECT_FALSE(parsed_response(head.substr(0, size)).ok()) << size;
    EXPECT_FALSE(parsed_response(head + head).ok());
}

// --- the end of a head

std::string scan_all(std::string_view text, std::size_t head_bytes_max = 64) {
    head_scanner scanner(head_bytes_max);
    const result<std::optional<std::size_t>> whole = scanner.scan(text);
    const auto name = [](const result<std::optional<std::size_t>>& out) {
        if (out.has_error()) return out.error() == malformed ? "malformed" : out.error().message();
        return *out ? std::to_string(**out) : std::string("more");
    };
    // The same when the bytes come one by one, in a buffer that moves.
    scanner.reset();
    result<std::optional<std::size_t>> grown = std::optional<std::size_t>{};
    for (std::size_t size = 1; size <= text.size() && grown.has_value() && !*grown; ++size)
        grown = scanner.scan(std::string(text.substr(0, size)));
    EXPECT_EQ(name(grown), name(whole)) << text;
    return name(whole);
}

TEST(HeadScanner, TheEndOfAHeadIsFound) {
    EXPECT_EQ(scan_all("GET / HTTP/1.1\r\n\r\n"), "18");
    EXPECT_EQ(scan_all("GET / HTTP/1.1\r\nA: b\r\n\r\nrest"), "24");
    EXPECT_EQ(scan_all("\r\n\r\nGET / HTTP/1.1\r\n\r\n"), "22");
    EXPECT_EQ(scan_all("\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n"), "26");
    EXPECT_EQ(scan_all(""), "more");
    EXPECT_EQ(scan_all("\r\n\r\n"), "more");
    EXPECT_EQ(scan_all("GET / HTTP/1.1\r\nA: b\r\n\r"), "more");
}

TEST(HeadScanner, WhatCanBeNoHeadIsRefusedAtOnce) {
    for (const std::string_view text :
         {std::string_view("GET / HTTP/1.1\n"), std::string_view("GET / HTTP/1.1\rX"),
          std::string_view("GET / HTTP/1.1\r\r"), std::string_view("\n"),
          std::string_view("\r\n\n"), std::string_view("\rG"), std::string_view(" GET"),
          std::string_view("\r\n GET"), std::string_view("\x16\x03\x01"), std::string_view("\0", 1),
          std::string_view(":"), std::string_view("GET / HTTP/1.1\r\nA: b\n\r\n"),
          std::string_view("GET / HTTP/1.1\r\n\n"), std::string_view("\r\n\r\n\r\n\r\n\r\n")})
        EXPECT_EQ(scan_all(text), "malformed") << text;
}

TEST(HeadScanner, ALongHeadIsRefused) {
    const std::string head = "GET / HTTP/1.1\r\n\r\n";
    EXPECT_EQ(scan_all(head, 18), "18");
    EXPECT_EQ(scan_all(head, 17), make_error_code(errc::head_too_large).message());
    EXPECT_EQ(scan_all(std::string(64, 'A')), make_error_code(errc::head_too_large).message());
    EXPECT_EQ(scan_all(std::string(63, 'A')), "more");
}

}  // namespace
}  // namespace lethe::http
