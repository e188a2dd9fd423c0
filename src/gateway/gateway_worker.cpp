#include "gateway/gateway_worker.hpp"

#include "base/log.hpp"

namespace lethe::gateway {
namespace {

constexpr std::chrono::seconds ping_timeout{1};

worker_parts make_parts(net::worker& on, const engine_map& stores, idempotency::spawner& spawner) {
    worker_parts out{.worker = on,
                     .stores = {},
                     .idempotency_engines = {},
                     .session_metrics = session::metrics(on.metrics()),
                     .idempotency_metrics = idempotency::metrics(on.metrics()),
                     .spawner = spawner};
    for (const auto& [name, engine] : stores) {
        auto& store = out.stores[name] = engine->make_store(on.time());
        out.idempotency_engines[name] =
            std::make_unique<idempotency::engine>(*store, on.time(), on.random());
    }
    return out;
}

std::vector<std::string> route_names(const config::configuration& of) {
    std::vector<std::string> out;
    for (const config::route_options& one : of.routes) out.push_back(one.name);
    return out;
}

}  // namespace

http::server_settings server_settings_of(const config::configuration& from) {
    return {
        .head = {.head_bytes_max = from.limits.head_bytes,
                 .fields_max = from.limits.fields,
                 .target_bytes_max = from.limits.target_bytes},
        .body_bytes_max = from.limits.body_bytes,
        .connections_max = from.limits.connections,
        .header_timeout = from.timeouts.header,
        .body_timeout = from.timeouts.body,
        .keep_alive_timeout = from.timeouts.keep_alive,
        .write_timeout = from.timeouts.write,
    };
}

gateway_worker::gateway_worker(unsigned index, const engine_map& stores,
                               std::shared_ptr<const shared_parts> shared)
    : worker_(index),
      parts_(make_parts(worker_, stores, spawner_)),
      log_(worker_.metrics(), worker_.time()),
      dispatcher_(worker_),
      server_(worker_, server_settings_of(shared->config), dispatcher_, &log_) {
    use(std::move(shared));
}

gateway_worker::~gateway_worker() {
    worker_.stop();
}

result<net::address> gateway_worker::listen_admin(const net::address& at, admin_source from) {
    admin_handler_ = std::make_unique<admin_handler>(std::move(from));
    admin_server_ =
        std::make_unique<http::server>(worker_, http::server_settings{}, *admin_handler_);
    return admin_server_->listen(at);
}

void gateway_worker::use(std::shared_ptr<const shared_parts> shared) {
    log_.use_routes(route_names(shared->config));
    log_.log_access(shared->config.log.access != config::access_log::off);
    server_.replace_settings(server_settings_of(shared->config));
    dispatcher_.use(std::make_shared<routes>(std::move(shared), parts_));
}

void gateway_worker::check_health(
    std::function<void(std::shared_ptr<const shared_parts>, std::size_t, std::size_t, bool)>
        report) {
    health_.clear();
    const std::shared_ptr<const shared_parts> shared = dispatcher_.current()->share();
    for (std::size_t i = 0; i < shared->config.upstreams.size(); ++i)
        health_.push_back(std::make_unique<upstream::health_checker>(
            worker_, shared->config.upstreams[i],
            [report, shared, i](std::size_t replica, bool healthy) {
                report(shared, i, replica, healthy);
            }));
}

void gateway_worker::set_healthy(const std::shared_ptr<const shared_parts>& of,
                                 std::size_t upstream, std::size_t replica, bool healthy) {
    routes& now = *dispatcher_.current();
    // A report about an earlier configuration says nothing about this one's replicas.
    if (&now.shared() == of.get()) now.pool(upstream).set_healthy(replica, healthy);
}

task<std::string> gateway_worker::ask_stores() {
    for (const auto& [name, store] : parts_.stores) {
        const result<> answered = co_await store->ping(worker_.time().steady_now() + ping_timeout);
        if (answered.has_error()) {
            log::warn("gateway.store_not_ready",
                      {{"store", name}, {"error", describe(answered.error())}});
            co_return "store " + name + " does not answer";
        }
    }
    co_return std::string();
}

}  // namespace lethe::gateway
