#include "identity/options.hpp"

#include "http/field_id.hpp"
#include "http/fields.hpp"
#include "identity/forward.hpp"

#include <algorithm>

namespace lethe::identity {
namespace {

template <class T>
bool has_twin(const std::vector<T>& list) {
    for (std::size_t i = 0; i < list.size(); ++i)
        if (std::find(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(i), list[i]) !=
            list.begin() + static_cast<std::ptrdiff_t>(i))
            return true;
    return false;
}

// RFC 6749 section 3.3; also what may stand between quotes in WWW-Authenticate.
bool is_scope(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return c >= 0x21 && c <= 0x7e && c != '"' && c != '\\';
    });
}

bool is_realm(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return c == ' ' || is_scope({&c, 1}); });
}

void check_algorithms(const issuer_options& o, std::vector<mistake>& out) {
    if (o.algorithms.empty())
        out.push_back({"algorithms", "at least one is needed, such as ES256"});
    if (has_twin(o.algorithms)) out.push_back({"algorithms", "the same algorithm is listed twice"});
    const auto symmetric =
        std::count_if(o.algorithms.begin(), o.algorithms.end(), token::is_symmetric);
    if (symmetric != 0 && static_cast<std::size_t>(symmetric) != o.algorithms.size())
        out.push_back(
            {"algorithms",
             "HS256, HS384 and HS512 cannot stand beside other algorithms: a public key could "
             "be taken for a secret; use an issuer of its own for each"});
}

void check_forward(const authenticate_options& o, std::vector<mistake>& out) {
    for (std::size_t i = 0; i < o.forward.size(); ++i) {
        const forward_option& one = o.forward[i];
        if (one.claim.empty()) out.push_back({"forward", "the name of the claim is empty"});
        if (!http::is_token(one.field)) {
            out.push_back({"forward", "'" + one.field + "' is not a field name"});
            continue;
        }
        if (http::identify(one.field) != http::field_id::other)
            out.push_back({"forward", "'" + one.field +
                                          "' has a meaning of its own; choose another name, "
                                          "such as X-User"});
        for (std::size_t k = 0; k < i; ++k)
            if (is_same_identity_field(o.forward[k].field, one.field))
                out.push_back({"forward", "'" + one.field +
                                              "' is set twice ('-' and '_' are the same to "
                                              "many backends)"});
    }
}

}  // namespace

std::optional<token::type_rule> parse_type_rule(std::string_view text) noexcept {
    if (text == "any") return token::type_rule::any_access_token;
    if (text == "at+jwt") return token::type_rule::at_jwt;
    return std::nullopt;
}

std::vector<mistake> check(const issuer_options& o) {
    std::vector<mistake> out;
    if (o.name.empty()) out.push_back({"name", "a name is needed, which routes can use"});
    if (o.issuer.empty())
        out.push_back({"issuer", "the tokens' iss is needed, exactly as they say it"});
    if (o.audience.empty() && !o.audience_unchecked)
        out.push_back(
            {"audience",
             "name the audience that tokens for this service have in aud; without it, tokens "
             "made for other services would pass (or say audience_unchecked: true)"});
    if (!o.audience.empty() && o.audience_unchecked)
        out.push_back(
            {"audience_unchecked", "audience is given, so it is checked; leave one of them out"});
    if (std::find(o.audience.begin(), o.audience.end(), std::string()) != o.audience.end())
        out.push_back({"audience", "an audience cannot be empty"});
    check_algorithms(o, out);
    if (o.keys_file.empty())
        out.push_back({"keys", "say where the keys are: keys: {file: jwks.json}"});
    if (o.skew < std::chrono::seconds{0} || o.skew > token::skew_limit)
        out.push_back({"skew", "between 0s and 300s"});
    if (o.lifetime_max && *o.lifetime_max <= std::chrono::seconds{0})
        out.push_back({"lifetime_max", "more than 0s"});
    if (o.token_bytes_max < 256 || o.token_bytes_max > token::token_bytes_limit)
        out.push_back({"token_bytes_max", "between 256 and 65536 bytes"});
    return out;
}

std::vector<mistake> check(const authenticate_options& o) {
    std::vector<mistake> out;
    if (o.issuers.empty()) out.push_back({"issuers", "name at least one of the issuers"});
    if (has_twin(o.issuers)) out.push_back({"issuers", "the same issuer is named twice"});
    if (!std::all_of(o.scopes.begin(), o.scopes.end(), is_scope))
        out.push_back(
            {"scopes", "a scope is printable ASCII without spaces, quotes and backslashes"});
    if (o.optional && !o.scopes.empty())
        out.push_back(
            {"optional", "who comes without a token has no scopes; leave out optional or scopes"});
    check_forward(o, out);
    if (o.list_separator != " " && o.list_separator != ",")
        out.push_back({"list_separator", "\" \" or \",\""});
    if (!is_realm(o.realm))
        out.push_back({"realm", "printable ASCII without quotes and backslashes"});
    return out;
}

}  // namespace lethe::identity
