#include "token/mint.hpp"

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "token/jws.hpp"
#include "token/policy.hpp"
#include "token/signature.hpp"

namespace lethe::token {
namespace {

namespace bj = boost::json;

std::int64_t to_seconds(system_time t) {
    return std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count();
}

void warn_of_times(const claims& said, system_time now, std::vector<std::string>& to) {
    if (!said.expires_at)
        to.emplace_back("it has no exp: lethe refuses it");
    else if (now >= *said.expires_at)
        to.emplace_back("it has expired");
    if (said.not_before && now < *said.not_before) to.emplace_back("it is not valid yet (nbf)");
    if (said.issued_at && now < *said.issued_at)
        to.emplace_back("it was issued in the future (iat)");
}

void warn_of_header(const jws& parts, std::vector<std::string>& to) {
    if (equal_ignoring_case(parts.algorithm_name, "none"))
        to.emplace_back("its alg is none: anybody can make such a token");
    else if (!parts.algorithm)
        to.emplace_back("its alg is not supported");
    if (parts.has_key_header)
        to.emplace_back(
            "its header brings a key along (jku, jwk, x5u, x5c or x5t), which is ignored");
    if (parts.signature.empty()) to.emplace_back("it has no signature");
}

}  // namespace

bj::object make_claims(const mint_request& request, system_time now, random_source& random) {
    const std::int64_t expires = to_seconds(now) + request.ttl.count();
    bj::object out;
    if (!request.issuer.empty()) out["iss"] = request.issuer;
    if (!request.subject.empty()) out["sub"] = request.subject;
    if (request.audience.size() == 1)
        out["aud"] = request.audience.front();
    else if (!request.audience.empty())
        out["aud"] = bj::array(request.audience.begin(), request.audience.end());
    // A token that has already expired was issued before it did.
    out["iat"] = request.ttl.count() > 0 ? to_seconds(now) : expires - 3600;
    out["exp"] = expires;
    out["jti"] = to_base64url(random.bytes(16));
    for (const bj::key_value_pair& one : request.extra) out[one.key()] = one.value();
    return out;
}

result<std::string> mint(const key& with, const mint_request& request, system_time now,
                         random_source& random) {
    const std::optional<algorithm> chosen =
        request.algorithm ? request.algorithm : with.usual_algorithm();
    if (!chosen) return LETHE_ERR(errc::key_wrong_algorithm);
    LETHE_TRY(signer by, signer::make(with, *chosen));
    return by.sign_compact(json::to_text(make_claims(request, now, random)), request.type);
}

result<key> choose_signing_key(const key_set& keys, std::string_view id) {
    const key* found = nullptr;
    bool is_known = false;
    for (const key& one : keys.keys()) {
        if (!id.empty() && one.id() != id) continue;
        is_known = true;
        if (!one.is_private() && !one.is_symmetric()) continue;
        if (found != nullptr) return LETHE_ERR(errc::unknown_key);
        found = &one;
    }
    if (found != nullptr) return *found;
    if (is_known) return LETHE_ERR(errc::key_not_private);
    return LETHE_ERR(errc::unknown_key);
}

result<bj::object> to_public_set(std::span<const key> keys) {
    bj::array out;
    for (const key& one : keys) {
        if (one.is_symmetric()) return LETHE_ERR(errc::mixed_keys);
        out.emplace_back(one.to_public_json());
    }
    return bj::object{{"keys", std::move(out)}};
}

result<inspection> inspect(std::string_view token, system_time now) {
    inspection out;
    jws parts;
    const result<> split = parse_jws(token, token_bytes_limit, parts);
    // A header that lethe refuses can still be shown.
    if (split.has_error() && to_errc(split.error()) != errc::critical_header) return split.error();
    LETHE_TRY(out.header, json::parse_object(parts.header_text));
    if (split.has_error())
        out.warnings.emplace_back("its header has crit or b64: lethe refuses it");
    else
        warn_of_header(parts, out.warnings);
    const result<claims> said = parse_claims(parts.payload);
    if (said.has_error()) {
        LETHE_TRY(out.claims, json::parse_object(parts.payload));
        out.warnings.push_back("its claims are refused: " + said.error().message());
        return out;
    }
    warn_of_times(*said, now, out.warnings);
    if (said->subject.empty()) out.warnings.emplace_back("it has no sub: lethe refuses it");
    out.claims = said->members;
    return out;
}

}  // namespace lethe::token
