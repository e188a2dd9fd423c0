#include "simulation/key_ledger.hpp"

#include "base/bytes.hpp"
#include "idempotency/engine.hpp"
#include "simulation/host.hpp"

namespace lethe::simulation {
namespace {

using idempotency::record_state;

// Clocks of gateways are read in whole milliseconds.
constexpr std::chrono::milliseconds grain{5};

constexpr std::string_view one_forward = "one forward for a key while its record lives";
constexpr std::string_view within_lease = "a claim is forwarded within its lease";
constexpr std::string_view fencing = "fencing";
constexpr std::string_view epochs = "epochs only grow";
constexpr std::string_view honest_release = "a key is freed only when nothing can have run";
constexpr std::string_view own_key = "a claim is of its caller's key";

// A claim's name: claims that take over an unknown outcome share its operation.
std::string name_of_claim(const std::string& operation, std::uint64_t attempt) {
    return operation + "/" + std::to_string(attempt);
}

std::string name_of_key(const std::string& key) {
    return to_hex(std::string_view(key).substr(2, 4));
}

}  // namespace

bool key_ledger::is_over(system_time expires) const {
    return to_system(time_.now()) + clock_error + grain >= expires;
}

std::string key_ledger::operation_of(const std::string& key,
                                     const idempotency::key_record& of) const {
    return idempotency::make_operation_id(std::string_view(key).substr(2), of.execution);
}

void key_ledger::wrote(const std::string& key, const store::record* before,
                       const store::record& after) {
    const auto decoded = idempotency::decode_record(after.value);
    if (decoded.has_error()) {
        verdict_.broken("records are whole", "key " + name_of_key(key));
        return;
    }
    const idempotency::key_record& next = *decoded;
    key_state& now = keys_[key];
    time_.note("key.written", {{"epoch", next.epoch}, {"state", std::uint64_t(next.state)}},
               name_of_key(key));
    if (before == nullptr || now.last.nonce != next.nonce)
        began(now, key, before, next);
    else
        went_on(key, now.last, next);
    now.last = next;
    claim& of = claims_[name_of_claim(operation_of(key, next), next.epoch)];
    of.key = key;
    of.epoch = next.epoch;
    of.lease_until = next.lease_until;
    of.expires = next.expires;
}

void key_ledger::began(key_state& now, const std::string& key, const store::record* before,
                       const idempotency::key_record& next) {
    if (forgotten_.count(key) > 0) return;
    const std::string name = name_of_key(key);
    if (next.state != record_state::claimed) {
        verdict_.broken(fencing, "key " + name + ": an end of epoch " + std::to_string(next.epoch) +
                                     " in place of another claim's record");
        return;
    }
    if (before == nullptr) return;  // a new life of the key
    const idempotency::key_record& last = now.last;
    if (next.epoch != last.epoch + 1)
        verdict_.broken(epochs, "key " + name + ": " + std::to_string(next.epoch) + " after " +
                                    std::to_string(last.epoch));
    const bool free = last.state == record_state::released || is_over(last.expires);
    const bool same = last.execution == next.execution;
    if (same && may_replace(last)) {
        if (next.result != last.result || next.made_at != last.outcome_epoch())
            verdict_.broken(fencing, "key " + name + ": an outcome does not stand");
        return;
    }
    if (same && !may_take_over(last))
        verdict_.broken(one_forward, "key " + name + ": taken over from who may be at work");
    if (!same && !free)
        verdict_.broken(one_forward, "key " + name + ": claimed again while its record says " +
                                         std::to_string(int(last.state)) + " and lives");
}

bool key_ledger::may_take_over(const idempotency::key_record& last) const {
    if (scenario_.key_rules.on_unknown == idempotency::unknown_rule::hold) return false;
    if (last.state == record_state::unknown) return true;
    return last.state == record_state::claimed && is_over(last.lease_until);
}

// An outcome whose session change met a conflict.
bool key_ledger::may_replace(const idempotency::key_record& last) const {
    if (!scenario_.replaces_outcomes() || !last.result) return false;
    return last.state == record_state::done || is_over(last.lease_until);
}

void key_ledger::went_on(const std::string& key, const idempotency::key_record& last,
                         const idempotency::key_record& next) {
    const std::string name = name_of_key(key);
    if (forgotten_.count(key) > 0) return;
    if (last.epoch != next.epoch)
        verdict_.broken(epochs, "key " + name + ": one claim, two epochs");
    const bool open = last.state == record_state::claimed ||
                      (last.state == record_state::unknown && next.state == record_state::done);
    if (last.made_at != 0 && !next.result)
        verdict_.broken(fencing, "key " + name + ": a known outcome became unknown");
    if (!open)
        verdict_.broken(fencing, "key " + name + ": state " + std::to_string(int(next.state)) +
                                     " written over state " + std::to_string(int(last.state)));
    if (next.state != record_state::released) return;
    check_release(key, next);
}

void key_ledger::check_release(const std::string& key, const idempotency::key_record& released) {
    const std::string operation = operation_of(key, released);
    for (const std::string& name : keys_[key].forwarded) {
        const claim& one = claims_[name];
        const bool may_have_run =
            one.what == fate::under_way || one.what == fate::answered || one.what == fate::unknown;
        if (name.starts_with(operation) && may_have_run && !one.denied)
            verdict_.broken(honest_release, "key " + name_of_key(key));
    }
}

void key_ledger::forwarded(const http::exchange& x, const std::string& record_key) {
    ++forwards_;
    const std::string name = name_of_key(record_key);
    const std::string this_claim = name_of_claim(x.operation_id, x.attempt);
    const auto at = claims_.find(this_claim);
    if (at == claims_.end()) {
        verdict_.broken(one_forward, "key " + name + ": forwarded without a claim");
        return;
    }
    claim& mine = at->second;
    if (mine.key != record_key) verdict_.broken(own_key, "key " + name);
    if (mine.what != fate::not_forwarded && forgotten_.count(record_key) == 0)
        verdict_.broken(one_forward, "key " + name + ": one claim forwarded twice");
    mine.what = fate::under_way;
    key_state& state = keys_[record_key];
    if (to_system(time_.now()) > mine.lease_until + clock_error + grain)
        verdict_.broken(within_lease, "key " + name);
    const bool resends = scenario_.replaces_outcomes() ||
                         scenario_.key_rules.on_unknown == idempotency::unknown_rule::resend;
    if (forgotten_.count(record_key) == 0)
        for (const std::string& earlier : state.forwarded) {
            const claim& other = claims_[earlier];
            const bool nothing_ran =
                other.denied || other.what == fate::not_sent || other.what == fate::freed;
            const bool again = resends && earlier.starts_with(x.operation_id);
            if (!nothing_ran && !again && !is_over(other.expires))
                verdict_.broken(one_forward, "key " + name + ": epochs " +
                                                 std::to_string(other.epoch) + " and " +
                                                 std::to_string(mine.epoch));
        }
    state.forwarded.push_back(this_claim);
}

void key_ledger::learned(const std::string& operation, std::uint64_t attempt, fate what) {
    if (!operation.empty()) claims_[name_of_claim(operation, attempt)].what = what;
}

void key_ledger::denied(const std::string& operation, std::uint64_t attempt) {
    for (auto& [name, one] : claims_)
        if (name.starts_with(operation) && one.epoch < attempt) one.denied = true;
}

// The table of docs/idempotency.md, once more.
fate key_ledger::fate_of_answer(const execution& what) const {
    bool retry_after = false;
    for (const auto& [name, value] : what.header) {
        if (name == "Lethe-Idempotency") {
            if (value == "release") return fate::freed;
            if (value == "store" || value == "unknown") return fate::answered;
        }
        retry_after |= name == "Retry-After";
    }
    switch (what.status) {
        case 401:
        case 408:
        case 425:
        case 429: return fate::freed;
        case 500:
        case 501:
            return scenario_.key_rules.on_500 == idempotency::answer_rule::release ? fate::freed
                                                                                   : fate::answered;
        case 503: return retry_after ? fate::freed : fate::answered;
        default: return fate::answered;
    }
}

}  // namespace lethe::simulation
