// What the filter does about an outcome that nobody knows (route_options::on_unknown). The claim
// has taken the unknown one over: others with the same key find it under way meanwhile.
#include "idempotency/filter.hpp"
#include "idempotency/gather.hpp"
#include "idempotency/problems.hpp"
#include "idempotency/reconcile.hpp"
#include "idempotency/replay.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace lethe::idempotency {
namespace {

// The status that the first request was answered with, where the service tells it beside its 200.
int original_status(const http::response_head& answer) {
    int status = 0;
    const std::string_view told = answer.header.first("Lethe-Original-Status").value_or("");
    const char* const end = told.data() + told.size();
    const auto [stop, error] = std::from_chars(told.data(), end, status);
    const bool is_one = error == std::errc{} && stop == end && status >= 200 && status <= 599;
    return is_one ? status : answer.status;
}

}  // namespace

task<> filter::settle_unknown(http::exchange& x, http::next rest, claim_handle claim,
                              std::string key) {
    LETHE_ASSERT(options_.on_unknown != unknown_rule::hold);
    if (options_.on_unknown == unknown_rule::reconcile)
        return reconcile(x, rest, std::move(claim), std::move(key));
    if (options_.on_unknown == unknown_rule::resend) {
        metrics_.resent.add();
        return forward(x, rest, std::move(claim));
    }
    begin(x, claim);
    x.outcome = http::upstream_outcome::unknown;
    return make_final(x, std::move(claim));
}

bool filter::may_send_again(http::exchange& x, const claim_handle& claim) const {
    const bool harmless =
        options_.on_unknown == unknown_rule::resend || http::is_idempotent(x.request.method);
    return harmless && x.outcome == http::upstream_outcome::unknown && !claim->taken_over() &&
           !claim->replaces() && engine_.time().steady_now() < x.deadline &&
           (!x.request_body || x.request_body->rewind());
}

// Once, with the next epoch, so that the service can tell the two apart and refuse the lower one.
task<> filter::send_again(http::exchange& x, http::next rest, claim_handle claim) {
    claim_request request = claim->request();
    request.take_over = true;
    const auto closed = co_await close_unknown(closing_, std::move(claim));
    if (closed.has_error()) co_return closed.error();
    const steady_time now = engine_.time().steady_now();
    result<admission> next = co_await engine_.claim(
        std::move(request), std::min(x.deadline, now + options_.store_timeout));
    if (next.has_value() && next->what == verdict::claimed) {
        metrics_.resent.add();
        x.response.header.clear();
        x.response_body.reset();
        x.problem = {};
        co_return co_await forward(x, rest, std::move(next->claim));
    }
    if (next.has_value() && next->what == verdict::unsure) take_back(closing_, next->claim);
    http::answer_problem(x, problems::answer_lost,
                         {.detail = "Repeat the request with the same key to learn more."});
    mark(x, "Lethe-Outcome", "unknown");
    co_return result<>{};
}

task<> filter::make_final(http::exchange& x, claim_handle claim) {
    metrics_.made_final.add();
    if (x.outcome == http::upstream_outcome::unknown)
        http::answer_problem(x, problems::answer_lost,
                             {.detail = "It may have run. It is not run again, and a retry gets "
                                        "this same answer."});
    mark(x, "Lethe-Outcome", "unknown");
    return keep(x, std::move(claim));
}

task<> filter::reconcile(http::exchange& x, http::next rest, claim_handle claim, std::string key) {
    begin(x, claim);
    result<reconciled> asked = co_await ask_service(x, rest, options_.reconcile, key);
    if (asked.has_error()) {
        static_cast<void>(co_await close_unknown(closing_, std::move(claim)));
        co_return asked.error();
    }
    if (asked->found == finding::not_done) {
        metrics_.reconciled_not_done.add();
        claim->has_not_run();
        co_return co_await forward(x, rest, std::move(claim));
    }
    if (asked->found == finding::done) co_return co_await adopt(x, *asked->probe, std::move(claim));
    co_return co_await hold_unknown(x, std::move(claim));
}

// The service's word about what was done is the outcome.
task<> filter::adopt(http::exchange& x, http::exchange& probe, claim_handle claim) {
    const int status = original_status(probe.response);
    strip_own_fields(probe.response);
    outcome kept = make_outcome(probe, options_, engine_.time().system_now());
    kept.status = status;
    result<gathered> body = co_await gather(probe.response_body.get(), inline_bytes_max());
    if (body.has_error()) co_return co_await hold_unknown(x, std::move(claim));
    metrics_.reconciled_done.add();
    if (body->complete) kept.body.emplace(std::move(body->bytes));
    outcome shown = kept;
    const auto closed = co_await close_done(closing_, std::move(claim), std::move(kept));
    if (closed.has_error()) co_return closed.error();
    if (shown.body)
        answer_replay(x, std::move(shown));
    else
        answer_without_body(x, shown);
    if (*closed == ended::unrecorded) mark(x, "Lethe-Idempotency", "unrecorded");
    co_return result<>{};
}

task<> filter::hold_unknown(http::exchange& x, claim_handle claim) {
    metrics_.reconciled_unclear.add();
    const auto closed = co_await close_unknown(closing_, std::move(claim));
    if (closed.has_error()) co_return closed.error();
    answer_unknown(x);
    co_return result<>{};
}

}  // namespace lethe::idempotency
