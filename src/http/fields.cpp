#include "http/fields.hpp"

#include "base/bytes.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <type_traits>
#include <vector>

namespace lethe::http {
namespace {

// RFC 9110 section 5.6.2.
constexpr auto token_bytes = [] {
    std::array<bool, 256> out{};
    for (int c = '0'; c <= '9'; ++c) out[static_cast<std::size_t>(c)] = true;
    for (int c = 'a'; c <= 'z'; ++c) out[static_cast<std::size_t>(c)] = true;
    for (int c = 'A'; c <= 'Z'; ++c) out[static_cast<std::size_t>(c)] = true;
    for (const char c :
         {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'})
        out[static_cast<unsigned char>(c)] = true;
    return out;
}();

}  // namespace

void fields::grow() {
    static_assert(std::is_trivially_copyable_v<field_line>);
    const std::size_t capacity = capacity_ == 0 ? 16 : 2 * capacity_;
    void* const place = memory_.allocate(capacity * sizeof(field_line), alignof(field_line));
    auto* const larger = static_cast<field_line*>(place);
    std::uninitialized_copy(begin(), end(), larger);
    lines_ = larger;
    capacity_ = capacity;
}

void fields::set(std::string_view name, std::string_view value) {
    const std::string_view kept_name = memory_.copy(name);
    const std::string_view kept_value = memory_.copy(value);
    remove(name);
    append_borrowed(kept_name, kept_value);
}

std::size_t fields::remove(std::string_view name) {
    return remove_if(
        [name](const field_line& line) { return equal_ignoring_case(line.name, name); });
}

std::size_t fields::remove(field_id id) {
    return remove_if([id](const field_line& line) { return line.id == id; });
}

std::optional<std::string_view> fields::first(std::string_view name) const {
    for (const field_line& line : *this)
        if (equal_ignoring_case(line.name, name)) return line.value;
    return std::nullopt;
}

std::optional<std::string_view> fields::first(field_id id) const {
    for (const field_line& line : *this)
        if (line.id == id) return line.value;
    return std::nullopt;
}

std::size_t fields::count(std::string_view name) const {
    return static_cast<std::size_t>(std::count_if(begin(), end(), [name](const field_line& line) {
        return equal_ignoring_case(line.name, name);
    }));
}

std::size_t fields::count(field_id id) const {
    return static_cast<std::size_t>(
        std::count_if(begin(), end(), [id](const field_line& line) { return line.id == id; }));
}

std::optional<std::string> fields::combined(std::string_view name) const {
    std::optional<std::string> out;
    for (const field_line& line : *this) {
        if (!equal_ignoring_case(line.name, name)) continue;
        if (!out)
            out.emplace(line.value);
        else
            out->append(", ").append(line.value);
    }
    return out;
}

bool is_token(std::string_view text) noexcept {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return token_bytes[static_cast<unsigned char>(c)];
    });
}

bool is_field_value(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte >= 0x20 && byte != 0x7f) || byte == '\t';
    });
}

void drop_fields_named_by_connection(fields& header) {
    std::vector<std::string_view> named;
    for (const field_line& line : header)
        if (line.id == field_id::connection)
            for_each_list_member(line.value, [&named](std::string_view name) {
                if (!equal_ignoring_case(name, "keep-alive") && !equal_ignoring_case(name, "close"))
                    named.push_back(name);
            });
    if (named.empty()) return;
    header.remove_if([&named](const field_line& line) {
        return line.id != field_id::connection &&
               std::any_of(named.begin(), named.end(), [&line](std::string_view name) {
                   return equal_ignoring_case(name, line.name);
               });
    });
}

}  // namespace lethe::http
