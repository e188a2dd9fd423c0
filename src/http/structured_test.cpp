// Structured fields against the working group's vectors, the sizes RFC 9651 makes mandatory, and
// ours.
#include "http/structured.hpp"

#include "support/source_tree.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace lethe::http::structured {
namespace {

namespace json = boost::json;

json::value read_json(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    EXPECT_FALSE(text.str().empty()) << path;
    return json::parse(text.str());
}

std::string from_base32(std::string_view text) {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    std::string out;
    unsigned bits = 0;
    unsigned count = 0;
    for (const char c : text) {
        if (c == '=') break;
        bits = (bits << 5 | static_cast<unsigned>(alphabet.find(c))) & 0xfff;
        count += 5;
        if (count < 8) continue;
        count -= 8;
        out += static_cast<char>(bits >> count & 0xff);
    }
    return out;
}

bare_item to_bare_item(const json::value& value) {
    if (value.is_int64()) return value.get_int64();
    // The value type holds thousandths, so that rounding is its maker's: to the nearest, ties to
    // even.
    if (value.is_double()) return decimal{std::llrint(value.get_double() * 1000)};
    if (value.is_bool()) return value.get_bool();
    if (value.is_string()) return std::string(value.get_string());
    const json::object& typed = value.as_object();
    const json::string& type = typed.at("__type").as_string();
    const json::value& inner = typed.at("value");
    if (type == "token") return token{std::string(inner.as_string())};
    if (type == "binary") return bytes{from_base32(inner.as_string())};
    if (type == "date") return date{inner.as_int64()};
    EXPECT_EQ(type, "displaystring");
    return display_string{std::string(inner.as_string())};
}

parameters to_parameters(const json::value& value) {
    parameters out;
    for (const json::value& pair : value.as_array())
        out.emplace_back(std::string(pair.at(0).as_string()), to_bare_item(pair.at(1)));
    return out;
}

item to_item(const json::value& value) {
    return {to_bare_item(value.at(0)), to_parameters(value.at(1))};
}

member to_member(const json::value& value) {
    if (!value.at(0).is_array()) return to_item(value);
    inner_list out;
    for (const json::value& one : value.at(0).as_array()) out.items.push_back(to_item(one));
    out.params = to_parameters(value.at(1));
    return out;
}

list to_list(const json::value& value) {
    list out;
    for (const json::value& one : value.as_array()) out.push_back(to_member(one));
    return out;
}

dictionary to_dictionary(const json::value& value) {
    dictionary out;
    for (const json::value& pair : value.as_array())
        out.emplace_back(std::string(pair.at(0).as_string()), to_member(pair.at(1)));
    return out;
}

std::string joined(const json::value& lines) {
    std::string out;
    for (const json::value& line : lines.as_array()) {
        if (!out.empty()) out += ", ";
        out += line.as_string();
    }
    return out;
}

bool flag(const json::object& test, std::string_view name) {
    return test.contains(name) && test.at(name).as_bool();
}

template <class Value>
void check(const json::object& test, result<Value> (*parse)(std::string_view),
           Value (*convert)(const json::value&)) {
    const bool must_fail = flag(test, "must_fail");
    if (test.contains("raw")) {
        const result<Value> parsed = parse(joined(test.at("raw")));
        if (must_fail) {
            EXPECT_FALSE(parsed.has_value());
            return;
        }
        EXPECT_TRUE(parsed.has_value() || flag(test, "can_fail"));
        if (parsed.has_value()) EXPECT_EQ(*parsed, convert(test.at("expected")));
    }
    const result<std::string> text = to_text(convert(test.at("expected")));
    if (must_fail) {
        EXPECT_FALSE(text.has_value());
        return;
    }
    ASSERT_TRUE(text.has_value());
    EXPECT_EQ(*text, joined(test.at(test.contains("canonical") ? "canonical" : "raw")));
}

void check(const json::object& test) {
    const json::string& type = test.at("header_type").as_string();
    if (type == "item")
        check<item>(test, parse_item, to_item);
    else if (type == "list")
        check<list>(test, parse_list, to_list);
    else
        check<dictionary>(test, parse_dictionary, to_dictionary);
}

TEST(Structured, EveryVectorOfTheWorkingGroupHolds) {
    const std::filesystem::path folder =
        lethe::test::source_tree() / "tests/vectors/structured-fields";
    std::size_t cases = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (entry.path().extension() != ".json") continue;
        const json::value tests = read_json(entry.path());
        for (const json::value& test : tests.as_array()) {
            SCOPED_TRACE(entry.path().filename().string() + ": " +
                         std::string(test.at("name").as_string()));
            check(test.as_object());
            ++cases;
        }
    }
    EXPECT_GT(cases, 1500U) << "the vectors were not found";
}

std::string repeated(std::string_view part, std::size_t times, std::string_view between) {
    std::string out;
    for (std::size_t i = 0; i < times; ++i) {
        if (i != 0) out += between;
        out += part;
    }
    return out;
}

std::string numbered(std::string_view before, std::size_t count, std::string_view between) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) {
        if (i != 0) out += between;
        out += before;
        out += std::to_string(i);
    }
    return out;
}

TEST(Structured, Rfc9651SizesThatMustBeReadAreRead) {
    EXPECT_EQ(parse_list(repeated("a", 1024, ", "))->size(), 1024U);
    EXPECT_EQ(parse_dictionary(numbered("k", 1024, ", "))->size(), 1024U);
    EXPECT_EQ(parse_item("a;" + numbered("p", 256, ";"))->params.size(), 256U);
    const result<list> inner = parse_list("(" + repeated("1", 256, " ") + ")");
    EXPECT_EQ(std::get<inner_list>(inner->front()).items.size(), 256U);
    EXPECT_TRUE(parse_dictionary(std::string(64, 'k') + "=1").has_value());
    EXPECT_TRUE(parse_item("\"" + std::string(1024, 's') + "\"").has_value());
    EXPECT_TRUE(parse_item(std::string(512, 't')).has_value());
    EXPECT_TRUE(parse_item(":" + std::string(16384 / 3 * 4, 'A') + ":").has_value());
}

TEST(Structured, MoreKeysThanTheBoundsAreRefused) {
    EXPECT_FALSE(parse_dictionary(numbered("k", 1025, ", ")).has_value());
    EXPECT_FALSE(parse_item("a;" + numbered("p", 257, ";")).has_value());
    EXPECT_TRUE(parse_dictionary(repeated("k", 5000, ", ")).has_value()) << "one key, repeated";
}

TEST(Structured, ARepeatedKeyKeepsTheLastValueAtTheFirstPlace) {
    const result<dictionary> read = parse_dictionary("a=1, b=2, a=3;x;y;x=0");
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(*to_text(*read), "a=3;x=0;y, b=2");
}

TEST(Structured, NumbersAreReadStrictly) {
    EXPECT_EQ(parse_item("-0")->value, bare_item{std::int64_t{0}});
    EXPECT_EQ(parse_item("999999999999999")->value, bare_item{std::int64_t{999'999'999'999'999}});
    EXPECT_EQ(parse_item("-999999999999.999")->value, bare_item{decimal{-999'999'999'999'999}});
    EXPECT_EQ(parse_item("1.5")->value, bare_item{decimal{1500}});
    for (const char* text :
         {"1000000000000000", "1000000000000.0", "1.", "1.2345", ".5", "-", "--1", "+1", "1e3",
          "0x1", "1 2", "- 1", "-.5", "1..2", "@1.0", "@", "@ 1"})
        EXPECT_FALSE(parse_item(text).has_value()) << text;
}

TEST(Structured, TheTextIsReadWhole) {
    EXPECT_TRUE(parse_item("  a  ").has_value());
    for (const char* text :
         {"",    "a b",     "a,b",      "\ta",      "a\t",    "\"a",  "a;",          "a;=1",
          "a;B", "?2",      ":A:",      ":AA=:",    ":A A=:", "%\"a", "%\"%C3%A9\"", "%\"%ff\"",
          "%a",  "\"\\n\"", "\"\x7f\"", "\xc3\xa9", "(a)"})
        EXPECT_FALSE(parse_item(text).has_value()) << text;
    for (const char* text : {"a,", ",a", "a,,b", "(a", "(a,b)", "a b", "(a)b", "((a))", "(\ta)"})
        EXPECT_FALSE(parse_list(text).has_value()) << text;
    EXPECT_TRUE(parse_list("").value().empty());
    EXPECT_TRUE(parse_dictionary("   ").value().empty());
    for (const char* text : {"a=", "a =1", "=1", "A=1", "a=1 b=2", "a=1,"})
        EXPECT_FALSE(parse_dictionary(text).has_value()) << text;
}

TEST(Structured, ValuesThatCannotBeExpressedAreRefused) {
    EXPECT_FALSE(to_text(item{token{"a b"}, {}}).has_value());
    EXPECT_FALSE(to_text(item{token{""}, {}}).has_value());
    EXPECT_FALSE(to_text(item{std::string("\n"), {}}).has_value());
    EXPECT_FALSE(to_text(item{std::int64_t{1'000'000'000'000'000}, {}}).has_value());
    EXPECT_FALSE(to_text(item{decimal{INT64_MIN}, {}}).has_value());
    EXPECT_FALSE(to_text(item{date{INT64_MIN}, {}}).has_value());
    EXPECT_FALSE(to_text(item{display_string{"\xff"}, {}}).has_value());
    EXPECT_FALSE(to_text(item{std::int64_t{1}, {{"Key", true}}}).has_value());
    EXPECT_FALSE(to_text(dictionary{{"", item{std::int64_t{1}, {}}}}).has_value());
}

TEST(Structured, AParameterIsFoundByItsKey) {
    const result<item> read = parse_item("a;x=1;y=\"z\"");
    ASSERT_TRUE(read.has_value());
    ASSERT_NE(find_parameter(read->params, "y"), nullptr);
    EXPECT_EQ(*find_parameter(read->params, "y"), bare_item{std::string("z")});
    EXPECT_EQ(find_parameter(read->params, "Y"), nullptr);
}

}  // namespace
}  // namespace lethe::http::structured
