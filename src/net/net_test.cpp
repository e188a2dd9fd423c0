// Tests of net without sockets: addresses, the timer wheel; and of signals on a worker's loop.
#include "net/address.hpp"
#include "net/errors.hpp"
#include "net/signal.hpp"
#include "net/timer.hpp"
#include "net/worker.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <random>
#include <vector>

namespace lethe::net {
namespace {

using namespace std::chrono_literals;

TEST(Address, ReadsNamesAndBothFamiliesAndWritesThemBack) {
    for (const char* text : {"127.0.0.1:8080", "[::1]:443", "shop.internal:80", "localhost:0"}) {
        const result<address> read = parse_address(text);
        ASSERT_TRUE(read.has_value()) << text;
        EXPECT_EQ(to_text(*read), text);
    }
    for (const char* text : {"", "8080", ":8080", "a:", "a:65536", "a:-1", "a:80x", "[::1:80",
                             "[::1]", "::1:80", "a b:80", "http://a:80", "a/b:80", "[zz]:80"})
        EXPECT_FALSE(parse_address(text).has_value()) << text;
}

class recorder final : public timer {
 public:
    std::function<void()> on_expired;
    int fired = 0;

 private:
    void expired() override {
        ++fired;
        if (on_expired) on_expired();
    }
};

class TimerWheel : public ::testing::Test {
 protected:
    TimerWheel() { wheel.start(now); }
    void advance(std::chrono::milliseconds by) { wheel.advance(now += by); }

    steady_time now{1h};
    timer_wheel wheel;
};

TEST_F(TimerWheel, FiresOnceNotEarlyAndAtMostATickLate) {
    recorder one;
    one.set(wheel, now + 100ms);
    advance(99ms);
    EXPECT_EQ(one.fired, 0);
    advance(1ms + timer_tick + timer_tick);
    EXPECT_EQ(one.fired, 1);
    advance(10s);
    EXPECT_EQ(one.fired, 1);
    EXPECT_FALSE(wheel.armed());
}

TEST_F(TimerWheel, ALaterSettingMovesItAndAnEarlierOneToo) {
    recorder one;
    one.set(wheel, now + 1s);
    one.set(wheel, now + 2s);
    advance(1500ms);
    EXPECT_EQ(one.fired, 0);
    one.set(wheel, now + 100ms);
    advance(100ms + 2 * timer_tick);
    EXPECT_EQ(one.fired, 1);
}

TEST_F(TimerWheel, ClearedAndDestroyedTimersDoNotFire) {
    recorder one;
    one.set(wheel, now + 50ms);
    one.clear();
    auto two = std::make_unique<recorder>();
    two->set(wheel, now + 50ms);
    two.reset();
    advance(1s);
    EXPECT_EQ(one.fired, 0);
    EXPECT_FALSE(wheel.armed());
}

TEST_F(TimerWheel, DurationsBeyondATurnOfTheWheelAndLongSleepsAreExact) {
    recorder far;
    far.set(wheel, now + 1h);
    for (int i = 0; i < 3599; ++i) advance(1s);
    EXPECT_EQ(far.fired, 0);
    advance(1s + 2 * timer_tick);
    EXPECT_EQ(far.fired, 1);
    recorder slept;
    slept.set(wheel, now + 10ms);
    advance(24h);
    EXPECT_EQ(slept.fired, 1);
    // The wheel stood still while it was empty.
    advance(5h);
    recorder late;
    late.set(wheel, now + 50ms);
    advance(50ms + 2 * timer_tick);
    EXPECT_EQ(late.fired, 1);
}

TEST_F(TimerWheel, AFiringTimerMayDestroyOthersOfItsSlotAndSetItselfAgain) {
    auto a = std::make_unique<recorder>();
    auto b = std::make_unique<recorder>();
    recorder again;
    again.set(wheel, now + 10ms);
    a->set(wheel, now + 10ms);
    b->set(wheel, now + 10ms);
    const auto kill_all = [&] {
        a.reset();
        b.reset();
    };
    again.on_expired = [&] { again.set(wheel, now + 10ms); };
    b->on_expired = [&] { a.reset(); };
    advance(100ms);
    EXPECT_EQ(again.fired, 1);
    kill_all();
    advance(100ms);
    EXPECT_EQ(again.fired, 2);
}

TEST_F(TimerWheel, RandomUseFiresEachSettingInItsTime) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    struct one {
        recorder timer;
        steady_time due = steady_time::max();
    };
    std::vector<std::unique_ptr<one>> all;
    for (int i = 0; i < 200; ++i) {
        all.push_back(std::make_unique<one>());
        one& self = *all.back();
        self.timer.on_expired = [&] {
            EXPECT_GE(now, self.due) << "early";
            EXPECT_LE(now, self.due + 2 * timer_tick + 7ms) << "late";
            self.due = steady_time::max();
        };
    }
    for (int step = 0; step < 20'000; ++step) {
        one& self = *all[random() % all.size()];
        switch (random() % 8) {
            case 0:
                self.timer.clear();
                self.due = steady_time::max();
                break;
            case 1:
            case 2:
                self.due = now + std::chrono::milliseconds(random() % 30'000);
                self.timer.set(wheel, self.due);
                break;
            default: advance(std::chrono::milliseconds(random() % 8));
        }
    }
    for (const auto& self : all)
        if (self->due != steady_time::max())
            EXPECT_GE(self->due + 2 * timer_tick + 7ms, now) << "never fired";
}

task<> wait_for(signal& on, steady_time deadline, std::vector<int>& order, int id,
                error_code* failed = nullptr) {
    const result<> woken = co_await on.wait(deadline);
    if (woken.has_error() && failed != nullptr) *failed = woken.error();
    order.push_back(id);
    co_return woken;
}

task<> notify_twice(worker& on, signal& what) {
    static_cast<void>(co_await on.time().sleep_until(on.time().steady_now() + 5ms));
    what.notify_one();
    what.notify_one();
    co_return result<>{};
}

TEST(Signal, WakesFirstComeFirstServedAndTimesOut) {
    worker on;
    signal what(on);
    std::vector<int> order;
    error_code failed;
    const steady_time soon = on.time().steady_now() + 50ms;
    on.spawn(wait_for(what, soon + 10s, order, 1));
    on.spawn(wait_for(what, soon + 10s, order, 2));
    on.spawn(wait_for(what, soon, order, 3, &failed));
    on.spawn(notify_twice(on, what));
    on.run();
    EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
    EXPECT_EQ(failed, condition::timeout);
}

TEST(Worker, StopEndsSleepsAtOnceAndWaitsForSpawnedWork) {
    worker on;
    signal what(on);
    std::vector<int> order;
    error_code failed;
    on.spawn(wait_for(what, steady_time::max(), order, 1, &failed));
    on.start();
    on.stop();
    EXPECT_EQ(on.under_way(), 0U);
    EXPECT_EQ(failed, condition::cancelled);
}

}  // namespace
}  // namespace lethe::net
