// What one worker needs to serve one configuration: pools, engines and each route's filters in
// their order. Made anew on a reload; the old one lives until its last exchange has ended
// (exchange::keeps).
#pragma once

#include "gateway/config/config.hpp"
#include "gateway/request_hygiene.hpp"
#include "gateway/route_table.hpp"
#include "gateway/session_api.hpp"
#include "http/filter.hpp"
#include "http/spool.hpp"
#include "idempotency/engine.hpp"
#include "idempotency/metrics.hpp"
#include "idempotency/spawner.hpp"
#include "identity/authenticate.hpp"
#include "limits/client_table.hpp"
#include "session/engine.hpp"
#include "session/metrics.hpp"
#include "session/revocation.hpp"
#include "session/sealed_filter.hpp"
#include "store/store.hpp"
#include "upstream/pool.hpp"

#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::gateway {

// What a worker keeps across reloads.
struct worker_parts {
    net::worker& worker;
    std::map<std::string, std::unique_ptr<store::store>> stores;
    // By store: claims that are held outlive a reload.
    std::map<std::string, std::unique_ptr<idempotency::engine>> idempotency_engines;
    session::metrics session_metrics;
    // By store: they are waited for, and kept, across a reload.
    std::map<std::string, std::unique_ptr<session::turns>> session_turns;
    idempotency::metrics idempotency_metrics;
    idempotency::spawner& spawner;
    http::spool& large_bodies;  // of the process
};

// What the clients of a route's limits have used up: what changes and is shared all the same, since
// the connections of one client reach several workers (ADR 0022). Lives on across reloads.
struct limit_tables {
    std::string route;
    std::vector<limits::options> of;
    std::vector<std::shared_ptr<limits::client_table>> tables;  // by limit
};

// What all workers share of one configuration; never changes.
struct shared_parts {
    config::configuration config;
    trusted_peers trusted;
    std::vector<identity::trusted_issuer> issuers;
    std::vector<std::string> identity_fields;                  // taken away from every request
    std::shared_ptr<const session::keyring> session_keys;      // null without any
    std::shared_ptr<const session::handle_keys> handle_keys;   // null: no sessions by URL
    std::vector<std::optional<net::tls_client>> upstream_tls;  // by upstream
    std::vector<limit_tables> limited;                         // by route
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
    // The route that a session's URL was made for.
    [[nodiscard]] std::optional<session_way> session_way_of(std::string_view route_mark) const;
    // By the place of the upstream in the configuration.
    [[nodiscard]] upstream::pool& pool(std::size_t upstream) { return *pools_[upstream]; }

 private:
    [[nodiscard]] std::unique_ptr<http::handler> make_way(std::size_t route, worker_parts& parts);
    // Adds the filter of the route's limits that go by one of these, if there is any.
    void add_limits(std::vector<std::unique_ptr<http::filter>>& to, std::size_t route,
                    worker_parts& parts, std::initializer_list<limits::client_rule> by);
    [[nodiscard]] std::unique_ptr<http::filter> make_session_filter(
        const config::route_options& route, worker_parts& parts);
    [[nodiscard]] session::engine& session_engine(const std::string& store, worker_parts& parts);
    [[nodiscard]] std::unique_ptr<http::filter> make_sealed_filter(
        const config::session_options& options, worker_parts& parts);
    [[nodiscard]] upstream::pool& pool_named(const std::string& name);

    std::shared_ptr<const shared_parts> shared_;
    route_table table_;
    identity::issuer_table issuers_;
    std::vector<std::unique_ptr<upstream::pool>> pools_;
    std::map<std::string, std::unique_ptr<session::engine>> session_engines_;  // by store
    std::map<std::string, session_way, std::less<>> session_ways_;             // by route_mark()
    // By store, for sessions in cookies.
    std::map<std::string, std::unique_ptr<session::revocations>> revocations_;
    session::opened_cookies opened_cookies_{session::opened_cookies_max};
    std::vector<std::unique_ptr<http::handler>> ways_;  // by route
};

}  // namespace lethe::gateway
