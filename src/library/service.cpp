#include "lethe/service.hpp"

#include "base/log.hpp"
#include "http/server.hpp"
#include "library/blocking.hpp"
#include "library/service_handler.hpp"
#include "library/stop_signal.hpp"
#include "net/errors.hpp"

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>

namespace lethe {
inline namespace v1 {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds look_interval{20};
// The server accepts for a moment more what the kernel had accepted before the drain began.
constexpr milliseconds drain_time_min{200};

// One event loop with its end of the listening address.
struct service_worker {
    service_worker(unsigned index, const http::server_settings& settings,
                   const library::service_rules& rules)
        : worker(index), end(rules, worker), server(worker, settings, end) {}

    net::worker worker;
    library::service_handler end;
    http::server server;
    std::atomic<bool> drained{false};
};

boost::system::error_code public_error(const error_code& error) {
    if (error == net::errc::address_in_use) return make_error_code(service_errc::address_in_use);
    return make_error_code(service_errc::cannot_listen);
}

unsigned count_workers(unsigned wanted) {
    return wanted > 0 ? wanted : std::max(1U, std::thread::hardware_concurrency());
}

}  // namespace

struct service::parts {
    explicit parts(service_options o) : options(std::move(o)) {}

    service_options options;
    library::service_rules rules;
    bool bad_route = false;
    bool was_run = false;
    std::function<void(std::uint16_t)> ready;
    library::stop_signal stop;
    std::atomic<std::uint16_t> port{0};

    using worker_list = std::vector<std::unique_ptr<service_worker>>;
    result<> make_workers(worker_list& into, const http::server_settings& settings,
                          library::blocking_pool& pool);
    void drain(worker_list& workers);
};

service::service(service_options options) : parts_(std::make_unique<parts>(std::move(options))) {}
service::~service() = default;

service& service::route(std::string_view method, std::string_view pattern, handler h) {
    if (!parts_->rules.routes.add(method, pattern, std::move(h))) parts_->bad_route = true;
    return *this;
}
service& service::get(std::string_view pattern, handler h) {
    return route("GET", pattern, std::move(h));
}
service& service::post(std::string_view pattern, handler h) {
    return route("POST", pattern, std::move(h));
}
service& service::put(std::string_view pattern, handler h) {
    return route("PUT", pattern, std::move(h));
}
service& service::patch(std::string_view pattern, handler h) {
    return route("PATCH", pattern, std::move(h));
}
service& service::delete_(std::string_view pattern, handler h) {
    return route("DELETE", pattern, std::move(h));
}

service& service::set_on_every_answer(std::string_view name, std::string_view value) {
    if (!http::is_token(name) || !http::is_field_value(value))
        parts_->bad_route = true;
    else
        parts_->rules.every_answer.emplace_back(name, value);
    return *this;
}

service& service::on_ready(std::function<void(std::uint16_t)> call) {
    parts_->ready = std::move(call);
    return *this;
}

void service::stop() noexcept {
    parts_->stop.raise();
}
std::uint16_t service::port() const noexcept {
    return parts_->port;
}

result<> service::parts::make_workers(worker_list& into, const http::server_settings& settings,
                                      library::blocking_pool& pool) {
    LETHE_TRY(net::listening_socket at, net::open_listening({options.address, options.port}));
    for (unsigned i = 0; i < count_workers(options.workers); ++i) {
        service_worker& made =
            *into.emplace_back(std::make_unique<service_worker>(i, settings, rules));
        library::attach_pool(made.worker, pool);
        const result<> listening = made.server.listen(at);
        if (listening.has_error()) return listening;
    }
    port = at.local().port;
    return {};
}

// Until all connections have ended, the drain time is over or another signal comes.
void service::parts::drain(worker_list& workers) {
    for (auto& one : workers) {
        one->worker.post([&w = *one] { w.server.drain(); });
    }
    clock& time = workers.front()->worker.time();
    const steady_time began = time.steady_now();
    while (true) {
        const bool again = stop.wait(look_interval);
        const auto passed = time.steady_now() - began;
        if (again || passed >= options.drain_time) break;
        bool all_drained = true;
        for (auto& one : workers) {
            all_drained = all_drained && one->drained;
            one->worker.post([&w = *one] { w.drained = w.server.drained(); });
        }
        if (all_drained && passed >= drain_time_min) return;
    }
    for (auto& one : workers) one->worker.post([&w = *one] { w.server.abort(); });
}

boost::system::result<void> service::run() {
    parts& in = *parts_;
    if (std::exchange(in.was_run, true)) return make_error_code(service_errc::already_running);
    if (in.bad_route) return make_error_code(service_errc::bad_route);
    http::server_settings settings;
    settings.body_bytes_max = in.options.body_bytes_max;
    in.rules.body_bytes_max = in.options.body_bytes_max;

    // Destroyed in the opposite order: workers first, then the pool their coroutines wait for.
    library::blocking_pool pool(in.options.blocking_threads, in.options.blocking_queue_max);
    parts::worker_list workers;
    const result<> made = in.make_workers(workers, settings, pool);
    if (made.has_error()) {
        log::error("library.cannot_listen", {{"address", in.options.address},
                                             {"port", in.options.port},
                                             {"error", describe(made.error())}});
        return public_error(made.error());
    }
    std::optional<library::signal_subscription> signals;
    if (in.options.stop_on_signals) signals.emplace(in.stop);
    for (auto& one : workers) one->worker.start();
    if (in.ready) in.ready(in.port);
    while (!in.stop.wait(std::chrono::hours(1))) {
    }
    in.drain(workers);
    for (auto& one : workers) one->worker.stop();
    in.port = 0;
    return {};
}

}  // namespace v1
}  // namespace lethe
