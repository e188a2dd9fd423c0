// The pieces of the one table that parser, bounds, defaults, JSON Schema and docs all come from.
//
// A `value<T>` knows what may stand at one place: reads it, shows it, describes it. A `section<S>`
// is a value that is a map with known keys: a list of options, each a member of S with its value.
// Defaults are not in the table: they are what a fresh S holds.
#pragma once

#include "gateway/config/reader.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lethe::gateway::config {

namespace json = boost::json;

class section_base;

// Secrets are replaced by "***" when shown to people.
enum class secrets : bool { masked, plain };
inline constexpr std::string_view mask_text = "***";

// Whether a running gateway takes a changed option over.
enum class reload : bool { live, restart };

// Collects the sections that a schema refers to.
using schema_definitions = json::object;

// Where in a value a section may stand: "" itself, "[]" in a list, "{}" in a map.
struct nested_section {
    std::string suffix;
    const section_base* what;
};

class value_base {
 public:
    virtual ~value_base() = default;
    // What to expect, in a mistake: "a duration from 1s to 1h, such as 500ms or 5m".
    [[nodiscard]] virtual std::string expected() const = 0;
    // The same for a column of the docs, short: "duration, 1s to 1h".
    [[nodiscard]] virtual std::string kind() const { return expected(); }
    [[nodiscard]] virtual json::object schema(schema_definitions& definitions) const = 0;
    [[nodiscard]] virtual std::vector<nested_section> sections() const { return {}; }
};

template <class T>
class value : public value_base {
 public:
    // False when a mistake was reported; `out` may be partly filled then.
    virtual bool read(reader& in, const node& at, T& out) const = 0;
    [[nodiscard]] virtual json::value show(const T& what, secrets how) const = 0;
    // Adds the paths of options below that differ and need a restart.
    virtual void compare(const T& /*old*/, const T& /*fresh*/, const std::string& /*path*/,
                         std::vector<std::string>& /*out*/) const {}
};
template <class T>
using value_ptr = std::shared_ptr<const value<T>>;

struct notes {
    std::string_view text;               // what it does, for whom; one or two sentences
    std::string_view example = {};       // YAML of the value
    std::string_view default_text = {};  // in place of the computed default
    reload when = reload::live;
    bool required = false;
    bool sensitive = false;
    std::string_view since = "0.1";
};

// What docs and schema need to know of an option, whatever its type.
struct option_description {
    std::string_view name;
    notes about;
    std::shared_ptr<const value_base> type;
    json::value default_value;  // null: none
};

class section_base {
 public:
    section_base(std::string_view name, std::string_view text) : name_(name), text_(text) {}
    section_base(const section_base&) = delete;
    section_base& operator=(const section_base&) = delete;
    virtual ~section_base() = default;

    // Unique among the sections: its name in the schema's definitions.
    [[nodiscard]] std::string_view name() const noexcept { return name_; }
    [[nodiscard]] std::string_view text() const noexcept { return text_; }
    [[nodiscard]] virtual std::vector<option_description> options() const = 0;

    // The schema of the map itself; those of its sections go to `definitions`.
    [[nodiscard]] json::object full_schema(schema_definitions& definitions) const;
    // {"$ref": …} to the above in `definitions`.
    [[nodiscard]] json::object reference(schema_definitions& definitions) const;

 protected:
    // Reports keys that are no options; names the nearest that is.
    static bool refuse_unknown(reader& in, const node& at,
                               const std::vector<std::string_view>& known);
    static bool expect_map(reader& in, const node& at, const std::string& expected);

 private:
    std::string_view name_;
    std::string_view text_;
};

template <class S>
struct option {
    std::string_view name;
    notes about;
    std::shared_ptr<const value_base> type;
    std::function<bool(reader&, const node&, S&)> read;
    std::function<json::value(const S&, secrets)> show;
    std::function<void(const S&, const S&, const std::string&, std::vector<std::string>&)> compare;
};

// `projection` is a pointer to a member of S, or a function from S& to the part of it that is set.
template <class S, class Projection, class T>
option<S> make_option(std::string_view name, Projection projection,
                      std::shared_ptr<const value<T>> type, notes about) {
    option<S> made{name, about, type, {}, {}, {}};
    // The parts of a const S are only looked at.
    const auto part = [projection](const S& whole) -> const T& {
        return std::invoke(projection, const_cast<S&>(whole));
    };
    made.read = [type, projection](reader& in, const node& at, S& whole) {
        return type->read(in, at, std::invoke(projection, whole));
    };
    made.show = [type, part, about](const S& whole, secrets how) -> json::value {
        json::value shown = type->show(part(whole), how);
        if (about.sensitive && how == secrets::masked && !shown.is_null()) return mask_text;
        return shown;
    };
    made.compare = [type, part, about](const S& old, const S& fresh, const std::string& path,
                                       std::vector<std::string>& out) {
        if (about.when == reload::live) return type->compare(part(old), part(fresh), path, out);
        const json::value before = type->show(part(old), secrets::plain);
        if (before != type->show(part(fresh), secrets::plain)) out.push_back(path);
    };
    return made;
}

template <class S>
class section final : public section_base, public value<S> {
 public:
    // `check` looks at the whole map when all its options could be read.
    using check_function = std::function<bool(reader&, const node&, S&)>;

    section(std::string_view name, std::string_view text, std::vector<option<S>> options,
            check_function check = {})
        : section_base(name, text), options_(std::move(options)), check_(std::move(check)) {}

    bool read(reader& in, const node& at, S& out) const override {
        if (at.bad) return false;
        if (!expect_map(in, at, expected())) return false;
        std::vector<std::string_view> known;
        for (const option<S>& one : options_) known.push_back(one.name);
        bool good = refuse_unknown(in, at, known);
        for (const option<S>& one : options_) good = read_option(in, at, one, out) && good;
        return good && (!check_ || check_(in, at, out));
    }

    json::value show(const S& what, secrets how) const override {
        json::object made;
        for (const option<S>& one : options_) {
            json::value shown = one.show(what, how);
            if (!shown.is_null()) made[one.name] = std::move(shown);
        }
        return made;
    }

    void compare(const S& old, const S& fresh, const std::string& path,
                 std::vector<std::string>& out) const override {
        for (const option<S>& one : options_)
            one.compare(old, fresh,
                        path.empty() ? std::string(one.name) : path + "." + std::string(one.name),
                        out);
    }

    std::string expected() const override {
        std::vector<std::string_view> known;
        for (const option<S>& one : options_) known.push_back(one.name);
        std::string text = "a map with ";
        for (std::size_t i = 0; i < known.size(); ++i) {
            if (i == 4 && known.size() > 5) return text + " …";
            text += (i > 0 ? ", " : "") + std::string(known[i]);
        }
        return text;
    }
    std::string kind() const override { return "map"; }
    json::object schema(schema_definitions& definitions) const override {
        return reference(definitions);
    }
    std::vector<nested_section> sections() const override { return {{"", this}}; }

    std::vector<option_description> options() const override {
        std::vector<option_description> made;
        const S fresh{};
        for (const option<S>& one : options_)
            made.push_back({one.name, one.about, one.type,
                            one.about.required ? json::value{} : one.show(fresh, secrets::plain)});
        return made;
    }

 private:
    static bool read_option(reader& in, const node& at, const option<S>& one, S& out) {
        const member* found = at.find(one.name);
        const auto step = in.enter(one.name);
        if (found == nullptr) {
            if (!one.about.required) return true;
            return in.fail(at.at, "is missing", "expected " + one.type->expected());
        }
        if (found->value->bad) return false;
        in.note_place(found->value->at);
        if (found->value->kind == node_kind::null)
            return in.fail(found->key_at, "has no value", "expected " + one.type->expected());
        return one.read(in, *found->value, out);
    }

    std::vector<option<S>> options_;
    check_function check_;
};

}  // namespace lethe::gateway::config
