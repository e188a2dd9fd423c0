// One worker of the gateway: its loop, stores, engines, servers and the routes it serves now.
#pragma once

#include "gateway/admin.hpp"
#include "gateway/dispatcher.hpp"
#include "gateway/exchange_log.hpp"
#include "http/server.hpp"
#include "store/open.hpp"
#include "upstream/watch.hpp"

#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace lethe::gateway {

using engine_map = std::map<std::string, std::unique_ptr<store::engine>>;

[[nodiscard]] http::server_settings server_settings_of(const config::configuration& from);

// Made and destroyed by the gateway's thread; the rest on the worker's, unless it says otherwise.
class gateway_worker {
 public:
    gateway_worker(unsigned index, const engine_map& stores, http::spool& large_bodies,
                   std::shared_ptr<const shared_parts> shared);
    ~gateway_worker();
    gateway_worker(const gateway_worker&) = delete;
    gateway_worker& operator=(const gateway_worker&) = delete;

    [[nodiscard]] net::worker& worker() noexcept { return worker_; }

    // Before start(), on the gateway's thread.
    [[nodiscard]] result<> listen(net::listening_socket& at, const http::door_options& options) {
        return server_.listen(at, options);
    }
    [[nodiscard]] result<> listen_admin(net::listening_socket& at,
                                        const config::admin_options& options, admin_source from);
    [[nodiscard]] result<> listen_session_api(net::listening_socket& at);

    // For connections accepted from now on, by the order of listen().
    void use_doors(const std::vector<http::door_options>& all);
    // Serves another configuration from the next request on.
    void use(std::shared_ptr<const shared_parts> shared);
    // What the gateway found out about its memory: from the next request and connection on.
    void use(memory_pressure level);
    // Watches the upstreams' replicas for all workers; `report` passes on what it finds.
    void watch_upstreams(std::function<void(std::shared_ptr<const shared_parts> of,
                                            std::size_t upstream, upstream::pool_change change)>
                             report);
    void change_pool(const std::shared_ptr<const shared_parts>& of, std::size_t upstream,
                     const upstream::pool_change& change);

    void drain(http::server::sockets who);
    [[nodiscard]] bool drained() const noexcept { return server_.drained(); }
    // Once no service works for this gateway any more.
    void drain_session_api(http::server::sockets who);
    [[nodiscard]] bool session_api_drained() const noexcept;
    // "" when every store answers, else which does not.
    [[nodiscard]] task<std::string> ask_stores();
    // In the background: asks each store once, as soon as it answers, whether it is set up to keep
    // what it promises, and logs what weakens that.
    void examine_stores();

 private:
    class spawner final : public idempotency::spawner, public session::background {
     public:
        explicit spawner(net::worker& on) : worker_(on) {}
        void spawn(task<> work) override { worker_.spawn(std::move(work)); }

     private:
        net::worker& worker_;
    };

    void use_server_settings();

    net::worker worker_;
    memory_pressure pressure_ = memory_pressure::none;
    spawner spawner_{worker_};
    worker_parts parts_;
    exchange_log log_;
    dispatcher dispatcher_;
    http::server server_;
    std::unique_ptr<admin_handler> admin_handler_;
    std::unique_ptr<http::server> admin_server_;
    std::unique_ptr<session_api> session_api_;
    std::unique_ptr<http::server> session_api_server_;
    std::vector<std::unique_ptr<upstream::watch>> watches_;
    std::shared_ptr<upstream::known_names> known_names_ = std::make_shared<upstream::known_names>();
};

}  // namespace lethe::gateway
