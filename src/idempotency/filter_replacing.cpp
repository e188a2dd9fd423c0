// Another attempt of a request whose outcome is known, for the session filter: the session that the
// service saw has changed, so its change was not made, and it looks at the session as it is now.
// The outcome stands in the record all the while, and is replaced by a full answer or not at all.
#include "idempotency/answer_rules.hpp"
#include "idempotency/filter.hpp"
#include "idempotency/gather.hpp"
#include "idempotency/replay.hpp"

#include <utility>

namespace lethe::idempotency {

bool filter::may_be_replaced(const http::exchange& x) const noexcept {
    return options_.backend_dedups || http::is_idempotent(x.request.method);
}

// What was done is not undone by a service that refuses to do it again: "there is that order".
bool filter::may_replace(const http::exchange& x, const claim_handle& claim) {
    constexpr int refusals_from = 400;
    return x.response.status < refusals_from || claim->standing_status() >= refusals_from;
}

task<> filter::replace(http::exchange& x, http::next rest, admission admitted) {
    switch (admitted.what) {
        case verdict::claimed: co_return co_await forward(x, rest, std::move(admitted.claim));
        case verdict::unsure: take_back(closing_, admitted.claim); co_return result<>{};
        // Another request was faster: it has replaced the outcome, or is about to.
        case verdict::done:
        case verdict::in_flight: break;
        case verdict::unknown:
        case verdict::mismatch:
        case verdict::expired: co_return result<>{};
    }
    x.replaces_outcome = 0;
    if (admitted.what == verdict::done && admitted.result->blob)
        co_return co_await replay_blob(x, std::move(admitted));
    answer_admission(x, std::move(admitted));
    co_return result<>{};
}

// What is recorded only while it goes out, or not for certain, replaces nothing: the session would
// be changed by an answer that no retry may ever see.
task<> filter::keep_instead(http::exchange& x, claim_handle claim) {
    outcome kept = make_outcome(x, options_, engine_.time().system_now());
    result<gathered> body = gathered{};
    if (!is_event_stream(x.response))
        body = co_await gather(x.response_body.get(), inline_bytes_max());
    if (body.has_error() || !body->complete) {
        static_cast<void>(co_await close_unknown(closing_, std::move(claim)));
        co_return result<>{};
    }
    kept.body.emplace(body->bytes);
    x.response_body = http::make_owned_body(std::move(body->bytes));
    const std::uint64_t epoch = claim->epoch();
    const auto closed = co_await close_done(closing_, std::move(claim), std::move(kept));
    if (closed.has_error()) co_return closed.error();
    if (*closed == ended::unrecorded) co_return result<>{};
    x.replaces_outcome = 0;
    x.outcome_epoch = epoch;
    co_return result<>{};
}

}  // namespace lethe::idempotency
