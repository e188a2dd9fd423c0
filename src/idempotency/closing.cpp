#include "idempotency/closing.hpp"

#include "base/log.hpp"
#include "idempotency/errors.hpp"

#include <algorithm>
#include <utility>

namespace lethe::idempotency {
namespace {

constexpr std::chrono::milliseconds pause_min{100};
constexpr std::chrono::milliseconds pause_max{2000};
// What a waiting claim costs besides its body.
constexpr std::size_t claim_bytes = 4096;

bool is_final(const error_code& error) {
    return error == make_error_code(errc::fenced) || error == make_error_code(errc::lost);
}

void warn(const closing& with, std::string_view event, const error_code& error) {
    if (with.work.may_warn()) log::warn(event, {{"error", describe(error)}});
}

// Memory of the worker that waiting outcomes share.
class reservation {
 public:
    reservation(engine& work, std::size_t bytes) : work_(&work), bytes_(bytes) {}
    reservation(reservation&& other) noexcept
        : work_(std::exchange(other.work_, nullptr)), bytes_(other.bytes_) {}
    reservation& operator=(reservation&&) = delete;
    ~reservation() {
        if (work_ != nullptr) work_->free_waiting(bytes_);
    }

 private:
    engine* work_;
    std::size_t bytes_;
};

enum class absence : std::uint8_t {
    final,      // the record was there: it is gone for good
    temporary,  // the put that makes it may still come through
};

task<> end_later(closing with, claim_handle claim, absence when_absent, reservation memory) {
    [[maybe_unused]] const reservation held(std::move(memory));
    clock& time = with.work.time();
    std::chrono::milliseconds pause = pause_min;
    bool stopping = false;  // the worker ends: once more at once, then never
    while (!stopping && time.steady_now() < claim->lease_end()) {
        const steady_time wake = std::min(time.steady_now() + pause, claim->lease_end());
        const result<> slept = co_await time.sleep_until(wake);
        stopping = slept.has_error();
        const result<> done =
            co_await with.work.settle_again(claim, time.steady_now() + with.store_timeout);
        if (done.has_value()) {
            with.counts.late_recorded.add();
            co_return done;
        }
        const bool absent = done.error() == make_error_code(errc::lost);
        if (is_final(done.error()) && !(absent && when_absent == absence::temporary)) break;
        pause = std::min(2 * pause, pause_max);
    }
    with.counts.late_given_up.add();
    co_return result<>{};
}

void spawn_end_later(const closing& with, const claim_handle& claim, absence when_absent,
                     std::size_t bytes) {
    if (!with.work.reserve_waiting(bytes)) {
        with.counts.late_given_up.add();
        return;
    }
    with.background.spawn(end_later(with, claim, when_absent, reservation(with.work, bytes)));
}

// What to do about a claim that could not be ended.
void note_failure(const closing& with, const claim_handle& claim, const error_code& error,
                  std::size_t bytes) {
    if (is_final(error)) {
        with.counts.fenced.add();
        warn(with, "idempotency.claim_fenced", error);
        return;
    }
    with.counts.unrecorded.add();
    warn(with, "idempotency.end_not_recorded", error);
    spawn_end_later(with, claim, absence::final, bytes);
}

// The lease says the same when it runs out; until then others would be told to wait.
task<ended> close_standing(closing with, claim_handle claim) {
    const steady_time deadline = with.work.time().steady_now() + with.store_timeout;
    const auto done = co_await with.work.leave_standing(claim, deadline);
    if (done.has_value()) co_return ended::recorded;
    warn(with, "idempotency.end_not_recorded", done.error());
    co_return ended::unrecorded;
}

}  // namespace

task<ended> close_done(closing with, claim_handle claim, outcome result) {
    const bool has_body = result.has_body();
    const std::size_t bytes = claim_bytes + (result.body ? result.body->size() : 0);
    const steady_time deadline = with.work.time().steady_now() + with.store_timeout;
    const auto done = co_await with.work.finish(claim, std::move(result), deadline);
    if (done.has_value()) {
        (has_body ? with.counts.stored : with.counts.stored_without_body).add();
        co_return ended::recorded;
    }
    note_failure(with, claim, done.error(), bytes);
    co_return ended::unrecorded;
}

task<ended> close_released(closing with, claim_handle claim) {
    if (claim->replaces()) co_return co_await close_standing(with, std::move(claim));
    // This attempt did nothing; the one before it may have.
    if (claim->taken_over()) co_return co_await close_unknown(with, std::move(claim));
    const steady_time deadline = with.work.time().steady_now() + with.store_timeout;
    const auto done = co_await with.work.release(claim, deadline);
    if (done.has_value()) {
        with.counts.released.add();
        co_return ended::recorded;
    }
    note_failure(with, claim, done.error(), claim_bytes);
    co_return ended::unrecorded;
}

task<ended> close_unknown(closing with, claim_handle claim) {
    if (claim->replaces()) co_return co_await close_standing(with, std::move(claim));
    with.counts.lost.add();
    const steady_time deadline = with.work.time().steady_now() + with.store_timeout;
    const auto done = co_await with.work.mark_unknown(claim, deadline);
    if (done.has_value()) co_return ended::recorded;
    warn(with, "idempotency.end_not_recorded", done.error());
    co_return ended::unrecorded;
}

void take_back(const closing& with, const claim_handle& claim) {
    with.work.prepare_taking_back(*claim);
    spawn_end_later(with, claim, absence::temporary, claim_bytes);
}

}  // namespace lethe::idempotency
