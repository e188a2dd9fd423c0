// Looks on from above: that idempotency keys keep what they promise.
#pragma once

#include "http/exchange.hpp"
#include "idempotency/record.hpp"
#include "simulation/facts.hpp"
#include "simulation/scenario.hpp"
#include "store/store.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace lethe::simulation {

// What is known from above about what a gateway learned of its forward.
enum class fate : std::uint8_t {
    not_forwarded,
    under_way,
    not_sent,  // provably: the connection was refused
    freed,     // the service answered that nothing was done
    answered,
    unknown,
};

class key_ledger {
 public:
    key_ledger(schedule& time, verdict& judge, const scenario& about)
        : time_(time), verdict_(judge), scenario_(about) {}

    void wrote(const std::string& key, const store::record* before, const store::record& after);
    void forgot(const std::string& key) { forgotten_.insert(key); }

    // A keyed request leaves for the service; `record_key` is where its claim must stand.
    void forwarded(const http::exchange& x, const std::string& record_key);
    void learned(const std::string& operation, std::uint64_t attempt, fate what);
    // The service says, and sees to it, that no claim of a lower epoch has run or will.
    void denied(const std::string& operation, std::uint64_t attempt);
    // The same, from the answer.
    [[nodiscard]] fate fate_of_answer(const execution& what) const;

    // How far the gateways' wall clocks were ever from the truth.
    std::chrono::milliseconds clock_error{0};

    [[nodiscard]] std::uint64_t forwards() const noexcept { return forwards_; }

 private:
    struct claim {
        std::string key;
        std::uint64_t epoch = 0;
        system_time lease_until;
        system_time expires;
        fate what = fate::not_forwarded;
        bool denied = false;
    };
    struct key_state {
        idempotency::key_record last;
        std::vector<std::string> forwarded;  // names of claims
    };

    void began(key_state& now, const std::string& key, const store::record* before,
               const idempotency::key_record& next);
    void went_on(const std::string& key, const idempotency::key_record& last,
                 const idempotency::key_record& next);
    [[nodiscard]] bool may_take_over(const idempotency::key_record& last) const;
    [[nodiscard]] bool may_replace(const idempotency::key_record& last) const;
    void check_release(const std::string& key, const idempotency::key_record& released);
    [[nodiscard]] bool is_over(system_time expires) const;
    [[nodiscard]] std::string operation_of(const std::string& key,
                                           const idempotency::key_record& of) const;

    schedule& time_;
    verdict& verdict_;
    const scenario& scenario_;
    std::map<std::string, key_state> keys_;
    std::map<std::string, claim> claims_;  // by operation and epoch
    std::set<std::string> forgotten_;      // a lossy store lost some of their writes
    std::uint64_t forwards_ = 0;
};

}  // namespace lethe::simulation
