#include "gateway/gateway_worker.hpp"

#include "base/log.hpp"

namespace lethe::gateway {
namespace {

constexpr std::chrono::seconds ping_timeout{1};
constexpr std::chrono::seconds examination_timeout{10};
// Of a store that does not answer; readiness tells of it meanwhile.
constexpr std::chrono::seconds examined_again_after{10};

worker_parts make_parts(net::worker& on, const engine_map& stores, idempotency::spawner& spawner,
                        session::background& background, http::spool& large_bodies) {
    worker_parts out{.worker = on,
                     .stores = {},
                     .idempotency_engines = {},
                     .session_metrics = session::metrics(on.metrics()),
                     .session_turns = {},
                     .idempotency_metrics = idempotency::metrics(on.metrics()),
                     .spawner = spawner,
                     .large_bodies = large_bodies};
    for (const auto& [name, engine] : stores) {
        auto& store = out.stores[name] = engine->make_store(on);
        out.idempotency_engines[name] =
            std::make_unique<idempotency::engine>(*store, on.time(), on.random());
        out.session_turns[name] =
            std::make_unique<session::turns>(*store, on.time(), on.random(), background);
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
        .http2_streams_max = from.limits.http2_streams,
        .header_timeout = from.timeouts.header,
        .body_timeout = from.timeouts.body,
        .body_rate_min = from.limits.body_rate_min,
        .keep_alive_timeout = from.timeouts.keep_alive,
        .write_timeout = from.timeouts.write,
    };
}

gateway_worker::gateway_worker(unsigned index, const engine_map& stores, http::spool& large_bodies,
                               std::shared_ptr<const shared_parts> shared)
    : worker_(index),
      parts_(make_parts(worker_, stores, spawner_, spawner_, large_bodies)),
      log_(worker_.metrics(), worker_.time()),
      dispatcher_(worker_),
      server_(worker_, server_settings_of(shared->config), dispatcher_, &log_) {
    use(std::move(shared));
}

gateway_worker::~gateway_worker() {
    worker_.stop();
}

result<> gateway_worker::listen_admin(net::listening_socket& at,
                                      const config::admin_options& options, admin_source from) {
    const auto stores = [this] {
        store_map all;
        for (const auto& [name, store] : parts_.stores) all[name] = store.get();
        return all;
    };
    const auto cookie_life = [this]() -> std::optional<std::chrono::milliseconds> {
        const session::settings& now = dispatcher_.current()->shared().config.sessions;
        if (now.mode != session::session_mode::sealed) return std::nullopt;
        return now.absolute_ttl;
    };
    subject_api subjects(options.api_token, stores, cookie_life);
    admin_handler_ = std::make_unique<admin_handler>(std::move(from), std::move(subjects));
    admin_server_ =
        std::make_unique<http::server>(worker_, http::server_settings{}, *admin_handler_);
    return admin_server_->listen(at);
}

// Services connect from beside the gateway; a change is at most twice the largest session and a
// patch (session_api.cpp).
result<> gateway_worker::listen_session_api(net::listening_socket& at) {
    session_api_ = std::make_unique<session_api>(
        [this]() -> session_ways {
            const std::shared_ptr<routes>& now = dispatcher_.current();
            return {.keeps = now,
                    .keys = now->shared().handle_keys,
                    .find = [&now](std::string_view mark) { return now->session_way_of(mark); }};
        },
        worker_.metrics());
    http::server_settings settings;
    settings.body_bytes_max = std::uint64_t{1024} * 1024;
    session_api_server_ = std::make_unique<http::server>(worker_, settings, *session_api_, &log_);
    return session_api_server_->listen(at);
}

void gateway_worker::use_doors(const std::vector<http::door_options>& all) {
    for (std::size_t i = 0; i < all.size(); ++i) server_.replace_door(i, all[i]);
}

void gateway_worker::drain(http::server::sockets who) {
    server_.drain(who);
    // Operators ask the successor then; else they are told to the end that this one drains.
    if (admin_server_ && who == http::server::sockets::handed_over) admin_server_->drain(who);
}

void gateway_worker::drain_session_api(http::server::sockets who) {
    if (session_api_server_) session_api_server_->drain(who);
}

bool gateway_worker::session_api_drained() const noexcept {
    return !session_api_server_ || session_api_server_->drained();
}

void gateway_worker::use(std::shared_ptr<const shared_parts> shared) {
    log_.use_routes(route_names(shared->config));
    log_.log_access(shared->config.log.access != config::access_log::off);
    dispatcher_.use(std::make_shared<routes>(std::move(shared), parts_));
    use_server_settings();
}

void gateway_worker::use(memory_pressure level) {
    pressure_ = level;
    dispatcher_.use(level);
    use_server_settings();
}

// Without memory no connection comes in: the limit of connections is reached already.
void gateway_worker::use_server_settings() {
    http::server_settings settings = server_settings_of(dispatcher_.current()->shared().config);
    if (pressure_ == memory_pressure::full) settings.connections_max = 0;
    server_.replace_settings(settings);
}

void gateway_worker::watch_upstreams(
    std::function<void(std::shared_ptr<const shared_parts>, std::size_t, upstream::pool_change)>
        report) {
    watches_.clear();
    const std::shared_ptr<const shared_parts> shared = dispatcher_.current()->share();
    for (std::size_t i = 0; i < shared->config.upstreams.size(); ++i)
        watches_.push_back(std::make_unique<upstream::watch>(
            worker_, shared->config.upstreams[i], shared->upstream_tls[i], known_names_,
            [report, shared, i](upstream::pool_change change) {
                report(shared, i, std::move(change));
            }));
}

void gateway_worker::change_pool(const std::shared_ptr<const shared_parts>& of,
                                 std::size_t upstream, const upstream::pool_change& change) {
    routes& now = *dispatcher_.current();
    // A report about an earlier configuration says nothing about this one's replicas.
    if (&now.shared() == of.get()) change(now.pool(upstream));
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

namespace {

void log_findings(const std::string& store, const store::examination& seen) {
    using weight = store::finding::weight;
    for (const store::finding& one : seen.findings) {
        if (one.how_bad == weight::note) continue;
        log::warn("gateway.store_finding",
                  {{"store", store},
                   {"weight", one.how_bad == weight::fault ? "fault" : "warning"},
                   {"what", one.what},
                   {"advice", one.advice}});
    }
}

task<> examine(net::worker& on, std::string name, store::store& it) {
    while (true) {
        const result<store::examination> seen =
            co_await it.examine(on.time().steady_now() + examination_timeout);
        if (seen.has_value()) {
            log_findings(name, *seen);
            co_return result<>{};
        }
        const result<> waited =
            co_await on.time().sleep_until(on.time().steady_now() + examined_again_after);
        if (waited.has_error()) co_return waited.error();
    }
}

}  // namespace

void gateway_worker::examine_stores() {
    for (const auto& [name, store] : parts_.stores) worker_.spawn(examine(worker_, name, *store));
}

}  // namespace lethe::gateway
