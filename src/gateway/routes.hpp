// What one worker needs to serve one configuration: pools, engines and each route's filters in
// their order. Made anew on a reload; the old one lives until its last exchange has ended
// (exchange::keeps).
#pragma once

#include "gateway/config/config.hpp"
#include "gateway/request_hygiene.hpp"
#include "gateway/route_table.hpp"
#include "http/filter.hpp"
#include "idempotency/engine.hpp"
#include "idempotency/metrics.hpp"
#include "idempotency/spawner.hpp"
#include "identity/authenticate.hpp"
#include "session/engine.hpp"
#include "session/metrics.hpp"
#include "store/store.hpp"
#include "upstream/pool.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace lethe::gateway {

// What a worker keeps across reloads.
struct worker_parts {
    net::worker& worker;
    std::map<std::string, std::unique_ptr<store::store>> stores;
    // By store: claims that are held outlive a reload.
    std::map<std::string, std::unique_ptr<idempotency::engine>> idempotency_engines;
    session::metrics session_metrics;
    idempotency::metrics idempotency_metrics;
    idempotency::spawner& spawner;
};

// What all workers share of one configuration; never changes.
struct shared_parts {
    config::configuration config;
    trusted_peers trusted;
    std::vector<identity::trusted_issuer> issuers;
    std::vector<std::string> identity_fields;  // taken away from every request
};

class routes {
 public:
    routes(std::shared_ptr<const shared_parts> shared, worker_parts& parts);

    [[nodiscard]] const shared_parts& shared() const noexcept { return *shared_; }
    [[nodiscard]] const std::shared_ptr<const shared_parts>& share() const noexcept {
        return shared_;
    }
    [[nodiscard]] const route_table& table() const noexcept { return table_; }
    [[nodiscard]] http::handler& way_of(std::size_t route) { return *ways_[route]; }
    // By the place of the upstream in the configuration.
    [[nodiscard]] upstream::pool& pool(std::size_t upstream) { return *pools_[upstream]; }

 private:
    [[nodiscard]] std::unique_ptr<http::handler> make_way(const config::route_options& route,
                                                          worker_parts& parts);
    [[nodiscard]] session::engine& session_engine(const std::string& store, worker_parts& parts);
    [[nodiscard]] upstream::pool& pool_named(const std::string& name);

    std::shared_ptr<const shared_parts> shared_;
    route_table table_;
    identity::issuer_table issuers_;
    std::vector<std::unique_ptr<upstream::pool>> pools_;
    std::map<std::string, std::unique_ptr<session::engine>> session_engines_;  // by store
    std::vector<std::unique_ptr<http::handler>> ways_;                         // by route
};

}  // namespace lethe::gateway
