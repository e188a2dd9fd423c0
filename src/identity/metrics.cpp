#include "identity/metrics.hpp"

namespace lethe::identity {
namespace {

lethe::metrics::counter& refusal_counter(lethe::metrics::registry& in, std::string_view reason) {
    return in.make_counter("lethe_identity_refusals_total",
                           "Requests that were not let in, by reason.",
                           {{"reason", std::string(reason)}});
}

}  // namespace

std::string_view to_reason(refusal why) noexcept {
    switch (why) {
        case refusal::no_credentials: return "no_credentials";
        case refusal::unreadable_credentials: return "unreadable_credentials";
        case refusal::insufficient_scope: return "insufficient_scope";
        case refusal::no_keys: break;
    }
    return "no_keys";
}

metrics::metrics(lethe::metrics::registry& in)
    : authenticated(in.make_counter("lethe_identity_requests_authenticated_total",
                                    "Requests let in with a verified token.")),
      anonymous(in.make_counter("lethe_identity_requests_anonymous_total",
                                "Requests let in without a token, where that is allowed.")),
      cache_hits(in.make_counter("lethe_identity_token_cache_hits_total",
                                 "Tokens that had been verified a moment ago.")),
      cache_misses(in.make_counter("lethe_identity_token_cache_misses_total",
                                   "Tokens that had to be verified.")),
      cache_bytes(
          in.make_gauge("lethe_identity_token_cache_bytes", "Memory held by verified tokens.")),
      claims_unforwarded(in.make_counter("lethe_identity_claims_unforwarded_total",
                                         "Claims that no field can carry faithfully.")) {
    for (std::size_t i = 0; i < refusals_.size(); ++i)
        refusals_[i] = &refusal_counter(in, to_reason(static_cast<refusal>(i)));
    for (std::size_t i = 1; i < token_refusals_.size(); ++i)
        token_refusals_[i] = &refusal_counter(in, token::to_reason(static_cast<token::errc>(i)));
    token_refusals_[0] = &refusal_counter(in, "other");
}

void metrics::count(token::errc why) noexcept {
    const auto index = static_cast<std::size_t>(why);
    token_refusals_[index < token_refusals_.size() ? index : 0]->add();
}

}  // namespace lethe::identity
