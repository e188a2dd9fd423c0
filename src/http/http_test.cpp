// Fields and their numbers, bodies, problem details, methods: the parts that everything else
// shares.
#include "base/bytes.hpp"
#include "base/json.hpp"
#include "http/body.hpp"
#include "http/cookies.hpp"
#include "http/errors.hpp"
#include "http/fields.hpp"
#include "http/message.hpp"
#include "http/problem.hpp"
#include "support/run.hpp"

#include <gtest/gtest.h>

namespace lethe::http {
namespace {

using test::run;

// --- field names

TEST(FieldId, KnownNamesAreFoundInAnyCase) {
    struct row {
        std::string_view name;
        field_id id;
    };
    constexpr row rows[] = {
        {"TE", field_id::te},
        {"Host", field_id::host},
        {"DPoP", field_id::dpop},
        {"Date", field_id::date},
        {"Cookie", field_id::cookie},
        {"Keep-Alive", field_id::keep_alive},
        {"Set-Cookie", field_id::set_cookie},
        {"Content-Length", field_id::content_length},
        {"Content-Type", field_id::content_type},
        {"X-Request-Id", field_id::x_request_id},
        {"Idempotency-Key", field_id::idempotency_key},
        {"Transfer-Encoding", field_id::transfer_encoding},
        {"X-Forwarded-Proto", field_id::x_forwarded_proto},
        {"X-Forwarded-For", field_id::x_forwarded_for},
        {"X-Forwarded-Host", field_id::x_forwarded_host},
        {"Proxy-Authorization", field_id::proxy_authorization},
        {"Proxy-Authenticate", field_id::proxy_authenticate},
        {"WWW-Authenticate", field_id::www_authenticate},
        {"Lethe-Session", field_id::lethe},
        {"Lethe-Session-Something-Much-Longer", field_id::lethe},
    };
    for (const row& one : rows) {
        EXPECT_EQ(identify(one.name), one.id) << one.name;
        EXPECT_EQ(identify(to_lower(one.name)), one.id) << one.name;
    }
}

TEST(FieldId, OtherNamesAreOther) {
    for (const char* name :
         {"", "H", "Hos", "Hosts", "H0st", "Lethe", "Lethe-", "LetheSession", "Content_Length",
          "X-Forwarded-Fo", "Proxy-Authorizations", "\x08ost", "Transfer-Encoding2"})
        EXPECT_EQ(identify(name), field_id::other) << name;
    EXPECT_EQ(identify(std::string(1000, 'a')), field_id::other);
}

TEST(FieldId, Rfc9110HopByHopFieldsAreKnownAsSuch) {
    for (const char* name : {"Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer",
                             "Transfer-Encoding", "Upgrade"})
        EXPECT_TRUE(is_hop_by_hop(identify(name))) << name;
    for (const char* name : {"Host", "Content-Length", "Cookie", "Lethe-Session", "Anything"})
        EXPECT_FALSE(is_hop_by_hop(identify(name))) << name;
}

// --- fields

struct with_fields : testing::Test {
    arena memory;
    fields header{memory};
};
using Fields = with_fields;

TEST_F(Fields, KeepTheirOrderAndAreFoundInAnyCase) {
    header.append_borrowed("B", "1");
    header.append_borrowed("a", "2");
    header.append_borrowed("b", "3");
    EXPECT_EQ(header.size(), 3U);
    EXPECT_EQ(header.first("b"), "1");
    EXPECT_EQ(header.first("A"), "2");
    EXPECT_EQ(header.first("c"), std::nullopt);
    EXPECT_EQ(header.count("B"), 2U);
    EXPECT_EQ(header.combined("b"), "1, 3");
    EXPECT_EQ(header.combined("c"), std::nullopt);
}

TEST_F(Fields, AddCopiesWhatIsGiven) {
    std::string name = "Name";
    std::string value = "value";
    header.add(name, value);
    name = "gone";
    value = "over";
    EXPECT_EQ(header.first("name"), "value");
}

TEST_F(Fields, SetReplacesEveryLineOfThatName) {
    header.append_borrowed("Cookie", "a");
    header.append_borrowed("Host", "b");
    header.append_borrowed("cookie", "c");
    header.set("COOKIE", *header.first("host"));
    EXPECT_EQ(header.count(field_id::cookie), 1U);
    EXPECT_EQ(header.first(field_id::cookie), "b");
    header.set("cookie", *header.first("cookie"));
    EXPECT_EQ(header.first(field_id::cookie), "b") << "its own value may be given";
}

TEST_F(Fields, RemoveSaysHowManyWentAway) {
    header.append_borrowed("A", "1");
    header.append_borrowed("Host", "2");
    header.append_borrowed("a", "3");
    EXPECT_EQ(header.remove("A"), 2U);
    EXPECT_EQ(header.remove("A"), 0U);
    EXPECT_EQ(header.remove(field_id::host), 1U);
    EXPECT_TRUE(header.empty());
    header.append_borrowed("Lethe-A", "1");
    header.append_borrowed("B", "2");
    EXPECT_EQ(header.remove_if([](const field_line& line) { return line.id == field_id::lethe; }),
              1U);
    EXPECT_EQ(header.size(), 1U);
}

TEST(FieldText, TokensAndValuesAreJudgedByRfc9110) {
    EXPECT_TRUE(is_token("aZ09!#$%&'*+-.^_`|~"));
    for (const char* text : {"", "a b", "a:", "a\t", "(", "\"a\"", "\xc3\xa9", "a/b", "{}", "a,b"})
        EXPECT_FALSE(is_token(text)) << text;
    EXPECT_TRUE(is_field_value(""));
    EXPECT_TRUE(is_field_value("a\tb \xc3\xa9"));
    for (const std::string_view text :
         {std::string_view("\0", 1), std::string_view("a\r\nb"), std::string_view("\n"),
          std::string_view("\x7f"), std::string_view("\x1b")})
        EXPECT_FALSE(is_field_value(text));
}

std::vector<std::string> members(std::string_view list) {
    std::vector<std::string> out;
    for_each_list_member(list, [&out](std::string_view one) { out.emplace_back(one); });
    return out;
}

TEST(FieldText, AListIsTakenApartAtItsCommas) {
    using list = std::vector<std::string>;
    EXPECT_EQ(members(""), list{});
    EXPECT_EQ(members(" , ,\t"), list{});
    EXPECT_EQ(members("a"), list{"a"});
    EXPECT_EQ(members(" a ,b,, c\t"), (list{"a", "b", "c"}));
    EXPECT_EQ(members(R"(a="b,c", d)"), (list{R"(a="b,c")", "d"}));
    EXPECT_EQ(members(R"("a\",b", c)"), (list{R"("a\",b")", "c"}));
    EXPECT_EQ(members(R"("open, c)"), list{R"("open, c)"});
    EXPECT_EQ(members("\"\\"), list{"\"\\"});
}

TEST_F(Fields, TheFirstCookieOfANameCounts) {
    header.append_borrowed("Cookie", "a=1; b=2;c=3; bad; d=x=y; b=9");
    header.append_borrowed("X", "e=no");
    header.append_borrowed("cookie", "e=5; a=6");
    EXPECT_EQ(find_cookie(header, "a"), "1");
    EXPECT_EQ(find_cookie(header, "b"), "2");
    EXPECT_EQ(find_cookie(header, "c"), "3");
    EXPECT_EQ(find_cookie(header, "d"), "x=y");
    EXPECT_EQ(find_cookie(header, "e"), "5");
    EXPECT_EQ(find_cookie(header, "A"), std::nullopt) << "names are case-sensitive";
    EXPECT_EQ(find_cookie(header, "bad"), std::nullopt);
    EXPECT_EQ(find_cookie(header, ""), std::nullopt);
}

TEST_F(Fields, CookiesAreLeftOutByNameWhateverTheirSpaces) {
    header.append_borrowed("Cookie", ";a=1;; b = 2 ;lone; c=3=3;");
    header.append_borrowed("cookie", "b=4; B=5");
    const auto without = [&](std::string_view name) {
        return cookies_without(header, [name](std::string_view one) { return one == name; });
    };
    EXPECT_EQ(without("b"), "a=1; lone; c=3=3; B=5");
    EXPECT_EQ(without("lone"), "a=1; b = 2; c=3=3; b=4; B=5");
    EXPECT_EQ(cookies_without(header, [](std::string_view) { return true; }), "");
}

// --- methods

TEST(Method, SafeAndIdempotentAreThoseOfRfc9110) {
    EXPECT_EQ(parse_method("GET"), method::get);
    EXPECT_EQ(parse_method("DELETE"), method::delete_);
    EXPECT_EQ(parse_method("get"), method::other);
    EXPECT_EQ(parse_method("GETX"), method::other);
    for (const method m : {method::get, method::head, method::options, method::trace}) {
        EXPECT_TRUE(is_safe(m));
        EXPECT_TRUE(is_idempotent(m));
    }
    for (const method m : {method::put, method::delete_}) {
        EXPECT_FALSE(is_safe(m));
        EXPECT_TRUE(is_idempotent(m));
    }
    for (const method m : {method::post, method::patch, method::connect, method::other}) {
        EXPECT_FALSE(is_safe(m));
        EXPECT_FALSE(is_idempotent(m));
    }
}

// --- errors

TEST(HttpErrors, EachHasATextAndACondition) {
    for (const errc e :
         {errc::truncated, errc::malformed, errc::head_too_large, errc::too_many_fields,
          errc::target_too_long, errc::body_too_large, errc::unsupported_transfer_coding,
          errc::unsupported_version, errc::unsupported_method, errc::unsupported_expectation,
          errc::timeout, errc::cancelled}) {
        const error_code error = make_error_code(e);
        EXPECT_EQ(error.message().find("unknown"), std::string::npos) << error.message();
        EXPECT_EQ(&error.default_error_condition().category(), &condition_category())
            << error.message();
    }
    EXPECT_TRUE(make_error_code(errc::body_too_large) == condition::too_large);
    EXPECT_TRUE(make_error_code(errc::unsupported_method) == condition::malformed);
}

// --- bodies

task<std::string> read_pieces(body_source* body) {
    std::string out;
    while (true) {
        const result<std::string_view> piece = co_await body->read();
        if (piece.has_error()) co_return piece.error();
        if (piece->empty()) co_return out;
        out += *piece;
        out += '|';
    }
}

TEST(Body, ABorrowedBodyIsReadOnceAndRewound) {
    arena memory;
    const body_ptr body = make_borrowed_body(memory, memory.copy("hello"));
    EXPECT_EQ(body->length(), 5U);
    EXPECT_EQ(body->whole(), "hello");
    EXPECT_EQ(*run(read_pieces(body.get())), "hello|");
    EXPECT_EQ(body->whole(), std::nullopt) << "it was read";
    EXPECT_TRUE(body->rewind());
    EXPECT_EQ(*run(read_whole(body.get(), 5)), "hello");
}

TEST(Body, AnOwnedBodyKeepsItsBytes) {
    const body_ptr body = make_owned_body(std::string(1000, 'x'));
    EXPECT_EQ(body->length(), 1000U);
    EXPECT_EQ(run(read_whole(body.get(), 1000))->size(), 1000U);
    EXPECT_TRUE(body->rewind());
    EXPECT_EQ(body->whole()->size(), 1000U);
}

TEST(Body, AWholeBodyAboveItsBoundIsRefused) {
    const body_ptr body = make_owned_body("123456");
    EXPECT_TRUE(run(read_whole(body.get(), 5)).error() == condition::too_large);
    EXPECT_EQ(*run(read_whole(nullptr, 0)), "");
    const body_ptr empty = make_owned_body("");
    EXPECT_EQ(*run(read_whole(empty.get(), 0)), "");
}

// Says no length and hands out one byte at a time.
class trickle final : public body_source {
 public:
    task<std::string_view> read() override {
        ++reads;
        co_return std::string_view("x");
    }
    std::optional<std::uint64_t> length() const noexcept override { return std::nullopt; }
    void release() noexcept override {}
    int reads = 0;
};

TEST(Body, AnEndlessBodyIsLeftAtItsBound) {
    trickle body;
    EXPECT_TRUE(run(read_whole(&body, 10)).error() == condition::too_large);
    EXPECT_EQ(body.reads, 11);
}

// --- problem details

TEST(Problem, Rfc9457MembersAreWritten) {
    arena memory;
    manual_clock time;
    exchange x(memory, time);
    x.response.header.append_borrowed("X-Left", "over");
    answer_problem(x, {"out-of-cheese", 503, "No \"cheese\" left"},
                   {.detail = "Said: \"<cheese>\"\n", .retry_after = std::chrono::seconds{30}});
    EXPECT_EQ(x.problem, "out-of-cheese");
    EXPECT_EQ(x.response.status, 503);
    EXPECT_EQ(x.response.header.first("X-Left"), std::nullopt);
    EXPECT_EQ(x.response.header.first(field_id::content_type), "application/problem+json");
    EXPECT_EQ(x.response.header.first(field_id::cache_control), "no-store");
    EXPECT_EQ(x.response.header.first(field_id::retry_after), "30");
    const result<boost::json::object> body = json::parse_object(*x.response_body->whole());
    ASSERT_TRUE(body.has_value());
    EXPECT_EQ(body->at("type"), "urn:lethe:problem:out-of-cheese");
    EXPECT_EQ(body->at("title"), "No \"cheese\" left");
    EXPECT_EQ(body->at("status"), 503);
    EXPECT_EQ(body->at("detail"), "Said: \"<cheese>\"\n");
}

TEST(Problem, WhatIsNotSaidIsLeftOut) {
    arena memory;
    manual_clock time;
    exchange x(memory, time);
    answer_problem(x, {"plain", 400, "Plain"});
    EXPECT_EQ(x.response.header.first(field_id::retry_after), std::nullopt);
    EXPECT_FALSE(json::parse_object(*x.response_body->whole())->contains("detail"));
}

}  // namespace
}  // namespace lethe::http
