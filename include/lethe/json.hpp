// JSON as a value, and between JSON and a service's own types.
//
// What has a form of its own: bool, numbers, text, std::optional (null), std::vector and other
// ranges (arrays), std::map and other maps from text (objects). A struct joins with a list of its
// members:
//
//     struct line {
//         std::string sku;
//         int quantity = 1;
//         static constexpr auto json_members =
//             lethe::members("sku", &line::sku, "qty", &line::quantity);
//     };
//
// All other types join with two functions beside them, found by argument-dependent look-up:
//
//     void to_json(lethe::json_value& to, const money& from);
//     bool from_json(const lethe::json_value& from, money& to);  // false: it is something else
#pragma once

#include "lethe/errors.hpp"

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace lethe {
inline namespace v1 {

class json_value;
struct json_member;

// Names and pointers to members, by turns.
template <class... Parts>
constexpr std::tuple<Parts...> members(Parts... parts) {
    static_assert(sizeof...(Parts) % 2 == 0, "each name has a pointer to a member behind it");
    return {parts...};
}

namespace internal {

template <class T>
inline constexpr bool is_optional_json = false;
template <class T>
inline constexpr bool is_optional_json<std::optional<T>> = true;

template <class T>
concept json_text = std::convertible_to<const T&, std::string_view>;
template <class T>
concept json_map = requires {
    typename T::key_type;
    typename T::mapped_type;
} && std::convertible_to<const typename T::key_type&, std::string_view>;
template <class T>
concept json_list = std::ranges::input_range<const T> && !json_text<T> && !json_map<T>;
template <class T>
concept json_struct = requires { T::json_members; };
template <class T>
concept json_foreign = requires(json_value& to, const T& from) { to_json(to, from); };

template <class T>
concept json_writable =
    !std::same_as<T, json_value> &&
    (std::is_arithmetic_v<T> || std::same_as<T, std::nullptr_t> || json_text<T> ||
     is_optional_json<T> || json_map<T> || json_list<T> || json_struct<T> || json_foreign<T>);

}  // namespace internal

// A value. Numbers are signed integers of 64 bits, or doubles, which larger ones become; objects
// keep the order of their members.
class json_value {
 public:
    json_value() noexcept = default;  // null
    template <class T>
        requires internal::json_writable<T>
    json_value(const T& from) {  // whatever has a form in JSON is a json_value
        write(from);
    }
    [[nodiscard]] static json_value array(std::vector<json_value> elements);
    [[nodiscard]] static json_value object(std::vector<json_member> members);

    // Strict: no double members, at most 32 levels and 1 MiB. Errors: service_errc::malformed_json.
    [[nodiscard]] static boost::system::result<json_value> parse(std::string_view text);
    [[nodiscard]] std::string to_text() const;

    [[nodiscard]] bool is_null() const noexcept { return holds<std::nullptr_t>(); }
    [[nodiscard]] bool is_double() const noexcept { return holds<double>(); }
    [[nodiscard]] bool is_object() const noexcept { return holds<std::vector<json_member>>(); }
    [[nodiscard]] bool is_array() const noexcept { return holds<std::vector<json_value>>(); }
    // Of an array, of an object; empty for all else.
    [[nodiscard]] std::span<const json_value> elements() const noexcept;
    [[nodiscard]] std::span<const json_member> members() const noexcept;
    // An object's member of that name; null when there is none.
    [[nodiscard]] const json_value* find(std::string_view name) const noexcept;
    // What a JSON Pointer (RFC 6901) leads to; null when that is nothing. "" is all of it.
    [[nodiscard]] const json_value* at(std::string_view pointer) const;

    // As one of the types above. Of a struct, members that are not there keep what they were made
    // with. Errors: service_errc::wrong_type.
    template <class T>
    [[nodiscard]] boost::system::result<T> as() const {
        // Said in full, because a bool could be made from an error.
        using made = boost::system::result<T>;
        T out{};
        if (!read(out))
            return made(boost::system::in_place_error, make_error_code(service_errc::wrong_type));
        return made(boost::system::in_place_value, std::move(out));
    }

    // Makes it an object, if it is none, and sets the member.
    json_value& set(std::string_view name, json_value value);

    bool operator==(const json_value& other) const;

    // What as() does, for from_json functions.
    template <class T>
    [[nodiscard]] bool read(T& to) const;

 private:
    template <class T>
    [[nodiscard]] bool holds() const noexcept {
        return std::holds_alternative<T>(value_);
    }
    template <class T>
    void write(const T& from);
    template <class T, std::size_t... Index>
    void write_struct(const T& from, std::index_sequence<Index...>);
    template <class T, std::size_t... Index>
    [[nodiscard]] bool read_struct(T& to, std::index_sequence<Index...>) const;
    template <class T>
    [[nodiscard]] bool read_member(std::string_view name, T& to) const;
    [[nodiscard]] bool read_integer(std::int64_t& to) const noexcept;
    [[nodiscard]] bool read_double(double& to) const noexcept;

    std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, std::vector<json_value>,
                 std::vector<json_member>>
        value_;
};

struct json_member {
    std::string name;
    json_value value;

    bool operator==(const json_member&) const = default;
};

template <class T>
void json_value::write(const T& from) {
    if constexpr (internal::json_foreign<T>) {
        to_json(*this, from);
    } else if constexpr (internal::json_struct<T>) {
        constexpr std::size_t parts =
            std::tuple_size_v<std::remove_cvref_t<decltype(T::json_members)>>;
        value_ = std::vector<json_member>();
        write_struct(from, std::make_index_sequence<parts / 2>{});
    } else if constexpr (std::same_as<T, std::nullptr_t> || std::same_as<T, bool>) {
        value_ = from;
    } else if constexpr (std::integral<T>) {
        if (std::in_range<std::int64_t>(from))
            value_ = static_cast<std::int64_t>(from);
        else
            value_ = static_cast<double>(from);
    } else if constexpr (std::floating_point<T>) {
        // JSON has neither infinities nor NaN.
        value_ = nullptr;
        if (std::isfinite(from)) value_ = static_cast<double>(from);
    } else if constexpr (internal::json_text<T>) {
        value_ = std::string(std::string_view(from));
    } else if constexpr (internal::is_optional_json<T>) {
        if (from) *this = json_value(*from);
    } else if constexpr (internal::json_map<T>) {
        std::vector<json_member> made;
        for (const auto& [name, value] : from)
            made.push_back({std::string(std::string_view(name)), json_value(value)});
        value_ = std::move(made);
    } else {
        std::vector<json_value> made;
        for (const auto& one : from) made.emplace_back(one);
        value_ = std::move(made);
    }
}

template <class T, std::size_t... Index>
void json_value::write_struct(const T& from, std::index_sequence<Index...>) {
    (set(std::get<2 * Index>(T::json_members),
         json_value(from.*std::get<2 * Index + 1>(T::json_members))),
     ...);
}

template <class T>
bool json_value::read_member(std::string_view name, T& to) const {
    const json_value* const found = find(name);
    return found == nullptr || found->read(to);
}

template <class T, std::size_t... Index>
bool json_value::read_struct(T& to, std::index_sequence<Index...>) const {
    return (read_member(std::get<2 * Index>(T::json_members),
                        to.*std::get<2 * Index + 1>(T::json_members)) &&
            ...);
}

template <class T>
bool json_value::read(T& to) const {
    if constexpr (std::same_as<T, json_value>) {
        to = *this;
        return true;
    } else if constexpr (requires { from_json(*this, to); }) {
        return from_json(*this, to);
    } else if constexpr (internal::json_struct<T>) {
        constexpr std::size_t parts =
            std::tuple_size_v<std::remove_cvref_t<decltype(T::json_members)>>;
        return is_object() && read_struct(to, std::make_index_sequence<parts / 2>{});
    } else if constexpr (std::same_as<T, bool> || std::same_as<T, std::string>) {
        const T* const found = std::get_if<T>(&value_);
        if (found != nullptr) to = *found;
        return found != nullptr;
    } else if constexpr (std::integral<T>) {
        std::int64_t wide = 0;
        if (!read_integer(wide) || !std::in_range<T>(wide)) return false;
        to = static_cast<T>(wide);
        return true;
    } else if constexpr (std::floating_point<T>) {
        double wide = 0;
        const bool good = read_double(wide);
        if (good) to = static_cast<T>(wide);
        return good;
    } else if constexpr (internal::is_optional_json<T>) {
        to.reset();
        return is_null() || read(to.emplace());
    } else if constexpr (internal::json_map<T>) {
        to.clear();
        for (const json_member& one : members())
            if (!one.value.read(to[typename T::key_type(one.name)])) return false;
        return is_object();
    } else {
        to.clear();
        for (const json_value& one : elements()) {
            typename T::value_type element{};
            if (!one.read(element)) return false;
            to.insert(to.end(), std::move(element));
        }
        return is_array();
    }
}

// One member's name as part of a JSON Pointer: "a/b" is "a~1b".
[[nodiscard]] std::string escape_pointer(std::string_view member);

}  // namespace v1
}  // namespace lethe
