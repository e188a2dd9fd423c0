#include "idempotency/json_path.hpp"

#include "idempotency/errors.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <charconv>

namespace lethe::idempotency {
namespace {

namespace bj = boost::json;

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
}

void add_all(const bj::value& of, std::vector<const bj::value*>& out) {
    if (const auto* array = of.if_array()) {
        for (const bj::value& one : *array) out.push_back(&one);
    } else if (const auto* object = of.if_object()) {
        std::vector<const bj::key_value_pair*> members;
        for (const auto& member : *object) members.push_back(&member);
        std::ranges::sort(members,
                          [](const auto* a, const auto* b) { return a->key() < b->key(); });
        for (const auto* member : members) out.push_back(&member->value());
    }
}

}  // namespace

result<json_path> json_path::parse(std::string_view text) {
    if (!text.starts_with('$')) return LETHE_ERR(errc::path_malformed);
    text.remove_prefix(1);
    json_path out;
    while (!text.empty()) {
        if (text.starts_with(".*") || text.starts_with("[*]")) {
            out.steps_.emplace_back(all{});
            text.remove_prefix(text.front() == '.' ? 2 : 3);
        } else if (text.front() == '.') {
            const auto end = std::ranges::find_if_not(text.substr(1), is_name_character);
            const auto size = static_cast<std::size_t>(end - text.begin()) - 1;
            if (size == 0) return LETHE_ERR(errc::path_malformed);
            out.steps_.emplace_back(std::string(text.substr(1, size)));
            text.remove_prefix(1 + size);
        } else if (text.starts_with("['") || text.starts_with("[\"")) {
            const std::string end{text[1], ']'};
            const std::size_t at = text.find(end, 2);
            if (at == std::string_view::npos) return LETHE_ERR(errc::path_malformed);
            const std::string_view name = text.substr(2, at - 2);
            // Escapes are left out: a name with a quote or a backslash cannot be said.
            if (name.find_first_of("'\"\\") != std::string_view::npos)
                return LETHE_ERR(errc::path_malformed);
            out.steps_.emplace_back(std::string(name));
            text.remove_prefix(at + end.size());
        } else if (text.front() == '[') {
            std::size_t index = 0;
            const auto [end, bad] =
                std::from_chars(text.data() + 1, text.data() + text.size(), index);
            const auto size = static_cast<std::size_t>(end - text.data());
            if (bad != std::errc{} || size >= text.size() || *end != ']')
                return LETHE_ERR(errc::path_malformed);
            out.steps_.emplace_back(index);
            text.remove_prefix(size + 1);
        } else {
            return LETHE_ERR(errc::path_malformed);
        }
    }
    return out;
}

std::vector<const bj::value*> json_path::select(const bj::value& root) const {
    std::vector<const bj::value*> here = {&root};
    for (const step& one : steps_) {
        std::vector<const bj::value*> next;
        for (const bj::value* value : here) {
            if (const auto* name = std::get_if<std::string>(&one)) {
                const auto* object = value->if_object();
                const bj::value* member = object != nullptr ? object->if_contains(*name) : nullptr;
                if (member != nullptr) next.push_back(member);
            } else if (const auto* index = std::get_if<std::size_t>(&one)) {
                const auto* array = value->if_array();
                if (array != nullptr && *index < array->size()) next.push_back(&(*array)[*index]);
            } else {
                add_all(*value, next);
            }
        }
        here = std::move(next);
    }
    return here;
}

}  // namespace lethe::idempotency
