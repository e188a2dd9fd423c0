#include "gateway/routes.hpp"

#include "idempotency/filter.hpp"
#include "session/filter.hpp"

namespace lethe::gateway {

routes::routes(std::shared_ptr<const shared_parts> shared, worker_parts& parts)
    : shared_(std::move(shared)),
      table_(shared_->config.routes),
      issuers_(shared_->issuers, parts.worker.metrics()) {
    for (const upstream::options& one : shared_->config.upstreams)
        pools_.push_back(std::make_unique<upstream::pool>(parts.worker, one));
    for (const config::route_options& one : shared_->config.routes)
        ways_.push_back(make_way(one, parts));
}

session::engine& routes::session_engine(const std::string& store, worker_parts& parts) {
    std::unique_ptr<session::engine>& engine = session_engines_[store];
    if (!engine)
        engine = std::make_unique<session::engine>(*parts.stores.at(store), parts.worker.time(),
                                                   parts.worker.random(), shared_->config.sessions);
    return *engine;
}

upstream::pool& routes::pool_named(const std::string& name) {
    for (const auto& one : pools_)
        if (one->what().name == name) return *one;
    // The configuration check has seen to it that there is one.
    detail::assertion_failed("every route's upstream exists", __FILE__, __LINE__);
}

// The order is fixed: who calls decides whose session it is, both decide whose key it is, and the
// inner steps see only what the outer ones let through.
std::unique_ptr<http::handler> routes::make_way(const config::route_options& route,
                                                worker_parts& parts) {
    std::vector<std::unique_ptr<http::filter>> filters;
    if (route.authenticate)
        filters.push_back(std::make_unique<identity::authenticate>(*route.authenticate, issuers_));
    if (route.session)
        filters.push_back(
            std::make_unique<session::filter>(session_engine(route.session->store, parts),
                                              route.session->rules, parts.session_metrics));
    if (route.idempotency) {
        idempotency::engine& engine = *parts.idempotency_engines.at(route.idempotency->store);
        filters.push_back(std::make_unique<idempotency::filter>(
            engine, route.idempotency->rules, parts.idempotency_metrics, parts.spawner));
        if (route.session) filters.push_back(std::make_unique<session::origin_stamp>());
    }
    return std::make_unique<http::chain>(std::move(filters), pool_named(route.upstream));
}

}  // namespace lethe::gateway
