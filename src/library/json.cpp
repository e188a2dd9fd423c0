#include "lethe/json.hpp"

#include "base/json.hpp"

#include <boost/json/serialize.hpp>

#include <charconv>

namespace lethe {
inline namespace v1 {
namespace {

json_value from_boost(const boost::json::value& from) {
    switch (from.kind()) {
        case boost::json::kind::bool_: return from.get_bool();
        case boost::json::kind::int64: return from.get_int64();
        case boost::json::kind::uint64: return static_cast<double>(from.get_uint64());
        case boost::json::kind::double_: return from.get_double();
        case boost::json::kind::string: return std::string_view(from.get_string());
        case boost::json::kind::array: {
            std::vector<json_value> elements;
            for (const boost::json::value& one : from.get_array())
                elements.push_back(from_boost(one));
            return json_value::array(std::move(elements));
        }
        case boost::json::kind::object: {
            std::vector<json_member> members;
            for (const auto& [name, value] : from.get_object())
                members.push_back({std::string(name), from_boost(value)});
            return json_value::object(std::move(members));
        }
        case boost::json::kind::null: break;
    }
    return {};
}

boost::json::value to_boost(const json_value& from) {
    if (from.is_object()) {
        boost::json::object out;
        for (const json_member& one : from.members()) out[one.name] = to_boost(one.value);
        return out;
    }
    if (from.is_array()) {
        boost::json::array out;
        for (const json_value& one : from.elements()) out.push_back(to_boost(one));
        return out;
    }
    bool yes = false;
    std::string text;
    double real = 0;
    std::int64_t number = 0;
    if (from.read(text)) return boost::json::value(text);
    if (from.is_null()) return nullptr;
    if (from.read(yes)) return yes;
    // An integral double stays a double.
    if (!from.is_double() && from.read(number)) return number;
    static_cast<void>(from.read(real));
    return real;
}

// "a~1b" is "a/b". False: a '~' that says nothing.
bool unescape(std::string_view part, std::string& out) {
    out.clear();
    for (std::size_t i = 0; i < part.size(); ++i) {
        if (part[i] != '~') {
            out += part[i];
            continue;
        }
        if (++i == part.size() || (part[i] != '0' && part[i] != '1')) return false;
        out += part[i] == '0' ? '~' : '/';
    }
    return true;
}

const json_value* step(const json_value& from, const std::string& name) {
    if (from.is_object()) return from.find(name);
    std::size_t index = 0;
    const char* const end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(name.data(), end, index);
    const bool good = error == std::errc{} && stop == end && (name.size() == 1 || name[0] != '0');
    return good && index < from.elements().size() ? &from.elements()[index] : nullptr;
}

}  // namespace

json_value json_value::array(std::vector<json_value> elements) {
    json_value out;
    out.value_ = std::move(elements);
    return out;
}

json_value json_value::object(std::vector<json_member> members) {
    json_value out;
    out.value_ = std::move(members);
    return out;
}

boost::system::result<json_value> json_value::parse(std::string_view text) {
    const result<boost::json::value> parsed = lethe::json::parse(text);
    if (parsed.has_error()) return make_error_code(service_errc::malformed_json);
    return from_boost(*parsed);
}

std::string json_value::to_text() const {
    return boost::json::serialize(to_boost(*this));
}

std::span<const json_value> json_value::elements() const noexcept {
    const auto* found = std::get_if<std::vector<json_value>>(&value_);
    return found == nullptr ? std::span<const json_value>() : std::span<const json_value>(*found);
}

std::span<const json_member> json_value::members() const noexcept {
    const auto* found = std::get_if<std::vector<json_member>>(&value_);
    return found == nullptr ? std::span<const json_member>() : std::span<const json_member>(*found);
}

const json_value* json_value::find(std::string_view name) const noexcept {
    for (const json_member& one : members())
        if (one.name == name) return &one.value;
    return nullptr;
}

const json_value* json_value::at(std::string_view pointer) const {
    const json_value* found = this;
    std::string name;
    while (found != nullptr && !pointer.empty()) {
        if (pointer.front() != '/') return nullptr;
        pointer.remove_prefix(1);
        const std::string_view part = pointer.substr(0, pointer.find('/'));
        pointer.remove_prefix(part.size());
        if (!unescape(part, name)) return nullptr;
        found = step(*found, name);
    }
    return found;
}

json_value& json_value::set(std::string_view name, json_value value) {
    if (!is_object()) value_ = std::vector<json_member>();
    auto& members = std::get<std::vector<json_member>>(value_);
    for (json_member& one : members) {
        if (one.name != name) continue;
        one.value = std::move(value);
        return *this;
    }
    members.push_back({std::string(name), std::move(value)});
    return *this;
}

bool json_value::operator==(const json_value& other) const {
    return value_ == other.value_;
}

bool json_value::read_integer(std::int64_t& to) const noexcept {
    if (const auto* number = std::get_if<std::int64_t>(&value_)) {
        to = *number;
        return true;
    }
    const auto* real = std::get_if<double>(&value_);
    // Up to here each whole double is one integer.
    constexpr double exact_max = 9007199254740992.0;
    if (real == nullptr || std::trunc(*real) != *real || std::abs(*real) > exact_max) return false;
    to = static_cast<std::int64_t>(*real);
    return true;
}

bool json_value::read_double(double& to) const noexcept {
    if (const auto* number = std::get_if<std::int64_t>(&value_)) {
        to = static_cast<double>(*number);
        return true;
    }
    const auto* real = std::get_if<double>(&value_);
    if (real != nullptr) to = *real;
    return real != nullptr;
}

std::string escape_pointer(std::string_view member) {
    std::string out;
    for (const char c : member) {
        if (c == '~')
            out += "~0";
        else if (c == '/')
            out += "~1";
        else
            out += c;
    }
    return out;
}

}  // namespace v1
}  // namespace lethe
