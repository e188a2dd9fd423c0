// An HTTP service made of routes and coroutines, on lethe's own server.
//
//     boost::asio::awaitable<lethe::response> greet(lethe::request r) {
//         co_return lethe::response::text("hello, " + std::string(r.path_parameter("name")));
//     }
//
//     int main() {
//         lethe::service hello;
//         hello.get("/hello/{name}", greet);
//         return hello.run().has_value() ? 0 : 1;
//     }
//
// A handler is a named coroutine. Where it needs something beside the request, a plain lambda that
// calls it is the way: [&shop](lethe::request r) { return create_order(shop, std::move(r)); }. A
// capturing lambda that is itself a coroutine dies before its coroutine does.
#pragma once

#include "lethe/blocking.hpp"
#include "lethe/errors.hpp"
#include "lethe/request.hpp"
#include "lethe/response.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace lethe {
inline namespace v1 {

// Called on any worker, several at a time. An exception that leaves it becomes a 500.
using handler = std::function<boost::asio::awaitable<response>(request)>;

struct service_options {
    std::string address = "127.0.0.1";             // an IP address
    std::uint16_t port = 8080;                     // 0: the system picks one, see service::port()
    unsigned workers = 1;                          // event loops, a thread each; 0: one per core
    std::size_t body_bytes_max = 1024 * 1024;      // above it: 413
    unsigned blocking_threads = 4;                 // for blocking()
    std::size_t blocking_queue_max = 1024;         // calls that wait for a thread
    std::chrono::milliseconds drain_time{10'000};  // what is under way may take, once told to stop
    bool stop_on_signals = true;                   // SIGTERM and SIGINT, while run() serves
};

// One owner, neither copied nor moved. All but stop() and port() from one thread.
class service {
 public:
    explicit service(service_options options = {});
    ~service();
    service(const service&) = delete;
    service& operator=(const service&) = delete;

    // `pattern` is a path whose segments may be {name}: "/orders/{id}". A literal segment goes
    // before a {name}. A path without a route gets 404, a method without one 405; GET answers HEAD
    // too.
    service& route(std::string_view method, std::string_view pattern, handler h);
    service& get(std::string_view pattern, handler h);
    service& post(std::string_view pattern, handler h);
    service& put(std::string_view pattern, handler h);
    service& patch(std::string_view pattern, handler h);
    service& delete_(std::string_view pattern, handler h);
    // A field that every answer carries, also those the service gives by itself.
    service& set_on_every_answer(std::string_view name, std::string_view value);
    // Called once when the service accepts connections, with its port.
    service& on_ready(std::function<void(std::uint16_t)> call);

    // Serves until stop() or until the process gets SIGTERM or SIGINT; then accepts nothing more,
    // finishes what is under way and returns. After the drain time, or at a second signal, it drops
    // the connections that are left; it does wait for their handlers. Errors, and nothing was
    // served then: bad_route, already_running, address_in_use, cannot_listen.
    [[nodiscard]] boost::system::result<void> run();
    // From any thread; from a signal handler too. Before run(): run() returns at once.
    void stop() noexcept;
    // The port that run() listens on; 0 while it does not.
    [[nodiscard]] std::uint16_t port() const noexcept;

 private:
    struct parts;
    std::unique_ptr<parts> parts_;
};

}  // namespace v1
}  // namespace lethe
