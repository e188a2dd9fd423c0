// The shop on stage: replicas of examples/shop behind one or more lethe processes that share a
// store, in a temporary folder, on free ports. For the tour, the fault test and whoever tests the
// whole.
#pragma once

#include "support/client.hpp"
#include "support/fault_proxy.hpp"
#include "support/process.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::test {

struct stage_options {
    std::filesystem::path lethe;    // the gateway's program
    std::vector<std::string> shop;  // the shop's program and what stands before its own arguments
    std::size_t replicas = 3;
    std::size_t gateways = 1;
    // YAML of an idempotent route's `idempotency:` beside its mode: "wait: 10s".
    std::string idempotency = "wait: 10s";
    std::string log_level = "info";
    // Where the gateways' state lives: a store's URL, or redis, postgres, memcached or
    // redis-cluster for servers that are started for this stage alone. "": a file of its folder.
    std::string store = {};
    // YAML lines of further upstreams and routes: "  - name: …\n".
    std::string more_upstreams = {};
    std::string more_routes = {};
    // What stands before the first gateway's command: `env NAME=VALUE`.
    std::vector<std::string> first_gateway_under = {};
    // The first gateway reaches the store by way of a proxy: for redis and postgres.
    bool proxied = false;
};

// The server that was started for a stage alone.
struct store_control {
    std::uint16_t port = 0;
    std::function<void()> kill_now;  // SIGKILL, to all of its processes
    std::function<void()> start;     // again, with what it had on disk
};

// Everything throws std::runtime_error with a reason that says what to look at: a test that cannot
// start has failed. All calls from one thread, which outlives it; answers of `token` may be passed
// on.
class shop_stage {
 public:
    explicit shop_stage(stage_options options);
    ~shop_stage();
    shop_stage(const shop_stage&) = delete;
    shop_stage& operator=(const shop_stage&) = delete;

    // Makes keys and configurations, starts all processes and waits until they are ready.
    void open();

    // Called again and again while a process is waited for.
    void while_waiting(std::function<void()> what) { meanwhile_ = std::move(what); }

    // Waits until it answers.
    void start_replica(std::size_t index);
    void start_gateway(std::size_t index);
    [[nodiscard]] process& replica(std::size_t index) { return *replicas_.at(index); }
    [[nodiscard]] process& gateway(std::size_t index) { return *gateways_.at(index); }

    [[nodiscard]] std::uint16_t replica_port(std::size_t index) const;
    [[nodiscard]] std::string replica_name(std::size_t index) const;  // as in X-Replica
    [[nodiscard]] std::uint16_t gateway_port(std::size_t index = 0) const;
    [[nodiscard]] std::uint16_t admin_port(std::size_t index = 0) const;

    // A token of the shop's issuer that a client can send as it is.
    [[nodiscard]] std::string token(const std::string& subject) const;
    [[nodiscard]] std::string expired_token(const std::string& subject) const;
    // Says what token() says, signed with a key that only has the right name.
    [[nodiscard]] std::string forged_token(const std::string& subject) const;

    // How many orders exist, and those of a person, asked at a replica directly.
    [[nodiscard]] long count_orders();
    [[nodiscard]] std::string orders_of(const std::string& user);

    // nullptr: the store is a file, several servers, or one that somebody else started.
    [[nodiscard]] const store_control* store_server() const noexcept {
        return store_server_ ? &*store_server_ : nullptr;
    }
    // Before the store, with `proxied`.
    [[nodiscard]] fault_proxy& store_proxy() { return *store_proxy_; }

    // Where state lives and what had to be allowed, for whoever watches; "" for the stage's own
    // file.
    [[nodiscard]] const std::string& store_note() const noexcept { return store_note_; }

    [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_.path(); }
    // The logs and databases stay for whoever looks for the reason of a failure.
    void keep_folder() noexcept { folder_.keep(); }

 private:
    void make_keys();
    void choose_store();
    [[nodiscard]] std::string start_servers(const std::string& kind);
    void write_configuration(std::size_t gateway);
    void wait_until_ready(process& who, std::uint16_t port, std::string path,
                          const std::filesystem::path& log);
    [[nodiscard]] std::string ask_a_replica(const std::string& target, const std::string& user);
    [[nodiscard]] std::string sign(const std::string& key, const std::string& subject,
                                   const std::string& ttl) const;
    std::string run_lethe(std::vector<std::string> arguments) const;

    stage_options options_;
    temporary_folder folder_;
    std::string store_url_ = "sqlite:lethe.db";
    std::string store_note_;
    bool allow_lossy_ = false;
    std::string tenant_;  // keeps this stage's keys apart in a store that others use, too
    std::shared_ptr<void> servers_;
    std::optional<store_control> store_server_;
    std::unique_ptr<fault_proxy> store_proxy_;
    std::vector<std::uint16_t> ports_;
    std::vector<std::optional<process>> replicas_;
    std::vector<std::optional<process>> gateways_;
    std::function<void()> meanwhile_;
};

// Authorization: Bearer <token>
[[nodiscard]] field_list bearer(const std::string& token);

}  // namespace lethe::test
