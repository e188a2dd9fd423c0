#include "simulation/host.hpp"

#include "http/errors.hpp"

#include <algorithm>

namespace lethe::simulation {

moment to_moment(steady_time at) {
    if (at <= steady_epoch) return moment{0};
    if (at - steady_epoch > std::chrono::hours{24 * 365})
        return std::chrono::duration_cast<moment>(std::chrono::hours{24 * 365});
    return std::chrono::ceil<moment>(at - steady_epoch);
}

system_time host_clock::system_now() const {
    return to_system(host_.time().now()) + host_.wall_error();
}

steady_time host_clock::steady_now() const {
    return steady_epoch + host_.time().now();
}

task<> host_clock::sleep_until(steady_time until) {
    if (host_.stopping_) co_return LETHE_ERR(http::errc::cancelled);
    process& in = host_.inside();
    const std::uint64_t number = in.next_wait();
    // The real one is up to a timer's tick late.
    const microseconds late = host_.random().between(microseconds{0}, microseconds{5000});
    host_.deliver_at(to_moment(until) + late, [&in, number] { in.wake(number); });
    host_.sleepers_.insert(number);
    co_await in.wait(number);
    host_.sleepers_.erase(number);
    if (host_.stopping_) co_return LETHE_ERR(http::errc::cancelled);
    co_return result<>{};
}

void host::boot(std::unique_ptr<program> what) {
    program_ = std::move(what);
    time_.note("gateway.starts", {{"gateway", index_}, {"life", life_}});
}

void host::deliver(unsigned life, std::function<void()> what) {
    if (!program_ || life != life_) return;
    if (paused_) {
        waiting_.emplace_back(life, std::move(what));
        return;
    }
    what();
    run();
}

void host::deliver_at(moment when, std::function<void()> what) {
    time_.at(when, [this, life = life_, what = std::move(what)] { deliver(life, what); });
}

void host::run() {
    while (program_ && !dies_soon_ && pause_soon_ == microseconds{0} && inside().turn()) {
    }
    if (std::exchange(dies_soon_, false)) {
        pause_soon_ = microseconds{0};
        kill();
    }
    if (pause_soon_ > microseconds{0}) pause(std::exchange(pause_soon_, microseconds{0}));
}

void host::kill() {
    if (!program_) return;
    time_.note("gateway.dies", {{"gateway", index_}, {"life", life_}});
    program_->dies();
    program_.reset();
    waiting_.clear();
    paused_ = false;
    if (died) died();
}

void host::stop() {
    if (!program_ || paused_ || stopping_) return;
    time_.note("gateway.stops", {{"gateway", index_}, {"life", life_}});
    stopping_ = true;
    for (const std::uint64_t one : std::set<std::uint64_t>(sleepers_)) inside().wake(one);
    program_->stops();
    time_.after(std::chrono::seconds{1}, [this, life = life_] {
        if (life == life_) kill();
    });
    run();
}

void host::pause(microseconds how_long) {
    if (!program_ || paused_) return;
    time_.note("gateway.pauses", {{"gateway", index_}, {"life", life_}});
    paused_ = true;
    held_until_ = time_.now() + how_long;
    time_.at(held_until_, [this, life = life_, number = ++pauses_] {
        if (paused_ && life == life_ && number == pauses_) go_on();
    });
}

// What has come meanwhile is found in any order: a timer that ran out beside an answer that was in
// time.
void host::go_on() {
    if (!paused_) return;
    time_.note("gateway.goes_on", {{"gateway", index_}, {"life", life_}});
    paused_ = false;
    held_until_ = time_.now();
    std::vector<std::pair<unsigned, std::function<void()>>> found = std::move(waiting_);
    waiting_.clear();
    for (std::size_t left = found.size(); left > 1; --left)
        std::swap(found[left - 1], found[dice_.below(left)]);
    // What was ready when it stopped goes on as well.
    if (found.empty()) run();
    for (auto& [life, what] : found) deliver(life, std::move(what));
}

}  // namespace lethe::simulation
