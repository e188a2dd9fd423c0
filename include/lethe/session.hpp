// A change to the session that a service asks lethe for in its answer.
//
//     answer.change_session(lethe::session_change()
//                               .set_add("/cart/items", "sku-1")
//                               .increment("/cart/count", 1));
//
// These operations commute: two requests that change the same session at the same time both take
// effect, in any order, without a conflict. Paths are JSON Pointers (RFC 6901); the first member is
// the slot, which the route must list under `session: {write: [...]}`. Missing containers are made.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lethe {
inline namespace v1 {

// JSON text that is already JSON: an object, an array, anything. Trusted to be valid.
struct raw_json {
    std::string text;
};

// A value to put into a session, as JSON text.
class json_value {
 public:
    json_value(std::string_view text);
    json_value(const char* text) : json_value(std::string_view(text)) {}
    json_value(const std::string& text) : json_value(std::string_view(text)) {}
    json_value(bool yes) : text_(yes ? "true" : "false") {}
    json_value(int number) : text_(std::to_string(number)) {}
    json_value(std::int64_t number) : text_(std::to_string(number)) {}
    json_value(raw_json json) : text_(std::move(json.text)) {}

    [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
    std::string text_;
};

// What an increment may not leave; lethe refuses the whole change then.
struct increment_bounds {
    std::optional<std::int64_t> min = {};
    std::optional<std::int64_t> max = {};
};

// A value. Operations take effect in the order of the calls, all or none.
class session_change {
 public:
    // Adds to the number at `pointer`; a missing one counts as 0.
    session_change& increment(std::string_view pointer, std::int64_t by,
                              increment_bounds bounds = {});
    // Adds to the array at `pointer` unless an equal value is in it.
    session_change& set_add(std::string_view pointer, const json_value& value);
    // Removes each equal value from the array at `pointer`.
    session_change& set_remove(std::string_view pointer, const json_value& value);
    // Appends to the array at `pointer`, which then keeps its last `limit` elements (0: all).
    session_change& append(std::string_view pointer, const json_value& value,
                           std::uint64_t limit = 0);
    session_change& put_if_absent(std::string_view pointer, const json_value& value);

    [[nodiscard]] bool empty() const noexcept { return operations_.empty(); }
    // The JSON array that goes to lethe. At most 8 KiB of it are accepted.
    [[nodiscard]] std::string to_json() const;

 private:
    session_change& add(std::string_view name, std::string_view pointer, std::string_view members);

    std::string operations_;
};

// One member's name as part of a JSON Pointer: "a/b" is "a~1b".
[[nodiscard]] std::string escape_pointer(std::string_view member);

}  // namespace v1
}  // namespace lethe
