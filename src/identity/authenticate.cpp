#include "identity/authenticate.hpp"

#include "base/log.hpp"
#include "identity/credentials.hpp"
#include "identity/forward.hpp"
#include "identity/problems.hpp"
#include "token/cache.hpp"

#include <algorithm>

namespace lethe::identity {
namespace {

constexpr std::chrono::seconds retry_without_keys{5};

task<> answered() {
    co_return result<>{};
}

}  // namespace

authenticate::authenticate(authenticate_options options, issuer_table& issuers)
    : options_(std::move(options)), issuers_(issuers) {
    for (const std::string& name : options_.issuers) {
        const std::optional<std::size_t> index = issuers_.find(name);
        LETHE_ASSERT(index.has_value());
        allowed_.push_back(*index);
    }
    fields_ = forwarded_fields({&options_, 1});
    for (const std::string& scope : options_.scopes) {
        if (!scope_text_.empty()) scope_text_ += ' ';
        scope_text_ += scope;
    }
}

// No coroutine of its own: there is nothing to do when the answer comes back.
task<> authenticate::handle(http::exchange& x, http::next rest) {
    if (!admit(x)) return answered();
    return rest(x);
}

bool authenticate::admit(http::exchange& x) {
    // The gateway does so for all routes; here it also holds for whoever uses the filter alone.
    strip_identity_fields(x.request.header, fields_);
    x.principal.reset();
    const credentials found = read_credentials(x.request.header);
    switch (found.what) {
        case credentials::kind::bearer: return admit_bearer(x, found.token);
        case credentials::kind::unreadable:
            issuers_.counters().count(refusal::unreadable_credentials);
            refuse(x, invalid_credentials, "invalid_request",
                   "One Authorization field with one bearer token is expected");
            return false;
        case credentials::kind::none:
        case credentials::kind::other_scheme: break;
    }
    return admit_anonymous(x);
}

bool authenticate::admit_anonymous(http::exchange& x) {
    if (options_.optional) {
        issuers_.counters().anonymous.add();
        return true;
    }
    issuers_.counters().count(refusal::no_credentials);
    // RFC 6750 section 3.1: no error code for who did not try.
    refuse(x, authentication_required, "", "");
    return false;
}

bool authenticate::admit_bearer(http::exchange& x, std::string_view token) {
    const verdict found = issuers_.verify(token, allowed_, x.time());
    if (found.undecided) {
        issuers_.counters().count(refusal::no_keys);
        log_refusal(x, to_reason(refusal::no_keys), token);
        http::answer_problem(x, identity_unavailable, {.retry_after = retry_without_keys});
        return false;
    }
    if (!found.claims) {
        refuse_token(x, found.reason, token);
        return false;
    }
    if (!is_allowed(x, *found.claims, token)) return false;
    issuers_.counters().authenticated.add();
    hand_on(x, *found.claims);
    return true;
}

// The route's own rules, for each request anew: that the token was good elsewhere says nothing
// here.
bool authenticate::is_allowed(http::exchange& x, const token::claims& verified,
                              std::string_view token) {
    if (!options_.audience.empty() && !verified.is_for_any(options_.audience)) {
        refuse_token(x, token::errc::wrong_audience, token);
        return false;
    }
    if (std::all_of(options_.scopes.begin(), options_.scopes.end(),
                    [&verified](const std::string& scope) { return verified.has_scope(scope); }))
        return true;
    issuers_.counters().count(refusal::insufficient_scope);
    log_refusal(x, to_reason(refusal::insufficient_scope), token);
    refuse(x, insufficient_scope, "insufficient_scope", "The access token lacks a scope");
    return false;
}

void authenticate::hand_on(http::exchange& x, const token::claims& verified) {
    x.principal = http::principal{verified.issuer, verified.subject, verified.text};
    for (const forward_option& one : options_.forward) {
        const boost::json::value* claim = find_claim(verified.members, one.claim);
        if (claim == nullptr) continue;
        const std::optional<std::string_view> value =
            to_field_value(*claim, options_.list_separator, x.memory());
        if (value)
            x.request.header.append_borrowed(x.memory().copy(one.field), *value);
        else
            issuers_.counters().claims_unforwarded.add();
    }
    if (options_.strip_authorization) x.request.header.remove(http::field_id::authorization);
}

void authenticate::refuse(http::exchange& x, const http::problem_type& type, std::string_view error,
                          std::string_view description) const {
    http::answer_problem(x, type);
    std::string challenge = "Bearer realm=\"" + options_.realm + '"';
    if (!error.empty()) {
        challenge += ", error=\"";
        challenge += error;
        challenge += "\", error_description=\"";
        challenge += description;
        challenge += '"';
    }
    if (!scope_text_.empty() && error != "invalid_request")
        challenge += ", scope=\"" + scope_text_ + '"';
    x.response.header.add("WWW-Authenticate", challenge);
}

void authenticate::refuse_token(http::exchange& x, token::errc why, std::string_view token) {
    issuers_.counters().count(why);
    log_refusal(x, token::to_reason(why), token);
    // The same words for every reason: what is wrong is for the operator to know.
    refuse(x, invalid_token, "invalid_token", "The access token is not valid");
}

void authenticate::log_refusal(http::exchange& x, std::string_view reason, std::string_view token) {
    if (!issuers_.may_log(x.time().steady_now())) return;
    // E4: never the token itself. A token above the size limit is not even hashed.
    const std::string name = token.size() <= token::token_bytes_limit
                                 ? token::fingerprint(token::digest_of(token))
                                 : std::string("too-large");
    log::info("identity.token_refused",
              {{"route", x.route_name}, {"reason", reason}, {"token", name}});
}

}  // namespace lethe::identity
