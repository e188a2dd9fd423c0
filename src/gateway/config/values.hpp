// The kinds of values that options have: text, numbers, durations, sizes, choices, addresses,
// lists.
#pragma once

#include "gateway/config/address.hpp"
#include "gateway/config/value.hpp"
#include "net/address.hpp"

#include <boost/json/array.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lethe::gateway::config {

// A scalar's text; nullptr with a mistake for anything else.
[[nodiscard]] const std::string* read_scalar(reader& in, const node& at,
                                             const std::string& expected);

// "500ms", "1s", "5m", "24h", "30d"; nullopt for anything else.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
// In the largest unit that divides it.
[[nodiscard]] std::string to_text(std::chrono::milliseconds what);
// "100B", "64KiB", "10MiB", "1GiB".
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);
[[nodiscard]] std::string size_to_text(std::uint64_t bytes);

// A schema for text of this pattern, or with environment variables in it.
[[nodiscard]] json::object pattern_schema(std::string_view pattern);

// --- text

struct text_rules {
    std::string expected = "text";  // "a name of letters, digits, '-' and '_'"
    std::size_t bytes_min = 1;
    std::size_t bytes_max = 1024;
    // Says what is wrong, fit to follow the quoted text: "has a space"; nullopt when nothing is.
    std::function<std::optional<std::string>(std::string_view)> check = {};
    std::string pattern = {};  // for the schema
};
[[nodiscard]] value_ptr<std::string> text(text_rules rules = {});
// A name for things in the configuration: 1 to 64 of letters, digits, '-', '_', '.'.
[[nodiscard]] value_ptr<std::string> name_of(std::string_view what);
// A path in the file system; relative ones start from the configuration file's directory.
[[nodiscard]] value_ptr<std::string> file_path();
[[nodiscard]] value_ptr<bool> boolean();

// --- addresses

[[nodiscard]] value_ptr<net::address> listen_address();
[[nodiscard]] value_ptr<network> network_value();

// --- numbers

namespace detail {
// False with a mistake; min and max are given in the option's own notation.
bool read_integer(reader& in, const node& at, std::uint64_t min, std::uint64_t max,
                  const std::string& expected, std::uint64_t& out);
bool read_duration(reader& in, const node& at, std::chrono::milliseconds min,
                   std::chrono::milliseconds max, const std::string& expected,
                   std::chrono::milliseconds& out);
bool read_size(reader& in, const node& at, std::uint64_t min, std::uint64_t max,
               const std::string& expected, std::uint64_t& out);
bool read_choice(reader& in, const node& at, const std::vector<std::string_view>& names,
                 const std::string& expected, std::size_t& out);
json::object integer_schema(std::uint64_t min, std::uint64_t max);
json::object choice_schema(const std::vector<std::string_view>& names);
bool read_sequence(reader& in, const node& at, std::size_t items_min, std::size_t items_max,
                   const std::string& expected);
}  // namespace detail

template <class T>
class integer_value final : public value<T> {
 public:
    integer_value(T min, T max) : min_(min), max_(max) {}
    bool read(reader& in, const node& at, T& out) const override {
        std::uint64_t number = 0;
        if (!detail::read_integer(in, at, min_, max_, expected(), number)) return false;
        out = static_cast<T>(number);
        return true;
    }
    json::value show(const T& what, secrets) const override { return std::uint64_t{what}; }
    std::string expected() const override { return "a number from " + range(); }
    std::string kind() const override { return "number, " + range(); }
    json::object schema(schema_definitions&) const override {
        return detail::integer_schema(min_, max_);
    }

 private:
    std::string range() const { return std::to_string(min_) + " to " + std::to_string(max_); }
    T min_;
    T max_;
};
template <class T>
value_ptr<T> integer(T min, T max) {
    return std::make_shared<integer_value<T>>(min, max);
}

template <class Duration>
class duration_value final : public value<Duration> {
 public:
    duration_value(std::chrono::milliseconds min, std::chrono::milliseconds max)
        : min_(min), max_(max) {}
    bool read(reader& in, const node& at, Duration& out) const override {
        std::chrono::milliseconds length{};
        if (!detail::read_duration(in, at, min_, max_, expected(), length)) return false;
        out = std::chrono::duration_cast<Duration>(length);
        if (out == length) return true;
        return in.fail(at.at, quote(at) + " is not a whole number of seconds",
                       "expected " + expected());
    }
    json::value show(const Duration& what, secrets) const override {
        return json::value(to_text(std::chrono::milliseconds{what}));
    }
    std::string expected() const override {
        return "a duration from " + to_text(min_) + " to " + to_text(max_) +
               ", such as 500ms, 30s or 5m";
    }
    std::string kind() const override {
        return "duration, " + to_text(min_) + " to " + to_text(max_);
    }
    json::object schema(schema_definitions&) const override {
        return pattern_schema("[0-9]+(ms|s|m|h|d)");
    }

 private:
    std::chrono::milliseconds min_;
    std::chrono::milliseconds max_;
};
template <class Duration>
value_ptr<Duration> duration(std::chrono::milliseconds min, std::chrono::milliseconds max) {
    return std::make_shared<duration_value<Duration>>(min, max);
}

template <class T>
class size_value final : public value<T> {
 public:
    size_value(std::uint64_t min, std::uint64_t max) : min_(min), max_(max) {}
    bool read(reader& in, const node& at, T& out) const override {
        std::uint64_t bytes = 0;
        if (!detail::read_size(in, at, min_, max_, expected(), bytes)) return false;
        out = static_cast<T>(bytes);
        return true;
    }
    json::value show(const T& what, secrets) const override {
        return json::value(size_to_text(what));
    }
    std::string expected() const override {
        return "a size from " + size_to_text(min_) + " to " + size_to_text(max_) +
               ", such as 512B, 64KiB or 10MiB";
    }
    std::string kind() const override {
        return "size, " + size_to_text(min_) + " to " + size_to_text(max_);
    }
    json::object schema(schema_definitions&) const override {
        return pattern_schema("[0-9]+(B|KiB|MiB|GiB)");
    }

 private:
    std::uint64_t min_;
    std::uint64_t max_;
};
template <class T>
value_ptr<T> size(std::uint64_t min, std::uint64_t max) {
    return std::make_shared<size_value<T>>(min, max);
}

// --- choices

template <class E>
class choice_value final : public value<E> {
 public:
    explicit choice_value(std::vector<std::pair<std::string_view, E>> choices)
        : choices_(std::move(choices)) {}
    bool read(reader& in, const node& at, E& out) const override {
        std::size_t which = 0;
        if (!detail::read_choice(in, at, names(), expected(), which)) return false;
        out = choices_[which].second;
        return true;
    }
    json::value show(const E& what, secrets) const override {
        for (const auto& [name, meaning] : choices_)
            if (meaning == what) return json::value(name);
        return nullptr;
    }
    std::string expected() const override { return join_choices(names()); }
    std::string kind() const override {
        std::string text;
        for (const std::string_view name : names())
            text += (text.empty() ? "`" : ", `") + std::string(name) + "`";
        return text;
    }
    json::object schema(schema_definitions&) const override {
        return detail::choice_schema(names());
    }

 private:
    std::vector<std::string_view> names() const {
        std::vector<std::string_view> all;
        for (const auto& [name, meaning] : choices_) all.push_back(name);
        return all;
    }
    std::vector<std::pair<std::string_view, E>> choices_;
};
// The first name of two with one meaning is the one that is shown.
template <class E>
value_ptr<E> choice(std::vector<std::pair<std::string_view, E>> choices) {
    return std::make_shared<choice_value<E>>(std::move(choices));
}

// --- several, or none

struct list_rules {
    std::string_view what = "values";  // "a list of replicas"
    std::size_t items_min = 0;
    std::size_t items_max = 1000;
    bool or_one = false;  // a single value stands for a list of one
};

template <class T>
class list_value final : public value<std::vector<T>> {
 public:
    list_value(value_ptr<T> item, list_rules rules) : item_(std::move(item)), rules_(rules) {}
    bool read(reader& in, const node& at, std::vector<T>& out) const override {
        out.clear();
        if (rules_.or_one && at.kind != node_kind::sequence) {
            out.emplace_back();
            return item_->read(in, at, out.back());
        }
        bool good = detail::read_sequence(in, at, rules_.items_min, rules_.items_max, expected());
        if (!good) return false;
        for (std::size_t i = 0; i < at.items.size(); ++i) {
            const auto step = in.enter(i);
            in.note_place(at.items[i]->at);
            out.emplace_back();
            if (at.items[i]->bad)
                good = false;
            else
                good = item_->read(in, *at.items[i], out.back()) && good;
        }
        return good;
    }
    json::value show(const std::vector<T>& what, secrets how) const override {
        json::array all;
        for (const T& one : what) all.push_back(item_->show(one, how));
        return all;
    }
    std::string expected() const override {
        return "a list of " + std::string(rules_.what) + (rules_.or_one ? ", or one of them" : "");
    }
    std::string kind() const override {
        if (!sections().empty()) return expected();
        return (rules_.or_one ? "one or a list: " : "list: ") + item_->kind();
    }
    json::object schema(schema_definitions& definitions) const override {
        json::object made;
        made["type"] = "array";
        made["items"] = item_->schema(definitions);
        if (rules_.items_min > 0) made["minItems"] = rules_.items_min;
        if (!rules_.or_one) return made;
        json::array both;
        both.push_back(item_->schema(definitions));
        both.push_back(std::move(made));
        json::object either;
        either["anyOf"] = std::move(both);
        return either;
    }
    std::vector<nested_section> sections() const override {
        std::vector<nested_section> all = item_->sections();
        for (nested_section& one : all) one.suffix = "[]" + one.suffix;
        return all;
    }

 private:
    value_ptr<T> item_;
    list_rules rules_;
};
template <class T>
std::shared_ptr<const value<std::vector<T>>> list(std::shared_ptr<const value<T>> item,
                                                  list_rules rules) {
    return std::make_shared<list_value<T>>(std::move(item), rules);
}

// An option that may be absent.
template <class T>
class optional_value final : public value<std::optional<T>> {
 public:
    explicit optional_value(value_ptr<T> inner) : inner_(std::move(inner)) {}
    bool read(reader& in, const node& at, std::optional<T>& out) const override {
        return inner_->read(in, at, out.emplace());
    }
    json::value show(const std::optional<T>& what, secrets how) const override {
        if (!what) return nullptr;
        return inner_->show(*what, how);
    }
    void compare(const std::optional<T>& old, const std::optional<T>& fresh,
                 const std::string& path, std::vector<std::string>& out) const override {
        if (old && fresh) inner_->compare(*old, *fresh, path, out);
    }
    std::string expected() const override { return inner_->expected(); }
    std::string kind() const override { return inner_->kind(); }
    json::object schema(schema_definitions& definitions) const override {
        return inner_->schema(definitions);
    }
    std::vector<nested_section> sections() const override { return inner_->sections(); }

 private:
    value_ptr<T> inner_;
};
template <class T>
std::shared_ptr<const value<std::optional<T>>> optional(std::shared_ptr<const value<T>> inner) {
    return std::make_shared<optional_value<T>>(std::move(inner));
}

// A short form beside the full one: text in place of a map.
template <class T>
class short_form_value final : public value<T> {
 public:
    short_form_value(value_ptr<T> brief, value_ptr<T> full)
        : brief_(std::move(brief)), full_(std::move(full)) {}
    bool read(reader& in, const node& at, T& out) const override {
        return at.kind == node_kind::map ? full_->read(in, at, out) : brief_->read(in, at, out);
    }
    json::value show(const T& what, secrets how) const override { return full_->show(what, how); }
    std::string expected() const override {
        return brief_->expected() + ", or " + full_->expected();
    }
    std::string kind() const override { return brief_->kind() + "; or a map"; }
    json::object schema(schema_definitions& definitions) const override {
        json::array both;
        both.push_back(brief_->schema(definitions));
        both.push_back(full_->schema(definitions));
        json::object either;
        either["anyOf"] = std::move(both);
        return either;
    }
    std::vector<nested_section> sections() const override { return full_->sections(); }

 private:
    value_ptr<T> brief_;
    value_ptr<T> full_;
};
template <class T>
value_ptr<T> short_form(std::shared_ptr<const value<T>> brief,
                        std::shared_ptr<const value<T>> full) {
    return std::make_shared<short_form_value<T>>(std::move(brief), std::move(full));
}

}  // namespace lethe::gateway::config
