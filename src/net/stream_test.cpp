// Streams over loopback: what edge-triggered waiting must not miss, and what a turn's end is.
#include "net/stream.hpp"

#include "net/end_of_turn.hpp"
#include "net/errors.hpp"

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace lethe::net {
namespace {

using namespace std::chrono_literals;

task<> check(task<> script) {
    const result<> done = co_await std::move(script);
    EXPECT_TRUE(done.has_value()) << describe(done.error());
    co_return result<>{};
}

task<> accept_into(listener& from, std::optional<stream>& into) {
    result<stream> made = co_await from.accept();
    if (made.has_error()) co_return made.error();
    into.emplace(*std::move(made));
    co_return result<>{};
}

class Streams : public ::testing::Test {
 public:
    [[nodiscard]] steady_time in(std::chrono::milliseconds wait) {
        return on.time().steady_now() + wait;
    }
    void run(task<> script) {
        on.spawn(close_behind(*this, std::move(script)));
        on.run();
    }
    // The loop runs as long as an open stream has a deadline.
    static task<> close_behind(Streams& self, task<> script) {
        const result<> done = co_await check(std::move(script));
        self.clients.clear();
        self.servers.clear();
        co_return done;
    }
    // Both ends of `count` connections, the client's first.
    static task<> connect_all(Streams& self, std::size_t count) {
        result<listener> door = net::listen(self.on, {"127.0.0.1", 0});
        if (door.has_error()) co_return door.error();
        while (self.clients.size() < count) {
            std::optional<stream> accepted;
            self.on.spawn(check(accept_into(*door, accepted)));
            result<stream> made = co_await connect(self.on, door->local(), self.in(5s));
            if (made.has_error()) co_return made.error();
            while (!accepted) {
                const result<> slept = co_await self.on.time().sleep_until(self.in(1ms));
                if (slept.has_error()) co_return slept;
            }
            self.clients.push_back(*std::move(made));
            self.servers.push_back(*std::move(accepted));
            self.clients.back().expires_at(self.in(5s));
            self.servers.back().expires_at(self.in(5s));
        }
        co_return result<>{};
    }
    static task<> send(stream& to, std::string_view bytes) {
        const std::array<std::string_view, 1> pieces = {bytes};
        const result<> sent = co_await to.write(pieces);
        co_return sent;
    }

    worker on;
    std::vector<stream> clients;
    std::vector<stream> servers;
    std::vector<std::string> said;
};

TEST_F(Streams, AnEndThatCameTogetherWithTheLastBytesIsNotMissed) {
    const auto script = [](Streams& self) -> task<> {
        const result<> made = co_await connect_all(self, 1);
        if (made.has_error()) co_return made;
        const result<> sent = co_await send(self.clients[0], "bye");
        if (sent.has_error()) co_return sent;
        self.clients[0].shutdown_send();
        // Both are here before the first read.
        const result<> slept = co_await self.on.time().sleep_until(self.in(20ms));
        if (slept.has_error()) co_return slept;
        std::array<char, 64> buffer;
        const result<std::size_t> first = co_await self.servers[0].read_some(buffer);
        EXPECT_TRUE(first.has_value() && *first == 3);
        const result<std::size_t> second = co_await self.servers[0].read_some(buffer);
        EXPECT_TRUE(second.has_value() && *second == 0) << "the end was waited for in vain";
        co_return result<>{};
    };
    run(script(*this));
}

TEST_F(Streams, BytesBeyondAFullBufferAreReadWithoutMoreComing) {
    const auto script = [](Streams& self) -> task<> {
        const result<> made = co_await connect_all(self, 1);
        if (made.has_error()) co_return made;
        const result<> sent = co_await send(self.clients[0], "0123456789");
        if (sent.has_error()) co_return sent;
        std::string all;
        std::array<char, 4> buffer;
        while (all.size() < 10) {
            const result<std::size_t> got = co_await self.servers[0].read_some(buffer);
            if (got.has_error()) co_return got.error();
            all.append(buffer.data(), *got);
        }
        EXPECT_EQ(all, "0123456789");
        EXPECT_FALSE(self.servers[0].may_read()) << "two of four bytes: there are no more";
        co_return result<>{};
    };
    run(script(*this));
}

TEST_F(Streams, AWriterThatMetAFullSocketGoesOnWhenTheReaderDoes) {
    static constexpr std::size_t size = 20'000'000;
    const auto script = [](Streams& self) -> task<> {
        const result<> made = co_await connect_all(self, 1);
        if (made.has_error()) co_return made;
        const std::string much(size, 'x');
        const auto write_all = [](stream& to, std::string_view bytes) -> task<> {
            const result<> sent = co_await send(to, bytes);
            to.shutdown_send();
            co_return sent;
        };
        self.on.spawn(check(write_all(self.clients[0], much)));
        std::size_t total = 0;
        std::vector<char> buffer(100'000);
        while (true) {
            const result<std::size_t> got = co_await self.servers[0].read_some(buffer);
            if (got.has_error()) co_return got.error();
            if (*got == 0) break;
            total += *got;
        }
        EXPECT_EQ(total, size);
        co_return result<>{};
    };
    run(script(*this));
}

TEST_F(Streams, CancelAndDeadlineEndAReadThatWaits) {
    const auto script = [](Streams& self) -> task<> {
        const result<> made = co_await connect_all(self, 2);
        if (made.has_error()) co_return made;
        std::array<char, 4> buffer;
        self.servers[0].expires_at(self.in(30ms));
        const result<std::size_t> late = co_await self.servers[0].read_some(buffer);
        EXPECT_TRUE(late.has_error() && late.error() == errc::timeout);
        const auto cancel_soon = [](Streams& of) -> task<> {
            const result<> slept = co_await of.on.time().sleep_until(of.in(10ms));
            of.servers[1].cancel();
            co_return slept;
        };
        self.on.spawn(check(cancel_soon(self)));
        const result<std::size_t> ended = co_await self.servers[1].read_some(buffer);
        EXPECT_TRUE(ended.has_error() && ended.error() == errc::cancelled);
        co_return result<>{};
    };
    run(script(*this));
}

TEST_F(Streams, NobodyListensIsAFailedConnect) {
    const auto script = [](Streams& self) -> task<> {
        result<listener> door = net::listen(self.on, {"127.0.0.1", 0});
        if (door.has_error()) co_return door.error();
        const address gone = door->local();
        door->close();
        const result<stream> made = co_await connect(self.on, gone, self.in(5s));
        EXPECT_TRUE(made.has_error() && made.error() == errc::connect_failed);
        co_return result<>{};
    };
    run(script(*this));
}

TEST_F(Streams, WhoWaitsForTheTurnsEndGoesOnAfterAllThatWasReady) {
    static constexpr std::size_t count = 5;
    const auto script = [](Streams& self) -> task<> {
        const result<> made = co_await connect_all(self, count);
        if (made.has_error()) co_return made;
        const auto serve = [](Streams& of, std::size_t which) -> task<> {
            std::array<char, 8> buffer;
            const result<std::size_t> got = co_await of.servers[which].read_some(buffer);
            if (got.has_error()) co_return got.error();
            of.said.emplace_back("read");
            end_of_turn end(of.on);
            if (end.worth_waiting()) co_await end.wait();
            of.said.emplace_back("end");
            co_return result<>{};
        };
        for (std::size_t i = 0; i < count; ++i) self.on.spawn(check(serve(self, i)));
        // They wait first; then all is sent within one turn, and so heard of in the next.
        const result<> slept = co_await self.on.time().sleep_until(self.in(20ms));
        if (slept.has_error()) co_return slept;
        for (stream& one : self.clients) {
            const std::array<std::string_view, 1> pieces = {"x"};
            const result<std::size_t> sent = one.try_write(pieces);
            EXPECT_TRUE(sent.has_value() && *sent == 1);
        }
        while (self.said.size() < 2 * count) {
            const result<> again = co_await self.on.time().sleep_until(self.in(1ms));
            if (again.has_error()) co_return again;
        }
        co_return result<>{};
    };
    run(script(*this));
    // The last one has nobody to wait for: it may end before the others.
    ASSERT_EQ(said.size(), 2 * count);
    for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(said[i], "read") << i;
}

}  // namespace
}  // namespace lethe::net
