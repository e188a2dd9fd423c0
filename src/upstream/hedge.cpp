#include "upstream/hedge.hpp"

#include "base/log.hpp"
#include "http/errors.hpp"

#include <utility>

namespace lethe::upstream {

hedge::hedge(pool& owner, const http::exchange& x, std::size_t replica, std::string_view head,
             http::client_connection& primary)
    : pool_(owner), exchange_(x), replica_(replica), head_(head), primary_(&primary) {
    set(pool_.worker_.timers(), pool_.worker_.turn_time() + pool_.options_.hedging->after);
}

hedge::~hedge() {
    if (!try_) return;
    const std::shared_ptr<hedge_try> one = std::move(try_);
    one->given_up = true;
    one->asker = nullptr;
    if (one->now == hedge_try::state::answered && one->with) release(*one);
    if (one->now == hedge_try::state::running && one->with) one->with->cancel();
}

void hedge::expired() {
    std::vector<bool> not_again(replica_ + 1);
    not_again[replica_] = true;
    const steady_time now = pool_.worker_.turn_time();
    const auto picked = pool_.balancer_.pick(now, not_again, {}, ejected_replicas::never);
    if (!picked) return;
    if (!pool_.hedges_.take(now)) return pool_.metrics_.hedges_refused.add();
    pool_.metrics_.hedges.add();
    pool_.balancer_.begin(*picked);
    try_ = std::make_shared<hedge_try>(pool_);
    try_->keeps = exchange_.keeps;
    try_->replica = *picked;
    try_->head = head_;
    try_->method = exchange_.request.method;
    try_->deadline = exchange_.deadline;
    try_->asker = this;
    pool_.worker_.spawn(run(try_));
}

task<> hedge::ask(hedge_try& one) {
    pool& of = one.owner;
    one.with = of.take_kept(one.replica, true);
    if (!one.with) {
        result<pool::connection> opened = co_await of.open(one.replica, one.deadline);
        if (opened.has_error()) co_return opened.error();
        one.with = *std::move(opened);
    }
    if (one.given_up) co_return LETHE_ERR(http::errc::cancelled);
    one.anything_sent = true;
    const result<> sent = co_await one.with->send(one.head, nullptr, one.deadline);
    if (sent.has_error()) co_return sent;
    if (one.given_up) co_return LETHE_ERR(http::errc::cancelled);
    co_return co_await one.with->read_head(one.method, one.answer, one.deadline);
}

task<> hedge::run(std::shared_ptr<hedge_try> one) {
    const result<> done = co_await ask(*one);
    one->now = done.has_value() ? hedge_try::state::answered : hedge_try::state::failed;
    if (one->given_up || done.has_error()) {
        if (!one->given_up && done.error() != condition::cancelled) {
            log::debug("upstream.hedge_failed",
                       {{"upstream", one->owner.options_.name},
                        {"replica", one->owner.places_[one->replica].authority},
                        {"error", describe(done.error())}});
            one->owner.failed(one->replica);
        }
        release(*one);
    }
    // Last, because the request may go on within it.
    if (one->asker != nullptr) one->asker->ended();
    co_return result<>{};
}

// The connection is closed: an answer may still come in it.
void hedge::release(hedge_try& one) {
    one.with.reset();
    one.owner.balancer_.end(one.replica);
    one.owner.room_.notify_one();
}

void hedge::ended() {
    if (waiting_.waiting())
        waiting_.resume();
    else if (primary_ != nullptr && try_->now == hedge_try::state::answered)
        primary_->cancel();
}

void hedge::cancel() noexcept {
    if (!try_) return;
    const std::shared_ptr<hedge_try> one = try_;
    one->given_up = true;
    if (one->with)
        one->with->cancel();
    else if (waiting_.waiting())
        waiting_.resume();
}

task<hedge_try*> hedge::answer_instead(bool gone) {
    clear();  // who has not been asked by now is asked by a retry
    primary_ = nullptr;
    if (try_ && try_->now == hedge_try::state::running && !gone) co_await waiting_.wait();
    const bool answered = try_ && try_->now == hedge_try::state::answered && !try_->given_up;
    co_return answered ? try_.get() : nullptr;
}

}  // namespace lethe::upstream
