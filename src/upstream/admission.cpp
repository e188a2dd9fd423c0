#include "upstream/admission.hpp"

#include "net/errors.hpp"

#include <algorithm>

namespace lethe::upstream {

admission::admission(net::worker& on, const concurrency_options& how, metrics& counts)
    : worker_(on),
      how_(how),
      metrics_(counts),
      limit_(how, on.time().steady_now(), on.cheap_random()),
      turn_(on) {
    metrics_.concurrency_limit->set(limit_.limit());
}

bool admission::try_enter() {
    if (turn_.waiting() > 0 || in_flight_ >= limit_.limit()) return false;
    limit_.began(++in_flight_);
    return true;
}

bool admission::is_overload() const {
    const steady_time now = worker_.time().steady_now();
    return standing_since_ < now && now - standing_since_ > how_.queue_time;
}

void admission::count_waiting() {
    if (turn_.waiting() == 0) standing_since_ = steady_time::max();
}

task<admission::verdict> admission::wait(steady_time deadline) {
    const steady_time now = worker_.time().steady_now();
    if (turn_.waiting() >= how_.queue && is_overload()) turn_.expire_oldest();
    if (turn_.waiting() < how_.queue) {
        if (turn_.waiting() == 0 && standing_since_ == steady_time::max()) standing_since_ = now;
        const result<> woken = co_await turn_.wait(std::min(deadline, now + how_.queue_time));
        count_waiting();
        if (woken.has_value()) co_return verdict::entered;
        if (woken.error() == condition::cancelled) co_return woken.error();
    }
    metrics_.shed->add();
    co_return verdict::refused;
}

// The place of who leaves goes to who waits before anybody else can take it.
void admission::hand_on() {
    while (turn_.waiting() > 0 && in_flight_ < limit_.limit()) {
        limit_.began(++in_flight_);
        if (is_overload())
            turn_.notify_newest();
        else
            turn_.notify_one();
    }
    count_waiting();
}

void admission::note_answer(steady_time began_at) {
    limit_.ended(began_at, worker_.time().steady_now(), in_flight_);
    metrics_.concurrency_limit->set(limit_.limit());
}

void admission::leave() {
    LETHE_ASSERT(in_flight_ > 0);
    --in_flight_;
    hand_on();
}

}  // namespace lethe::upstream
