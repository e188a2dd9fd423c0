// How the engine keeps the leases of its claims alive: one loop for all of them, a few batches a
// second.
#include "base/log.hpp"
#include "idempotency/engine.hpp"

#include <algorithm>
#include <utility>

namespace lethe::idempotency {
namespace {

// Claims made while the loop sleeps may be due before those it knew of.
constexpr std::chrono::seconds sleep_max{1};
constexpr std::chrono::milliseconds sleep_min{10};
constexpr std::chrono::seconds store_timeout{2};
constexpr std::size_t batch_max = 128;
// Of outcomes that stand in claims.
constexpr std::size_t batch_bytes_max = 4UL * 1024 * 1024;

class flag_while_alive {
 public:
    explicit flag_while_alive(bool& flag) : flag_(flag) { flag_ = true; }
    ~flag_while_alive() { flag_ = false; }
    flag_while_alive(const flag_while_alive&) = delete;
    flag_while_alive& operator=(const flag_while_alive&) = delete;

 private:
    bool& flag_;
};

}  // namespace

bool engine::start_renewing() noexcept {
    if (renewing_ || held_.empty()) return false;
    renewing_ = true;
    return true;
}

task<> engine::renew_claims(renewal_counters counts) {
    const flag_while_alive renewing(renewing_);
    while (!held_.empty()) {
        const result<> slept = co_await clock_.sleep_until(next_renewal());
        if (slept.has_error()) co_return slept;
        while (true) {
            std::vector<claim_handle> due = due_claims();
            if (due.empty()) break;
            const result<> renewed = co_await renew(std::move(due), counts);
            if (renewed.has_error()) {
                log::warn("idempotency.renewal_failed", {{"error", describe(renewed.error())}});
                break;
            }
        }
    }
    co_return result<>{};
}

steady_time engine::next_renewal() const {
    const steady_time now = clock_.steady_now();
    steady_time at = now + sleep_max;
    for (const held_claim* claim : held_) at = std::min(at, claim->renew_at_);
    return std::max(at, now + sleep_min);
}

// What is due now, a batch at most; it is due again soon, in case this time fails.
std::vector<claim_handle> engine::due_claims() {
    const steady_time now = clock_.steady_now();
    std::vector<claim_handle> due;
    std::size_t bytes = 0;
    for (held_claim* claim : held_) {
        if (due.size() == batch_max || bytes > batch_bytes_max) break;
        if (claim->renew_at_ > now) continue;
        claim->renew_at_ = now + claim->request_.lease / 10;
        const std::optional<outcome>& standing = claim->record_.result;
        if (standing && standing->body) bytes += standing->body->size();
        due.push_back(claim->shared_from_this());
    }
    return due;
}

task<> engine::renew(std::vector<claim_handle> claims, renewal_counters counts) {
    std::vector<store::operation> writes;
    std::vector<steady_time> lease_ends;
    for (const claim_handle& claim : claims) {
        // The record in hand changes only once the store has taken it.
        key_record next = claim->record_;
        const system_time now = clock_.system_now();
        next.lease_until = now + claim->request_.lease;
        next.expires = now + std::max(claim->request_.ttl, claim->request_.lease);
        lease_ends.push_back(clock_.steady_now() + claim->request_.lease);
        writes.emplace_back(store::put{claim->store_key(), encode_record(next), claim->store_ttl(),
                                       claim->version_, claim->request_.subject});
    }
    auto answers = co_await store_.batch(std::move(writes), clock_.steady_now() + store_timeout);
    if (answers.has_error()) {
        counts.failed.add(claims.size());
        co_return answers.error();
    }
    LETHE_ASSERT(answers->size() == claims.size());
    for (std::size_t i = 0; i < claims.size(); ++i) {
        if (!claims[i]->renewed_) continue;  // it ended meanwhile
        if ((*answers)[i].done) claims[i]->lease_end_ = lease_ends[i];
        note_renewed(*claims[i], (*answers)[i], counts);
    }
    co_return result<>{};
}

void engine::note_renewed(held_claim& claim, const store::answer& answer, renewal_counters counts) {
    if (answer.done) {
        counts.renewed.add();
        claim.version_ = answer.version;
        claim.renew_at_ = claim.lease_end_ - claim.request_.lease + claim.request_.lease / 3;
        return;
    }
    if (answer.present) {
        const result<key_record> there = decode_record(answer.present->value);
        // An earlier renewal whose answer was lost: try again from there.
        if (there.has_value() && there->nonce == claim.record_.nonce &&
            there->state == record_state::claimed) {
            claim.version_ = answer.present->version;
            return;
        }
    }
    counts.fenced.add();
    forget(claim);
}

}  // namespace lethe::idempotency
