#include "gateway/config/schema.hpp"

#include "base/json.hpp"
#include "gateway/config/tables.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace lethe::gateway::config {
namespace {

namespace bj = boost::json;

bj::object reference_to(const std::string& name) {
    return {{"$ref", "#/$defs/" + name}};
}

// ${NAME} may stand wherever a single value does.
bj::object or_substitution(bj::object of) {
    return {{"anyOf", bj::array{std::move(of), reference_to("substitution")}}};
}

bj::object to_schema(const shape& of);

bj::object list_schema(const shape& of) {
    bj::object out{{"type", "array"}, {"items", to_schema(*of.item)}};
    if (of.items_min > 0) out["minItems"] = of.items_min;
    return out;
}

bj::object choice_schema(const shape& of) {
    bj::array names;
    for (const std::string& one : of.choices) names.push_back(bj::string(one));
    return or_substitution({{"enum", std::move(names)}});
}

bj::object text_schema(const shape& of) {
    // What looks like a number is text all the same where text is wanted.
    if (of.pattern.empty()) return {{"type", bj::array{"string", "number"}}};
    return {{"type", "string"}, {"pattern", of.pattern}};
}

bj::object any_schema(const shape& of) {
    bj::array ways;
    for (const shape& one : of.ways) ways.push_back(to_schema(one));
    return {{"anyOf", std::move(ways)}};
}

bj::object to_schema(const shape& of) {
    switch (of.kind) {
        case value_kind::boolean: return or_substitution({{"type", "boolean"}});
        case value_kind::integer:
            return or_substitution(
                {{"type", "integer"}, {"minimum", of.minimum}, {"maximum", of.maximum}});
        case value_kind::duration: return reference_to("duration");
        case value_kind::size: return reference_to("size");
        case value_kind::text: return text_schema(of);
        case value_kind::choice: return choice_schema(of);
        case value_kind::list: return list_schema(of);
        case value_kind::map:
            return {{"type", "object"}, {"additionalProperties", to_schema(*of.item)}};
        case value_kind::section: return reference_to(of.section->name);
        case value_kind::any_of: return any_schema(of);
    }
    return {};
}

bj::object option_schema(const option_info& of) {
    bj::object out = to_schema(of.value);
    std::string text = of.text;
    if (!of.value.words.empty() && of.value.kind != value_kind::section)
        text += " Value: " + of.value.words + ".";
    out["description"] = text;
    if (!of.default_value.is_null()) out["default"] = of.default_value;
    return out;
}

bj::object section_schema(const section_info& of) {
    bj::object properties;
    bj::array required;
    for (const option_info& one : of.options) {
        properties[one.name] = option_schema(one);
        if (one.required) required.push_back(bj::string(one.name));
    }
    bj::object out{{"type", "object"}, {"description", of.text}};
    out["properties"] = std::move(properties);
    if (!required.empty()) out["required"] = std::move(required);
    out["additionalProperties"] = false;
    return out;
}

}  // namespace

std::string to_json_schema() {
    bj::object definitions;
    definitions["substitution"] = bj::object{
        {"type", "string"},
        {"pattern", "\\$\\{[A-Za-z_][A-Za-z0-9_]*\\}"},
        {"description", "${NAME}: the value of an environment variable; $${ stands for ${."}};
    definitions["duration"] =
        bj::object{{"type", "string"}, {"pattern", "^[0-9]+(ms|s|m|h|d)$|\\$\\{"}};
    definitions["size"] = bj::object{{"type", bj::array{"string", "integer"}},
                                     {"pattern", "^[0-9]+(KiB|MiB|GiB)?$|\\$\\{"},
                                     {"minimum", 0}};
    for (const section_info* one : all_sections())
        if (one != &configuration_table().info()) definitions[one->name] = section_schema(*one);

    bj::object out{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                   {"title", "The configuration of lethe"}};
    for (const auto& one : section_schema(configuration_table().info()))
        out[one.key()] = one.value();
    out["patternProperties"] = bj::object{{"^x-", bj::object{}}};
    out["$defs"] = std::move(definitions);
    return json::to_indented_text(out);
}

namespace {

std::string in_code(const std::string& text) {
    return text.empty() ? "" : "`" + text + "`";
}

// A bar would end the cell.
std::string to_cell(std::string text) {
    for (std::size_t at = text.find('|'); at != text.npos; at = text.find('|', at + 2))
        text.insert(at, "\\");
    return text;
}

std::string default_text(const option_info& of) {
    if (of.required) return "needed";
    if (of.default_value.is_null()) return "";
    if (!of.default_value.is_array())
        return in_code(of.default_value.is_string() && of.default_value.get_string() != " "
                           ? std::string(of.default_value.get_string())
                           : bj::serialize(of.default_value));
    std::string out;
    for (const bj::value& one : of.default_value.get_array()) {
        if (!out.empty()) out += ", ";
        out += one.is_string() ? std::string(one.get_string()) : bj::serialize(one);
    }
    return in_code("[" + out + "]");
}

std::string row(const option_info& of) {
    std::string meaning = of.text;
    if (of.sensitive) meaning += " Sensitive: never shown.";
    std::string out = "| `" + of.name + "` | " + to_cell(of.value.words) + " | ";
    out += to_cell(default_text(of)) + " | " + to_cell(in_code(of.example)) + " | ";
    out += of.reload == reload_rule::live ? "live" : "restart";
    return out + " | " + of.since + " | " + to_cell(std::move(meaning)) + " |\n";
}

}  // namespace

std::string to_markdown_reference() {
    std::string out;
    for (const section_info* one : all_sections()) {
        if (!out.empty()) out += "\n";
        out += "### " + one->title + "\n\n" + one->text + "\n\n";
        out += "| option | value | default | example | reload | since | what |\n";
        out += "|---|---|---|---|---|---|---|\n";
        for (const option_info& option : one->options) out += row(option);
    }
    return out;
}

}  // namespace lethe::gateway::config
