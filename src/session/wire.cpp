#include "session/wire.hpp"

#include "base/base64.hpp"
#include "base/bytes.hpp"
#include "http/structured.hpp"
#include "session/handle.hpp"
#include "session/rules.hpp"

#include <algorithm>
#include <string_view>
#include <variant>

namespace lethe::session::detail {
namespace {

namespace sf = http::structured;

constexpr std::string_view family = "lethe-session";
constexpr std::string_view id_field = "Lethe-Session-Id";
constexpr std::string_view version_field = "Lethe-Session-Version";
constexpr std::string_view slots_field = "Lethe-Session";
constexpr std::string_view stale_field = "Lethe-Session-Stale";
constexpr std::string_view patch_field = "Lethe-Session-Patch";
constexpr std::string_view if_field = "Lethe-Session-If";
constexpr std::string_view op_field = "Lethe-Session-Op";
constexpr std::string_view origin_field = "Lethe-Session-Origin";
constexpr std::string_view url_field = "Lethe-Session-Url";

bool is_ours(const http::field_line& line) {
    return line.id == http::field_id::lethe && line.name.size() >= family.size() &&
           equal_ignoring_case(line.name.substr(0, family.size()), family);
}

// A token or a string: languages without a structured fields library find strings easier.
std::optional<std::string_view> as_word(const sf::bare_item& value) {
    if (const auto* word = std::get_if<sf::token>(&value)) return word->text;
    if (const auto* text = std::get_if<std::string>(&value)) return *text;
    return std::nullopt;
}

result<std::optional<sf::item>> single_item(const http::fields& header, std::string_view name) {
    const std::size_t lines = header.count(name);
    if (lines == 0) return std::optional<sf::item>{};
    if (lines > 1) return LETHE_ERR(errc::patch_malformed);
    result<sf::item> parsed = sf::parse_item(*header.first(name));
    if (parsed.has_error()) return LETHE_ERR(errc::patch_malformed);
    return std::optional<sf::item>{std::move(*parsed)};
}

result<patch_type> parse_patch_type(const sf::item& from) {
    const sf::bare_item* type = sf::find_parameter(from.params, "type");
    const std::optional<std::string_view> word = type != nullptr ? as_word(*type) : std::nullopt;
    if (word == "merge") return patch_type::merge;
    if (word == "json-patch") return patch_type::json_patch;
    if (word == "ops") return patch_type::ops;
    return LETHE_ERR(errc::patch_malformed);
}

result<std::optional<patch>> parse_patch(const http::fields& header, std::size_t patch_bytes_max) {
    LETHE_TRY(const std::optional<sf::item> field, single_item(header, patch_field));
    if (!field) return std::optional<patch>{};
    const auto* text = std::get_if<sf::bytes>(&field->value);
    if (text == nullptr) return LETHE_ERR(errc::patch_malformed);
    LETHE_TRY(const patch_type type, parse_patch_type(*field));
    result<patch> parsed = patch::parse(type, text->data, patch_bytes_max);
    if (parsed.has_error()) return LETHE_ERR(errc::patch_malformed);  // too large is the same
    return std::optional<patch>{std::move(*parsed)};
}

result<basis> parse_basis(const http::fields& header) {
    LETHE_TRY(const std::optional<sf::item> field, single_item(header, if_field));
    if (!field) return basis::slots;
    const std::optional<std::string_view> word = as_word(field->value);
    if (word == "slots") return basis::slots;
    if (word == "version") return basis::version;
    if (word == "any") return basis::any;
    return LETHE_ERR(errc::patch_malformed);
}

// Lethe-Session-Op: regenerate, bind;subject="u42"
result<change> parse_op(const http::fields& header) {
    change out;
    const std::optional<std::string> line = header.combined(op_field);
    if (!line) return out;
    result<sf::list> members = sf::parse_list(*line);
    if (members.has_error()) return LETHE_ERR(errc::patch_malformed);
    for (const sf::member& member : *members) {
        const auto* one = std::get_if<sf::item>(&member);
        const std::optional<std::string_view> word =
            one != nullptr ? as_word(one->value) : std::nullopt;
        if (word == "regenerate") {
            out.regenerate = true;
        } else if (word == "destroy") {
            out.destroy = true;
        } else if (word == "bind") {
            const sf::bare_item* subject = sf::find_parameter(one->params, "subject");
            const auto* text = subject != nullptr ? std::get_if<std::string>(subject) : nullptr;
            if (text == nullptr || text->empty() || text->size() > store::subject_bytes_max)
                return LETHE_ERR(errc::patch_malformed);
            out.subject = *text;
        } else {
            return LETHE_ERR(errc::patch_malformed);
        }
    }
    return out;
}

std::optional<origin> parse_origin(const http::fields& header) {
    result<std::optional<sf::item>> field = single_item(header, origin_field);
    if (field.has_error() || !*field) return std::nullopt;
    const auto* name = std::get_if<std::string>(&(*field)->value);
    const sf::bare_item* version = sf::find_parameter((*field)->params, "version");
    const auto* number = version != nullptr ? std::get_if<std::int64_t>(version) : nullptr;
    if (name == nullptr || number == nullptr || *number < 0) return std::nullopt;
    origin out{.pseudonym = *name, .version = static_cast<std::uint64_t>(*number)};
    const sf::bare_item* by = sf::find_parameter((*field)->params, "by");
    const auto* mark = by != nullptr ? std::get_if<std::int64_t>(by) : nullptr;
    if (mark != nullptr && *mark >= 0 && *mark <= std::int64_t{UINT32_MAX})
        out.made_by = static_cast<std::uint32_t>(*mark);
    return out;
}

result<std::optional<std::uint64_t>> parse_read_version(const http::fields& header) {
    LETHE_TRY(const std::optional<sf::item> field, single_item(header, version_field));
    if (!field) return std::optional<std::uint64_t>{};
    const auto* number = std::get_if<std::int64_t>(&field->value);
    if (number == nullptr || *number < 0) return LETHE_ERR(errc::patch_malformed);
    return std::optional<std::uint64_t>{static_cast<std::uint64_t>(*number)};
}

// The mark of the handle in `Lethe-Session-Url: "http://…/h…"`.
std::uint32_t mark_of_url(const http::fields& request) {
    const std::string_view url = request.first(url_field).value_or("");
    const std::size_t slash = url.rfind('/');
    if (slash == std::string_view::npos || url.back() != '"') return 0;
    return write_mark(url.substr(slash + 1, url.size() - slash - 2));
}

result<asked> parse_asked(const http::fields& header, std::size_t patch_bytes_max) {
    asked out;
    LETHE_TRY(out.wanted, parse_op(header));
    LETHE_TRY(out.wanted.edit, parse_patch(header, patch_bytes_max));
    LETHE_TRY(out.wanted.relies_on, parse_basis(header));
    LETHE_TRY(out.read_version, parse_read_version(header));
    out.made_for = parse_origin(header);
    return out;
}

}  // namespace

void strip_request(http::fields& header) {
    header.remove_if(is_ours);
}

void show_identity(http::exchange& x, const state& data, std::string_view pseudonym) {
    http::fields& header = x.request.header;
    header.append_borrowed(id_field, x.memory().concat({"\"", pseudonym, "\""}));
    header.append_borrowed(version_field, x.memory().copy(std::to_string(data.version)));
}

void show_slots(http::exchange& x, std::string_view json) {
    std::string slots;
    slots.reserve((json.size() + 2) / 3 * 4 + 2);
    slots = ":";
    append_open_base64(slots, json, base64_alphabet::standard);
    slots += ':';
    x.request.header.append_borrowed(slots_field, x.memory().copy(slots));
}

void show_url(http::exchange& x, std::string_view prefix, std::string_view handle) {
    x.request.header.append_borrowed(url_field, x.memory().concat({"\"", prefix, handle, "\""}));
}

void show_stale(http::exchange& x) {
    x.request.header.append_borrowed(stale_field, "?1");
}

bool says_something(const http::fields& header) noexcept {
    return std::any_of(header.begin(), header.end(), is_ours);
}

result<asked> take_asked(http::fields& header, std::size_t patch_bytes_max) {
    if (!says_something(header)) return asked{};
    result<asked> out = parse_asked(header, patch_bytes_max);
    header.remove_if(is_ours);
    return out;
}

bool asks_for_change(const http::fields& header) {
    for (const http::field_line& line : header)
        if (line.id == http::field_id::lethe && (equal_ignoring_case(line.name, patch_field) ||
                                                 equal_ignoring_case(line.name, op_field)))
            return true;
    return false;
}

void stamp_origin(http::exchange& x) {
    x.response.header.remove(origin_field);
    if (!asks_for_change(x.response.header)) return;
    const std::string_view pseudonym =
        x.session ? std::string_view(x.session->pseudonym) : std::string_view();
    const std::string_view version = x.request.header.first(version_field).value_or("0");
    const std::string by = std::to_string(mark_of_url(x.request.header));
    x.response.header.append_borrowed(
        origin_field, x.memory().concat({"\"", pseudonym, "\";version=", version, ";by=", by}));
}

}  // namespace lethe::session::detail
