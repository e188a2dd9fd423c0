// What a client has used up, in a store, for all gateways that share it.
//
// One record for each client that came lately: its GCRA time by the system clock, until which the
// record lives. A request is one `put` that expects the version this worker saw last (or absence);
// a conflict answers with the present record, and the step is done again on it. So the usual
// request costs one round trip, and one whose client has been elsewhere meanwhile two.
//
// Gateways' clocks differ. A time further ahead than the whole burst was written by a clock ahead
// of ours: it counts as the whole burst. The record expires by the store's own clock, a burst after
// it was written, so such a time holds nobody back for longer than that.
#pragma once

#include "base/clock.hpp"
#include "limits/gcra.hpp"
#include "store/store.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace lethe::limits {

// One worker and limit. The store and the clock outlive it.
class stored_count {
 public:
    stored_count(store::store& in, clock& time) : store_(in), clock_(time), known_(known_max) {}

    struct answer {
        enum class kind : std::uint8_t {
            decided,
            away,       // the store did not do it, or nobody knows whether it did
            contended,  // others were quicker, each time
        };
        kind how = kind::away;
        verdict what;  // of `decided`
        unsigned conflicts = 0;
    };
    // `key` as make_key() made it.
    [[nodiscard]] task<answer> take(std::string key, pace by, steady_time deadline);

    // The same for all gateways that share a store; tells nothing about the client.
    [[nodiscard]] static std::string make_key(std::string_view route, std::string_view limit,
                                              std::string_view client);

    static constexpr unsigned tries_max = 8;

 private:
    static constexpr std::size_t known_max = 1024;

    // What was last seen of a record. Forgotten where another client has the same place.
    struct known {
        std::string key;
        store::record_version version{};  // 0: there is none
        nanoseconds tat{};
    };
    [[nodiscard]] known& place_of(std::string_view key);
    void learn(known& to, const std::string& key, const store::answer& from, nanoseconds tat);

    store::store& store_;
    clock& clock_;
    std::vector<known> known_;
};

}  // namespace lethe::limits
