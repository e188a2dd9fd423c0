// Decides whether a token is good (rules J1 to J12, in the order of J15).
#pragma once

#include "base/clock.hpp"
#include "token/claims.hpp"
#include "token/jws.hpp"
#include "token/key_set.hpp"
#include "token/policy.hpp"
#include "token/signature.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::token {

// A token taken apart but not believed. Meant to be used again for the next token.
struct unverified {
    std::size_t token_bytes = 0;
    jws parts;
    token::claims claims;
};
// J1 to J3, J8, J9: everything that needs neither policy nor key.
[[nodiscard]] result<> parse_unverified(std::string_view token, std::size_t token_bytes_max,
                                        unverified& out);

// One worker and issuer. Keys are imported and contexts made once per key set.
class verifier {
 public:
    verifier(policy rules, std::shared_ptr<const key_set> keys);

    // The verified claims are those of `token`, to be moved out by the caller. Any error is a
    // refusal; its errc is the reason.
    [[nodiscard]] result<> verify(const unverified& token, system_time now);
    // Both steps in one, for whoever has no use for the first by itself.
    [[nodiscard]] result<claims> verify(std::string_view token, system_time now);

    // exp and nbf again, for claims that were verified a while ago.
    [[nodiscard]] result<> check_times(const claims& verified, system_time now) const noexcept;

    // The generation moves on only when the keys really differ: what was verified under an older
    // generation must be verified again (rule K5).
    void replace_keys(std::shared_ptr<const key_set> keys);
    [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }

    [[nodiscard]] const policy& rules() const noexcept { return rules_; }
    [[nodiscard]] const key_set& keys() const noexcept { return *keys_; }

 private:
    // A key together with one algorithm that it fits and the policy allows.
    struct slot {
        const key* with;
        token::algorithm algorithm;
        signature_checker checker;
    };

    void import_keys();
    [[nodiscard]] result<slot*> choose(const jws& parts);
    [[nodiscard]] result<> check_before(const unverified& token, system_time now) const;
    [[nodiscard]] result<> check_after(const claims& said) const;

    policy rules_;
    std::shared_ptr<const key_set> keys_;
    std::vector<slot> slots_;
    std::uint64_t generation_ = 1;
};

}  // namespace lethe::token
