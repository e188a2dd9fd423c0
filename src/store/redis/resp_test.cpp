#include "store/redis/resp.hpp"

#include <gtest/gtest.h>

namespace lethe::store::redis::resp {
namespace {

using namespace std::string_literals;

std::size_t size_or(const result<std::size_t>& size, std::size_t other) {
    return size.has_value() ? *size : other;
}

// Cuts `bytes` as they come in, byte by byte; 0 when it wants more at the end.
result<std::size_t> cut_by_bytes(std::string_view bytes) {
    cutter one;
    for (std::size_t i = 1; i <= bytes.size(); ++i) {
        const result<std::size_t> size = one.cut(bytes.substr(0, i));
        if (size.has_error() || *size != 0) return size;
    }
    return std::size_t{0};
}

const std::string samples[] = {
    "+OK\r\n",
    "-ERR no\r\n",
    ":-42\r\n",
    ":+7\r\n",
    "$0\r\n\r\n",
    "$5\r\na\r\nbc\r\n",
    "$-1\r\n",
    "*-1\r\n",
    "*0\r\n",
    "_\r\n",
    "#t\r\n",
    "#f\r\n",
    ",1.5e3\r\n",
    ",-inf\r\n",
    ",nan\r\n",
    "(3492890328409238509324850943850943825024385\r\n",
    "!5\r\nERR x\r\n",
    "=7\r\ntxt:a\r\n\r\n"s,
    "*2\r\n:1\r\n*2\r\n+a\r\n$-1\r\n",
    "%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n_\r\n",
    "~2\r\n:1\r\n:2\r\n",
    ">2\r\n+invalidate\r\n_\r\n",
    "|1\r\n+ttl\r\n:3600\r\n$1\r\nx\r\n",
    "*2\r\n|1\r\n+a\r\n+b\r\n:1\r\n|0\r\n:2\r\n",
};

TEST(Resp, AReplyIsCutTheSameHoweverItComesIn) {
    for (const std::string& reply : samples) {
        EXPECT_EQ(size_or(cut_by_bytes(reply), 0), reply.size()) << reply;
        for (const std::string& behind : {"+next\r\n"s, "$"s, ""s}) {
            cutter one;
            EXPECT_EQ(size_or(one.cut(reply + behind), 0), reply.size()) << reply;
        }
        for (std::size_t at = 1; at < reply.size(); ++at) {
            cutter one;
            EXPECT_EQ(size_or(one.cut(reply.substr(0, at)), 99), 0U) << reply << " at " << at;
            EXPECT_EQ(size_or(one.cut(reply), 0), reply.size()) << reply << " at " << at;
            EXPECT_TRUE(parse(std::string_view(reply).substr(0, at)).has_error()) << reply;
        }
        EXPECT_TRUE(parse(reply).has_value()) << reply;
        EXPECT_TRUE(parse(reply + "+").has_error()) << "more than one";
    }
}

TEST(Resp, ValuesAreReadAsTheyAre) {
    EXPECT_EQ(parse("$5\r\na\r\nbc\r\n")->text, "a\r\nbc");
    EXPECT_EQ(parse("=7\r\ntxt:a\r\n\r\n")->text, "a\r\n");
    EXPECT_EQ(parse(":-42\r\n")->integer, -42);
    EXPECT_EQ(parse("#t\r\n")->integer, 1);
    EXPECT_TRUE(parse("*-1\r\n")->is_null());
    EXPECT_TRUE(parse("!5\r\nERR x\r\n")->is_error());
    EXPECT_EQ(parse("!5\r\nERR x\r\n")->text, "ERR x");
    const std::string map = "%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n_\r\n";
    const result<value> read = parse(map);
    ASSERT_NE(read->find("a"), nullptr);
    EXPECT_EQ(read->find("a")->integer, 1);
    EXPECT_EQ(read->find("1"), nullptr);
    EXPECT_EQ(read->find("b")->items.size(), 1U);
    // RESP2 has flat arrays for maps.
    EXPECT_EQ(parse("*2\r\n$1\r\na\r\n:9\r\n")->find("a")->integer, 9);
    EXPECT_EQ(parse("|1\r\n+ttl\r\n:3600\r\n$1\r\nx\r\n")->text, "x") << "attributes are left out";
}

TEST(Resp, SeveralRepliesAreReadOneBehindTheOther) {
    const std::string all = samples[0] + samples[5] + samples[18];
    const result<std::vector<value>> read = parse_all(all, 3);
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ((*read)[1].text, "a\r\nbc");
    EXPECT_TRUE(parse_all(all, 2).has_error());
    EXPECT_TRUE(parse_all(all, 4).has_error());
}

TEST(Resp, WhatIsNotTheProtocolIsCorrupt) {
    for (const std::string& bytes : {"\r\n"s,
                                     "x\r\n"s,
                                     "HTTP/1.1 400\r\n"s,
                                     ":\r\n"s,
                                     ":1x\r\n"s,
                                     ":+-1\r\n"s,
                                     ":99999999999999999999\r\n"s,
                                     "$-2\r\n"s,
                                     "$?\r\n"s,
                                     "*?\r\n"s,
                                     "$1\r\nab\r\n"s,
                                     "$+1\r\na\r\n"s,
                                     "$99999999999\r\n"s,
                                     "*1048577\r\n"s,
                                     "%524289\r\n"s,
                                     "~-1\r\n"s,
                                     "#x\r\n"s,
                                     ",\r\n"s,
                                     ",1x\r\n"s,
                                     "(\r\n"s,
                                     "(1x\r\n"s,
                                     "_x\r\n"s,
                                     "=3\r\ntxt\r\n"s,
                                     "+a\rb\r\n"s,
                                     "+a\nb\r\n"s,
                                     "*1\r\nx\r\n"s,
                                     "+" + std::string(line_bytes_max + 1, 'a')}) {
        cutter one;
        const result<std::size_t> size = one.cut(bytes);
        ASSERT_TRUE(size.has_error()) << bytes.substr(0, 20);
        EXPECT_EQ(size.error(), condition::corrupt);
        EXPECT_TRUE(cut_by_bytes(bytes).has_error()) << bytes.substr(0, 20);
        EXPECT_TRUE(parse(bytes).has_error());
    }
}

TEST(Resp, DepthAndElementsAreBounded) {
    const auto nested = [](std::size_t depth) {
        std::string out;
        for (std::size_t i = 1; i < depth; ++i) out += "*1\r\n";
        return out + ":1\r\n";
    };
    EXPECT_EQ(size_or(cut_by_bytes(nested(depth_max)), 0), nested(depth_max).size());
    EXPECT_TRUE(parse(nested(depth_max)).has_value());
    EXPECT_TRUE(cut_by_bytes(nested(depth_max + 1)).has_error());
    EXPECT_TRUE(parse(nested(depth_max + 1)).has_error());
    // Each by itself is small enough.
    std::string many = "*2\r\n";
    for (int half = 0; half < 2; ++half) {
        many += "*600000\r\n";
        for (int i = 0; i < 600'000; ++i) many += "_\r\n";
    }
    cutter one;
    EXPECT_TRUE(one.cut(many).has_error());
    EXPECT_TRUE(parse(many).has_error());
}

TEST(Resp, ALargeReplyIsLookedAtOnceHoweverOftenItIsCut) {
    std::string reply = "*200000\r\n";
    for (int i = 0; i < 200'000; ++i) reply += ":1\r\n";
    cutter one;
    std::size_t cuts = 0;
    // Looking from the beginning each time would take 10^9 steps.
    for (std::size_t size = 1; size < reply.size(); size += 64, ++cuts)
        ASSERT_EQ(size_or(one.cut(std::string_view(reply).substr(0, size)), 1), 0U);
    EXPECT_EQ(size_or(one.cut(reply), 0), reply.size());
    EXPECT_GT(cuts, 10'000U);
}

TEST(Resp, ALargeStringTellsItsSizeAhead) {
    cutter one;
    EXPECT_EQ(size_or(one.cut("$1000000\r\nabc"), 1), 0U);
    EXPECT_EQ(one.bytes_wanted(), 10U + 1'000'000U + 2U);
}

TEST(Resp, PushesAreNotAskedFor) {
    const cutter one;
    EXPECT_TRUE(one.is_unasked(">1\r\n+x\r\n"));
    EXPECT_FALSE(one.is_unasked("*1\r\n+x\r\n"));
}

TEST(Resp, CommandsAreWrittenWithTheirSizes) {
    std::string out;
    command(out, 3).word("SET").word("a\r\n").number(-5);
    EXPECT_EQ(out, "*3\r\n$3\r\nSET\r\n$3\r\na\r\n\r\n$2\r\n-5\r\n");
    out.clear();
    command(out, 2).word("GET").word("ab", "c", "d");
    EXPECT_EQ(out, "*2\r\n$3\r\nGET\r\n$4\r\nabcd\r\n");
    EXPECT_TRUE(parse(out).has_value());
}

}  // namespace
}  // namespace lethe::store::redis::resp
