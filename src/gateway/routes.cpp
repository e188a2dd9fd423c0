#include "gateway/routes.hpp"

#include "idempotency/filter.hpp"
#include "limits/filter.hpp"
#include "session/filter.hpp"
#include "session/sealed_filter.hpp"
#include "upstream/signature.hpp"

#include <algorithm>

namespace lethe::gateway {

namespace {

std::string url_of(const config::session_api_options& of) {
    return of.url.empty() ? "http://" + net::to_text(of.address) : of.url;
}

}  // namespace

routes::routes(std::shared_ptr<const shared_parts> shared, worker_parts& parts)
    : shared_(std::move(shared)),
      table_(shared_->config.routes),
      issuers_(shared_->issuers, parts.worker.metrics()) {
    for (const upstream::options& one : shared_->config.upstreams)
        pools_.push_back(std::make_unique<upstream::pool>(parts.worker, one,
                                                          shared_->upstream_tls[pools_.size()]));
    for (std::size_t i = 0; i < shared_->config.routes.size(); ++i)
        ways_.push_back(make_way(i, parts));
}

session::engine& routes::session_engine(const std::string& store, worker_parts& parts) {
    std::unique_ptr<session::engine>& engine = session_engines_[store];
    if (!engine)
        engine = std::make_unique<session::engine>(*parts.stores.at(store), parts.worker.time(),
                                                   parts.worker.random(), shared_->config.sessions,
                                                   shared_->session_keys);
    return *engine;
}

std::unique_ptr<http::filter> routes::make_sealed_filter(const config::session_options& options,
                                                         worker_parts& parts) {
    const session::settings& settings = shared_->config.sessions;
    session::sealed_parts sealed{.random = parts.worker.random(),
                                 .options = settings,
                                 .keys = shared_->session_keys,
                                 .known = opened_cookies_};
    if (!options.store.empty()) {
        sealed.stored = &session_engine(options.store, parts);
        std::unique_ptr<session::revocations>& revoked = revocations_[options.store];
        if (!revoked)
            revoked = std::make_unique<session::revocations>(
                *parts.stores.at(options.store), parts.worker.time(), settings.revocation_delay);
        sealed.revoked = revoked.get();
    }
    return std::make_unique<session::sealed_filter>(std::move(sealed), options.rules,
                                                    parts.session_metrics);
}

upstream::pool& routes::pool_named(const std::string& name) {
    for (const auto& one : pools_)
        if (one->what().name == name) return *one;
    // The configuration check has seen to it that there is one.
    detail::assertion_failed("every route's upstream exists", __FILE__, __LINE__);
}

std::unique_ptr<http::filter> routes::make_session_filter(const config::route_options& route,
                                                          worker_parts& parts) {
    if (shared_->config.sessions.mode == session::session_mode::sealed)
        return make_sealed_filter(*route.session, parts);
    session::engine& engine = session_engine(route.session->store, parts);
    session::url_source urls;
    if (shared_->handle_keys) {
        urls = {.keys = shared_->handle_keys,
                .prefix = url_of(*shared_->config.session_api) + std::string(session_api_prefix),
                .route = session::route_mark(route.name),
                .random = &parts.worker.random()};
        session_ways_[urls.route] = {&engine, &route.session->rules};
    }
    return std::make_unique<session::filter>(engine, route.session->rules, parts.session_metrics,
                                             std::move(urls),
                                             parts.session_turns.at(route.session->store).get());
}

std::optional<session_way> routes::session_way_of(std::string_view route_mark) const {
    const auto found = session_ways_.find(route_mark);
    if (found == session_ways_.end()) return std::nullopt;
    return found->second;
}

void routes::add_limits(std::vector<std::unique_ptr<http::filter>>& to, std::size_t route,
                        worker_parts& parts, std::initializer_list<limits::client_rule> by) {
    const config::route_options& options = shared_->config.routes[route];
    std::vector<limits::limit> found;
    for (std::size_t i = 0; i < options.limits.size(); ++i) {
        const limits::options& one = options.limits[i];
        if (std::find(by.begin(), by.end(), one.by.by) == by.end()) continue;
        store::store* const in = one.store.empty() ? nullptr : parts.stores.at(one.store).get();
        found.emplace_back(one, shared_->limited[route].tables[i], in, parts.worker.time());
    }
    if (found.empty()) return;
    to.push_back(std::make_unique<limits::filter>(
        std::move(found), options.name, limits::metrics(parts.worker.metrics(), options.name)));
}

// The order is fixed: who calls decides whose session it is, both decide whose key it is, and the
// inner steps see only what the outer ones let through. Limits stand as far out as they can: what
// they refuse costs nothing further in, and claims no key.
std::unique_ptr<http::handler> routes::make_way(std::size_t index, worker_parts& parts) {
    using limits::client_rule;
    const config::route_options& route = shared_->config.routes[index];
    std::vector<std::unique_ptr<http::filter>> filters;
    add_limits(filters, index, parts, {client_rule::address, client_rule::field});
    if (route.authenticate)
        filters.push_back(std::make_unique<identity::authenticate>(*route.authenticate, issuers_));
    add_limits(filters, index, parts, {client_rule::caller});
    if (route.session) filters.push_back(make_session_filter(route, parts));
    add_limits(filters, index, parts, {client_rule::session});
    if (route.idempotency) {
        idempotency::engine& engine = *parts.idempotency_engines.at(route.idempotency->store);
        filters.push_back(std::make_unique<idempotency::filter>(engine, route.idempotency->rules,
                                                                parts.idempotency_metrics,
                                                                parts.spawner, parts.large_bodies));
        if (route.session) filters.push_back(std::make_unique<session::origin_stamp>());
    }
    upstream::pool& end = pool_named(route.upstream);
    if (end.what().signature)
        filters.push_back(
            std::make_unique<upstream::signer>(*end.what().signature, shared_->identity_fields));
    return std::make_unique<http::chain>(std::move(filters), end);
}

}  // namespace lethe::gateway
