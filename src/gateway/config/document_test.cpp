// YAML from people who make mistakes, and from people who mean harm.
#include "gateway/config/document.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace lethe::gateway::config {
namespace {

struct parsed {
    node_ptr root;
    std::string text;
};

parsed parse(const std::string& text) {
    std::vector<mistake> mistakes;
    const environment variables = [](std::string_view name) -> std::optional<std::string> {
        if (name == "PORT") return "8080";
        if (name == "BYTES") return std::string("\xff");
        return std::nullopt;
    };
    parsed out{parse_document(text, "t.yaml", variables, mistakes), to_text(mistakes)};
    // Without a tree there is always a reason.
    EXPECT_TRUE(out.root != nullptr || !mistakes.empty());
    return out;
}

std::string repeat(std::string_view piece, std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += piece;
    return out;
}

TEST(Document, ValuesKnowWhereTheyStand) {
    const parsed got = parse("a: 1\nb:\n  - x\n  - {c: 'd', e: }\n");
    ASSERT_TRUE(got.root);
    EXPECT_EQ(got.text, "");
    EXPECT_EQ(got.root->find("a")->value->at, (mark{1, 4}));
    const node& list = *got.root->find("b")->value;
    EXPECT_EQ(list.items[0]->at, (mark{3, 5}));
    EXPECT_EQ(list.items[0]->text, "x");
    EXPECT_FALSE(list.items[0]->quoted);
    const node& map = *list.items[1];
    EXPECT_EQ(map.find("c")->value->at, (mark{4, 9}));
    EXPECT_TRUE(map.find("c")->value->quoted);
    EXPECT_EQ(map.find("e")->value->kind, node_kind::null);
    EXPECT_EQ(map.find("e")->value->at, map.find("e")->key_at) << "an absent value is at its key";
    EXPECT_EQ(map.find("z"), nullptr);
}

TEST(Document, WhatIsNoYamlIsSaidWithItsPlace) {
    struct row {
        std::string text;
        std::string_view mistake;
    };
    const row rows[] = {
        {"", "t.yaml: is empty"},
        {"# nothing\n", "t.yaml: is empty"},
        {"a: [1, 2\n", "t.yaml:"},
        {"a: {b: 1\n", "t.yaml:"},
        {"a: \"x\n", "t.yaml:1:4: opens quotes that are not closed"},
        {"a: 1\nb: &k 'it''s\n", "t.yaml:2:4: opens quotes that are not closed"},
        {"\xef\xbb\xbf"
         "a: \"x\\\"\n",
         "t.yaml:1:4: opens quotes that are not closed"},
        {"a: 1\n b: 2\n", "t.yaml:2:"},
        {"\tx: 1\n", "t.yaml:1:"},
        {"a: 1\n---\nb: 2\n", "t.yaml: has more than one YAML document"},
        {"a: \xff\n", "t.yaml: is not UTF-8"},
        {std::string("a: 1\nb\0: 2\n", 11), "t.yaml:2:2: has a control character"},
        {"a: 1\n\x04"
         "b: 2\n",
         "t.yaml:2:1: has a control character"},
        {"a: &x [*x]\n", "t.yaml:1:8: a[0]: the alias stands inside of what it refers to"},
        {"a: *nobody\n", "t.yaml:1:"},
        {"a: !!binary aGk=\n", "t.yaml:1:4: a: has the tag"},
        {"a: !secret {}\n", "t.yaml:1:4: a: has the tag '!secret'"},
        {"? [a, b]\n: c\n", "t.yaml:1:3: has a key that is not text"},
        {"a: 1\nb: 2\na: 3\n", "t.yaml:3:1: the key 'a' stands here twice"},
        {"<<: 5\n", "t.yaml:1:1: '<<' refers to something that is not a map"},
    };
    for (const row& one : rows) {
        const parsed got = parse(one.text);
        EXPECT_TRUE(got.text.starts_with(one.mistake)) << one.text << "\n" << got.text;
    }
}

TEST(Document, QuotesThatAreClosedAreFine) {
    for (const char* text : {"a: 'it''s'", "a: \"x\\\"\"\nb: c\n",
                             "\xef\xbb\xbf"
                             "a: &k \"\"",
                             "a: ''\n", "\"a\": {'b': \"\\u0041\"}"}) {
        const parsed got = parse(text);
        EXPECT_EQ(got.text, "") << text;
        EXPECT_TRUE(got.root) << text;
    }
}

TEST(Document, EveryDuplicateKeyIsReportedAndTheFirstValueCounts) {
    const parsed got = parse("a: 1\na: 2\nb: {c: 1, c: 2}\n");
    ASSERT_TRUE(got.root);
    EXPECT_EQ(got.text,
              "t.yaml:2:1: the key 'a' stands here twice, expected each key once in a map\n"
              "t.yaml:3:11: b: the key 'c' stands here twice, expected each key once in a map\n");
    EXPECT_EQ(got.root->find("a")->value->text, "1");
}

TEST(Document, AMapTakesFromTheMapsItMergesWhatItDoesNotSayItself) {
    const parsed got = parse(
        "x-one: &one {a: 1, b: 1}\n"
        "x-two: &two {b: 2, c: 2}\n"
        "m: {<<: *one, b: 3}\n"
        "n: {<<: [*one, *two]}\n");
    ASSERT_TRUE(got.root);
    EXPECT_EQ(got.text, "");
    const node& m = *got.root->find("m")->value;
    EXPECT_EQ(m.find("a")->value->text, "1");
    EXPECT_EQ(m.find("b")->value->text, "3");
    const node& n = *got.root->find("n")->value;
    EXPECT_EQ(n.find("b")->value->text, "1") << "the first one merged wins";
    EXPECT_EQ(n.find("c")->value->text, "2");
}

TEST(Document, EnvironmentVariablesStandInValuesAlone) {
    const parsed got =
        parse("a: \"127.0.0.1:${PORT}\"\nb: $${PORT}\nc: ${PORT}${PORT}\n${PORT}: $PORT\n");
    ASSERT_TRUE(got.root);
    EXPECT_EQ(got.text, "");
    EXPECT_EQ(got.root->find("a")->value->text, "127.0.0.1:8080");
    EXPECT_EQ(got.root->find("a")->value->written, "127.0.0.1:${PORT}");
    EXPECT_EQ(got.root->find("b")->value->text, "${PORT}");
    EXPECT_EQ(got.root->find("c")->value->text, "80808080");
    EXPECT_EQ(got.root->find("${PORT}")->value->text, "$PORT");
}

TEST(Document, AVariableThatCannotBeReplacedIsAMistake) {
    const std::pair<std::string, std::string> rows[] = {
        {"a: ${MISSING}\n", "t.yaml:1:4: a: the environment variable MISSING is not set"},
        {"a: ${PORT\n", "t.yaml:1:4: a: has a '${' without the name"},
        {"a: ${1A}\n", "t.yaml:1:4: a: has a '${' without the name"},
        {"a: ${}\n", "t.yaml:1:4: a: has a '${' without the name"},
        {"a: ${BYTES}\n", "t.yaml:1:4: a: the environment variable BYTES is not text"},
    };
    for (const auto& [text, mistake] : rows) {
        const parsed got = parse(text);
        EXPECT_TRUE(got.text.starts_with(mistake)) << text << got.text;
        EXPECT_TRUE(got.root && got.root->find("a")->value->bad);
    }
}

TEST(Document, AFileAboveItsBoundsIsRefusedEarly) {
    EXPECT_TRUE(parse(std::string(document_bytes_max + 1, '#'))
                    .text.starts_with("t.yaml: is larger than 1 MiB"));
    EXPECT_TRUE(parse("a: " + repeat("[", document_depth_max) + repeat("]", document_depth_max))
                    .text.find("is nested more than") != std::string::npos);
    const parsed deep =
        parse("a: " + repeat("[", document_depth_max - 1) + repeat("]", document_depth_max - 1));
    EXPECT_EQ(deep.text, "");
    // Deeper than yaml-cpp itself goes: an exception of its own, and no overflow of the stack.
    EXPECT_NE(parse(repeat("[", 300'000)).text, "");
    EXPECT_NE(parse(repeat("{a: ", 100'000)).text, "");
    EXPECT_NE(parse(repeat("- ", 100'000)).text, "");
    const std::string many = "[" + repeat("1,", document_nodes_max + 1) + "1]";
    EXPECT_NE(parse(many).text.find("values, those behind aliases counted again"),
              std::string::npos);
}

TEST(Document, AliasesCannotMakeALargeDocumentOfASmallOne) {
    // A billion laughs: ten levels, each ten times the one before.
    std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 10; ++i) {
        const std::string before = "*a" + std::to_string(i - 1);
        text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before +
                repeat(", " + before, 9) + "]\n";
    }
    const auto started = std::chrono::steady_clock::now();
    const parsed got = parse(text);
    EXPECT_EQ(got.root, nullptr);
    EXPECT_NE(got.text.find("those behind aliases counted again"), std::string::npos) << got.text;
    EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(5));
    // The same by merging.
    std::string merged = "m0: &m0 {";
    for (int i = 0; i < 1000; ++i) merged += "k" + std::to_string(i) + ": 1, ";
    merged += "z: 1}\nall: {<<: [*m0" + repeat(", *m0", 1000) + "]}\n";
    EXPECT_NE(parse(merged).text.find("those behind aliases counted again"), std::string::npos);
}

TEST(Document, MistakesAreCountedToABound) {
    std::vector<mistake> mistakes;
    std::string text;
    for (int i = 0; i < 5000; ++i) text += "- ${M}\n";
    const environment none = [](std::string_view) { return std::nullopt; };
    EXPECT_TRUE(parse_document(text, "t.yaml", none, mistakes));
    EXPECT_EQ(mistakes.size(), mistakes_max + 1);
}

}  // namespace
}  // namespace lethe::gateway::config
