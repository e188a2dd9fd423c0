// Turns at a session: one after the other, whatever fails.
#include "session/turn.hpp"

#include "session/filter_world.hpp"
#include "session/rules.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include <chrono>

namespace lethe::session::testing {
namespace {

using namespace std::chrono_literals;

constexpr turns::rules usual{.wait = 60s, .lease = 3s};
constexpr bool never = false;

// Time goes on by a millisecond whenever somebody who sleeps is looked at.
class shared_clock final : public clock {
 public:
    system_time system_now() const override { return system_time{1'700'000'000'000ms} + past_; }
    steady_time steady_now() const override { return steady_time{1h} + past_; }
    task<> sleep_until(steady_time until) override {
        do {
            past_ += 1ms;
            co_await yield();
        } while (steady_now() < until);
        co_return result<>{};
    }
    static boost::asio::awaitable<void> yield() {
        co_await boost::asio::post(co_await boost::asio::this_coro::executor,
                                   boost::asio::use_awaitable);
    }

 private:
    std::chrono::milliseconds past_{};
};

boost::asio::awaitable<void> forget(task<> work) {
    const result<> done = co_await std::move(work);
    static_cast<void>(done);
}

// On the loop that the test runs; set by the first who runs there.
class loop_background final : public background {
 public:
    std::optional<boost::asio::any_io_executor> on;
    void spawn(task<> work) override {
        boost::asio::co_spawn(*on, forget(std::move(work)), boost::asio::detached);
    }
};

// Kept until the test runs it.
class kept_background final : public background {
 public:
    std::vector<task<>> work;
    void spawn(task<> one) override { work.push_back(std::move(one)); }
    void run() {
        for (auto& one : std::exchange(work, {})) test::run(std::move(one)).has_value();
    }
};

// One gateway's turns.
template <class Background>
struct place {
    place(clock& time, random_source& random,
          const std::shared_ptr<scripted_store::shared_records>& records)
        : store(records), queue(store, time, random, behind) {}
    scripted_store store;
    Background behind;
    turns queue;
};

struct SessionTurns : ::testing::Test {
    shared_clock time;
    std::unique_ptr<random_source> random = make_seeded_random(11);
    std::shared_ptr<scripted_store::shared_records> records =
        std::make_shared<scripted_store::shared_records>(time);
    std::vector<std::unique_ptr<place<loop_background>>> places;

    place<loop_background>& add() {
        places.push_back(std::make_unique<place<loop_background>>(time, *random, records));
        return *places.back();
    }
    std::optional<turn_queue> there() {
        if (records->live.empty()) return std::nullopt;
        return *parse_turn_queue(records->live.begin()->second.value);
    }
};

TEST(SessionTurnQueue, IsReadAsItWasWritten) {
    turn_queue queue{.unclean = true, .entries = {}};
    EXPECT_EQ(*parse_turn_queue(to_bytes(queue)), queue);
    queue.entries.push_back({std::string(16, 'a'), 0});
    queue.entries.push_back({std::string(16, '\0'), 0xfedcba98});
    queue.unclean = false;
    const std::string bytes = to_bytes(queue);
    EXPECT_EQ(*parse_turn_queue(bytes), queue);
    for (std::size_t size = 0; size < bytes.size(); ++size)
        if (const auto part = parse_turn_queue(std::string_view(bytes).substr(0, size)))
            EXPECT_LT(part->entries.size(), 2U);
    for (const std::string& bad :
         {std::string("LQ"), std::string("LQ\2\0", 4), std::string("LQ\1\2"), bytes + "x",
          "x" + bytes, bytes + std::string(20 * turn_queue_max, 'y')})
        EXPECT_FALSE(parse_turn_queue(bad).has_value());
}

// --- spec: "`serialize` = per-session FIFO lease with maximum wait"

struct inside {
    int now = 0;
    int most = 0;
    int taken = 0;
    int unclean = 0;
    std::vector<int> order;
};

boost::asio::awaitable<void> work(place<loop_background>& at, clock& time, int number,
                                  std::chrono::milliseconds after, int rounds, inside& seen) {
    at.behind.on = co_await boost::asio::this_coro::executor;
    const result<> began = co_await time.sleep_until(time.steady_now() + after);
    EXPECT_TRUE(began.has_value());
    for (int i = 0; i < rounds; ++i) {
        result<std::unique_ptr<turn>> mine =
            co_await at.queue.take("the session", usual, steady_time::max(), never);
        if (mine.has_error()) continue;
        seen.most = std::max(seen.most, ++seen.now);
        ++seen.taken;
        seen.unclean += (*mine)->unclean() ? 1 : 0;
        seen.order.push_back(number);
        const result<> worked = co_await time.sleep_until(time.steady_now() + 20ms);
        EXPECT_TRUE(worked.has_value());
        --seen.now;
        (*mine)->fenced();
    }
}

TEST_F(SessionTurns, FirstComeFirstServedAcrossGateways) {
    std::vector<boost::asio::awaitable<void>> all;
    inside seen;
    for (int i = 0; i < 3; ++i) add();
    for (int i = 0; i < 9; ++i)
        all.push_back(work(*places[static_cast<std::size_t>(i) % 3], time, i, i * 2ms, 1, seen));
    test::run_loop(std::move(all));
    EXPECT_EQ(seen.most, 1);
    EXPECT_EQ(seen.order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8}));
    EXPECT_EQ(seen.unclean, 0);
    EXPECT_TRUE(records->live.empty()) << "nobody waits: no record";
}

TEST_F(SessionTurns, NoTwoAtOnceThoughTheStoreFailsAndLosesAnswers) {
    for (int seed = 0; seed < 30; ++seed) {
        SCOPED_TRACE(seed);
        random = make_seeded_random(static_cast<std::uint64_t>(seed));
        places.clear();
        records->live.clear();
        inside seen;
        std::vector<boost::asio::awaitable<void>> all;
        for (int i = 0; i < 4; ++i) {
            auto& at = add();
            at.store.yields = true;
            at.store.plan = [this](int) {
                if (random->below(100) >= 10) return fault::none;
                return static_cast<fault>(1 + random->below(4));
            };
        }
        for (int i = 0; i < 8; ++i)
            all.push_back(work(*places[static_cast<std::size_t>(i) % 4], time, i, 1ms, 3, seen));
        test::run_loop(std::move(all));
        EXPECT_EQ(seen.most, 1);
        EXPECT_GT(seen.taken, 2);
    }
}

// Whatever step fails in whatever way: the turn comes to the next at the latest after the lease.
TEST_F(SessionTurns, AFailedStepNeverKeepsTheTurnForGood) {
    for (const fault how :
         {fault::refused, fault::lost_before, fault::lost_after, fault::lost_late})
        for (int at = 0; at < 8; ++at) {
            SCOPED_TRACE("fault " + std::to_string(int(how)) + " at " + std::to_string(at));
            places.clear();
            records->live.clear();
            inside seen;
            add().store.plan = [=](int step) { return step == at ? how : fault::none; };
            std::vector<boost::asio::awaitable<void>> one;
            one.push_back(work(*places[0], time, 0, 1ms, 1, seen));
            test::run_loop(std::move(one));
            places[0]->store.arrive();
            const int before = seen.taken;
            std::vector<boost::asio::awaitable<void>> next;
            next.push_back(work(add(), time, 1, 1ms, 1, seen));
            test::run_loop(std::move(next));
            EXPECT_EQ(seen.taken, before + 1);
            EXPECT_EQ(seen.most, 1);
        }
}

// --- "the lease expires", "fencing"

struct SessionTurnsOfTwo : ::testing::Test {
    manual_clock time;
    std::unique_ptr<random_source> random = make_seeded_random(12);
    std::shared_ptr<scripted_store::shared_records> records =
        std::make_shared<scripted_store::shared_records>(time);
    place<kept_background> first{time, *random, records};
    place<kept_background> second{time, *random, records};

    static result<std::unique_ptr<turn>> take(place<kept_background>& at,
                                              turns::rules how = usual) {
        return test::run(at.queue.take("the session", how, steady_time::max(), never));
    }
};

TEST_F(SessionTurnsOfTwo, TheTurnOfADeadGatewayIsOverAfterTheLeaseAndFencedOff) {
    result<std::unique_ptr<turn>> dead = take(first);
    EXPECT_TRUE(test::run((*dead)->confirm(steady_time::max())).has_value());
    const steady_time before = time.steady_now();
    result<std::unique_ptr<turn>> next = take(second);
    ASSERT_TRUE(next.has_value());
    EXPECT_GE(time.steady_now() - before, usual.lease);
    EXPECT_LE(time.steady_now() - before, usual.lease + 1s);
    EXPECT_TRUE((*next)->unclean());
    EXPECT_EQ(test::run((*dead)->confirm(steady_time::max())).error(),
              make_error_code(errc::turn_lost));
    // Who took it and died before the fence leaves that to the next.
    result<std::unique_ptr<turn>> third = take(first);
    EXPECT_TRUE((*third)->unclean());
    (*third)->fenced();
    *third = nullptr;
    *dead = nullptr;  // renewals end when nothing is held
    first.behind.run();
    EXPECT_FALSE((*take(first))->unclean());
}

TEST_F(SessionTurnsOfTwo, WhoHasWaitedLongEnoughLeavesTheQueue) {
    result<std::unique_ptr<turn>> held = take(first);
    EXPECT_EQ(take(second, {.wait = 100ms, .lease = 3s}).error(),
              make_error_code(errc::turn_refused));
    second.behind.run();
    EXPECT_EQ(parse_turn_queue(records->live.begin()->second.value)->entries.size(), 1U);
    *held = nullptr;
    first.behind.run();
    EXPECT_TRUE(records->live.empty());
}

TEST_F(SessionTurnsOfTwo, TheQueueIsBounded) {
    turn_queue full;
    for (std::size_t i = 0; i < turn_queue_max; ++i) full.entries.push_back({random->bytes(16), 0});
    result<std::unique_ptr<turn>> held = take(first);
    records->live.begin()->second.value = to_bytes(full);
    EXPECT_EQ(take(second).error(), make_error_code(errc::turn_refused));
}

TEST_F(SessionTurnsOfTwo, WithoutTheStoreNobodyGetsATurn) {
    first.store.plan = [](int) { return fault::refused; };
    EXPECT_EQ(take(first).error(), condition::unavailable);
    first.store.plan = nullptr;
    records->live["q:" + sha256("the session")] = {"nonsense", {1}, time.system_now() + 1h, ""};
    EXPECT_EQ(take(first).error(), condition::corrupt);
}

// --- in the filter

struct SessionSerialize : SessionFilter {
    kept_background behind;
    turns queue{store, time, *random, behind};
    place<kept_background> other{time, *random, records};

    SessionSerialize() {
        route.serialize = serialize_options{};
        turn_queue = &queue;
        rebuild();
        make_cart();
        behind.run();
    }
    std::string slots_now() {
        const std::optional<view> now = *test::run(
            sessions->load(*ticket::parse(jar.substr(jar.find('=') + 1)), steady_time::max()));
        return detail::slots_json(now->data(), route.read);
    }
};

TEST_F(SessionSerialize, ARequestSeesWhatTheOneBeforeItChanged) {
    for (int i = 2; i < 5; ++i) {
        serve({patch_field(R"({"cart":{"count":)" + std::to_string(i) + "}}", "merge")});
        EXPECT_EQ(send().status, 200);
        behind.run();
        EXPECT_EQ(records->live.size(), 1U);
    }
    EXPECT_EQ(counts.turns_taken.value(), 3U);
}

TEST_F(SessionSerialize, WhoDoesNotComeToItsTurnIsToldSo) {
    const std::string identity =
        test::run(sessions->load(*ticket::parse(jar.substr(jar.find('=') + 1)), steady_time::max()))
            ->value()
            .data()
            .identity;
    const auto held = test::run(
        other.queue.take(identity, {.wait = 1s, .lease = 60s}, steady_time::max(), never));
    ASSERT_TRUE(held.has_value());
    route.serialize = serialize_options{.wait = 1s, .lease = 60s};
    rebuild();
    const int calls = upstream.calls;
    const answered refused = send();
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.problem, "session-busy");
    EXPECT_EQ(refused.field("Retry-After"), "1");
    EXPECT_EQ(upstream.calls, calls);
    // Callers without a session have nobody to wait for.
    jar.clear();
    EXPECT_EQ(send().status, 200);
}

// The gateway stands still while its service works; another takes the turn over, changes the
// session and ends. Then the late one's change comes: it is operations, which never conflict.
TEST_F(SessionSerialize, AHolderThatStoodStillCannotWriteAfterItLostItsTurn) {
    for (const bool late_turn_ends : {true, false}) {
        serve_ops(R"([{"op":"inc","path":"/cart/count"}])");
        std::optional<result<std::unique_ptr<turn>>> theirs;
        upstream.answer = [&, inner = upstream.answer](http::exchange& x) {
            const std::optional<view> now = *test::run(
                sessions->load(*ticket::parse(jar.substr(jar.find('=') + 1)), steady_time::max()));
            theirs.emplace(test::run(other.queue.take(
                now->data().identity, {.wait = 60s, .lease = 10s}, steady_time::max(), never)));
            ASSERT_TRUE(theirs->has_value());
            ASSERT_TRUE((**theirs)->unclean());
            EXPECT_TRUE(test::run(sessions->fence(now->holder, steady_time::max())).has_value());
            (**theirs)->fenced();
            if (late_turn_ends) {
                theirs.reset();
                other.behind.run();
            }
            inner(x);
        };
        const std::string before = slots_now();
        const answered late = send();
        EXPECT_EQ(late.status, 409);
        EXPECT_EQ(late.problem, "session-conflict");
        EXPECT_NE(late.body.find("its turn was over"), std::string::npos);
        theirs.reset();
        other.behind.run();
        behind.run();
        EXPECT_EQ(slots_now(), before);
    }
    EXPECT_EQ(counts.turns_lost.value(), 2U);
}

TEST_F(SessionSerialize, WithoutTheStoreNobodyIsServed) {
    store.plan = [](int step) { return step == 0 ? fault::none : fault::refused; };
    store.steps = 0;
    const int calls = upstream.calls;
    EXPECT_EQ(send().problem, "session-unavailable");
    EXPECT_EQ(upstream.calls, calls);
}

TEST(SessionSerializeRules, OnlyRoutesThatWriteTakeTurns) {
    route_options reads;
    reads.read = {"cart"};
    reads.serialize = serialize_options{};
    EXPECT_NE(find_mistake(reads)->find("readers never wait"), std::string::npos);
    reads.write = {"cart"};
    EXPECT_FALSE(find_mistake(reads));
}

}  // namespace
}  // namespace lethe::session::testing
