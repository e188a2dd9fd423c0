// The rules of idempotency keys over a store and a clock; no HTTP, no sockets.
//
// A key is claimed before its request is forwarded, in one atomic and durable step that also raises
// the epoch; only who holds the claim can end it. Writes whose answer was lost are resolved by
// reading again: the claim's random nonce tells whether what is there is ours.
#pragma once

#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "base/random.hpp"
#include "base/task.hpp"
#include "idempotency/options.hpp"
#include "idempotency/record.hpp"
#include "store/store.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace lethe::idempotency {

class engine;

struct claim_request {
    std::string id;           // make_record_id(), 32 bytes
    std::string fingerprint;  // make_fingerprint(), 32 bytes
    std::string subject;      // whose record it is, for the store's index; "" for nobody's
    std::chrono::milliseconds lease{};
    std::chrono::milliseconds ttl{};  // not below `lease`
    expired_rule expired = expired_rule::fresh;
    std::chrono::milliseconds tombstone{};
    // Read before trying to write: for callers that wait for another claim to end.
    bool look_first = false;
    // A claim that ended without an outcome may be taken over by this one, which gets its execution
    // and the next epoch. For callers that know what to do about it.
    bool take_over = false;
    // Not 0: nothing but the outcome that this epoch made, which stands until another replaces it.
    // For a backend that makes a request of one key take effect once.
    std::uint64_t replaces = 0;
};

// A claim that this process holds. Renewed while it lives; when it dies without having been ended,
// its lease runs out and the outcome is unknown. One worker; dies before the engine.
class held_claim : public std::enable_shared_from_this<held_claim> {
 public:
    held_claim(engine& owner, claim_request request, std::string nonce);
    ~held_claim();
    held_claim(const held_claim&) = delete;
    held_claim& operator=(const held_claim&) = delete;

    [[nodiscard]] std::uint64_t epoch() const noexcept { return record_.epoch; }
    // An earlier claim of the same request ended without an outcome: it may have run.
    [[nodiscard]] bool taken_over() const noexcept { return taken_over_; }
    // Tells this claim from all others, nonce_bytes long.
    [[nodiscard]] const std::string& nonce() const noexcept { return record_.nonce; }
    [[nodiscard]] const claim_request& request() const noexcept { return request_; }
    // What it was claimed over is an outcome: that stands unless finish() replaces it.
    [[nodiscard]] bool replaces() const noexcept { return record_.made_at != 0; }
    // Of that outcome. Precondition: replaces().
    [[nodiscard]] int standing_status() const noexcept { return record_.result->status; }
    // Somebody who knows says that it has not run.
    void has_not_run() noexcept { taken_over_ = false; }
    // When others will take the outcome for unknown.
    [[nodiscard]] steady_time lease_end() const noexcept { return lease_end_; }
    // Names this one execution: 32 hexadecimal digits, the same on each replay of its outcome and
    // for a claim that took it over.
    [[nodiscard]] std::string operation_id() const;

 private:
    friend class engine;

    // Writes the times of a claim that begins, or goes on, now.
    void extend() noexcept;
    [[nodiscard]] std::string store_key() const;
    // How long the store keeps the record in its present state.
    [[nodiscard]] std::chrono::milliseconds store_ttl() const noexcept;

    engine& owner_;
    const claim_request request_;
    key_record record_;              // as it was, or is to be, written
    store::record_version version_;  // as far as we know
    steady_time lease_end_{};
    steady_time renew_at_{};
    bool taken_over_ = false;
    bool renewed_ = false;      // in the engine's list
    std::size_t position_ = 0;  // there
};
using claim_handle = std::shared_ptr<held_claim>;

enum class verdict : std::uint8_t {
    claimed,    // forward it, then end the claim
    done,       // replay the outcome
    in_flight,  // another request holds the claim
    unknown,    // the claim ended without an outcome
    mismatch,   // the key belongs to a different request
    // The key was used, long ago (expired_rule::reject); or the outcome to be replaced is gone.
    expired,
    // The store took the claim or did not, and does not say. Nothing may be forwarded; release the
    // claim until that is confirmed or the lease is over.
    unsure,
};

struct admission {
    verdict what = verdict::unsure;
    claim_handle claim = {};             // claimed and unsure
    std::optional<outcome> result = {};  // done
    std::string operation_id = {};       // done: of the execution that made the outcome
    std::uint64_t epoch = 0;             // claimed; done: which one made the outcome
    // claimed: an earlier claim of the same request ended without an outcome; it may have run.
    bool taken_over = false;
};

struct renewal_counters {
    lethe::metrics::counter& renewed;
    lethe::metrics::counter& failed;  // the store did not take it; tried again soon
    lethe::metrics::counter& fenced;  // another claim holds the key, or the record is gone
};

// One per worker, as its store is. Deadlines bound each call; errors are the store's, or those of
// errors.hpp. Cancellation is not looked at: a caller that is gone leaves the claim to its lease.
class engine {
 public:
    // All outlive the engine.
    engine(store::store& records, clock& time, random_source& random)
        : store_(records), clock_(time), random_(random) {}
    engine(const engine&) = delete;
    engine& operator=(const engine&) = delete;
    // All claims died before.
    ~engine() { LETHE_ASSERT(held_.empty()); }

    // An error means that the key was certainly not claimed.
    [[nodiscard]] task<admission> claim(claim_request request, steady_time deadline);

    // End a claim; from then on it is no longer renewed. After an error settle_again() tries the
    // same once more, for as long as that makes sense: not after errc::fenced and errc::lost.
    [[nodiscard]] task<> finish(claim_handle claim, outcome result, steady_time deadline);
    [[nodiscard]] task<> mark_unknown(claim_handle claim, steady_time deadline);
    // Neither for one that was taken over, since what it took over may have run, nor for one that
    // replaces().
    [[nodiscard]] task<> release(claim_handle claim, steady_time deadline);
    // Says what settle_again() is to do with a claim that is `unsure`.
    void prepare_taking_back(held_claim& claim) noexcept {
        claim.record_.state = claim.replaces()    ? record_state::done
                              : claim.taken_over_ ? record_state::unknown
                                                  : record_state::released;
    }
    // Ends a claim that replaces(): the outcome is what it was.
    [[nodiscard]] task<> leave_standing(claim_handle claim, steady_time deadline);
    [[nodiscard]] task<> settle_again(claim_handle claim, steady_time deadline);

    // Whether nobody renews the claims that are held. True once: the caller then runs
    // renew_claims() where it outlives the request.
    [[nodiscard]] bool start_renewing() noexcept;
    // Renews leases until no claim is held any more, or the clock answers an error.
    [[nodiscard]] task<> renew_claims(renewal_counters counts);

    // Memory for outcomes that wait for a store: refused above a bound.
    [[nodiscard]] bool reserve_waiting(std::size_t bytes) noexcept;
    void free_waiting(std::size_t bytes) noexcept { waiting_bytes_ -= bytes; }

    // Once a second at most: warnings about a store that is away would repeat with each request.
    [[nodiscard]] bool may_warn() noexcept;

    [[nodiscard]] clock& time() noexcept { return clock_; }
    [[nodiscard]] store::store& records() noexcept { return store_; }
    [[nodiscard]] std::size_t held() const noexcept { return held_.size(); }

 private:
    friend class held_claim;

    // Where a claim can be put: what must be there now, and the epoch it gets.
    struct opening {
        store::expectation expect = store::absent{};
        std::uint64_t epoch = 1;
        std::string execution = {};  // to be taken over; "" for one that begins
        // Of that execution; stands for as long as nothing replaces it.
        std::optional<outcome> standing = {};
        std::uint64_t made_at = 0;
    };
    using judgement = std::variant<admission, opening>;
    struct seen {
        std::optional<store::record> record;
        bool tombstone = false;
    };

    [[nodiscard]] task<seen> look_up(claim_handle claim, steady_time deadline);
    // Puts the claim as `at` says. nullopt: it is ours; else what is there instead.
    [[nodiscard]] task<std::optional<seen>> try_put(claim_handle claim, opening at,
                                                    steady_time deadline);
    [[nodiscard]] result<judgement> judge(const seen& found, const claim_handle& claim);
    [[nodiscard]] admission hold(const claim_handle& claim, store::record_version version);

    // Whether the claim's end is there already, or still ours to write.
    enum class progress : std::uint8_t { written, open };
    [[nodiscard]] result<progress> judge_settling(const std::optional<store::record>& present,
                                                  held_claim& claim) const;

    [[nodiscard]] steady_time next_renewal() const;
    [[nodiscard]] std::vector<claim_handle> due_claims();
    [[nodiscard]] task<> renew(std::vector<claim_handle> claims, renewal_counters counts);
    void note_renewed(held_claim& claim, const store::answer& answer, renewal_counters counts);

    void enlist(held_claim& claim);
    void forget(held_claim& claim) noexcept;

    store::store& store_;
    clock& clock_;
    random_source& random_;
    std::vector<held_claim*> held_;  // unordered
    bool renewing_ = false;
    std::size_t waiting_bytes_ = 0;
    steady_time warned_ = steady_time::min();
};

// The name of the execution that made a record.
[[nodiscard]] std::string make_operation_id(std::string_view id, std::string_view nonce);

}  // namespace lethe::idempotency
