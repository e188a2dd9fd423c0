#include "http/server.hpp"

#include "base/log.hpp"
#include "http/server_connection.hpp"
#include "net/suspension.hpp"

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
// Coroutines that wait for a request, between two bursts of them.
constexpr std::size_t free_max = 256;

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

// Serves one connection after the other: there are as many of these as requests under way, not as
// connections, and the one that has just served goes on first, while its memory is still in the
// processor's cache. What it serves when it ends, however that comes, ends too.
struct serving {
    serving(server::impl& of, server_connection& first) noexcept : in(of), connection(&first) {}
    ~serving();
    serving(const serving&) = delete;
    serving& operator=(const serving&) = delete;

    server::impl& in;
    server_connection* connection = nullptr;
    net::suspension without_work;
    serving* next_free = nullptr;
};

// Shared with the tasks it spawned: they may outlive the server object by a turn of the loop.
struct server::impl final : std::enable_shared_from_this<server::impl>,
                            connection_owner,
                            net::stoppable {
    impl(net::worker& on, const server_settings& s, handler& h, exchange_observer* o)
        : worker(on),
          settings(std::make_shared<const server_settings>(s)),
          end_of_way(h),
          observer(o),
          counts(on.metrics()),
          at_doors(on.metrics()) {
        worker.enlist(*this);
    }
    ~impl() { worker.delist(*this); }

    void serve(server_connection& one) override;
    void end(server_connection& one) noexcept override;
    void stop_waiting() noexcept override { dismiss_soon(); }

    // Keeps one that has nothing to serve for the next request. False: it is not needed.
    [[nodiscard]] bool keep(serving& one) noexcept;
    // Those that wait for work end.
    void dismiss();
    void dismiss_soon();

    net::worker& worker;
    std::shared_ptr<const server_settings> settings;
    handler& end_of_way;
    exchange_observer* observer;
    server_metrics counts;
    door_metrics at_doors;
    std::list<door> doors;
    connection_list connections;
    serving* first_free = nullptr;
    std::size_t free = 0;
    std::size_t open = 0;  // connections accepted and not yet ended
    bool draining = false;
    bool accepting = true;
    bool over = false;  // the server object is gone
};

serving::~serving() {
    if (connection != nullptr) in.end(*connection);
}

namespace {

task<> serve_connections(std::shared_ptr<server::impl> in, server_connection& first) {
    serving now(*in, first);
    while (true) {
        const result<server_connection::left> left = co_await now.connection->run();
        if (left.has_value() && *left == server_connection::left::idle)
            now.connection = nullptr;
        else
            in->end(*std::exchange(now.connection, nullptr));
        if (!in->keep(now)) break;
        co_await now.without_work.wait();
        if (now.connection == nullptr) break;
    }
    co_return result<>{};
}

}  // namespace

void server::impl::serve(server_connection& one) {
    if (first_free == nullptr) {
        worker.spawn(serve_connections(shared_from_this(), one));
        return;
    }
    serving& by = *first_free;
    first_free = by.next_free;
    --free;
    by.connection = &one;
    by.without_work.resume();
}

void server::impl::end(server_connection& one) noexcept {
    counts.open.add(-1);
    --open;
    connections.destroy(one);
}

bool server::impl::keep(serving& one) noexcept {
    if (free >= free_max || draining || over || worker.stopping()) return false;
    one.next_free = std::exchange(first_free, &one);
    ++free;
    return true;
}

void server::impl::dismiss() {
    while (first_free != nullptr) {
        serving& one = *first_free;
        first_free = one.next_free;
        --free;
        one.without_work.resume();
    }
}

// Not at once: what ends may be the last that holds this.
void server::impl::dismiss_soon() {
    if (first_free != nullptr) worker.post([self = shared_from_this()] { self->dismiss(); });
}

namespace {

// Counted from here, not from when it is served first: a drain must not miss it.
void begin_serving(const std::shared_ptr<server::impl>& in, net::stream stream, const door& by) {
    const bool proxied = by.options.proxies != nullptr;
    if (proxied && !by.options.proxies(stream.remote_address())) {
        in->at_doors.proxies_refused.add();
        log::warn("http.proxy_not_trusted", {{"remote", stream.remote_address()}});
        return;
    }
    std::unique_ptr<connection_opening> opening;
    if (proxied || by.options.tls)
        opening = std::make_unique<connection_opening>(proxied, by.options.tls);
    ++in->open;
    in->counts.open.add(1);
    in->connections
        .add(std::make_unique<server_connection>(
            in->worker, std::move(stream),
            server_connection_state{in->settings, in->end_of_way, in->observer, in->draining,
                                    in->at_doors, std::move(opening), by.options.http2},
            *in))
        .begin();
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
        if (in->open >= in->settings->connections_max) {
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
    impl_->over = true;
    impl_->dismiss_soon();
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
    impl_->dismiss_soon();
    impl_->connections.for_each([](server_connection& one) { one.begin_drain(); });
}

void server::abort() noexcept {
    impl_->connections.for_each([](server_connection& one) { one.abort(); });
}

bool server::drained() const noexcept {
    return impl_->draining && !impl_->accepting && impl_->open == 0;
}

void server::replace_settings(const server_settings& settings) {
    impl_->settings = std::make_shared<const server_settings>(settings);
}

}  // namespace lethe::http
