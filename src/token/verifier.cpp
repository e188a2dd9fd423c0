#include "token/verifier.hpp"

#include "base/bytes.hpp"

#include <algorithm>

namespace lethe::token {
namespace {

// `typ` and `cty` leave "application/" out where nothing is lost by it (RFC 7515 section 4.1.9).
std::string_view without_application(std::string_view type) noexcept {
    constexpr std::string_view prefix = "application/";
    if (type.size() > prefix.size() && equal_ignoring_case(type.substr(0, prefix.size()), prefix))
        type.remove_prefix(prefix.size());
    return type;
}

bool is_at_jwt(const std::optional<std::string>& type) noexcept {
    return type && equal_ignoring_case(without_application(*type), "at+jwt");
}

// J12. Which class a token is of, its claims tell too: hashes of other tokens stand only in ID
// tokens, `events` only in logout and security event tokens.
bool is_access_token(const unverified& token, type_rule rule) noexcept {
    if (is_at_jwt(token.parts.type)) return true;
    if (rule == type_rule::at_jwt) return false;
    if (token.parts.type && !equal_ignoring_case(without_application(*token.parts.type), "JWT"))
        return false;
    const boost::json::object& said = token.claims.members;
    return !said.contains("at_hash") && !said.contains("c_hash") && !said.contains("events");
}

}  // namespace

result<> parse_unverified(std::string_view token, std::size_t token_bytes_max, unverified& out) {
    out.token_bytes = token.size();
    const result<> split = parse_jws(token, token_bytes_max, out.parts);
    if (split.has_error()) return split;
    LETHE_TRY(out.claims, parse_claims(out.parts.payload));
    return result<>{};
}

verifier::verifier(policy rules, std::shared_ptr<const key_set> keys)
    : rules_(std::move(rules)), keys_(std::move(keys)) {
    LETHE_ASSERT(keys_ != nullptr);
    // J11: whoever wants to take tokens made for anybody must say so.
    LETHE_ASSERT(!rules_.audiences.empty() || rules_.audience_unchecked);
    import_keys();
}

void verifier::import_keys() {
    slots_.clear();
    for (const key& one : keys_->keys())
        for (const token::algorithm a : rules_.algorithms) {
            result<signature_checker> checker = signature_checker::make(one, a);
            if (checker.has_value()) slots_.push_back({&one, a, *std::move(checker)});
        }
}

void verifier::replace_keys(std::shared_ptr<const key_set> keys) {
    LETHE_ASSERT(keys != nullptr);
    const bool same = keys->same_keys(*keys_);
    keys_ = std::move(keys);
    import_keys();
    if (!same) ++generation_;
}

// J7: with a `kid`, the key of that name; without, the only one that fits.
result<verifier::slot*> verifier::choose(const jws& parts) {
    slot* found = nullptr;
    for (slot& one : slots_) {
        if (one.algorithm != *parts.algorithm) continue;
        if (parts.key_id && one.with->id() != *parts.key_id) continue;
        if (found != nullptr) return LETHE_ERR(errc::unknown_key);
        found = &one;
    }
    if (found != nullptr) return found;
    const std::span<const key> all = keys_->keys();
    const bool is_known =
        parts.key_id && std::any_of(all.begin(), all.end(),
                                    [&parts](const key& k) { return k.id() == *parts.key_id; });
    if (is_known) return LETHE_ERR(errc::wrong_key);
    return LETHE_ERR(errc::unknown_key);
}

// What can be refused without cryptography, cheapest first (J4, J8, J11, J12).
result<> verifier::check_before(const unverified& token, system_time now) const {
    const claims& said = token.claims;
    if (token.token_bytes > rules_.token_bytes_max) return LETHE_ERR(errc::too_large);
    if (!token.parts.algorithm || std::find(rules_.algorithms.begin(), rules_.algorithms.end(),
                                            *token.parts.algorithm) == rules_.algorithms.end())
        return LETHE_ERR(errc::algorithm_not_allowed);
    if (rules_.refuse_key_headers && token.parts.has_key_header) return LETHE_ERR(errc::key_header);
    if (!is_access_token(token, rules_.type)) return LETHE_ERR(errc::wrong_type);
    if (!said.members.contains("iss") || said.issuer != rules_.issuer)
        return LETHE_ERR(errc::unknown_issuer);
    if (!rules_.audience_unchecked && !said.is_for_any(rules_.audiences))
        return LETHE_ERR(errc::wrong_audience);
    if (!said.expires_at) return LETHE_ERR(errc::claim_missing);
    return check_times(said, now);
}

result<> verifier::check_after(const claims& said) const {
    // Without a subject two callers would be one principal, to sessions and idempotency keys alike.
    if (said.subject.empty()) return LETHE_ERR(errc::claim_missing);
    if (rules_.type == type_rule::at_jwt)
        for (const std::string_view required : {"aud", "client_id", "iat", "jti"})
            if (!said.members.contains(required)) return LETHE_ERR(errc::claim_missing);
    if (rules_.lifetime_max) {
        if (!said.issued_at) return LETHE_ERR(errc::claim_missing);
        if (*said.expires_at - *said.issued_at > *rules_.lifetime_max)
            return LETHE_ERR(errc::lifetime_too_long);
    }
    return result<>{};
}

result<> verifier::check_times(const claims& said, system_time now) const noexcept {
    if (said.expires_at && now >= *said.expires_at + rules_.skew) return LETHE_ERR(errc::expired);
    if (said.not_before && *said.not_before > now + rules_.skew)
        return LETHE_ERR(errc::not_yet_valid);
    if (said.issued_at && *said.issued_at > now + rules_.skew)
        return LETHE_ERR(errc::not_yet_valid);
    return result<>{};
}

result<> verifier::verify(const unverified& token, system_time now) {
    const result<> plausible = check_before(token, now);
    if (plausible.has_error()) return plausible;
    LETHE_TRY(slot* const chosen, choose(token.parts));
    if (!chosen->checker.check(token.parts.signing_input, token.parts.signature))
        return LETHE_ERR(errc::bad_signature);
    return check_after(token.claims);
}

result<claims> verifier::verify(std::string_view token, system_time now) {
    unverified parsed;
    const result<> read = parse_unverified(token, rules_.token_bytes_max, parsed);
    if (read.has_error()) return read.error();
    const result<> good = verify(parsed, now);
    if (good.has_error()) return good.error();
    return std::move(parsed.claims);
}

}  // namespace lethe::token
