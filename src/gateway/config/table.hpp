// The tables that a configuration is made of. A table lists a section's options; each says where
// its value goes, which values it takes, and what it is for. Parser, bounds, defaults, JSON Schema
// and docs all come from that one line.
//
//     table<server_timeouts> made("timeouts", "`timeouts`", "How long the gateway waits.");
//     made.add({.name = "drain", .text = "…", .example = "30s"}, &server_timeouts::drain,
//              duration<std::chrono::milliseconds>(1s, 10min));
#pragma once

#include "gateway/config/describe.hpp"
#include "gateway/config/reader.hpp"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

namespace lethe::gateway::config {

// How one value is read and shown. `read` leaves the value alone where it reports a mistake.
template <class V>
struct codec {
    shape what;
    std::function<void(reader&, const place&, V&)> read;
    std::function<boost::json::value(const V&)> show;  // as in the file; null: not to be shown
};

// A section's table; T is the struct that it fills. Lives as long as the process.
template <class T>
class table {
 public:
    table(std::string name, std::string title, std::string text)
        : info_{std::move(name), std::move(title), std::move(text), {}} {}

    // `access(T&)` answers a reference to the value.
    template <class Access, class V>
    void add(option_info info, Access access, codec<V> of) {
        T defaults{};
        info.value = of.what;
        if (!info.required && !info.sensitive)
            info.default_value = of.show(std::invoke(access, defaults));
        info_.options.push_back(std::move(info));
        readers_.push_back(
            [access, read = std::move(of.read)](reader& with, const place& at, T& to) {
                read(with, at, std::invoke(access, to));
            });
    }

    void read(reader& with, const place& at, T& to) const;

    [[nodiscard]] const section_info& info() const noexcept { return info_; }

 private:
    section_info info_;
    std::vector<std::function<void(reader&, const place&, T&)>> readers_;
};

// Where a section's options stand in its node, unknown keys and missing options reported; by the
// option's place in the table, null where it is not given.
[[nodiscard]] std::optional<std::vector<const member*>> match_members(reader& with, const place& at,
                                                                      const section_info& info);

template <class T>
void table<T>::read(reader& with, const place& at, T& to) const {
    const auto given = match_members(with, at, info_);
    if (!given) return;
    for (std::size_t i = 0; i < readers_.size(); ++i) {
        const member* const one = (*given)[i];
        if (one == nullptr || one->value->bad) continue;
        readers_[i](with, at.member(one->key, *one->value), to);
    }
}

// Access to a member of a member.
template <class T, class M, class V>
[[nodiscard]] constexpr auto in(M T::* outer, V M::* inner) {
    return [outer, inner](T& of) -> V& { return (of.*outer).*inner; };
}

// A single value that is not null; null and a mistake otherwise.
[[nodiscard]] const node* want_scalar(reader& with, const place& at, const std::string& expected);

// The readers of scalar values; nullopt after a mistake.
[[nodiscard]] std::optional<bool> read_boolean(reader& with, const place& at, const shape& what);
[[nodiscard]] std::optional<std::int64_t> read_integer(reader& with, const place& at,
                                                       const shape& what);
struct duration_bounds {
    std::chrono::milliseconds minimum;
    std::chrono::milliseconds maximum;
    std::chrono::milliseconds step{1};  // 1 s: no fractions of seconds
};
[[nodiscard]] std::optional<std::chrono::milliseconds> read_duration(reader& with, const place& at,
                                                                     const shape& what,
                                                                     const duration_bounds& within);
struct size_bounds {
    std::uint64_t minimum;
    std::uint64_t maximum;
};
[[nodiscard]] std::optional<std::uint64_t> read_size(reader& with, const place& at,
                                                     const shape& what, const size_bounds& within);

[[nodiscard]] codec<bool> boolean();

template <class Int>
[[nodiscard]] codec<Int> integer(std::int64_t minimum, std::int64_t maximum) {
    shape what{.kind = value_kind::integer,
               .words = "a whole number from " + std::to_string(minimum) + " to " +
                        std::to_string(maximum),
               .minimum = minimum,
               .maximum = maximum};
    return {what,
            [what](reader& with, const place& at, Int& to) {
                if (const auto value = read_integer(with, at, what)) to = static_cast<Int>(*value);
            },
            [](const Int& value) { return boost::json::value(value); }};
}

template <class Duration>
[[nodiscard]] codec<Duration> duration(std::chrono::milliseconds minimum,
                                       std::chrono::milliseconds maximum) {
    const auto step = std::chrono::duration_cast<std::chrono::milliseconds>(Duration(1));
    shape what{.kind = value_kind::duration,
               .words = "a duration from " + to_duration_text(minimum) + " to " +
                        to_duration_text(maximum)};
    return {what,
            [what, within = duration_bounds{minimum, maximum, step}](reader& with, const place& at,
                                                                     Duration& to) {
                if (const auto value = read_duration(with, at, what, within))
                    to = std::chrono::duration_cast<Duration>(*value);
            },
            [](const Duration& value) { return boost::json::value(to_duration_text(value)); }};
}

template <class Int>
[[nodiscard]] codec<Int> size(std::uint64_t minimum, std::uint64_t maximum) {
    shape what{.kind = value_kind::size,
               .words = "a size from " + to_size_text(minimum) + " to " + to_size_text(maximum)};
    return {what,
            [what, within = size_bounds{minimum, maximum}](reader& with, const place& at, Int& to) {
                if (const auto value = read_size(with, at, what, within))
                    to = static_cast<Int>(*value);
            },
            [](const Int& value) { return boost::json::value(to_size_text(value)); }};
}

// A text for which `fits` holds (empty: any text). `words` say which.
[[nodiscard]] codec<std::string> text(std::string words, bool (*fits)(std::string_view) = nullptr,
                                      std::string pattern = {});

template <class E>
[[nodiscard]] codec<E> choice(std::vector<std::pair<std::string, E>> names) {
    shape what{.kind = value_kind::choice};
    for (const auto& [name, value] : names) what.choices.push_back(name);
    what.words = join_choices(what.choices);
    return {what,
            [what, names](reader& with, const place& at, E& to) {
                if (want_scalar(with, at, what.words) == nullptr) return;
                for (const auto& [name, value] : names)
                    if (name == at.value.text) {
                        to = value;
                        return;
                    }
                with.fail(at, quote(at.value.written) + " is not a choice here",
                          suggest(at.value.text, what.choices));
            },
            [names](const E& value) -> boost::json::value {
                for (const auto& [name, one] : names)
                    if (one == value) return boost::json::value(name);
                return nullptr;
            }};
}

// Whether the node is a list of at least `items_min` items, a mistake otherwise.
[[nodiscard]] bool want_list(reader& with, const place& at, const shape& what);
void refuse_twin(reader& with, const place& at);

enum class twins : std::uint8_t { allowed, refused };

// `words`: "a list of slots".
template <class V>
[[nodiscard]] codec<std::vector<V>> list(std::string words, codec<V> of, std::size_t items_min = 0,
                                         twins equal_items = twins::refused) {
    shape what{.kind = value_kind::list,
               .words = std::move(words),
               .items_min = items_min,
               .item = std::make_shared<const shape>(of.what)};
    return {what,
            [what, equal_items, read = of.read](reader& with, const place& at, std::vector<V>& to) {
                if (!want_list(with, at, what)) return;
                to.clear();
                std::unordered_set<std::string> seen;
                for (std::size_t i = 0; i < at.value.items.size(); ++i) {
                    const place item = at.item(i);
                    V made{};
                    if (item.value.bad) continue;
                    if (equal_items == twins::refused && item.value.kind == node_kind::scalar &&
                        !seen.insert(item.value.text).second) {
                        refuse_twin(with, item);
                        continue;
                    }
                    read(with, item, made);
                    to.push_back(std::move(made));
                }
            },
            [show = of.show](const std::vector<V>& values) -> boost::json::value {
                boost::json::array all;
                for (const V& one : values) {
                    all.push_back(show(one));
                    if (all.back().is_null()) return nullptr;
                }
                return all;
            }};
}

// One item may stand for a list of one.
template <class V>
[[nodiscard]] codec<std::vector<V>> one_or_list(std::string words, codec<V> of) {
    codec<std::vector<V>> many = list<V>(words, of);
    shape what{.kind = value_kind::any_of, .words = words, .ways = {of.what, many.what}};
    return {what,
            [read_one = of.read, read_many = many.read](reader& with, const place& at,
                                                        std::vector<V>& to) {
                if (at.value.kind != node_kind::scalar) return read_many(with, at, to);
                V made{};
                read_one(with, at, made);
                to.assign(1, std::move(made));
            },
            many.show};
}

template <class V>
[[nodiscard]] codec<std::optional<V>> optional_of(codec<V> of) {
    return {of.what,
            [read = of.read](reader& with, const place& at, std::optional<V>& to) {
                V made = to.value_or(V{});
                read(with, at, made);
                to = std::move(made);
            },
            [show = of.show](const std::optional<V>& value) -> boost::json::value {
                if (!value) return nullptr;
                return show(*value);
            }};
}

template <class T>
[[nodiscard]] codec<T> section(const table<T>& of) {
    shape what{.kind = value_kind::section, .words = "a map of options", .section = &of.info()};
    return {what, [&of](reader& with, const place& at, T& to) { of.read(with, at, to); },
            [](const T&) { return boost::json::value(); }};
}

}  // namespace lethe::gateway::config
