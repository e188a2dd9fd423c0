// The filter that names the caller: verifies the access token, hands its claims on, refuses the
// rest (rules E1 to E6 and the result contract of RFC 6750 section 3).
#pragma once

#include "http/filter.hpp"
#include "http/problem.hpp"
#include "identity/issuers.hpp"
#include "identity/options.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::identity {

// One worker and route. What it answers itself is never stored by a cache. It does not await: the
// keys are in memory.
class authenticate final : public http::filter {
 public:
    // The options have passed check() and name issuers of the table, which outlives the filter.
    authenticate(authenticate_options options, issuer_table& issuers);

    [[nodiscard]] task<> handle(http::exchange& x, http::next rest) override;

 private:
    // False when the exchange has been answered with a refusal.
    [[nodiscard]] bool admit(http::exchange& x);
    [[nodiscard]] bool admit_anonymous(http::exchange& x);
    [[nodiscard]] bool admit_bearer(http::exchange& x, std::string_view token);
    [[nodiscard]] bool is_allowed(http::exchange& x, const token::claims& verified,
                                  std::string_view token);
    void hand_on(http::exchange& x, const token::claims& verified);

    void refuse(http::exchange& x, const http::problem_type& type, std::string_view error,
                std::string_view description) const;
    void refuse_token(http::exchange& x, token::errc why, std::string_view token);
    void log_refusal(http::exchange& x, std::string_view reason, std::string_view token);

    authenticate_options options_;
    issuer_table& issuers_;
    std::vector<std::size_t> allowed_;
    std::vector<std::string> fields_;  // that this route sets
    std::string scope_text_;           // "a b"
};

}  // namespace lethe::identity
