#include "idempotency/engine.hpp"

#include "base/bytes.hpp"
#include "idempotency/errors.hpp"
#include "idempotency/operation.hpp"

#include <algorithm>
#include <utility>

namespace lethe::idempotency {
namespace {

// How often one call looks at a record that changes under it.
constexpr int attempts_max = 8;
constexpr std::size_t waiting_bytes_max = 64UL * 1024 * 1024;

std::string record_key(std::string_view id) {
    return std::string(record_prefix) + std::string(id);
}
std::string tombstone_key(std::string_view id) {
    return "t:" + std::string(id);
}

}  // namespace

std::string make_operation_id(std::string_view id, std::string_view nonce) {
    return to_hex(sha256_of_parts({id, nonce}).substr(0, 16));
}

held_claim::held_claim(engine& owner, claim_request request, std::string nonce)
    : owner_(owner), request_(std::move(request)) {
    record_.nonce = std::move(nonce);
    record_.execution = record_.nonce;
    record_.fingerprint = request_.fingerprint;
}

held_claim::~held_claim() {
    owner_.forget(*this);
}

std::string held_claim::operation_id() const {
    return make_operation_id(request_.id, record_.execution);
}

std::string held_claim::store_key() const {
    return record_key(request_.id);
}

std::chrono::milliseconds held_claim::store_ttl() const noexcept {
    const auto life = std::max(request_.ttl, request_.lease);
    // A claim that never ended is its own tombstone; an outcome gets one without its content.
    const bool stays =
        request_.expired == expired_rule::reject &&
        (record_.state == record_state::claimed || record_.state == record_state::unknown);
    return stays ? life + request_.tombstone : life;
}

void held_claim::extend() noexcept {
    const system_time now = owner_.clock_.system_now();
    record_.lease_until = now + request_.lease;
    record_.expires = now + std::max(request_.ttl, request_.lease);
    lease_end_ = owner_.clock_.steady_now() + request_.lease;
}

// --- claiming

task<admission> engine::claim(claim_request request, steady_time deadline) {
    const bool rejecting = request.expired == expired_rule::reject;
    // Where there is no outcome to replace nothing is claimed.
    bool look = request.look_first || rejecting || request.replaces != 0;
    const auto claim =
        std::make_shared<held_claim>(*this, std::move(request), random_.bytes(nonce_bytes));
    bool maybe_put = false;  // a put whose answer was lost
    const auto give_up = [&](const error_code& error) -> result<admission> {
        if (!maybe_put) return error;
        return admission{.what = verdict::unsure, .claim = claim};
    };

    opening at;
    for (int attempt = 0; attempt < attempts_max; ++attempt) {
        std::optional<seen> found;
        if (!look) {
            result<std::optional<seen>> put = co_await try_put(claim, at, deadline);
            if (put.has_error() && put.error() != condition::outcome_unknown)
                co_return give_up(put.error());
            if (put.has_value() && !put->has_value()) co_return hold(claim, claim->version_);
            if (put.has_value())
                found = std::move(*put);
            else
                maybe_put = true;
        }
        if (!found) {
            result<seen> looked = co_await look_up(claim, deadline);
            if (looked.has_error() && looked.error() != condition::outcome_unknown)
                co_return give_up(looked.error());
            look = looked.has_error();  // a reading that was lost costs nothing but another one
            if (look) continue;
            found = std::move(*looked);
        }
        result<judgement> judged = judge(*found, claim);
        if (judged.has_error()) co_return give_up(judged.error());
        if (auto* answer = std::get_if<admission>(&*judged)) co_return std::move(*answer);
        at = std::get<opening>(*judged);
    }
    co_return give_up(LETHE_ERR(errc::contended));
}

task<engine::seen> engine::look_up(claim_handle claim, steady_time deadline) {
    std::vector<store::operation> reads;
    reads.emplace_back(store::get{claim->store_key()});
    const bool rejecting = claim->request_.expired == expired_rule::reject;
    if (rejecting) reads.emplace_back(store::get{tombstone_key(claim->request_.id)});
    auto answers = co_await store_.batch(std::move(reads), deadline);
    if (answers.has_error()) co_return answers.error();
    LETHE_ASSERT(answers->size() == (rejecting ? 2U : 1U));
    seen out;
    out.record = std::move(answers->front().present);
    out.tombstone = rejecting && answers->back().present.has_value();
    co_return out;
}

task<std::optional<engine::seen>> engine::try_put(claim_handle claim, opening at,
                                                  steady_time deadline) {
    claim->extend();
    claim->record_.created = clock_.system_now();
    claim->record_.epoch = at.epoch;
    claim->record_.execution = at.execution.empty() ? claim->record_.nonce : at.execution;
    claim->taken_over_ = !at.execution.empty() && !at.standing;
    claim->record_.result = std::move(at.standing);
    claim->record_.made_at = at.made_at;
    store::put put;
    put.key = claim->store_key();
    put.value = encode_record(claim->record_);
    put.ttl = claim->store_ttl();
    put.expect = at.expect;
    put.subject = claim->request_.subject;
    auto answer = co_await store_.run(std::move(put), deadline);
    if (answer.has_error()) co_return answer.error();
    if (!answer->done) co_return std::optional<seen>(seen{std::move(answer->present), false});
    claim->version_ = answer->version;
    co_return std::optional<seen>{};
}

result<engine::judgement> engine::judge(const seen& found, const claim_handle& claim) {
    const bool rejecting = claim->request_.expired == expired_rule::reject;
    const std::uint64_t replaces = claim->request_.replaces;
    if (!found.record) {
        if (found.tombstone || replaces != 0) return admission{.what = verdict::expired};
        return opening{};
    }
    LETHE_TRY(key_record present, decode_record(found.record->value));
    if (present.nonce == claim->record_.nonce) {
        // Nobody else ends our claim, so it must still be one; else do not trust what is there.
        if (present.state != record_state::claimed || present.epoch != claim->record_.epoch)
            return LETHE_ERR(errc::record_corrupt);
        return hold(claim, found.record->version);
    }

    const system_time now = clock_.system_now();
    const bool over = now >= present.expires;
    if (over || present.state == record_state::released) {
        if (replaces != 0) return admission{.what = verdict::expired};
        if (rejecting && (found.tombstone || present.state != record_state::released))
            return admission{.what = verdict::expired};
        return opening{found.record->version, present.epoch + 1};
    }
    if (present.fingerprint != claim->record_.fingerprint)
        return admission{.what = verdict::mismatch};
    if (present.answers(now)) {
        const std::uint64_t made_at = present.outcome_epoch();
        if (replaces == made_at)
            return opening{.expect = found.record->version,
                           .epoch = present.epoch + 1,
                           .execution = std::move(present.execution),
                           .standing = std::move(present.result),
                           .made_at = made_at};
        admission out{.what = verdict::done};
        out.operation_id = make_operation_id(claim->request_.id, present.execution);
        out.epoch = made_at;
        out.result = std::move(present.result);
        return out;
    }
    const bool lapsed = present.state == record_state::unknown || now >= present.lease_until;
    if (lapsed && claim->request_.take_over)
        return opening{found.record->version, present.epoch + 1, std::move(present.execution)};
    return admission{.what = lapsed ? verdict::unknown : verdict::in_flight};
}

admission engine::hold(const claim_handle& claim, store::record_version version) {
    claim->version_ = version;
    enlist(*claim);
    admission out{.what = verdict::claimed, .claim = claim};
    out.epoch = claim->epoch();
    out.taken_over = claim->taken_over_;
    return out;
}

// --- ending

task<> engine::finish(claim_handle claim, outcome result, steady_time deadline) {
    claim->record_.state = record_state::done;
    claim->record_.result = std::move(result);
    claim->record_.made_at = 0;
    return settle_again(std::move(claim), deadline);
}

task<> engine::leave_standing(claim_handle claim, steady_time deadline) {
    LETHE_ASSERT(claim->replaces());
    claim->record_.state = record_state::done;
    return settle_again(std::move(claim), deadline);
}

task<> engine::mark_unknown(claim_handle claim, steady_time deadline) {
    LETHE_ASSERT(!claim->replaces());
    claim->record_.state = record_state::unknown;
    claim->record_.result.reset();
    return settle_again(std::move(claim), deadline);
}

task<> engine::release(claim_handle claim, steady_time deadline) {
    LETHE_ASSERT(!claim->taken_over() && !claim->replaces());
    claim->record_.state = record_state::released;
    claim->record_.result.reset();
    return settle_again(std::move(claim), deadline);
}

// Writes the record's new state over the claim, whatever version its renewals have reached.
task<> engine::settle_again(claim_handle claim, steady_time deadline) {
    LETHE_ASSERT(claim->record_.state != record_state::claimed);
    forget(*claim);
    const claim_request& request = claim->request_;
    claim->record_.expires = clock_.system_now() + std::max(request.ttl, request.lease);
    const std::string value = encode_record(claim->record_);
    const bool leaves_tombstone =
        request.expired == expired_rule::reject && claim->record_.state == record_state::done;
    for (int attempt = 0; attempt < attempts_max; ++attempt) {
        store::put write{claim->store_key(), value, claim->store_ttl(), claim->version_,
                         request.subject};
        result<store::answer> answer = LETHE_ERR(errc::contended);
        if (leaves_tombstone) {
            // The tombstone first: an outcome must not expire without one. Nobody's: it tells
            // nothing.
            std::vector<store::operation> writes;
            writes.emplace_back(store::put{tombstone_key(request.id), "1",
                                           claim->store_ttl() + request.tombstone,
                                           store::anything{}, ""});
            writes.emplace_back(std::move(write));
            auto both = co_await store_.batch(std::move(writes), deadline);
            if (both.has_value())
                answer = std::move(both->back());
            else
                answer = both.error();
        } else {
            auto alone = co_await store_.run(std::move(write), deadline);
            answer = std::move(alone);
        }
        std::optional<store::record> present;
        if (answer.has_value()) {
            if (answer->done) co_return result<>{};
            present = std::move(answer->present);
        } else {
            if (answer.error() != condition::outcome_unknown) co_return answer.error();
            auto looked = co_await store_.read(claim->store_key(), deadline);
            if (looked.has_error()) {
                if (looked.error() == condition::outcome_unknown) continue;
                co_return answer.error();  // still: nobody knows
            }
            present = std::move(*looked);
        }
        const result<progress> state = judge_settling(present, *claim);
        if (state.has_error()) co_return state.error();
        if (*state == progress::written) co_return result<>{};
    }
    co_return LETHE_ERR(errc::contended);
}

result<engine::progress> engine::judge_settling(const std::optional<store::record>& present,
                                                held_claim& claim) const {
    if (!present) return LETHE_ERR(errc::lost);
    LETHE_TRY(const key_record there, decode_record(present->value));
    const key_record& ours = claim.record_;
    if (there.nonce != ours.nonce || there.epoch != ours.epoch) return LETHE_ERR(errc::fenced);
    if (there.state == ours.state) return progress::written;
    // A late answer may still end an unknown outcome, but nothing frees it.
    const bool open = there.state == record_state::claimed ||
                      (there.state == record_state::unknown && ours.state == record_state::done);
    if (!open) return LETHE_ERR(errc::fenced);
    claim.version_ = present->version;
    return progress::open;
}

// --- bookkeeping

void engine::enlist(held_claim& claim) {
    if (claim.renewed_) return;
    claim.renewed_ = true;
    claim.renew_at_ = claim.lease_end_ - claim.request_.lease + claim.request_.lease / 3;
    claim.position_ = held_.size();
    held_.push_back(&claim);
}

void engine::forget(held_claim& claim) noexcept {
    if (!std::exchange(claim.renewed_, false)) return;
    held_[claim.position_] = held_.back();
    held_[claim.position_]->position_ = claim.position_;
    held_.pop_back();
}

bool engine::may_warn() noexcept {
    const steady_time now = clock_.steady_now();
    if (warned_ != steady_time::min() && now - warned_ < std::chrono::seconds{1}) return false;
    warned_ = now;
    return true;
}

bool engine::reserve_waiting(std::size_t bytes) noexcept {
    if (bytes > waiting_bytes_max - waiting_bytes_) return false;
    waiting_bytes_ += bytes;
    return true;
}

}  // namespace lethe::idempotency
