// Several processes on one file: nothing is lost, nobody starves, and any of them may be killed.
#include "store/sqlite/store.hpp"
#include "store/test_stores.hpp"
#include "support/run.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <random>
#include <thread>

namespace lethe::store::sqlite {
namespace {

using namespace std::chrono_literals;
using test::run;

task<> add_one(store& to, steady_time deadline) {
    while (true) {
        const result<std::optional<record>> present = co_await to.read("counter", deadline);
        if (present.has_error()) co_return present.error();
        const int value = *present ? std::stoi((*present)->value) : 0;
        const expectation expect =
            *present ? expectation((*present)->version) : expectation(absent{});
        const result<answer> put_answer =
            co_await to.run(put{"counter", std::to_string(value + 1), 1h, expect, ""}, deadline);
        if (put_answer.has_error()) co_return put_answer.error();
        if (put_answer->done) co_return result<>{};
    }
}

// A child process with its own database object: fork before any thread of ours exists in it.
template <class Work>
pid_t in_child(Work work) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    work();
    std::_Exit(0);
}

TEST(SqliteProcesses, SeveralProcessesShareTheFileAndLoseNothing) {
    test_scene scene;
    scene.open("sqlite:").reset();
    constexpr int processes = 4;
    constexpr int times = 50;
    std::vector<pid_t> children;
    for (int p = 0; p < processes; ++p)
        children.push_back(in_child([&] {
            const auto mine = scene.open("sqlite:");
            const auto to = mine->make_store(scene.clock());
            for (int i = 0; i < times; ++i)
                if (run(add_one(*to, scene.clock().steady_now() + 60s)).has_error()) std::_Exit(1);
        }));
    for (const pid_t child : children) {
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_EQ(status, 0);
    }
    const auto opened = scene.open("sqlite:");
    const auto to = opened->make_store(scene.clock());
    EXPECT_EQ((*run(to->read("counter", scene.clock().steady_now() + 10s)))->value,
              std::to_string(processes * times));
}

TEST(SqliteProcesses, AnAnsweredWriteSurvivesAKillAtAnyMoment) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    test_scene scene;
    scene.open("sqlite:").reset();
    int acknowledged = 0;
    for (int round = 0; round < 10; ++round) {
        int pipe_ends[2];
        ASSERT_EQ(::pipe(pipe_ends), 0);
        const int from = acknowledged;
        const pid_t child = in_child([&] {
            const auto mine = scene.open("sqlite:");
            const auto to = mine->make_store(scene.clock());
            for (int i = from;; ++i) {
                // Two records a transaction: whole or not at all.
                const std::string n = std::to_string(i);
                const auto done = run(to->transact(
                    {put{"a" + n, n, 1h, absent{}, "s"}, put{"b" + n, n, 1h, absent{}, "s"}},
                    scene.clock().steady_now() + 10s));
                if (done.has_error() || ::write(pipe_ends[1], &i, sizeof i) != sizeof i)
                    std::_Exit(1);
            }
        });
        ::close(pipe_ends[1]);
        // Only once it works, however slow the machine is.
        int last = -1;
        ASSERT_EQ(::read(pipe_ends[0], &last, sizeof last), static_cast<ssize_t>(sizeof last));
        acknowledged = last + 1;
        std::this_thread::sleep_for(std::chrono::milliseconds(random() % 60));
        ::kill(child, SIGKILL);
        ASSERT_EQ(::waitpid(child, nullptr, 0), child);
        while (::read(pipe_ends[0], &last, sizeof last) == sizeof last) acknowledged = last + 1;
        ::close(pipe_ends[0]);

        const auto opened = scene.open("sqlite:");
        const auto to = opened->make_store(scene.clock());
        const steady_time soon = scene.clock().steady_now() + 10s;
        for (int i = from; i < acknowledged; ++i) {
            ASSERT_TRUE((*run(to->read("a" + std::to_string(i), soon))).has_value()) << i;
            ASSERT_TRUE((*run(to->read("b" + std::to_string(i), soon))).has_value()) << i;
        }
        // One more may be there, whole.
        const bool a = (*run(to->read("a" + std::to_string(acknowledged), soon))).has_value();
        const bool b = (*run(to->read("b" + std::to_string(acknowledged), soon))).has_value();
        EXPECT_EQ(a, b);
        if (a) ++acknowledged;
    }
    EXPECT_GT(acknowledged, 0);
}

// Three writers of numbered records, each of which dies at a random moment, is followed by the next
// and must leave every number that it told behind it, while the others go on.
TEST(SqliteProcesses, KillsAmongSeveralWritersLoseNothingThatWasAnswered) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    test_scene scene;
    scene.open("sqlite:").reset();
    struct writer_process {
        pid_t child = 0;
        int told = -1;
        int next = 0;
    };
    const auto start = [&](int who, writer_process& one) {
        int ends[2];
        ASSERT_EQ(::pipe(ends), 0);
        one.child = in_child([&] {
            const auto mine = scene.open("sqlite:");
            const auto to = mine->make_store(scene.clock());
            for (int i = one.next;; ++i) {
                const std::string n = std::to_string(who) + ":" + std::to_string(i);
                const auto done = run(to->transact(
                    {put{"a" + n, n, 1h, anything{}, "s"}, put{"b" + n, n, 1h, anything{}, "s"}},
                    scene.clock().steady_now() + 60s));
                if (done.has_error() || ::write(ends[1], &i, sizeof i) != sizeof i) std::_Exit(1);
            }
        });
        ::close(ends[1]);
        one.told = ends[0];
    };
    const auto kill_one = [&](writer_process& one) {
        int last = -1;
        // Only once it works, however slow the machine is.
        ASSERT_EQ(::read(one.told, &last, sizeof last), static_cast<ssize_t>(sizeof last));
        std::this_thread::sleep_for(std::chrono::milliseconds(random() % 40));
        ::kill(one.child, SIGKILL);
        ASSERT_EQ(::waitpid(one.child, nullptr, 0), one.child);
        int more = 0;
        while (::read(one.told, &more, sizeof more) == sizeof more) last = more;
        ::close(one.told);
        one.next = last + 1;
    };
    std::array<writer_process, 3> writers;
    for (int i = 0; i < 3; ++i) start(i, writers[static_cast<std::size_t>(i)]);
    for (int round = 0; round < 15; ++round) {
        const int who = round % 3;
        kill_one(writers[static_cast<std::size_t>(who)]);
        if (round < 12) start(who, writers[static_cast<std::size_t>(who)]);
    }
    const auto opened = scene.open("sqlite:");
    const auto to = opened->make_store(scene.clock());
    const steady_time soon = scene.clock().steady_now() + 60s;
    for (int who = 0; who < 3; ++who)
        for (int i = 0; i < writers[static_cast<std::size_t>(who)].next; ++i)
            for (const char* half : {"a", "b"}) {
                const std::string n = std::to_string(who) + ":" + std::to_string(i);
                const auto got = run(to->read(half + n, soon));
                ASSERT_TRUE(got.has_value() && got->has_value()) << half << n;
                EXPECT_EQ((*got)->value, n);
            }
}

boost::asio::awaitable<void> write_until(store& to, const std::string key, clock& time,
                                         std::chrono::steady_clock::time_point end, int& count) {
    while (std::chrono::steady_clock::now() < end) {
        const auto done =
            co_await to.run(put{key, "v", 1h, anything{}, ""}, time.steady_now() + 60s);
        if (done.has_error()) co_return;
        ++count;
    }
}

TEST(SqliteProcesses, EachGetsItsShareOfTheCommits) {
    test_scene scene;
    scene.open("sqlite:").reset();
    constexpr int processes = 3;
    int go[2];
    ASSERT_EQ(::pipe(go), 0);
    int told[2];
    ASSERT_EQ(::pipe(told), 0);
    std::vector<pid_t> children;
    for (int p = 0; p < processes; ++p)
        children.push_back(in_child([&] {
            ::close(go[1]);
            const auto mine = scene.open("sqlite:");
            const auto to = mine->make_store(scene.clock());
            char nothing = 0;
            static_cast<void>(::read(go[0], &nothing, 1));  // until all are there
            int count = 0;
            std::vector<boost::asio::awaitable<void>> all;
            const auto end = std::chrono::steady_clock::now() + 1500ms;
            for (int i = 0; i < 16; ++i)
                all.push_back(
                    write_until(*to, std::to_string(p * 100 + i), scene.clock(), end, count));
            test::run_loop(std::move(all));
            static_cast<void>(::write(told[1], &count, sizeof count));
        }));
    ::close(go[0]);
    ::close(go[1]);
    std::vector<int> counts;
    for (int p = 0; p < processes; ++p) {
        int count = 0;
        ASSERT_EQ(::read(told[0], &count, sizeof count), static_cast<ssize_t>(sizeof count));
        counts.push_back(count);
    }
    for (const pid_t child : children) ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    std::ranges::sort(counts);
    EXPECT_GT(counts.front() * 3, counts.back())
        << counts[0] << " " << counts[1] << " " << counts[2];
}

// One asks again at once, as a busy process does, and holds the lock nearly all the time; the other
// must not have to meet the moment when it is free.
TEST(SqliteProcesses, WhoWaitsIsNextHoweverSoonTheOtherAsksAgain) {
    test_scene scene;
    scene.open("sqlite:").reset();
    const auto open = [&](connection& on, turn& mine) {
        std::string message;
        ASSERT_EQ(on.open({.path = scene.file()}, message), 0) << message;
        mine.open(scene.file());
    };
    const auto transact = [](connection& on, turn& mine, std::chrono::microseconds held) {
        mine.take();
        const int begun = on.begin_write();
        mine.pass_on();
        EXPECT_EQ(begun, 0);
        std::this_thread::sleep_for(held);
        EXPECT_EQ(on.commit(), 0);
    };
    std::atomic<bool> stop = false;
    std::atomic<int> busy_count = 0;
    std::thread busy([&] {
        connection on;
        turn mine;
        open(on, mine);
        while (!stop.load()) {
            transact(on, mine, 500us);
            ++busy_count;
        }
    });
    connection on;
    turn mine;
    open(on, mine);
    while (busy_count.load() == 0) std::this_thread::yield();
    constexpr int times = 50;
    const int before = busy_count.load();
    for (int i = 0; i < times; ++i) transact(on, mine, 0us);
    const int overtaken = busy_count.load() - before;
    stop = true;
    busy.join();
    EXPECT_LT(overtaken, times * 4) << "in " << times << " transactions";
}

}  // namespace
}  // namespace lethe::store::sqlite
