// Lethe-Signature: proof for a service that the gateway said what stands in the request's fields.
//
//     Lethe-Signature: :base64:;keyid="k1";created=1700000000;fields="lethe-session-id x-user"
//
// HMAC-SHA-256 over the lines, each ended by a newline:
//
//     lethe-signature 1 | key id | created | method | target | fields | "name: value" of each field
//
// A service believes the fields that are named there, and no other.
#pragma once

#include "http/filter.hpp"
#include "upstream/options.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace lethe::upstream {

// The field's value for a request as it is now. `more`: fields of the gateway's beside Lethe-*,
// such as those that name the principal.
[[nodiscard]] std::string sign(const http::exchange& x, const signature_options& with,
                               const std::vector<std::string>& more, system_time now);

// Behind all filters that say something to the service.
class signer final : public http::filter {
 public:
    signer(signature_options with, std::vector<std::string> more);

    [[nodiscard]] task<> handle(http::exchange& x, http::next rest) override;

 private:
    const signature_options options_;
    const std::vector<std::string> more_;
};

}  // namespace lethe::upstream
