#include "net/timer.hpp"

#include <algorithm>

namespace lethe::net {

timer::~timer() {
    unlink();
}

void timer::unlink() noexcept {
    if (at_ == nullptr) return;
    *at_ = next_;
    if (next_ != nullptr) next_->at_ = at_;
    at_ = nullptr;
    next_ = nullptr;
    --wheel_->entries_;
}

void timer::set(timer_wheel& wheel, steady_time due) {
    due_ = due;
    if (at_ != nullptr) {
        if (wheel.tick_of(due) >= slot_tick_) return;  // its slot comes first and moves it on
        unlink();
    }
    wheel_ = &wheel;
    wheel.link(*this);
}

// Rounded up, so that a timer never fires early.
std::uint64_t timer_wheel::tick_of(steady_time t) const noexcept {
    if (t <= origin_) return 0;
    return static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::milliseconds>(t - origin_) /
                                      timer_tick) +
           1;
}

void timer_wheel::link(timer& entry) {
    // Beyond one turn of the wheel the entry is parked at the turn's end and moves on from there.
    entry.slot_tick_ = std::clamp(tick_of(entry.due_), current_ + 1, current_ + slots - 1);
    timer*& head = slot_[entry.slot_tick_ % slots];
    entry.next_ = head;
    if (head != nullptr) head->at_ = &entry.next_;
    entry.at_ = &head;
    head = &entry;
    if (entries_++ == 0 && on_armed != nullptr) on_armed(owner);
}

void timer_wheel::advance(steady_time now) {
    const auto target = static_cast<std::uint64_t>(std::max<std::int64_t>(
        0, std::chrono::floor<std::chrono::milliseconds>(now - origin_) / timer_tick));
    if (entries_ == 0) {
        current_ = std::max(current_, target);
        return;
    }
    // After a long sleep one turn sees every slot.
    if (target > current_ + slots) current_ = target - slots;
    while (current_ < target) {
        ++current_;
        timer*& head = slot_[current_ % slots];
        // Detach the slot: what fires may set timers, also into this very slot one turn later.
        timer* pending = head;
        head = nullptr;
        if (pending != nullptr) pending->at_ = &pending;
        while (pending != nullptr) {
            timer& entry = *pending;
            entry.unlink();
            if (entry.due_ == steady_time::max()) continue;
            if (entry.due_ > now) {
                link(entry);
                continue;
            }
            entry.due_ = steady_time::max();
            entry.expired();
        }
    }
}

}  // namespace lethe::net
