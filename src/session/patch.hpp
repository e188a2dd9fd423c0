// A change of a session as an upstream says it: a merge patch (RFC 7396), a JSON patch (RFC 6902)
// or lethe's operations. Pure: parse, then apply to the slots it names.
#pragma once

#include "session/errors.hpp"

#include <boost/json/object.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::session {

enum class patch_type : std::uint8_t {
    merge,
    json_patch,
    // [{"op":"set_add","path":"/cart/items","value":"sku-1"},{"op":"inc","path":"/cart/count","by":1}]
    // Each is applied to what is there, so that concurrent ones never conflict:
    //   inc {by = 1, min, max}   a number, 0 where there is none; refused where it would leave a
    //   bound set_add {value}          into an array, unless an equal element is there set_remove
    //   {value}       all equal elements append {value, limit}    at the end; the oldest beyond
    //   `limit` go put_if_absent {value}
    // Missing containers are made, as objects; for the array operations the last one as an array.
    ops,
};

inline constexpr std::size_t slot_name_bytes_max = 64;
// Nested containers in a slot.
inline constexpr std::size_t slot_depth_max = 24;

// A JSON Pointer (RFC 6901) of at least one member: the slot.
using pointer = std::vector<std::string>;
[[nodiscard]] result<pointer> parse_pointer(std::string_view text);

struct step {
    enum class kind : std::uint8_t {
        add,
        remove,
        replace,
        move,
        copy,
        test,  // RFC 6902
        inc,
        set_add,
        set_remove,
        append,
        put_if_absent,  // operations
    };
    kind op = kind::test;
    pointer path;
    pointer from;              // move, copy
    boost::json::value value;  // inc: by
    boost::json::value least;  // inc: null for no bound
    boost::json::value most;
    std::uint64_t limit = 0;  // append: 0 for none
};

class patch {
 public:
    // errc::patch_malformed, or errc::too_large above `bytes_max`.
    [[nodiscard]] static result<patch> parse(patch_type type, std::string_view json,
                                             std::size_t bytes_max);

    [[nodiscard]] patch_type type() const noexcept { return type_; }
    // Slots it may change.
    [[nodiscard]] const std::vector<std::string>& written() const noexcept { return written_; }
    // Slots it only looks at: a test, the source of a copy.
    [[nodiscard]] const std::vector<std::string>& tested() const noexcept { return tested_; }
    [[nodiscard]] const std::vector<std::string>& copied() const noexcept { return copied_; }

    // `slots` holds the named slots that exist, by name. On an error their state is undefined:
    // errc::patch_unfit, test_failed, bound_left or too_large.
    [[nodiscard]] result<> apply(boost::json::object& slots) const;

 private:
    patch_type type_ = patch_type::merge;
    boost::json::object merge_;
    std::vector<step> steps_;
    std::vector<std::string> written_;
    std::vector<std::string> tested_;
    std::vector<std::string> copied_;
};

}  // namespace lethe::session
