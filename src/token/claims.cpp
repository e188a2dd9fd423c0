#include "token/claims.hpp"

#include "base/json.hpp"
#include "token/jws.hpp"
#include "token/policy.hpp"

#include <algorithm>
#include <cmath>

namespace lethe::token {
namespace {

namespace bj = boost::json;

result<> read_text(const bj::object& from, std::string_view name, std::string* to) {
    const bj::value* found = from.if_contains(name);
    if (found == nullptr) return result<>{};
    if (!found->is_string()) return LETHE_ERR(errc::claim_malformed);
    if (to != nullptr) *to = std::string_view(found->get_string());
    return result<>{};
}

// NumericDate (RFC 7519 section 2): seconds, integer or not, in [0, 2^53).
result<> read_time(const bj::object& from, std::string_view name, std::optional<system_time>& to) {
    constexpr double seconds_max = 9007199254740992.0;
    const bj::value* found = from.if_contains(name);
    if (found == nullptr) return result<>{};
    double seconds = -1;
    if (found->is_int64())
        seconds = static_cast<double>(found->get_int64());
    else if (found->is_uint64())
        seconds = static_cast<double>(found->get_uint64());
    else if (found->is_double())
        seconds = found->get_double();
    // Also refuses what is not a number at all.
    if (!(seconds >= 0 && seconds < seconds_max)) return LETHE_ERR(errc::claim_malformed);
    to = system_time{
        std::chrono::milliseconds{static_cast<std::int64_t>(std::floor(seconds * 1000.0))}};
    return result<>{};
}

result<> read_audience(const bj::object& from, std::vector<std::string>& to) {
    const bj::value* found = from.if_contains("aud");
    if (found == nullptr) return result<>{};
    if (found->is_string()) {
        to.emplace_back(std::string_view(found->get_string()));
        return result<>{};
    }
    if (!found->is_array()) return LETHE_ERR(errc::claim_malformed);
    for (const bj::value& one : found->get_array()) {
        if (!one.is_string()) return LETHE_ERR(errc::claim_malformed);
        to.emplace_back(std::string_view(one.get_string()));
    }
    return result<>{};
}

bool has_word(std::string_view words, std::string_view wanted) noexcept {
    while (!words.empty()) {
        const std::size_t end = std::min(words.find(' '), words.size());
        if (words.substr(0, end) == wanted) return true;
        words.remove_prefix(std::min(end + 1, words.size()));
    }
    return false;
}

bool grants(const bj::value& scopes, std::string_view wanted) noexcept {
    if (scopes.is_string()) return has_word(std::string_view(scopes.get_string()), wanted);
    if (!scopes.is_array()) return false;
    const bj::array& list = scopes.get_array();
    return std::any_of(list.begin(), list.end(), [wanted](const bj::value& one) {
        return one.is_string() && std::string_view(one.get_string()) == wanted;
    });
}

std::size_t bytes_of(const bj::value& value) noexcept {
    std::size_t out = sizeof(bj::value);
    if (value.is_string()) return out + value.get_string().capacity();
    if (value.is_array()) {
        for (const bj::value& one : value.get_array()) out += bytes_of(one);
        return out;
    }
    if (value.is_object())
        // Beside the value a member holds its name, its length and links of the hash table.
        for (const bj::key_value_pair& one : value.get_object())
            out += bytes_of(one.value()) + one.key().size() + 32;
    return out;
}

}  // namespace

bool claims::is_for_any(const std::vector<std::string>& audiences) const noexcept {
    return std::any_of(audience.begin(), audience.end(), [&audiences](const std::string& one) {
        return std::find(audiences.begin(), audiences.end(), one) != audiences.end();
    });
}

bool claims::has_scope(std::string_view wanted) const noexcept {
    if (const bj::value* scope = members.if_contains("scope")) return grants(*scope, wanted);
    if (const bj::value* scp = members.if_contains("scp")) return grants(*scp, wanted);
    return false;
}

std::size_t claims::bytes() const noexcept {
    std::size_t out = sizeof(claims) + issuer.capacity() + subject.capacity() + text.capacity();
    for (const std::string& one : audience) out += sizeof(std::string) + one.capacity();
    for (const bj::key_value_pair& one : members)
        out += bytes_of(one.value()) + one.key().size() + 32;
    return out;
}

result<claims> parse_claims(std::string_view payload) {
    claims out;
    result<bj::object> parsed =
        json::parse_object(payload, {.bytes_max = token_bytes_limit, .depth_max = json_depth_max});
    if (parsed.has_error()) return LETHE_ERR(errc::bad_payload);
    out.members = *std::move(parsed);
    for (const result<>& read :
         {read_text(out.members, "iss", &out.issuer), read_text(out.members, "sub", &out.subject),
          read_text(out.members, "jti", nullptr), read_text(out.members, "client_id", nullptr),
          read_audience(out.members, out.audience), read_time(out.members, "exp", out.expires_at),
          read_time(out.members, "nbf", out.not_before),
          read_time(out.members, "iat", out.issued_at)})
        if (read.has_error()) return read.error();
    out.text = payload;
    return out;
}

}  // namespace lethe::token
