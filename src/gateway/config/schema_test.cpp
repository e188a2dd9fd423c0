// Schema and reference come from the tables; the files in docs/ are what the tables say now.
#include "gateway/config/schema.hpp"

#include "base/json.hpp"
#include "gateway/config/config_world.hpp"
#include "gateway/config/tables.hpp"
#include "support/source_tree.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace lethe::gateway::config::test {
namespace {

std::string read_page(const std::string& name) {
    const std::filesystem::path docs = lethe::test::source_tree() / "docs";
    std::stringstream out;
    out << std::ifstream(docs / name).rdbuf();
    return out.str();
}

TEST(ConfigSchema, TheOneInTheDocsIsCurrent) {
    EXPECT_EQ(read_page("configuration.schema.json"), to_json_schema()) << "./dev docs writes it";
}

TEST(ConfigSchema, TheReferenceInTheDocsIsCurrent) {
    std::string sections = to_markdown_reference();
    for (std::size_t at = 0; (at = sections.find("### ", at)) != std::string::npos; at += 3)
        sections.erase(at, 1);
    EXPECT_NE(read_page("configuration.md").find(sections), std::string::npos)
        << "./dev docs writes it";
}

void expect_references_lead_somewhere(const boost::json::value& at,
                                      const boost::json::object& definitions) {
    if (at.is_array())
        for (const boost::json::value& one : at.get_array())
            expect_references_lead_somewhere(one, definitions);
    if (!at.is_object()) return;
    for (const auto& [key, value] : at.get_object()) {
        expect_references_lead_somewhere(value, definitions);
        if (key != "$ref") continue;
        const std::string_view target = value.as_string();
        ASSERT_TRUE(target.starts_with("#/$defs/")) << target;
        EXPECT_TRUE(definitions.contains(target.substr(8))) << target;
    }
}

TEST(ConfigSchema, IsOneStrictJsonTextWithoutLooseEnds) {
    const auto parsed = json::parse_object(to_json_schema());
    ASSERT_TRUE(parsed.has_value());
    EXPECT_EQ(parsed->at("$schema"), "https://json-schema.org/draft/2020-12/schema");
    EXPECT_EQ(parsed->at("additionalProperties"), false);
    expect_references_lead_somewhere(*parsed, parsed->at("$defs").as_object());
    for (const section_info* section : all_sections())
        for (const option_info& option : section->options) {
            const boost::json::object& at =
                section->name == "configuration"
                    ? *parsed
                    : parsed->at("$defs").as_object().at(section->name).as_object();
            EXPECT_TRUE(at.at("properties").as_object().contains(option.name))
                << section->name << "." << option.name;
        }
}

TEST(ConfigTables, EveryOptionIsDescribedWhole) {
    for (const section_info* section : all_sections()) {
        EXPECT_FALSE(section->text.empty()) << section->name;
        for (const option_info& option : section->options) {
            const std::string name = section->name + "." + option.name;
            EXPECT_TRUE(option.text.ends_with('.') || option.text.ends_with('`') ||
                        option.text.ends_with(')'))
                << name << ": " << option.text;
            EXPECT_FALSE(option.example.empty()) << name;
            EXPECT_FALSE(option.value.words.empty()) << name;
            EXPECT_FALSE(option.since.empty()) << name;
        }
    }
}

// Puts an option's example where it belongs: the path of its section, from a title like
// "`routes[].match`", around it.
std::string document_with(const section_info& section, const option_info& option) {
    std::string out = "{" + option.name + ": " + option.example + "}";
    std::string path = section.title;
    std::erase(path, '`');
    if (section.name == "configuration") return out;
    while (!path.empty()) {
        const std::size_t dot = path.rfind('.');
        std::string last = dot == path.npos ? path : path.substr(dot + 1);
        path.resize(dot == path.npos ? 0 : dot);
        const bool is_list = last.ends_with("[]");
        if (is_list) last.resize(last.size() - 2);
        out = "{" + last + ": " + (is_list ? "[" + out + "]" : out) + "}";
    }
    return out;
}

TEST(ConfigTables, EveryExampleIsOneThatIsTaken) {
    for (const section_info* section : all_sections())
        for (const option_info& option : section->options) {
            const outcome got = parse(document_with(*section, option));
            std::string path = section->title + "." + option.name;
            std::erase(path, '`');
            if (section->name == "configuration") path = option.name;
            for (std::size_t at = 0; (at = path.find("[]", at)) != path.npos; ++at)
                path.insert(at + 1, "0");
            // What else so small a document lacks is not the example's fault.
            const auto is_lacking = [](const mistake& one) {
                return one.what == "is missing" || one.what.starts_with("there is no ") ||
                       one.what.starts_with("nothing tells whose key") ||
                       one.what.starts_with("the environment variable ") ||
                       one.what.starts_with("is always, and services have nowhere to connect");
            };
            for (const mistake& one : got.mistakes)
                EXPECT_TRUE(!one.path.starts_with(path) || is_lacking(one)) << to_text(one);
        }
}

}  // namespace
}  // namespace lethe::gateway::config::test
