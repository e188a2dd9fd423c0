// A cookie that leads a client back to the replica that answered it, for services that are not
// stateless yet. Sealed: no client can choose a replica, or learn which it has. No I/O.
#pragma once

#include "base/clock.hpp"
#include "base/random.hpp"
#include "http/exchange.hpp"
#include "upstream/options.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lethe::upstream {

// What a cookie says.
struct affinity_mark {
    std::uint64_t place = 0;
    bool ages = false;  // more than half of its max_age is over: time for a new one
};

// One worker.
class affinity {
 public:
    // At least one key. `random` makes nonces.
    affinity(affinity_options how, std::string upstream, random_source& random);

    // Of a cookie that these keys sealed for this upstream, no longer ago than its max_age.
    [[nodiscard]] std::optional<affinity_mark> find(const http::fields& request,
                                                    system_time now) const;
    // Gives the client the cookie of that place; what the service set under its name goes.
    void set(http::exchange& x, std::uint64_t place, system_time now);
    [[nodiscard]] const std::string& cookie() const noexcept { return how_.cookie; }

 private:
    [[nodiscard]] std::string seal(std::uint64_t place, system_time now);

    affinity_options how_;
    std::string upstream_;
    std::vector<secret> keys_;  // made from the operator's, which are of any length
    random_source& random_;
};

// What a replica is known by in cookies: by its place, so that all gateways agree.
[[nodiscard]] std::uint64_t affinity_place(const replica& one);

}  // namespace lethe::upstream
