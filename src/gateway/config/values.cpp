#include "gateway/config/values.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace lethe::gateway::config {

namespace {

using std::chrono::milliseconds;

struct unit {
    std::string_view name;
    std::uint64_t factor;
};
constexpr std::array<unit, 5> duration_units{
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};
constexpr std::array<unit, 4> size_units{
    {{"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}, {"B", 1}}};

// A whole number, and nothing else.
std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [stopped, failure] = std::from_chars(text.data(), end, number);
    if (text.empty() || failure != std::errc{} || stopped != end) return std::nullopt;
    return number;
}

template <std::size_t N>
std::optional<std::uint64_t> parse_with_unit(std::string_view text,
                                             const std::array<unit, N>& units) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto number = parse_number(text.substr(0, digits));
    if (!number) return std::nullopt;
    const std::string_view name = text.substr(digits);
    for (const unit& one : units) {
        if (one.name != name) continue;
        // Far above every bound, and far from overflow.
        if (*number > (std::uint64_t{1} << 62) / one.factor) return std::nullopt;
        return *number * one.factor;
    }
    return std::nullopt;
}

template <std::size_t N>
std::string show_with_unit(std::uint64_t number, const std::array<unit, N>& units) {
    for (const unit& one : units)
        if (number % one.factor == 0)
            return std::to_string(number / one.factor) + std::string(one.name);
    return std::to_string(number);
}

class text_value final : public value<std::string> {
 public:
    explicit text_value(text_rules rules) : rules_(std::move(rules)) {}

    bool read(reader& in, const node& at, std::string& out) const override {
        const std::string* found = read_scalar(in, at, expected());
        if (found == nullptr) return false;
        if (found->size() < rules_.bytes_min)
            return in.fail(at.at, "is empty", "expected " + expected());
        if (found->size() > rules_.bytes_max)
            return in.fail(at.at, "is longer than " + std::to_string(rules_.bytes_max) + " bytes",
                           "expected " + expected());
        if (rules_.check) {
            if (const auto wrong = rules_.check(*found))
                return in.fail(at.at, quote(at) + " " + *wrong, "expected " + expected());
        }
        out = *found;
        return true;
    }
    json::value show(const std::string& what, secrets) const override {
        if (what.empty() && rules_.bytes_min > 0) return nullptr;
        return json::value(what);
    }
    std::string expected() const override { return rules_.expected; }
    json::object schema(schema_definitions&) const override {
        if (!rules_.pattern.empty()) return pattern_schema(rules_.pattern);
        json::object made;
        // YAML's plain 5 is a number to an editor, and text to lethe.
        made["type"] = json::array{"string", "number"};
        return made;
    }

 private:
    text_rules rules_;
};

class boolean_value final : public value<bool> {
 public:
    bool read(reader& in, const node& at, bool& out) const override {
        const std::string* found = read_scalar(in, at, expected());
        if (found == nullptr) return false;
        out = *found == "true";
        if (out || *found == "false") return true;
        return in.fail(at.at, quote(at) + " is neither", "expected " + expected());
    }
    json::value show(const bool& what, secrets) const override { return what; }
    std::string expected() const override { return "true or false"; }
    json::object schema(schema_definitions&) const override {
        json::array either;
        either.push_back(json::object{{"type", "boolean"}});
        either.push_back(pattern_schema(""));
        return json::object{{"anyOf", std::move(either)}};
    }
};

class listen_address_value final : public value<net::address> {
 public:
    bool read(reader& in, const node& at, net::address& out) const override {
        const std::string* found = read_scalar(in, at, expected());
        if (found == nullptr) return false;
        if (found->starts_with(':') || found->starts_with("*:")) {
            const std::string port = found->substr(found->find(':'));
            return in.fail(at.at, quote(at) + " says no address",
                           "write 0.0.0.0" + port + " for every IPv4 address or [::]" + port +
                               " for every IPv6 address of this machine");
        }
        auto parsed = net::parse_address(*found);
        if (!parsed)
            return in.fail(at.at, quote(at) + " is not an address", "expected " + expected());
        if (!parse_ip_address(parsed->host))
            return in.fail(at.at, quote(at) + " has a name in place of an IP address",
                           "expected " + expected());
        out = *std::move(parsed);
        return true;
    }
    json::value show(const net::address& what, secrets) const override {
        if (what.host.empty()) return nullptr;
        return json::value(net::to_text(what));
    }
    std::string expected() const override {
        return "an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080";
    }
    std::string kind() const override { return "IP address and port"; }
    json::object schema(schema_definitions&) const override {
        return pattern_schema("([0-9.]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}");
    }
};

class network_address_value final : public value<network> {
 public:
    bool read(reader& in, const node& at, network& out) const override {
        const std::string* found = read_scalar(in, at, expected());
        if (found == nullptr) return false;
        auto parsed = parse_network(*found);
        if (!parsed)
            return in.fail(at.at, quote(at) + " is not an address or a network",
                           "expected " + expected());
        out = *std::move(parsed);
        return true;
    }
    json::value show(const network& what, secrets) const override { return json::value(what.text); }
    std::string expected() const override {
        return "an IP address or a network without bits behind its prefix, such as 10.0.0.0/8 or "
               "::1";
    }
    std::string kind() const override { return "IP address or network"; }
    json::object schema(schema_definitions&) const override {
        return pattern_schema("[0-9A-Fa-f:.]+(/[0-9]{1,3})?");
    }
};

}  // namespace

const std::string* read_scalar(reader& in, const node& at, const std::string& expected) {
    if (at.bad) return nullptr;
    if (at.kind == node_kind::scalar) return &at.text;
    const std::string_view what = at.kind == node_kind::map        ? "is a map"
                                  : at.kind == node_kind::sequence ? "is a list"
                                                                   : "has no value";
    in.fail(at.at, std::string(what), "expected " + expected);
    return nullptr;
}

std::optional<milliseconds> parse_duration(std::string_view text) {
    const auto number = parse_with_unit(text, duration_units);
    if (!number) return std::nullopt;
    return milliseconds{static_cast<milliseconds::rep>(*number)};
}

std::string to_text(milliseconds what) {
    // "24h" and "30m" are read more easily than "1d" and "0.5h": days only from two on.
    if (what.count() == 0) return "0s";
    const auto number = static_cast<std::uint64_t>(what.count());
    if (number == 86'400'000) return "24h";
    return show_with_unit(number, duration_units);
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
    return parse_with_unit(text, size_units);
}

std::string size_to_text(std::uint64_t bytes) {
    return bytes == 0 ? "0B" : show_with_unit(bytes, size_units);
}

json::object pattern_schema(std::string_view pattern) {
    constexpr std::string_view variable = "\\$\\{[A-Za-z_][A-Za-z0-9_]*\\}";
    std::string whole;
    if (!pattern.empty()) whole = "^(" + std::string(pattern) + ")$|";
    whole += variable;
    json::object made;
    made["type"] = "string";
    made["pattern"] = whole;
    return made;
}

value_ptr<std::string> text(text_rules rules) {
    return std::make_shared<text_value>(std::move(rules));
}

value_ptr<std::string> name_of(std::string_view what) {
    text_rules rules;
    rules.expected = "the name of " + std::string(what) + ", of letters, digits, '-', '_' and '.'";
    rules.bytes_max = 64;
    rules.pattern = "[A-Za-z0-9._-]+";
    rules.check = [](std::string_view text) -> std::optional<std::string> {
        const bool good = std::all_of(text.begin(), text.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                   c == '-' || c == '_' || c == '.';
        });
        if (good) return std::nullopt;
        return "has other characters";
    };
    return text(std::move(rules));
}

value_ptr<std::string> file_path() {
    text_rules rules;
    rules.expected = "the path of a file";
    rules.bytes_max = 4096;
    return text(std::move(rules));
}

value_ptr<bool> boolean() {
    return std::make_shared<boolean_value>();
}
value_ptr<net::address> listen_address() {
    return std::make_shared<listen_address_value>();
}
value_ptr<network> network_value() {
    return std::make_shared<network_address_value>();
}

namespace detail {

bool read_integer(reader& in, const node& at, std::uint64_t min, std::uint64_t max,
                  const std::string& expected, std::uint64_t& out) {
    const std::string* found = read_scalar(in, at, expected);
    if (found == nullptr) return false;
    const auto number = parse_number(*found);
    if (!number) {
        const bool digits = found->find_first_not_of("0123456789") == std::string::npos;
        return in.fail(at.at, quote(at) + (digits ? " is out of range" : " is not a whole number"),
                       "expected " + expected);
    }
    if (*number < min || *number > max)
        return in.fail(at.at, quote(at) + " is out of range", "expected " + expected);
    out = *number;
    return true;
}

bool read_duration(reader& in, const node& at, milliseconds min, milliseconds max,
                   const std::string& expected, milliseconds& out) {
    const std::string* found = read_scalar(in, at, expected);
    if (found == nullptr) return false;
    const auto parsed = parse_duration(*found);
    if (!parsed) {
        const bool bare = parse_number(*found).has_value();
        return in.fail(at.at, quote(at) + (bare ? " has no unit" : " is not a duration"),
                       "expected " + expected);
    }
    if (*parsed < min || *parsed > max)
        return in.fail(at.at, quote(at) + " is out of range", "expected " + expected);
    out = *parsed;
    return true;
}

bool read_size(reader& in, const node& at, std::uint64_t min, std::uint64_t max,
               const std::string& expected, std::uint64_t& out) {
    const std::string* found = read_scalar(in, at, expected);
    if (found == nullptr) return false;
    const auto parsed = parse_size(*found);
    if (!parsed) {
        const bool bare = parse_number(*found).has_value();
        return in.fail(at.at, quote(at) + (bare ? " has no unit" : " is not a size"),
                       "expected " + expected);
    }
    if (*parsed < min || *parsed > max)
        return in.fail(at.at, quote(at) + " is out of range", "expected " + expected);
    out = *parsed;
    return true;
}

bool read_choice(reader& in, const node& at, const std::vector<std::string_view>& names,
                 const std::string& expected, std::size_t& out) {
    const std::string* found = read_scalar(in, at, expected);
    if (found == nullptr) return false;
    const auto which = std::find(names.begin(), names.end(), *found);
    if (which == names.end()) {
        const std::string_view nearest = find_nearest(*found, names);
        return in.fail(at.at, quote(at) + " is not known",
                       nearest.empty() ? "expected " + expected
                                       : "did you mean '" + std::string(nearest) + "'?");
    }
    out = static_cast<std::size_t>(which - names.begin());
    return true;
}

json::object integer_schema(std::uint64_t min, std::uint64_t max) {
    json::object number;
    number["type"] = "integer";
    number["minimum"] = min;
    number["maximum"] = max;
    json::array either;
    either.push_back(std::move(number));
    either.push_back(pattern_schema(""));
    return json::object{{"anyOf", std::move(either)}};
}

json::object choice_schema(const std::vector<std::string_view>& names) {
    json::array all;
    for (const std::string_view name : names) all.emplace_back(name);
    json::array either;
    either.push_back(json::object{{"enum", std::move(all)}});
    either.push_back(pattern_schema(""));
    return json::object{{"anyOf", std::move(either)}};
}

bool read_sequence(reader& in, const node& at, std::size_t items_min, std::size_t items_max,
                   const std::string& expected) {
    if (at.bad) return false;
    if (at.kind != node_kind::sequence) {
        const std::string what = at.kind == node_kind::map    ? "is a map"
                                 : at.kind == node_kind::null ? "has no value"
                                                              : quote(at) + " is not a list";
        return in.fail(at.at, what, "expected " + expected);
    }
    if (at.items.size() < items_min)
        return in.fail(at.at, at.items.empty() ? "is empty" : "is too short",
                       "expected " + expected + " with at least " + std::to_string(items_min));
    if (at.items.size() > items_max)
        return in.fail(at.at, "has " + std::to_string(at.items.size()) + " entries",
                       "expected at most " + std::to_string(items_max));
    return true;
}

}  // namespace detail

}  // namespace lethe::gateway::config
