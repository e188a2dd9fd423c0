// The running gateway: stores, workers, listeners; reload and drain.
#pragma once

#include "gateway/config/config.hpp"
#include "gateway/gateway_worker.hpp"
#include "gateway/listener_tls.hpp"
#include "gateway/memory_watch.hpp"

#include <atomic>
#include <chrono>
#include <functional>
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

    // Takes over the listeners' certificates where their files have changed since they were read;
    // files that do not fit leave those in use, and are logged. Call it every second or so.
    void follow_certificates();

    // Looks how much memory the process takes, and tells the workers what to refuse. Call it every
    // second or so.
    void watch_memory();

    // Stops accepting and waits until all that is under way has ended, at most for the configured
    // drain time. True when nothing had to be dropped. `hurry` is asked now and then; true ends the
    // wait.
    // Handed over: a successor accepts at the same sockets by now.
    [[nodiscard]] bool drain(bool (*hurry)(), http::server::sockets who);

    // What a successor needs to take over from this process, which goes on meanwhile.
    [[nodiscard]] net::hand_over to_hand_over() const;
    // In a successor that serves: paths of Unix sockets are its own, and the giver may go.
    void take_over();

    [[nodiscard]] const std::vector<net::address>& addresses() const noexcept { return addresses_; }
    [[nodiscard]] const config::configuration& config() const noexcept { return shared_->config; }

 private:
    gateway() = default;

    void make_own_keys();
    [[nodiscard]] result<> open_stores(std::string& why);
    [[nodiscard]] result<> listen(std::string& why);
    [[nodiscard]] admin_source make_admin_source();
    [[nodiscard]] task<std::string> why_not_ready();
    [[nodiscard]] std::string metrics_text() const;
    void watch_upstreams();
    using opener = std::function<result<>(gateway_worker&, net::listening_socket&)>;
    // The first `workers` of them listen there. The answer tells the address with its port.
    [[nodiscard]] result<net::address> listen_at(const net::address& at, unsigned unix_mode,
                                                 std::size_t workers, const opener& open,
                                                 std::string& why);
    // What clients meet at each of the listeners; reads their files.
    [[nodiscard]] result<std::vector<http::door_options>> make_doors(
        const std::vector<config::listener_options>& of, std::shared_ptr<const shared_parts> with,
        std::string& why);
    void use_doors(const std::vector<http::door_options>& fresh);
    [[nodiscard]] bool drained(http::server::sockets who);

    std::shared_ptr<const shared_parts> shared_;
    engine_map stores_;
    std::unique_ptr<http::spool> large_bodies_;
    std::vector<net::listening_socket> sockets_;
    std::vector<std::unique_ptr<gateway_worker>> workers_;
    std::vector<net::address> addresses_;
    std::atomic<bool> draining_{false};
    bool draining_session_api_ = false;
    secret own_handle_key_;                         // where none is configured
    secret own_ticket_key_;                         // likewise
    std::vector<config::listener_options> opened_;  // with the options that they have now
    file_watch certificates_;
    memory_pressure pressure_ = memory_pressure::none;
    std::atomic<std::int64_t> memory_used_{0};
    std::atomic<std::int64_t> memory_max_{0};        // 0: no limit
    std::atomic<std::int64_t> certificates_end_{0};  // in Unix time; 0: there is none
};

}  // namespace lethe::gateway

template <>
struct boost::system::is_error_code_enum<lethe::gateway::errc> : std::true_type {};
