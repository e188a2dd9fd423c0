// Opens the engine that a URL names: open.cpp is the one place that knows which engines this build
// has.
//
//     sqlite:lethe.db                       a file on a local disk; the default of the gateway
//     sqlite:/var/lib/lethe/state.db?synchronous=normal
//     postgres://user:password@host:5432,host2:5432/database?sslmode=verify-full
//     redis://user:password@host:6379/0     rediss:// over TLS
//     redis+sentinel://host:26379,host2:26379/mymaster
//     redis+cluster://host:6379,host2:6379
//     memcached://host:11211,host2:11211
//     memory:                               gone with the process; for tests
#pragma once

#include "base/metrics.hpp"
#include "net/worker.hpp"
#include "store/store.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::store {

struct open_options {
    // Which of the configured stores it is: a label of its metrics and logs.
    std::string name = "default";
    // The wall-clock time that expiry is compared with, for engines that judge it themselves;
    // called from the engine's own threads, so it must be safe on any thread. Empty: the real time
    // (`memory:` then asks each store's clock). Redis and PostgreSQL go by the server's clock: one
    // for all gateways.
    std::function<system_time()> now = {};
    // Operations and bytes that wait before the engine; above it errc::overloaded.
    std::size_t queue_operations_max = 10'000;
    std::size_t queue_bytes_max = std::size_t{128} * 1024 * 1024;
};

// Whose calls a store serves.
struct caller {
    caller(net::worker& on)
        : time(on.time()), worker(&on) {}  // NOLINT(google-explicit-constructor)
    // Tests and simulations, for engines without a network.
    caller(clock& by) : time(by) {}  // NOLINT(google-explicit-constructor)

    clock& time;                    // deadlines are compared with its steady time
    net::worker* worker = nullptr;  // whose loop the engine's sockets live on
};

// One per process and URL. Made, closed and destroyed by the thread that owns the gateway.
class engine {
 public:
    virtual ~engine() = default;

    // One per worker; may be made on any thread, and must go before its caller. A store that
    // outlives its engine answers errc::unavailable.
    [[nodiscard]] virtual std::unique_ptr<store> make_store(caller by) = 0;

    [[nodiscard]] virtual engine_promises promises() const noexcept = 0;

    // What it counts; valid as long as the engine lives, any thread may read. Ask again after
    // make_store(), which adds one.
    [[nodiscard]] virtual std::vector<const metrics::registry*> metrics() const = 0;

    // Finishes what is queued (each call by its deadline at the latest), then refuses everything;
    // blocks meanwhile, so not on a worker that still has calls under way. Twice is once. The
    // destructor calls it.
    virtual void close() = 0;
};

// On failure `why` is a sentence for a person: what is wrong and what to do. An engine behind a
// network opens without asking the server, which may be away; store::ping tells.
[[nodiscard]] result<std::unique_ptr<engine>> open(std::string_view url, open_options options,
                                                   std::string& why);

// The same of a pair while records move from `previous` to `url` (moving/moving.hpp); "" for none:
// as open().
[[nodiscard]] result<std::unique_ptr<engine>> open_moving(std::string_view url,
                                                          std::string_view previous,
                                                          open_options options, std::string& why);

// The same judgement of the URL alone, without touching the disk; errc::malformed and `why`.
[[nodiscard]] result<> validate_url(std::string_view url, std::string& why);
// A URL as it may be shown: without user, password and options.
[[nodiscard]] std::string shown_url(std::string_view url);
// What an engine opened from this URL will promise; errc::malformed as above.
[[nodiscard]] result<engine_promises> promises_of_url(std::string_view url, std::string& why);

}  // namespace lethe::store
