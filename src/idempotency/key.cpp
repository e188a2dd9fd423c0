#include "idempotency/key.hpp"

#include "base/bytes.hpp"
#include "http/structured.hpp"

#include <algorithm>
#include <variant>

namespace lethe::idempotency {
namespace {

using http::structured::parse_item;

bool is_bare_key_character(char c) noexcept {
    // Visible ASCII, but what would make it a list, or a string with an end missing.
    return c > 0x20 && c < 0x7f && c != '"' && c != ',' && c != ';';
}

result<std::string> parse_quoted(std::string_view text) {
    auto item = parse_item(text);
    if (item.has_error()) return LETHE_ERR(errc::key_malformed);
    auto* key = std::get_if<std::string>(&item->value);
    if (key == nullptr) return LETHE_ERR(errc::key_malformed);
    return std::move(*key);
}

result<std::string> parse_bare(std::string_view text) {
    const std::size_t end = std::min(text.find(';'), text.size());
    const std::string_view key = text.substr(0, end);
    if (!std::ranges::all_of(key, is_bare_key_character)) return LETHE_ERR(errc::key_malformed);
    if (end < text.size()) {
        // Parameters are ignored, but they must be some.
        const auto item = parse_item("k" + std::string(text.substr(end)));
        if (item.has_error()) return LETHE_ERR(errc::key_malformed);
    }
    return std::string(key);
}

bool is_hex_digit(char c) noexcept {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

// RFC 9562 section 4, lower case. Not the nil and the max UUID, which everybody can guess.
bool is_uuid(std::string_view text) noexcept {
    if (text.size() != 36) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !is_hex_digit(text[i])) return false;
    }
    const auto all = [text](char digit) {
        return std::ranges::all_of(text, [digit](char c) { return c == digit || c == '-'; });
    };
    return !all('0') && !all('f');
}

}  // namespace

result<std::string> parse_key(std::string_view field_value, key_rules rules) {
    const std::string_view text = trim(field_value);
    if (text.empty()) return LETHE_ERR(errc::key_malformed);
    const bool quoted = text.front() == '"';
    if (!quoted && rules.strict) return LETHE_ERR(errc::key_not_quoted);
    LETHE_TRY(std::string key, quoted ? parse_quoted(text) : parse_bare(text));
    if (key.empty()) return LETHE_ERR(errc::key_malformed);
    if (key.size() > key_bytes_max) return LETHE_ERR(errc::key_too_long);
    if (rules.format == key_format::any) return key;
    key = to_lower(key);
    if (!is_uuid(key)) return LETHE_ERR(errc::key_not_uuid);
    return key;
}

std::string sf_string(std::string_view key) {
    std::string out = "\"";
    for (const char c : key) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + '"';
}

std::string caller_of_principal(std::string_view issuer, std::string_view subject) {
    return sha256_of_parts({"principal", issuer, subject});
}

std::string caller_of_session(std::string_view pseudonym) {
    return sha256_of_parts({"session", pseudonym});
}

std::string caller_of_nobody() {
    static const std::string made = sha256_of_parts({"nobody"});
    return made;
}

std::string make_record_id(const key_owner& owner, std::string_view key) {
    return sha256_of_parts({owner.tenant, owner.caller, key});
}

}  // namespace lethe::idempotency
