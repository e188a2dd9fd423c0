#include "session/json_tools.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <cmath>

namespace lethe::session {
namespace {

namespace bj = boost::json;

bool is_integer(const bj::value& v) {
    return v.is_int64() || v.is_uint64();
}

double as_double(const bj::value& v) {
    if (v.is_int64()) return static_cast<double>(v.get_int64());
    if (v.is_uint64()) return static_cast<double>(v.get_uint64());
    return v.get_double();
}

bool equal_numbers(const bj::value& a, const bj::value& b) {
    if (!is_integer(a) || !is_integer(b)) return as_double(a) == as_double(b);
    if (a.is_int64() && b.is_int64()) return a.get_int64() == b.get_int64();
    if (a.is_uint64() && b.is_uint64()) return a.get_uint64() == b.get_uint64();
    const bj::value& with_sign = a.is_int64() ? a : b;
    const bj::value& without = a.is_int64() ? b : a;
    return with_sign.get_int64() >= 0 &&
           static_cast<std::uint64_t>(with_sign.get_int64()) == without.get_uint64();
}

bool equal_objects(const bj::object& a, const bj::object& b) {
    if (a.size() != b.size()) return false;
    return std::all_of(a.begin(), a.end(), [&b](const bj::key_value_pair& member) {
        const bj::value* other = b.if_contains(member.key());
        return other != nullptr && equal_json(member.value(), *other);
    });
}

}  // namespace

bool equal_json(const bj::value& a, const bj::value& b) noexcept {
    if (a.is_number() && b.is_number()) return equal_numbers(a, b);
    if (a.kind() != b.kind()) return false;
    switch (a.kind()) {
        case bj::kind::bool_: return a.get_bool() == b.get_bool();
        case bj::kind::string: return a.get_string() == b.get_string();
        case bj::kind::object: return equal_objects(a.get_object(), b.get_object());
        case bj::kind::array:
            return std::equal(a.get_array().begin(), a.get_array().end(), b.get_array().begin(),
                              b.get_array().end(), equal_json);
        default: return true;  // null
    }
}

std::size_t depth_of(const bj::value& value) noexcept {
    std::size_t deepest = 0;
    if (value.is_array()) {
        for (const bj::value& element : value.get_array())
            deepest = std::max(deepest, depth_of(element));
        return deepest + 1;
    }
    if (value.is_object()) {
        for (const bj::key_value_pair& member : value.get_object())
            deepest = std::max(deepest, depth_of(member.value()));
        return deepest + 1;
    }
    return 0;
}

bool all_finite(const bj::value& value) noexcept {
    if (value.is_double()) return std::isfinite(value.get_double());
    if (value.is_array())
        return std::all_of(value.get_array().begin(), value.get_array().end(), all_finite);
    if (value.is_object())
        return std::all_of(
            value.get_object().begin(), value.get_object().end(),
            [](const bj::key_value_pair& member) { return all_finite(member.value()); });
    return true;
}

std::size_t weight_of(const bj::value& value) noexcept {
    if (value.is_string()) return value.get_string().size() + 2;
    std::size_t sum = 8;
    if (value.is_array())
        for (const bj::value& element : value.get_array()) sum += weight_of(element) + 1;
    if (value.is_object())
        for (const bj::key_value_pair& member : value.get_object())
            sum += member.key().size() + 4 + weight_of(member.value());
    return sum;
}

}  // namespace lethe::session
