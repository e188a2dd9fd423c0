// Opens the engine that a URL names: the one place that knows which engines this build has.
//
//     sqlite:lethe.db                       a file on a local disk; the default of the gateway
//     sqlite:/var/lib/lethe/state.db?synchronous=normal
//     memory:                               gone with the process; for tests
#pragma once

#include "base/metrics.hpp"
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
    // The wall-clock time that expiry is compared with; called from the engine's own threads, so it
    // must be safe on any thread. Empty: the real time (`memory:` then asks each store's clock).
    std::function<system_time()> now = {};
    // Operations and bytes that wait before the engine; above it errc::overloaded.
    std::size_t queue_operations_max = 10'000;
    std::size_t queue_bytes_max = std::size_t{128} * 1024 * 1024;
};

// One per process and URL. Made, closed and destroyed by the thread that owns the gateway.
class engine {
 public:
    virtual ~engine() = default;

    // One per worker; may be made on any thread. `time` must outlive it: its steady time is what
    // deadlines are compared with. A store that outlives its engine answers errc::unavailable.
    [[nodiscard]] virtual std::unique_ptr<store> make_store(clock& time) = 0;

    [[nodiscard]] virtual engine_promises promises() const noexcept = 0;

    // What it counts; valid as long as the engine lives, any thread may read. Ask again after
    // make_store(), which adds one.
    [[nodiscard]] virtual std::vector<const metrics::registry*> metrics() const = 0;

    // Finishes what is queued (each call by its deadline at the latest), then refuses everything;
    // blocks meanwhile, so not on a worker that still has calls under way. Twice is once. The
    // destructor calls it.
    virtual void close() = 0;
};

// On failure `why` is a sentence for a person: what is wrong and what to do.
[[nodiscard]] result<std::unique_ptr<engine>> open(std::string_view url, open_options options,
                                                   std::string& why);

// The same judgement of the URL alone, without touching the disk; errc::malformed and `why`.
[[nodiscard]] result<> validate_url(std::string_view url, std::string& why);
// What an engine opened from this URL will promise; errc::malformed as above.
[[nodiscard]] result<engine_promises> promises_of_url(std::string_view url, std::string& why);

}  // namespace lethe::store
