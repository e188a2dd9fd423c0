#include "identity/credentials.hpp"

#include "base/bytes.hpp"

#include <algorithm>

namespace lethe::identity {
namespace {

// RFC 6750 section 2.1: b64token.
bool is_bearer_token(std::string_view text) noexcept {
    while (text.ends_with('=')) text.remove_suffix(1);
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '.' || c == '_' || c == '~' || c == '+' || c == '/';
    });
}

}  // namespace

credentials read_credentials(const http::fields& header) noexcept {
    using kind = credentials::kind;
    const http::field_line* found = nullptr;
    for (const http::field_line& line : header) {
        if (line.id != http::field_id::authorization) continue;
        if (found != nullptr) return {kind::unreadable, {}};
        found = &line;
    }
    if (found == nullptr) return {};
    const std::string_view value = found->value;
    const std::size_t space = std::min(value.find(' '), value.size());
    const std::string_view scheme = value.substr(0, space);
    if (!http::is_token(scheme)) return {kind::unreadable, {}};
    if (!equal_ignoring_case(scheme, "Bearer")) return {kind::other_scheme, {}};
    std::string_view token = value.substr(space);
    while (token.starts_with(' ')) token.remove_prefix(1);
    if (!is_bearer_token(token)) return {kind::unreadable, {}};
    return {kind::bearer, token};
}

}  // namespace lethe::identity
