#include "identity/forward.hpp"

#include "base/bytes.hpp"
#include "base/json.hpp"

#include <algorithm>

namespace lethe::identity {
namespace {

namespace bj = boost::json;

constexpr char fold(char c) noexcept {
    if (c >= 'A' && c <= 'Z') return static_cast<char>(c + 32);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '-';
}

// A receiver takes white space at the ends away: "admin " would arrive as "admin".
bool is_faithful(std::string_view text) {
    return !text.empty() && text.size() <= forwarded_bytes_max && http::is_field_value(text) &&
           trim(text).size() == text.size();
}

std::optional<std::string> join(const bj::array& list, std::string_view separator) {
    std::string out;
    for (const bj::value& one : list) {
        if (!one.is_string()) return std::nullopt;
        const std::string_view text = one.get_string();
        if (text.empty() || text.find(separator) != std::string_view::npos) return std::nullopt;
        if (!out.empty()) out += separator;
        out += text;
        if (out.size() > forwarded_bytes_max) return std::nullopt;
    }
    return out;
}

// RFC 6901: ~1 is '/', ~0 is '~'.
std::string unescape(std::string_view part) {
    std::string out;
    for (std::size_t i = 0; i < part.size(); ++i) {
        if (part[i] != '~' || i + 1 == part.size())
            out += part[i];
        else
            out += part[++i] == '1' ? '/' : '~';
    }
    return out;
}

}  // namespace

bool is_same_identity_field(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                              [](char x, char y) { return fold(x) == fold(y); });
}

std::vector<std::string> forwarded_fields(std::span<const authenticate_options> routes) {
    std::vector<std::string> out;
    for (const authenticate_options& route : routes)
        for (const forward_option& one : route.forward)
            if (std::none_of(out.begin(), out.end(), [&one](const std::string& known) {
                    return is_same_identity_field(known, one.field);
                }))
                out.push_back(one.field);
    return out;
}

std::size_t strip_identity_fields(http::fields& header, std::span<const std::string> names) {
    if (names.empty()) return 0;
    return header.remove_if([names](const http::field_line& line) {
        return std::any_of(names.begin(), names.end(), [&line](const std::string& name) {
            return is_same_identity_field(line.name, name);
        });
    });
}

const bj::value* find_claim(const bj::object& claims, std::string_view name) noexcept {
    if (!name.starts_with('/')) return claims.if_contains(name);
    const bj::object* in = &claims;
    while (true) {
        name.remove_prefix(1);
        const std::size_t end = std::min(name.find('/'), name.size());
        const bj::value* found = in->if_contains(unescape(name.substr(0, end)));
        name.remove_prefix(end);
        if (found == nullptr || name.empty()) return found;
        if (!found->is_object()) return nullptr;
        in = &found->get_object();
    }
}

std::optional<std::string_view> to_field_value(const bj::value& claim,
                                               std::string_view list_separator, arena& memory) {
    if (claim.is_string()) {
        const std::string_view text = claim.get_string();
        if (!is_faithful(text)) return std::nullopt;
        return memory.copy(text);
    }
    if (claim.is_number() || claim.is_bool()) return memory.copy(json::to_text(claim));
    if (!claim.is_array()) return std::nullopt;
    const std::optional<std::string> joined = join(claim.get_array(), list_separator);
    if (!joined || !is_faithful(*joined)) return std::nullopt;
    return memory.copy(*joined);
}

}  // namespace lethe::identity
