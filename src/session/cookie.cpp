#include "session/cookie.hpp"

#include "base/bytes.hpp"

#include <string>

namespace lethe::session::detail {
namespace {

std::string_view name_of(std::string_view pair) {
    return trim(pair.substr(0, std::min(pair.find('='), pair.size())));
}

void add_cookie(http::exchange& x, const settings& options, std::string_view value,
                std::string_view more) {
    const std::string_view secure = options.cookie_secure ? "; Secure" : "";
    x.response.header.append_borrowed(
        "Set-Cookie", x.memory().concat({options.cookie_name, "=", value, "; Path=/", secure,
                                         "; HttpOnly; SameSite=Lax", more}));
}

// An answer with a session's cookie is for one caller (RFC 9111 section 7.3).
void keep_from_shared_caches(http::exchange& x) {
    const std::string cache_control =
        to_lower(x.response.header.combined("Cache-Control").value_or(""));
    bool private_already = false;
    http::for_each_list_member(cache_control, [&private_already](std::string_view directive) {
        private_already |= directive == "private" || directive == "no-store";
    });
    if (!private_already) x.response.header.set("Cache-Control", "no-store");
}

}  // namespace

void remove_cookie(http::fields& request, std::string_view name) {
    std::string kept;
    bool found = false;
    for (const http::field_line& line : request) {
        if (line.id != http::field_id::cookie) continue;
        std::string_view rest = line.value;
        while (!rest.empty()) {
            const std::size_t end = std::min(rest.find(';'), rest.size());
            const std::string_view pair = trim(rest.substr(0, end));
            rest.remove_prefix(end < rest.size() ? end + 1 : end);
            if (pair.empty()) continue;
            if (name_of(pair) == name) {
                found = true;
                continue;
            }
            if (!kept.empty()) kept += "; ";
            kept += pair;
        }
    }
    if (!found) return;
    request.remove(http::field_id::cookie);
    if (!kept.empty()) request.add("Cookie", kept);
}

void set_cookie(http::exchange& x, const settings& options, const ticket& holder) {
    add_cookie(x, options, holder.to_cookie_value(), "");
    keep_from_shared_caches(x);
}

void expire_cookie(http::exchange& x, const settings& options) {
    add_cookie(x, options, "", "; Max-Age=0");
    keep_from_shared_caches(x);
}

void drop_set_cookie(http::fields& response, std::string_view name) {
    response.remove_if([name](const http::field_line& line) {
        return line.id == http::field_id::set_cookie &&
               name_of(line.value.substr(0, line.value.find(';'))) == name;
    });
}

}  // namespace lethe::session::detail
