// What every request loses and gains at the door, whatever its route, and what every answer loses
// on its way out.
#pragma once

#include "gateway/config/address.hpp"
#include "http/exchange.hpp"

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace lethe::gateway {

// Addresses whose word about the client is believed.
class trusted_peers {
 public:
    trusted_peers() = default;
    explicit trusted_peers(std::vector<config::network> networks)
        : networks_(std::move(networks)) {}
    [[nodiscard]] bool contains(std::string_view address) const;

 private:
    std::vector<config::network> networks_;
};

// Takes away Lethe-* fields (they are said between gateway and backend only) and, from peers that
// are not trusted, X-Forwarded-*, Forwarded and Client-Cert*. A certificate of the client's own
// replaces what was said of one.
void clean_request(http::exchange& x, const trusted_peers& trusted);

// Takes away what a backend said to filters that this route does not have.
void clean_answer_for_client(http::exchange& x);

// W3C Trace Context: a valid traceparent is passed on, otherwise one is made from `random_a`,
// `random_b` and `random_c`. Answers the trace id, for the access log.
std::string_view ensure_traceparent(http::exchange& x, std::uint64_t random_a,
                                    std::uint64_t random_b, std::uint64_t random_c);
[[nodiscard]] bool is_traceparent(std::string_view text);

}  // namespace lethe::gateway
