#include "session/patch.hpp"

#include "base/json.hpp"
#include "session/json_tools.hpp"

#include <boost/json/array.hpp>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <optional>

namespace lethe::session {
namespace {

namespace bj = boost::json;

void add_once(std::vector<std::string>& names, const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

bool is_slot_name(std::string_view name) {
    return !name.empty() && name.size() <= slot_name_bytes_max;
}

std::optional<step::kind> json_patch_kind(std::string_view op) {
    using enum step::kind;
    if (op == "add") return add;
    if (op == "remove") return remove;
    if (op == "replace") return replace;
    if (op == "move") return move;
    if (op == "copy") return copy;
    if (op == "test") return test;
    return std::nullopt;
}

std::optional<step::kind> operation_kind(std::string_view op) {
    using enum step::kind;
    if (op == "inc") return inc;
    if (op == "set_add") return set_add;
    if (op == "set_remove") return set_remove;
    if (op == "append") return append;
    if (op == "put_if_absent") return put_if_absent;
    return std::nullopt;
}

result<std::string_view> text_member(const bj::object& from, std::string_view name) {
    const bj::value* found = from.if_contains(name);
    if (found == nullptr || !found->is_string()) return LETHE_ERR(errc::patch_malformed);
    return std::string_view(found->get_string().data(), found->get_string().size());
}

result<pointer> pointer_member(const bj::object& from, std::string_view name) {
    LETHE_TRY(const std::string_view text, text_member(from, name));
    return parse_pointer(text);
}

bool is_finite_number(const bj::value& v) {
    return v.is_int64() || v.is_uint64() || (v.is_double() && std::isfinite(v.get_double()));
}

double to_double(const bj::value& v) {
    if (v.is_int64()) return static_cast<double>(v.get_int64());
    if (v.is_uint64()) return static_cast<double>(v.get_uint64());
    return v.get_double();
}

// RFC 6902: members that it does not define are ignored.
result<step> parse_json_patch_step(const bj::object& from) {
    step out;
    LETHE_TRY(const std::string_view name, text_member(from, "op"));
    const std::optional<step::kind> kind = json_patch_kind(name);
    if (!kind) return LETHE_ERR(errc::patch_malformed);
    out.op = *kind;
    LETHE_TRY(out.path, pointer_member(from, "path"));
    if (out.op == step::kind::move || out.op == step::kind::copy) {
        LETHE_TRY(out.from, pointer_member(from, "from"));
        // A value cannot be moved into one of its own children.
        const bool inside = out.op == step::kind::move && out.from.size() < out.path.size() &&
                            std::equal(out.from.begin(), out.from.end(), out.path.begin());
        if (inside) return LETHE_ERR(errc::patch_malformed);
    } else if (out.op != step::kind::remove) {
        const bj::value* value = from.if_contains("value");
        if (value == nullptr) return LETHE_ERR(errc::patch_malformed);
        out.value = *value;
    }
    return out;
}

// Members that the operation does not know are refused: a bound with a typing mistake is no bound.
bool has_only(const bj::object& from, std::initializer_list<std::string_view> names) {
    return std::all_of(from.begin(), from.end(), [names](const bj::key_value_pair& member) {
        const std::string_view key(member.key().data(), member.key().size());
        return key == "op" || key == "path" ||
               std::find(names.begin(), names.end(), key) != names.end();
    });
}

result<step> parse_increment(const bj::object& from, step out) {
    if (!has_only(from, {"by", "min", "max"})) return LETHE_ERR(errc::patch_malformed);
    out.value = 1;
    if (const bj::value* by = from.if_contains("by")) out.value = *by;
    if (const bj::value* min = from.if_contains("min")) out.least = *min;
    if (const bj::value* max = from.if_contains("max")) out.most = *max;
    const bool numbers = is_finite_number(out.value) &&
                         (out.least.is_null() || is_finite_number(out.least)) &&
                         (out.most.is_null() || is_finite_number(out.most));
    if (!numbers) return LETHE_ERR(errc::patch_malformed);
    if (!out.least.is_null() && !out.most.is_null() && to_double(out.least) > to_double(out.most))
        return LETHE_ERR(errc::patch_malformed);
    return out;
}

result<step> parse_operation(const bj::object& from) {
    step out;
    LETHE_TRY(const std::string_view name, text_member(from, "op"));
    const std::optional<step::kind> kind = operation_kind(name);
    if (!kind) return LETHE_ERR(errc::patch_malformed);
    out.op = *kind;
    LETHE_TRY(out.path, pointer_member(from, "path"));
    if (out.op == step::kind::inc) return parse_increment(from, std::move(out));

    const bj::value* value = from.if_contains("value");
    const bj::value* limit = from.if_contains("limit");
    if (value == nullptr || !has_only(from, {"value", "limit"}))
        return LETHE_ERR(errc::patch_malformed);
    out.value = *value;
    if (limit != nullptr) {
        if (out.op != step::kind::append || !limit->is_int64() || limit->get_int64() < 1)
            return LETHE_ERR(errc::patch_malformed);
        out.limit = static_cast<std::uint64_t>(limit->get_int64());
    }
    return out;
}

}  // namespace

result<pointer> parse_pointer(std::string_view text) {
    if (text.empty() || text.front() != '/') return LETHE_ERR(errc::patch_malformed);
    pointer out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '/') {
            out.emplace_back();
        } else if (text[at] == '~') {
            if (++at == text.size() || (text[at] != '0' && text[at] != '1'))
                return LETHE_ERR(errc::patch_malformed);
            out.back().push_back(text[at] == '0' ? '~' : '/');
        } else {
            out.back().push_back(text[at]);
        }
    }
    if (!is_slot_name(out.front())) return LETHE_ERR(errc::patch_malformed);
    return out;
}

result<patch> patch::parse(patch_type type, std::string_view json, std::size_t bytes_max) {
    result<bj::value> root = json::parse(json, {.bytes_max = bytes_max, .depth_max = 32});
    if (root.has_error())
        return root.error() == condition::too_large ? LETHE_ERR(errc::too_large)
                                                    : LETHE_ERR(errc::patch_malformed);
    if (!all_finite(*root)) return LETHE_ERR(errc::patch_malformed);

    patch out;
    out.type_ = type;
    if (type == patch_type::merge) {
        if (!root->is_object()) return LETHE_ERR(errc::patch_malformed);
        out.merge_ = std::move(root->get_object());
        for (const bj::key_value_pair& member : out.merge_) {
            std::string name(member.key().data(), member.key().size());
            if (!is_slot_name(name)) return LETHE_ERR(errc::patch_malformed);
            out.written_.push_back(std::move(name));
        }
        return out;
    }

    if (!root->is_array()) return LETHE_ERR(errc::patch_malformed);
    for (const bj::value& element : root->get_array()) {
        if (!element.is_object()) return LETHE_ERR(errc::patch_malformed);
        LETHE_TRY(step one, type == patch_type::ops ? parse_operation(element.get_object())
                                                    : parse_json_patch_step(element.get_object()));
        add_once(one.op == step::kind::test ? out.tested_ : out.written_, one.path.front());
        if (one.op == step::kind::copy) add_once(out.copied_, one.from.front());
        if (one.op == step::kind::move) add_once(out.written_, one.from.front());
        out.steps_.push_back(std::move(one));
    }
    return out;
}

}  // namespace lethe::session
