#include "http/server.hpp"

#include "base/log.hpp"
#include "http/server_connection.hpp"

#include <iterator>
#include <list>
#include <utility>

namespace lethe::http {
namespace {

// Clients whose connections the kernel has accepted already are still served when a drain begins.
constexpr std::chrono::milliseconds accept_after_drain{100};
// So do those whose handshake is under way when the door is shut.
constexpr std::chrono::milliseconds handshakes_end{50};
constexpr std::chrono::milliseconds pause_without_descriptors{50};

}  // namespace

struct server_metrics {
    explicit server_metrics(metrics::registry& in)
        : accepted(in.make_counter("lethe_http_connections_accepted_total",
                                   "Connections accepted from clients.")),
          refused(
              in.make_counter("lethe_http_connections_refused_total",
                              "Connections closed at once because connections_max was reached.")),
          open(in.make_gauge("lethe_http_connections", "Connections of clients that are open.")) {}

    metrics::counter& accepted;
    metrics::counter& refused;
    metrics::gauge& open;
};

// Where clients come in.
struct door {
    net::listener listener;
    door_options options;
};

// Shared with the tasks it spawned: they may outlive the server object by a turn of the loop.
struct server::impl {
    impl(net::worker& on, const server_settings& s, handler& h, exchange_observer* o)
        : worker(on),
          settings(s),
          end(h),
          observer(o),
          counts(on.metrics()),
          at_doors(on.metrics()) {}

    net::worker& worker;
    server_settings settings;
    handler& end;
    exchange_observer* observer;
    server_metrics counts;
    door_metrics at_doors;
    std::list<door> doors;
    std::list<server_connection*> connections;
    std::size_t open = 0;  // connections accepted and not yet ended
    bool draining = false;
    bool accepting = true;
};

namespace {

task<> serve(std::shared_ptr<server::impl> in, net::stream stream, bool proxied, bool http2,
             std::optional<net::tls_server> tls) {
    server_connection connection(in->worker, std::move(stream),
                                 {in->settings, in->end, in->observer, in->draining, proxied, http2,
                                  std::move(tls), in->at_doors});
    const auto place = in->connections.insert(in->connections.end(), &connection);
    in->counts.open.add(1);
    const result<> ended = co_await connection.run();
    in->counts.open.add(-1);
    in->connections.erase(place);
    --in->open;
    co_return ended;
}

// Counted from here, not from the task's first step: a drain must not miss it.
void begin_serving(const std::shared_ptr<server::impl>& in, net::stream stream, const door& by) {
    const bool proxied = by.options.proxies != nullptr;
    if (proxied && !by.options.proxies(stream.remote_address())) {
        in->at_doors.proxies_refused.add();
        log::warn("http.proxy_not_trusted", {{"remote", stream.remote_address()}});
        return;
    }
    ++in->open;
    in->worker.spawn(serve(in, std::move(stream), proxied, by.options.http2, by.options.tls));
}

task<> accept_all(std::shared_ptr<server::impl> in, door& from) {
    while (true) {
        result<net::stream> accepted = co_await from.listener.accept();
        if (accepted.has_error()) {
            if (accepted.error() != condition::overloaded) co_return result<>{};
            log::warn("http.accept_failed", {{"error", describe(accepted.error())}});
            clock& time = in->worker.time();
            const result<> slept =
                co_await time.sleep_until(time.steady_now() + pause_without_descriptors);
            if (slept.has_error()) co_return slept;
            continue;
        }
        // Above the limit the connection is closed at once: a queue would only make everybody slow.
        if (in->open >= in->settings.connections_max) {
            in->counts.refused.add();
            continue;
        }
        in->counts.accepted.add();
        begin_serving(in, *std::move(accepted), from);
    }
}

void open_door(const std::shared_ptr<server::impl>& in, net::listener listener,
               door_options options) {
    door& kept = in->doors.emplace_back(std::move(listener), std::move(options));
    in->worker.spawn(accept_all(in, kept));
}

task<> close_listeners_soon(std::shared_ptr<server::impl> in) {
    clock& time = in->worker.time();
    // A cancelled sleep means that the worker stops: the listeners are closed all the same.
    static_cast<void>(co_await time.sleep_until(time.steady_now() + accept_after_drain));
    for (door& one : in->doors) one.listener.let_no_more_in();
    static_cast<void>(co_await time.sleep_until(time.steady_now() + handshakes_end));
    for (door& one : in->doors) {
        for (net::stream& waiting : one.listener.accept_last())
            begin_serving(in, std::move(waiting), one);
        one.listener.close();
    }
    in->accepting = false;
    co_return result<>{};
}

}  // namespace

server::server(net::worker& on, const server_settings& settings, handler& end,
               exchange_observer* observer)
    : impl_(std::make_shared<impl>(on, settings, end, observer)) {}

server::~server() {
    for (door& one : impl_->doors) one.listener.close();
}

result<> server::listen(net::listening_socket& at, door_options options) {
    LETHE_TRY(net::listener made, net::listen(impl_->worker, at));
    open_door(impl_, std::move(made), std::move(options));
    return {};
}

result<net::address> server::listen(const net::address& at, door_options options) {
    LETHE_TRY(net::listener made, net::listen(impl_->worker, at));
    net::address local = made.local();
    open_door(impl_, std::move(made), std::move(options));
    return local;
}

void server::replace_door(std::size_t index, door_options options) {
    LETHE_ASSERT(index < impl_->doors.size());
    const auto at = std::next(impl_->doors.begin(), static_cast<std::ptrdiff_t>(index));
    at->options = std::move(options);
}

void server::drain(sockets who) {
    if (std::exchange(impl_->draining, true)) return;
    if (who == sockets::handed_over) {
        for (door& one : impl_->doors) one.listener.close();
        impl_->accepting = false;
    } else {
        impl_->worker.spawn(close_listeners_soon(impl_));
    }
    for (server_connection* one : impl_->connections) one->begin_drain();
}

void server::abort() noexcept {
    for (server_connection* one : impl_->connections) one->abort();
}

bool server::drained() const noexcept {
    return impl_->draining && !impl_->accepting && impl_->open == 0;
}

void server::replace_settings(const server_settings& settings) {
    impl_->settings = settings;
}

}  // namespace lethe::http
