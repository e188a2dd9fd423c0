// RFC 8785, JSON Canonicalization Scheme.
#include "base/json.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::json {
namespace {

namespace bj = boost::json;

// ECMAScript's Number::toString (ECMA-262, section 6.1.6.1.20) from the shortest digits.
std::string number_text(double value) {
    if (value == 0) return "0";
    std::array<char, 40> buffer;
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                   std::chars_format::scientific);
    std::string_view text(buffer.data(), static_cast<std::size_t>(end.ptr - buffer.data()));
    std::string out;
    if (text.front() == '-') {
        out = "-";
        text.remove_prefix(1);
    }
    const std::size_t e = text.find('e');
    std::string digits;
    for (const char c : text.substr(0, e))
        if (c != '.') digits += c;
    std::string_view exponent = text.substr(e + 1);
    if (exponent.front() == '+') exponent.remove_prefix(1);
    int power = 0;
    std::from_chars(exponent.data(), exponent.data() + exponent.size(), power);

    const int count = static_cast<int>(digits.size());
    const int point = power + 1;  // digits before the decimal point
    if (count <= point && point <= 21) {
        out += digits + std::string(static_cast<std::size_t>(point - count), '0');
    } else if (0 < point && point <= 21) {
        out += digits.substr(0, static_cast<std::size_t>(point)) + "." +
               digits.substr(static_cast<std::size_t>(point));
    } else if (-6 < point && point <= 0) {
        out += "0." + std::string(static_cast<std::size_t>(-point), '0') + digits;
    } else {
        out += digits.substr(0, 1);
        if (count > 1) out += "." + digits.substr(1);
        out += std::string("e") + (power < 0 ? "-" : "+") + std::to_string(std::abs(power));
    }
    return out;
}

// The order of UTF-16 code units, from UTF-8: that of the bytes, but for the surrogates, which
// stand below U+E000 to U+FFFF.
bool is_before(std::string_view a, std::string_view b) {
    // Two equal texts up to a byte differ in a lead byte or in bytes behind the same one. Leads
    // from 0xf0 on (surrogate pairs) go between 0xed and 0xee.
    const auto unit = [](char byte) {
        const int lead = static_cast<unsigned char>(byte);
        return lead >= 0xf0 ? 0xed * 16 + 1 + (lead - 0xf0) : lead * 16;
    };
    const auto [at_a, at_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
    if (at_a == a.end() || at_b == b.end()) return at_a == a.end() && at_b != b.end();
    return unit(*at_a) < unit(*at_b);
}

void append(std::string& out, const bj::value& value);

void append_object(std::string& out, const bj::object& object) {
    std::vector<const bj::key_value_pair*> members;
    members.reserve(object.size());
    for (const bj::key_value_pair& member : object) members.push_back(&member);
    std::ranges::sort(members, [](const auto* a, const auto* b) {
        return is_before({a->key().data(), a->key().size()}, {b->key().data(), b->key().size()});
    });
    out += '{';
    for (const bj::key_value_pair* member : members) {
        if (out.back() != '{') out += ',';
        out += bj::serialize(bj::value(member->key()));
        out += ':';
        append(out, member->value());
    }
    out += '}';
}

void append(std::string& out, const bj::value& value) {
    if (const auto* object = value.if_object()) return append_object(out, *object);
    if (const auto* array = value.if_array()) {
        out += '[';
        for (std::size_t i = 0; i < array->size(); ++i) {
            if (i > 0) out += ',';
            append(out, (*array)[i]);
        }
        out += ']';
        return;
    }
    if (const auto* number = value.if_double()) {
        out += number_text(*number);
        return;
    }
    out += bj::serialize(value);
}

}  // namespace

std::string canonical_text(const bj::value& value) {
    std::string out;
    append(out, value);
    return out;
}

}  // namespace lethe::json
