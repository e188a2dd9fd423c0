#include "gateway/config/value.hpp"

#include <boost/json/array.hpp>

#include <algorithm>

namespace lethe::gateway::config {

namespace {

// Options that start so are for the user's own anchors and otherwise ignored; at the top alone.
constexpr std::string_view extension_prefix = "x-";

std::string describe_option(const option_description& one) {
    std::string text(one.about.text);
    if (one.about.when == reload::restart) text += " A change needs a restart.";
    return text;
}

}  // namespace

bool section_base::expect_map(reader& in, const node& at, const std::string& expected) {
    if (at.kind == node_kind::map) return true;
    const std::string what = at.kind == node_kind::sequence ? "is a list"
                             : at.kind == node_kind::null   ? "has no value"
                                                            : quote(at) + " is not a map";
    return in.fail(at.at, what, "expected " + expected);
}

bool section_base::refuse_unknown(reader& in, const node& at,
                                  const std::vector<std::string_view>& known) {
    bool good = true;
    for (const member& one : at.members) {
        if (std::find(known.begin(), known.end(), one.key) != known.end()) continue;
        if (in.path().empty() && one.key.starts_with(extension_prefix)) continue;
        const std::string_view nearest = find_nearest(one.key, known);
        const std::string hint = nearest.empty() ? "expected one of " + join_choices(known)
                                                 : "did you mean '" + std::string(nearest) + "'?";
        const auto step = in.enter(one.key);
        good = in.fail(one.key_at, "is not an option", hint);
    }
    return good;
}

json::object section_base::full_schema(schema_definitions& definitions) const {
    json::object properties;
    json::array required;
    for (const option_description& one : options()) {
        json::object made = one.type->schema(definitions);
        made["description"] = describe_option(one);
        if (!one.default_value.is_null()) made["default"] = one.default_value;
        properties[one.name] = std::move(made);
        if (one.about.required) required.emplace_back(one.name);
    }
    json::object made;
    made["type"] = "object";
    made["description"] = text_;
    made["properties"] = std::move(properties);
    if (!required.empty()) made["required"] = std::move(required);
    made["additionalProperties"] = false;
    return made;
}

json::object section_base::reference(schema_definitions& definitions) const {
    if (!definitions.contains(name_)) {
        // Present before its own options are looked at, should they refer to it.
        definitions[name_] = json::object{};
        json::object made = full_schema(definitions);
        definitions[name_] = std::move(made);
    }
    json::object made;
    made["$ref"] = "#/$defs/" + std::string(name_);
    return made;
}

}  // namespace lethe::gateway::config
