#include "session/cookie.hpp"

#include "base/bytes.hpp"
#include "http/cookies.hpp"

#include <algorithm>
#include <string>

namespace lethe::session::detail {
namespace {

constexpr std::array<std::string_view, cookies_max> suffixes = {"", "-1", "-2"};
constexpr std::string_view forget = "; Max-Age=0";

void add_cookie(http::exchange& x, const settings& options, std::size_t place,
                std::string_view value, std::string_view more) {
    const std::string_view secure = options.cookie_secure ? "; Secure" : "";
    x.response.header.append_borrowed(
        "Set-Cookie", x.memory().concat({options.cookie_name, suffixes[place], "=", value,
                                         "; Path=/", secure, "; HttpOnly; SameSite=Lax", more}));
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

std::size_t place_of_cookie(std::string_view cookie, std::string_view name) noexcept {
    if (!cookie.starts_with(name)) return cookies_max;
    cookie.remove_prefix(name.size());
    const auto at = std::find(suffixes.begin(), suffixes.end(), cookie);
    return static_cast<std::size_t>(at - suffixes.begin());
}

found_cookies find_cookies(const http::fields& request, std::string_view name) {
    found_cookies out;
    http::for_each_cookie(request, [&](std::string_view pair) {
        const std::size_t equals = pair.find('=');
        if (equals == std::string_view::npos) return;
        const std::size_t place = place_of_cookie(pair.substr(0, equals), name);
        if (place < cookies_max && !out[place]) out[place] = pair.substr(equals + 1);
    });
    return out;
}

void remove_cookie(http::fields& request, std::string_view name) {
    const auto is_ours = [name](std::string_view cookie) {
        return place_of_cookie(cookie, name) < cookies_max;
    };
    bool found = false;
    http::for_each_cookie(
        request, [&](std::string_view pair) { found |= is_ours(http::cookie_name(pair)); });
    if (!found) return;
    const std::string kept = http::cookies_without(request, is_ours);
    request.remove(http::field_id::cookie);
    if (!kept.empty()) request.add("Cookie", kept);
}

void set_cookie(http::exchange& x, const settings& options, const ticket& holder,
                std::uint64_t version) {
    add_cookie(x, options, 0, holder.to_cookie_value(version), "");
    keep_from_shared_caches(x);
}

void expire_cookie(http::exchange& x, const settings& options) {
    add_cookie(x, options, 0, "", forget);
    keep_from_shared_caches(x);
}

void set_cookies(http::exchange& x, const settings& options, const std::vector<std::string>& values,
                 const found_cookies& sent) {
    LETHE_ASSERT(values.size() <= cookies_max);
    for (std::size_t i = 0; i < cookies_max; ++i) {
        if (i < values.size())
            add_cookie(x, options, i, values[i], "");
        else if (sent[i])
            add_cookie(x, options, i, "", forget);
        else
            continue;
        keep_from_shared_caches(x);
    }
}

void drop_set_cookie(http::fields& response, std::string_view name) {
    response.remove_if([name](const http::field_line& line) {
        return line.id == http::field_id::set_cookie &&
               place_of_cookie(http::cookie_name(line.value.substr(0, line.value.find(';'))),
                               name) < cookies_max;
    });
}

}  // namespace lethe::session::detail
