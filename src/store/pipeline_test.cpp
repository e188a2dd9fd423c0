// The pipeline against a peer on loopback that does what each test tells it to.
#include "store/pipeline.hpp"

#include "base/metrics.hpp"
#include "store/test_peer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

namespace lethe::store {
namespace {

using namespace std::chrono_literals;
using test::flag;
using test::line_cutter;
using test::peer;
using test::server;

void echo(peer& client, int) {
    while (true) {
        const std::string line = client.read_line();
        if (line.empty()) return;
        client.send(line);
    }
}

class Pipeline : public ::testing::Test {
 public:
    Pipeline() { abort_on_bug(true); }
    ~Pipeline() override { worker_.stop(); }

    void use(const net::address& at) {
        options_.server = at;
        options_.make_cutter = [] { return std::make_unique<line_cutter>(); };
        options_.registry = &registry_;
        options_.store_name = "test";
        made_ = std::make_unique<pipeline>(worker_, options_);
    }
    std::uint64_t count(std::string_view name) {
        return registry_.make_counter(name, "", {{"store", "test"}}).value();
    }
    [[nodiscard]] steady_time in(std::chrono::milliseconds wait) {
        return worker_.time().steady_now() + wait;
    }

    struct outcome {
        bool ended = false;
        result<std::string> got = std::string();
        steady_time at;
    };
    // Begins to ask; later work on the loop ends it.
    outcome& ask(std::string request, std::size_t replies = 1,
                 std::chrono::milliseconds limit = 10s) {
        outcomes_.push_back(std::make_unique<outcome>());
        outcome& out = *outcomes_.back();
        worker_.spawn(keep(*this, out, std::move(request), replies, limit));
        return out;
    }
    static task<> keep(Pipeline& self, outcome& out, std::string request, std::size_t replies,
                       std::chrono::milliseconds limit) {
        ++self.asking_;
        result<std::string> got =
            co_await self.made_->ask(std::move(request), replies, self.in(limit));
        out.got = std::move(got);
        out.ended = true;
        out.at = self.worker_.time().steady_now();
        --self.asking_;
        co_return result<>{};
    }
    // Runs the loop until everything asked has ended, and leaves the connection open or closes it.
    void finish() {
        worker_.spawn(wait_for_all(*this));
        worker_.run();
    }
    static task<> wait_for_all(Pipeline& self) {
        while (self.asking_ != 0) {
            const result<> slept = co_await self.worker_.time().sleep_until(self.in(1ms));
            if (slept.has_error()) co_return slept;
        }
        self.made_->close();
        co_return result<>{};
    }
    // One request to its end, the connection stays; only within run_script().
    static task<std::string> once(Pipeline& self, std::string request, std::size_t replies = 1,
                                  std::chrono::milliseconds limit = 10s) {
        result<std::string> got =
            co_await self.made_->ask(std::move(request), replies, self.in(limit));
        co_return got;
    }
    static task<> until(Pipeline& self, std::function<bool()> holds) {
        const steady_time end = self.in(10s);
        while (!holds()) {
            const steady_time now = self.in(0ms);
            EXPECT_LT(now, end) << "waited in vain";
            if (now >= end) break;
            const result<> slept = co_await self.worker_.time().sleep_until(self.in(1ms));
            if (slept.has_error()) co_return slept;
        }
        co_return result<>{};
    }
    void run_script(task<> script) {
        worker_.spawn(then_close(*this, std::move(script)));
        worker_.run();
    }
    static task<> then_close(Pipeline& self, task<> script) {
        const result<> done = co_await std::move(script);
        EXPECT_TRUE(done.has_value()) << describe(done.error());
        self.made_->close();
        co_return result<>{};
    }

    metrics::registry registry_;
    net::worker worker_;
    pipeline_options options_;
    std::unique_ptr<pipeline> made_;
    std::vector<std::unique_ptr<outcome>> outcomes_;
    int asking_ = 0;
};

TEST_F(Pipeline, EachGetsItsOwnReplyInOrder) {
    server far(echo);
    use(far.address());
    std::vector<outcome*> all;
    for (std::size_t i = 0; i < 1000; ++i)
        all.push_back(&ask("request " + std::to_string(i) + "\n"));
    finish();
    for (std::size_t i = 0; i < 1000; ++i) {
        ASSERT_TRUE(all[i]->got.has_value()) << describe(all[i]->got.error());
        EXPECT_EQ(*all[i]->got, "request " + std::to_string(i) + "\n");
    }
    EXPECT_EQ(far.connections(), 1);
    EXPECT_EQ(count("lethe_store_connections_made_total"), 1U);
    EXPECT_EQ(registry_.make_gauge("lethe_store_connections", "", {{"store", "test"}}).value(), 0);
    EXPECT_EQ(
        registry_.make_gauge("lethe_store_requests_under_way", "", {{"store", "test"}}).value(), 0);
}

task<> ask_in_one_turn(net::worker& on, pipeline& through, std::string request, int& left) {
    const result<std::string> got =
        co_await through.ask(std::move(request), 1, on.time().steady_now() + 10s);
    EXPECT_TRUE(got.has_value());
    if (--left == 0) through.close();
    co_return result<>{};
}

TEST_F(Pipeline, RequestsOfOneTurnLeaveInOneWrite) {
    std::vector<std::string> reads;
    server far([&](peer& client, int) {
        client.send(client.read());  // the first request, alone
        std::size_t lines = 0;
        while (lines < 100) {
            reads.push_back(client.read());
            if (reads.back().empty()) return;
            lines += static_cast<std::size_t>(std::ranges::count(reads.back(), '\n'));
            client.send(reads.back());
        }
        client.read();
    });
    use(far.address());
    int left = 100;
    const auto script = [](Pipeline& self, net::worker& on, pipeline& through,
                           int& open) -> task<> {
        const result<std::string> first = co_await once(self, "first\n");
        EXPECT_TRUE(first.has_value());
        EXPECT_TRUE(through.open());
        for (int i = 0; i < 100; ++i)
            on.spawn(ask_in_one_turn(on, through, "r" + std::to_string(i) + "\n", open));
        co_return result<>{};
    };
    worker_.spawn(script(*this, worker_, *made_, left));
    worker_.run();
    EXPECT_EQ(left, 0);
    EXPECT_EQ(reads.size(), 1U);
}

TEST_F(Pipeline, RepliesMayComeInPiecesOfAnySize) {
    static constexpr std::string_view replies = "one\n>push\ntwo\nthree\n";
    server far([&](peer& client, int) {
        for (std::size_t split = 1; split < replies.size(); ++split) {
            client.read_bytes(6);
            client.send(replies.substr(0, split));
            // The kernel may put both halves together; a pause of the peer is what cuts them.
            std::this_thread::sleep_for(2ms);
            client.send(replies.substr(split));
        }
        client.read();
    });
    use(far.address());
    const auto script = [](Pipeline& self) -> task<> {
        for (std::size_t split = 1; split < replies.size(); ++split) {
            const outcome& one = self.ask("1\n");
            const outcome& two = self.ask("2\n3\n", 2);
            const result<> both =
                co_await until(self, [&one, &two] { return one.ended && two.ended; });
            EXPECT_TRUE(both.has_value() && one.got.has_value() && two.got.has_value()) << split;
            EXPECT_EQ(*one.got, "one\n") << split;
            EXPECT_EQ(*two.got, "two\nthree\n") << "without the push between them; " << split;
        }
        co_return result<>{};
    };
    run_script(script(*this));
}

TEST_F(Pipeline, ALostReplyIsUnknownAndWhatWasNotSentIsNot) {
    flag cut;
    server far([&](peer& client, int connection) {
        if (connection > 0) return echo(client, connection);
        client.read_line();
        client.send("half a repl");
        client.close();
    });
    use(far.address());
    const auto script = [](Pipeline& self) -> task<> {
        const result<std::string> lost = co_await once(self, "a\n");
        EXPECT_EQ(lost.error(), errc::outcome_unknown);
        const result<> noticed = co_await until(self, [&self] { return !self.made_->open(); });
        EXPECT_TRUE(noticed.has_value());
        const result<> paused =
            co_await self.worker_.time().sleep_until(self.in(self.options_.pause_first));
        EXPECT_TRUE(paused.has_value());
        const result<std::string> again = co_await once(self, "b\n");
        EXPECT_TRUE(again.has_value()) << describe(again.error());
        co_return result<>{};
    };
    run_script(script(*this));
    EXPECT_EQ(count("lethe_store_connections_lost_total"), 1U);
    EXPECT_EQ(count("lethe_store_connections_made_total"), 2U);
}

// The peer reads nothing, the kernel's buffers fill up, then the connection is lost.
TEST_F(Pipeline, WhatWaitsBehindAStuckWriteWasNeverSent) {
    flag asked;
    server far(
        [&](peer& client, int) {
            asked.wait();
            client.reset();
        },
        4096);
    use(far.address());
    const outcome& large = ask(std::string(32 << 20, 'x'));
    const outcome& behind = ask("b\n");
    const outcome& early = ask("c\n", 1, 50ms);
    const auto script = [](Pipeline& self, const outcome& left, flag& go) -> task<> {
        const result<> timed_out = co_await until(self, [&left] { return left.ended; });
        EXPECT_TRUE(timed_out.has_value());
        go.raise();
        co_return result<>{};
    };
    worker_.spawn(script(*this, early, asked));
    finish();
    EXPECT_EQ(large.got.error(), errc::outcome_unknown);
    EXPECT_EQ(behind.got.error(), errc::unavailable);
    EXPECT_EQ(early.got.error(), errc::timeout) << "taken out of the queue: it will never be sent";
}

// The connection was reset before the loop came to notice it: the write itself fails.
TEST_F(Pipeline, ARequestOfWhichNoByteLeftWasNeverSent) {
    flag go;
    flag gone;
    server far([&](peer& client, int connection) {
        if (connection > 0) return echo(client, connection);
        client.send(client.read_line());
        go.wait();
        client.reset();
        gone.raise();
    });
    use(far.address());
    const auto script = [](Pipeline& self, flag& reset, flag& done) -> task<> {
        const result<std::string> first = co_await once(self, "a\n");
        EXPECT_TRUE(first.has_value());
        reset.raise();
        EXPECT_TRUE(done.wait());  // the loop stands still meanwhile
        const result<std::string> unsent = co_await once(self, "b\n");
        EXPECT_EQ(unsent.error(), errc::unavailable);
        const result<std::string> again = co_await once(self, "c\n");
        EXPECT_TRUE(again.has_value()) << describe(again.error());
        co_return result<>{};
    };
    run_script(script(*this, go, gone));
}

TEST_F(Pipeline, ALateReplyIsDroppedAndTheNextGetsItsOwn) {
    flag late;
    server far([&](peer& client, int) {
        const std::string first = client.read_line();
        late.wait();
        client.send("late " + first);
        echo(client, 0);
    });
    use(far.address());
    const auto script = [](Pipeline& self, flag& go) -> task<> {
        const result<std::string> unknown = co_await once(self, "a\n", 1, 50ms);
        EXPECT_EQ(unknown.error(), errc::outcome_unknown);
        EXPECT_TRUE(self.made_->open()) << "the connection goes on";
        go.raise();
        const result<std::string> own = co_await once(self, "b\n");
        EXPECT_EQ(own.has_value() ? *own : "", "b\n");
        co_return result<>{};
    };
    run_script(script(*this, late));
    EXPECT_EQ(far.connections(), 1);
}

TEST_F(Pipeline, ADeadlinePassesWhileNothingIsSentYet) {
    flag done;
    // Accepts (by its backlog) and never answers the greeting.
    server far([&](peer&, int) { done.wait(); });
    options_.greeting = "hello\n";
    options_.greeting_replies = 1;
    use(far.address());
    const outcome& waiting = ask("a\n", 1, 50ms);
    const outcome& past = ask("b\n", 1, 0ms);
    finish();
    done.raise();
    EXPECT_EQ(waiting.got.error(), errc::timeout);
    EXPECT_EQ(past.got.error(), errc::timeout);
}

TEST_F(Pipeline, TheGreetingComesFirstAndARefusalIsToldToWhoWaits) {
    std::vector<std::string> heard;
    server far([&](peer& client, int connection) {
        heard.push_back(client.read_line());
        heard.push_back(client.read_line());
        client.send(">welcome\n+ok\n");
        client.send(connection == 0 ? "-denied\n" : "+ok\n");
        if (connection == 0)
            client.read();
        else
            echo(client, connection);
    });
    options_.greeting = "auth\nselect\n";
    options_.greeting_replies = 2;
    options_.greeted = [](std::size_t index, std::string_view reply) -> result<> {
        if (reply.starts_with('-')) {
            EXPECT_EQ(index, 1U);
            return LETHE_ERR(errc::too_large);  // any that nothing else makes
        }
        return {};
    };
    use(far.address());
    const auto script = [](Pipeline& self) -> task<> {
        const result<std::string> refused = co_await once(self, "a\n");
        EXPECT_EQ(refused.error(), errc::too_large);
        const result<std::string> at_once = co_await once(self, "b\n");
        EXPECT_EQ(at_once.error(), errc::unavailable) << "fast, until the pause is over";
        result<std::string> later = LETHE_ERR(errc::unavailable);
        while (later.has_error()) {
            later = co_await once(self, "c\n");
            EXPECT_TRUE(later.has_value() || later.error() == errc::unavailable);
            const result<> slept = co_await self.worker_.time().sleep_until(self.in(1ms));
            if (slept.has_error()) co_return slept;
        }
        EXPECT_EQ(*later, "c\n");
        co_return result<>{};
    };
    run_script(script(*this));
    const std::vector<std::string> greetings = {"auth\n", "select\n", "auth\n", "select\n"};
    EXPECT_EQ(heard, greetings);
    EXPECT_EQ(count("lethe_store_connections_failed_total"), 1U);
}

TEST_F(Pipeline, AServerThatIsAwayIsAskedAgainAfterAPauseThatGrows) {
    net::address at;
    {
        at = server([](peer&, int) {}).address();
    }
    options_.pause_first = 40ms;
    options_.pause_last = 160ms;
    use(at);
    const auto script = [](Pipeline& self) -> task<> {
        std::vector<steady_time> attempts;
        while (attempts.size() < 5) {
            const std::uint64_t before = self.count("lethe_store_connections_failed_total");
            const steady_time began = self.in(0ms);
            const result<std::string> failed = co_await once(self, "a\n");
            EXPECT_EQ(failed.error(), errc::unavailable);
            if (self.count("lethe_store_connections_failed_total") != before)
                attempts.push_back(began);
            const result<> slept = co_await self.worker_.time().sleep_until(self.in(1ms));
            if (slept.has_error()) co_return slept;
        }
        const std::chrono::milliseconds at_least[] = {20ms, 40ms, 80ms, 80ms};
        for (std::size_t i = 0; i < 4; ++i) EXPECT_GE(attempts[i + 1] - attempts[i], at_least[i]);
        co_return result<>{};
    };
    run_script(script(*this));
    EXPECT_EQ(count("lethe_store_connections_made_total"), 0U);
}

TEST_F(Pipeline, AStuckServerLosesItsConnection) {
    flag done;
    server far([&](peer& client, int connection) {
        if (connection > 0) return echo(client, connection);
        client.read_line();
        client.send("first\n");
        client.read_line();
        client.read();  // until it is closed
        done.raise();
    });
    options_.stuck_after = 100ms;
    use(far.address());
    const auto script = [](Pipeline& self, flag& closed) -> task<> {
        const result<std::string> first = co_await once(self, "a\n");
        EXPECT_TRUE(first.has_value());
        // Without a request there is nothing to be stuck with.
        const result<> slept = co_await self.worker_.time().sleep_until(self.in(200ms));
        EXPECT_TRUE(slept.has_value() && self.made_->open());
        const result<std::string> stuck = co_await once(self, "b\n");
        EXPECT_EQ(stuck.error(), errc::outcome_unknown);
        EXPECT_FALSE(self.made_->open());
        const result<> seen = co_await until(self, [&closed] { return closed.up(); });
        EXPECT_TRUE(seen.has_value());
        const result<std::string> again = co_await once(self, "c\n");
        EXPECT_TRUE(again.has_value());
        co_return result<>{};
    };
    run_script(script(*this, done));
}

TEST_F(Pipeline, WhatIsNoReplyClosesTheConnection) {
    server far([&](peer& client, int) {
        client.read_bytes(4);
        client.send("!\n");
        client.read();
    });
    use(far.address());
    const outcome& one = ask("a\n");
    const outcome& two = ask("b\n");
    finish();
    EXPECT_EQ(one.got.error(), errc::corrupt);
    EXPECT_EQ(two.got.error(), errc::outcome_unknown);
}

TEST_F(Pipeline, AReplyAboveItsLimitOrThatNobodyAskedForClosesTheConnection) {
    server far([&](peer& client, int connection) {
        client.read_line();
        client.send(connection == 0 ? std::string(5000, 'x') : "a\nb\n");
        client.read();
    });
    options_.reply_bytes_max = 4096;
    use(far.address());
    const auto script = [](Pipeline& self) -> task<> {
        const result<std::string> large = co_await once(self, "a\n");
        EXPECT_EQ(large.error(), errc::corrupt);
        const result<> paused =
            co_await self.worker_.time().sleep_until(self.in(self.options_.pause_first));
        EXPECT_TRUE(paused.has_value());
        const result<std::string> own = co_await once(self, "b\n");
        EXPECT_EQ(own.has_value() ? *own : "", "a\n");
        const result<> closed = co_await until(self, [&self] { return !self.made_->open(); });
        EXPECT_TRUE(closed.has_value());
        co_return result<>{};
    };
    run_script(script(*this));
    EXPECT_EQ(count("lethe_store_connections_lost_total"), 2U);
}

TEST_F(Pipeline, LargeRequestsAndRepliesPassWhole) {
    server far([](peer& client, int) { echo(client, 0); }, 65536);
    use(far.address());
    std::vector<std::pair<std::string, outcome*>> all;
    for (int i = 0; i < 40; ++i) {
        const std::size_t size = i % 4 == 0 ? std::size_t{8} << 20 : std::size_t{1} << (i % 20);
        std::string request(size, static_cast<char>('a' + i % 26));
        request.back() = '\n';
        outcome& out = ask(request, 1, 60s);
        all.emplace_back(std::move(request), &out);
    }
    finish();
    for (const auto& [request, out] : all) {
        ASSERT_TRUE(out->got.has_value()) << describe(out->got.error());
        EXPECT_TRUE(*out->got == request) << request.size();
    }
}

TEST_F(Pipeline, TheQueueIsBoundedByRequestsAndByBytes) {
    flag done;
    server far([&](peer&, int) { done.wait(); });
    options_.queue_requests_max = 3;
    options_.queue_bytes_max = 100;
    use(far.address());
    const outcome& fits = ask(std::string(60, 'a'), 1, 100ms);
    const outcome& too_many_bytes = ask(std::string(60, 'b'), 1, 100ms);
    const outcome& second = ask("b\n", 1, 100ms);
    const outcome& third = ask("c\n", 1, 100ms);
    const outcome& too_many = ask("d\n", 1, 100ms);
    finish();
    done.raise();
    EXPECT_EQ(too_many_bytes.got.error(), errc::overloaded);
    EXPECT_EQ(too_many.got.error(), errc::overloaded);
    for (const outcome* one : {&fits, &second, &third})
        EXPECT_EQ(one->got.error(), errc::outcome_unknown);
}

TEST_F(Pipeline, ClosingEndsAllWaits) {
    flag asked;
    server far([&](peer& client, int) {
        client.read_line();
        asked.raise();
        client.read();
    });
    use(far.address());
    const outcome& sent = ask("a\n");
    const auto script = [](Pipeline& self, flag& arrived) -> task<> {
        const result<> seen = co_await until(self, [&arrived] { return arrived.up(); });
        EXPECT_TRUE(seen.has_value());
        self.ask("never sent\n");
        const result<> asked_too = co_await until(self, [&self] { return self.asking_ == 2; });
        EXPECT_TRUE(asked_too.has_value());
        co_return result<>{};
    };
    run_script(script(*this, asked));
    EXPECT_EQ(sent.got.error(), errc::outcome_unknown);
    EXPECT_TRUE(outcomes_.back()->ended);
    net::worker other;
    error_code refused;
    const auto ask_again = [](pipeline& closed, error_code& out) -> task<> {
        const result<std::string> got = co_await closed.ask("b\n", 1, steady_time::max());
        out = got.error();
        co_return result<>{};
    };
    other.spawn(ask_again(*made_, refused));
    other.run();
    EXPECT_EQ(refused, errc::unavailable);
}

TEST_F(Pipeline, AWaiterMayDestroyThePipelineInWhichOthersWait) {
    server far([&](peer& client, int) {
        client.read_bytes(4);
        client.send("a\n");
        client.read();
    });
    use(far.address());
    const auto script = [](Pipeline& self) -> task<> {
        const result<std::string> got = co_await once(self, "a\n");
        EXPECT_TRUE(got.has_value());
        self.made_.reset();
        co_return result<>{};
    };
    worker_.spawn(script(*this));
    const outcome& other = ask("b\n");
    worker_.run();
    EXPECT_EQ(other.got.error(), errc::outcome_unknown);
}

TEST_F(Pipeline, StoppingTheWorkerEndsAllWaits) {
    for (const bool connected : {true, false}) {
        net::worker on;
        flag asked;
        server far([&](peer& client, int) {
            if (connected) {
                client.read_line();
                asked.raise();
            } else {
                // Connected by the kernel, but the greeting is never answered.
                client.read();
                asked.raise();
            }
            client.read();
        });
        pipeline_options options;
        options.server = far.address();
        options.make_cutter = [] { return std::make_unique<line_cutter>(); };
        if (!connected) {
            options.greeting = "hello\n";
            options.greeting_replies = 1;
        }
        pipeline through(on, options);
        error_code ended;
        const auto wait = [](net::worker& by, pipeline& on_this, error_code& out) -> task<> {
            const result<std::string> got =
                co_await on_this.ask("a\n", 1, by.time().steady_now() + 1h);
            out = got.error();
            co_return result<>{};
        };
        on.spawn(wait(on, through, ended));
        on.start();
        EXPECT_TRUE(asked.wait());
        on.stop();
        EXPECT_EQ(on.under_way(), 0U);
        EXPECT_EQ(ended, connected ? errc::outcome_unknown : errc::unavailable);
    }
}

}  // namespace
}  // namespace lethe::store
