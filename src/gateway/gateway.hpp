// The running gateway: stores, workers, listeners; reload and drain.
#pragma once

#include "gateway/config/config.hpp"
#include "gateway/gateway_worker.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace lethe::gateway {

enum class errc {
    cannot_start = 1,
};
[[nodiscard]] error_code make_error_code(errc e) noexcept;

// All calls from one thread, which is not a worker's.
class gateway {
 public:
    // Opens stores and listeners and serves. On failure nothing is left running, and `why` is a
    // sentence for a person: what is wrong and what to do.
    [[nodiscard]] static result<std::unique_ptr<gateway>> start(config::configuration with,
                                                                std::string& why);
    // Drops what is still under way.
    ~gateway();
    gateway(const gateway&) = delete;
    gateway& operator=(const gateway&) = delete;

    // Serves another configuration from the next request on; on failure the old one stays, and
    // `why` tells why. What cannot change while running (changes_needing_restart) is left as it
    // was.
    [[nodiscard]] result<> reload(config::configuration fresh, std::string& why);

    // Stops accepting and waits until all that is under way has ended, at most for the configured
    // drain time. True when nothing had to be dropped. `hurry` is asked now and then; true ends the
    // wait.
    [[nodiscard]] bool drain(bool (*hurry)());

    [[nodiscard]] const std::vector<net::address>& addresses() const noexcept { return addresses_; }
    [[nodiscard]] const config::configuration& config() const noexcept { return shared_->config; }

 private:
    gateway() = default;

    [[nodiscard]] result<> open_stores(std::string& why);
    [[nodiscard]] result<> listen(std::string& why);
    [[nodiscard]] admin_source make_admin_source();
    [[nodiscard]] task<std::string> why_not_ready();
    [[nodiscard]] std::string metrics_text() const;
    void start_health_checks();
    [[nodiscard]] result<> listen_on_all(
        const net::address& first,
        result<net::address> (gateway_worker::*listen)(const net::address&), std::string& why);
    [[nodiscard]] bool drained();

    std::shared_ptr<const shared_parts> shared_;
    engine_map stores_;
    std::unique_ptr<http::spool> large_bodies_;
    std::vector<std::unique_ptr<gateway_worker>> workers_;
    std::vector<net::address> addresses_;
    std::atomic<bool> draining_{false};
    bool draining_session_api_ = false;
    std::string own_handle_key_;  // where none is configured
};

}  // namespace lethe::gateway

template <>
struct boost::system::is_error_code_enum<lethe::gateway::errc> : std::true_type {};
