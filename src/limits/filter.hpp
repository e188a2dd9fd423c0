// The filter that holds clients to their limits: refuses with 429 before anything inner sees the
// request, so that a refused request never claims a key or reaches a replica.
#pragma once

#include "http/filter.hpp"
#include "limits/client_table.hpp"
#include "limits/metrics.hpp"
#include "limits/options.hpp"
#include "limits/stored_count.hpp"

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::limits {

// "caller", "field-x-api-key": how a limit without a name is called.
[[nodiscard]] std::string derived_name(const client_source& by);

// One limit on one worker.
struct limit {
    limit(options from, std::shared_ptr<client_table> shared, store::store* counted_in,
          clock& time);

    options what;
    limits::pace pace;
    std::shared_ptr<client_table> clients;  // of all workers
    std::unique_ptr<stored_count> stored;   // null: this gateway counts alone
    std::string policy;                     // as RateLimit-Policy has it
};

// One per worker, route and step of the way: limits by address and field stand before
// authentication, those by caller and by session right behind the step that names these.
class filter final : public http::filter {
 public:
    // At most limits_per_route_max. `route` is the same on all gateways that share a store.
    filter(std::vector<limit> all, std::string route, metrics counts);

    [[nodiscard]] task<> handle(http::exchange& x, http::next rest) override;

 private:
    using verdicts = std::array<verdict, limits_per_route_max>;

    // False: one of them refused, and the exchange is answered.
    [[nodiscard]] bool admit_here(http::exchange& x, verdicts& found);
    [[nodiscard]] task<> handle_with_more(http::exchange& x, http::next rest);
    enum class word : std::uint8_t { admitted, refused };
    [[nodiscard]] task<word> ask_store(http::exchange& x, limit& one, verdict& found);
    void refuse(http::exchange& x, const limit& one, const verdict& found);
    void give_back(http::exchange& x, std::size_t counted, std::size_t refused_by);
    void say_headers(http::exchange& x, const verdicts& found) const;

    std::vector<limit> limits_;
    std::string route_;
    metrics counts_;
    bool asks_store_ = false;
    bool says_headers_ = false;
};

}  // namespace lethe::limits
