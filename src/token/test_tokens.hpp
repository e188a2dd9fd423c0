// Keys and tokens for tests, good ones and ones that no signer would make.
#pragma once

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "base/random.hpp"
#include "token/key_set.hpp"
#include "token/policy.hpp"
#include "token/signature.hpp"
#include "token/verifier.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lethe::token::test {

inline constexpr std::int64_t noon = 1'700'000'000;  // of the manual clock
inline const system_time at_noon{std::chrono::seconds{noon}};

inline key make_key(algorithm a, std::string id) {
    const auto random = make_seeded_random(42);
    return generate_key({a, 2048, std::move(id)}, *random).value();
}

// The public part, or the secret itself.
inline boost::json::object to_jwk(const key& of) {
    return of.is_symmetric() ? of.to_private_json() : of.to_public_json();
}

inline std::string to_set_text(const std::vector<boost::json::object>& keys) {
    return json::to_text(
        boost::json::object{{"keys", boost::json::array(keys.begin(), keys.end())}});
}

inline std::shared_ptr<const key_set> make_set(const std::vector<key>& keys) {
    std::vector<boost::json::object> all;
    for (const key& one : keys) all.push_back(to_jwk(one));
    return std::make_shared<const key_set>(
        key_set::parse(to_set_text(all), key_source::local).value());
}

// Any header, any payload, signed as they stand.
inline std::string sign_parts(const key& with, algorithm a, std::string_view header,
                              std::string_view payload) {
    const std::string input = to_base64url(header) + '.' + to_base64url(payload);
    signer by = signer::make(with, a).value();
    return input + '.' + to_base64url(by.sign(input).value());
}

inline policy make_policy(std::vector<algorithm> algorithms = {algorithm::es256}) {
    policy out;
    out.issuer = "https://id.example";
    out.audiences = {"shop"};
    out.algorithms = std::move(algorithms);
    return out;
}

inline boost::json::object make_good_claims() {
    return {{"iss", "https://id.example"},
            {"aud", "shop"},
            {"sub", "alice"},
            {"iat", noon - 60},
            {"exp", noon + 3600}};
}

// The good claims with one changed; null takes it away.
inline std::string with_claim(std::string_view name, const boost::json::value& value) {
    boost::json::object out = make_good_claims();
    if (value.is_null())
        out.erase(name);
    else
        out[name] = value;
    return json::to_text(out);
}

inline std::string good_payload() {
    return json::to_text(make_good_claims());
}

inline std::string good_header(const key& with, algorithm a) {
    return json::to_text(boost::json::object{{"alg", to_name(a)}, {"kid", with.id()}});
}

// "" when the token is good, else the reason.
inline std::string reason_of(verifier& by, std::string_view token, system_time at = at_noon) {
    const result<claims> got = by.verify(token, at);
    return got.has_value() ? std::string() : std::string(to_reason(to_errc(got.error())));
}

}  // namespace lethe::token::test
