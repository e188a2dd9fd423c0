// TLS as the client, against a server of OpenSSL's own with certificates made here.
#include "net/tls.hpp"

#include "net/errors.hpp"
#include "net/test_tls.hpp"
#include "support/process.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>

namespace lethe::net {
namespace {

using namespace std::chrono_literals;
using test::authority;
using test::tls_peer;
using test::tls_server;

// Said by one thread, waited for by another.
class flag {
 public:
    void raise() {
        const std::scoped_lock lock(mutex_);
        up_ = true;
        changed_.notify_all();
    }
    bool wait() {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, 10s, [this] { return up_; });
    }
    bool up() {
        const std::scoped_lock lock(mutex_);
        return up_;
    }

 private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool up_ = false;
};

void echo(tls_peer& client) {
    while (true) {
        const std::string bytes = client.read();
        if (bytes.empty() || !client.send(bytes)) return;
    }
}

class Tls : public ::testing::Test {
 public:
    Tls() { test::write_certificate(ca_file(), ours_.certificate()); }
    [[nodiscard]] std::string ca_file() const { return folder_.path() / "ca.pem"; }
    [[nodiscard]] tls_client make(tls_client_options options) {
        std::string why;
        if (options.ca_file.empty()) options.ca_file = ca_file();
        result<tls_client> made = make_tls_client(options, why);
        EXPECT_TRUE(made.has_value()) << why;
        return *made;
    }
    [[nodiscard]] steady_time in(std::chrono::milliseconds wait) {
        return worker_.time().steady_now() + wait;
    }
    void run(task<> script) {
        worker on;
        current_ = &on;
        on.spawn(check(std::move(script)));
        on.run();
    }
    static task<> check(task<> script) {
        const result<> done = co_await std::move(script);
        EXPECT_TRUE(done.has_value()) << describe(done.error());
        co_return result<>{};
    }
    static task<> until(Tls& self, std::function<bool()> holds) {
        const steady_time end = self.in(10s);
        while (!holds()) {
            EXPECT_LT(self.in(0ms), end) << "waited in vain";
            if (self.in(0ms) >= end) break;
            const result<> slept = co_await self.current_->time().sleep_until(self.in(1ms));
            if (slept.has_error()) co_return slept;
        }
        co_return result<>{};
    }
    static task<> send(stream& to, std::string bytes) {
        const std::array<std::string_view, 1> pieces = {bytes};
        const result<> sent = co_await to.write(pieces);
        co_return sent;
    }
    static task<std::string> read_bytes(stream& from, std::size_t count) {
        std::string out;
        std::string buffer(65536, '\0');
        while (out.size() < count) {
            const result<std::size_t> got = co_await from.read_some(
                {buffer.data(), std::min(buffer.size(), count - out.size())});
            if (got.has_error()) co_return got.error();
            if (*got == 0) break;
            out.append(buffer, 0, *got);
        }
        co_return out;
    }
    // What connecting and then one round trip ends with.
    error_code try_to_connect(const address& to, tls_client_options options,
                              std::chrono::milliseconds limit = 10s) {
        error_code out;
        const auto script = [](Tls& self, address at, tls_client with,
                               std::chrono::milliseconds within, error_code& end) -> task<> {
            result<stream> made =
                co_await connect_tls(*self.current_, std::move(at), with, self.in(within));
            if (made.has_error()) {
                end = made.error();
                co_return result<>{};
            }
            const result<> sent = co_await send(*made, "ping");
            const result<std::string> got = co_await read_bytes(*made, 4);
            if (got.has_error())
                end = got.error();
            else
                EXPECT_TRUE(sent.has_value() && *got == "ping");
            co_return result<>{};
        };
        run(script(*this, to, make(std::move(options)), limit, out));
        return out;
    }

    const lethe::test::temporary_folder folder_{"lethe-tls-"};
    authority ours_{"ours"};
    worker worker_;
    worker* current_ = nullptr;
};

TEST_F(Tls, ATrustedPeerOfThatNameIsTalkedTo) {
    std::string asked;
    tls_server far(ours_.sign(), [&](tls_peer& client) {
        asked = client.asked_name();
        echo(client);
    });
    EXPECT_FALSE(try_to_connect(far.at("localhost"), {}));
    EXPECT_EQ(asked, "localhost");
    EXPECT_FALSE(try_to_connect(far.at("127.0.0.1"), {}));
    EXPECT_EQ(asked, "") << "an address is no name to ask for";
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        tls_server one(ours_.sign(), echo);
        one.speak_only(version);
        EXPECT_FALSE(try_to_connect(one.at("localhost"), {})) << version;
    }
}

TEST_F(Tls, AWrongNameIsRefusedUnlessItIsNotToMatter) {
    tls_server far(ours_.sign({.names = "DNS:other.example,IP:127.0.0.2"}), echo);
    EXPECT_EQ(try_to_connect(far.at("localhost"), {}), errc::tls_wrong_name);
    EXPECT_EQ(try_to_connect(far.at("127.0.0.1"), {}), errc::tls_wrong_name);
    EXPECT_FALSE(try_to_connect(far.at("127.0.0.1"), {.name = "other.example"}));
    EXPECT_FALSE(try_to_connect(far.at("127.0.0.1"), {.name = "127.0.0.2"}));
    EXPECT_FALSE(try_to_connect(far.at("localhost"), {.verify_name = false}));
}

TEST_F(Tls, AnUntrustedPeerIsRefusedUnlessItIsNotToMatter) {
    const authority theirs("theirs");
    tls_server far(theirs.sign(), echo);
    EXPECT_EQ(try_to_connect(far.at("localhost"), {}), errc::tls_untrusted);
    EXPECT_EQ(try_to_connect(far.at("localhost"), {.verify_name = false}), errc::tls_untrusted);
    EXPECT_FALSE(try_to_connect(far.at("localhost"), {.verify_chain = false}));
    EXPECT_EQ(try_to_connect(far.at("localhost"), {.name = "other.example", .verify_chain = false}),
              errc::tls_wrong_name)
        << "the name alone";
    EXPECT_FALSE(try_to_connect(
        far.at("localhost"), {.name = "x.example", .verify_chain = false, .verify_name = false}));
}

TEST_F(Tls, TheSystemsAuthoritiesDoNotKnowOurs) {
    tls_server far(ours_.sign(), echo);
    std::string why;
    result<tls_client> system = make_tls_client({}, why);
    ASSERT_TRUE(system.has_value()) << why;
    const auto script = [](Tls& self, address to, tls_client with) -> task<> {
        const result<stream> made =
            co_await connect_tls(*self.current_, std::move(to), with, self.in(10s));
        EXPECT_EQ(made.error(), errc::tls_untrusted);
        co_return result<>{};
    };
    run(script(*this, far.at("localhost"), *system));
}

TEST_F(Tls, ACertificateOutOfItsTimeIsRefused) {
    tls_server expired(ours_.sign({.begins_seconds = -7200, .ends_seconds = -3600}), echo);
    EXPECT_EQ(try_to_connect(expired.at("localhost"), {}), errc::tls_expired);
    tls_server early(ours_.sign({.begins_seconds = 3600, .ends_seconds = 7200}), echo);
    EXPECT_EQ(try_to_connect(early.at("localhost"), {}), errc::tls_expired);
}

TEST_F(Tls, AClientCertificateIsShownWhereItIsWanted) {
    const test::identity me = ours_.sign();
    test::write_certificate(folder_.path() / "me.pem", me.certificate.get());
    test::write_key(folder_.path() / "me.key", me.key.get(), "sesame");
    const test::identity stranger = authority("theirs").sign();
    test::write_certificate(folder_.path() / "stranger.pem", stranger.certificate.get());
    test::write_key(folder_.path() / "stranger.key", stranger.key.get());
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        SCOPED_TRACE(version);
        tls_server far(ours_.sign(), echo);
        far.want_client_certificate(ours_);
        far.speak_only(version);
        EXPECT_EQ(try_to_connect(far.at("localhost"), {}), errc::tls_refused);
        EXPECT_EQ(try_to_connect(far.at("localhost"),
                                 {.certificate_file = folder_.path() / "stranger.pem",
                                  .key_file = folder_.path() / "stranger.key"}),
                  errc::tls_refused);
        EXPECT_FALSE(
            try_to_connect(far.at("localhost"), {.certificate_file = folder_.path() / "me.pem",
                                                 .key_file = folder_.path() / "me.key",
                                                 .key_password = secret("sesame")}));
    }
}

TEST_F(Tls, FilesThatDoNotServeAreToldWithoutWhatIsInThem) {
    const test::identity me = ours_.sign();
    const test::identity other = ours_.sign();
    test::write_certificate(folder_.path() / "me.pem", me.certificate.get());
    test::write_key(folder_.path() / "me.key", me.key.get(), "sesame");
    test::write_key(folder_.path() / "other.key", other.key.get());
    const std::string missing = folder_.path() / "missing.pem";
    const std::vector<tls_client_options> wrong = {
        {.ca_file = missing},
        {.ca_file = folder_.path() / "other.key"},
        {.certificate_file = missing, .key_file = folder_.path() / "me.key"},
        {.certificate_file = folder_.path() / "me.pem"},
        {.key_file = folder_.path() / "me.key"},
        {.certificate_file = folder_.path() / "me.pem", .key_file = folder_.path() / "me.key"},
        {.certificate_file = folder_.path() / "me.pem",
         .key_file = folder_.path() / "me.key",
         .key_password = secret("simsim")},
        {.certificate_file = folder_.path() / "me.pem", .key_file = folder_.path() / "other.key"},
    };
    for (const tls_client_options& one : wrong) {
        std::string why;
        const result<tls_client> made = make_tls_client(one, why);
        EXPECT_TRUE(made.has_error()) << one.key_file;
        EXPECT_FALSE(why.empty());
        EXPECT_EQ(why.find("simsim"), std::string::npos);
    }
}

TEST_F(Tls, APeerWithoutOrWithOldTlsIsNoPeer) {
    tls_server old(ours_.sign(), [](tls_peer& client) { EXPECT_FALSE(client.shaken()); });
    old.speak_only(TLS1_1_VERSION);
    const error_code refused = try_to_connect(old.at("localhost"), {});
    EXPECT_TRUE(refused == errc::tls_failed || refused == errc::tls_refused) << describe(refused);

    // A listener of plain TCP, on a worker of its own, that answers as an HTTP server would, closes
    // at once, or says nothing.
    for (const int what : {0, 1, 2}) {
        SCOPED_TRACE(what);
        worker other;
        result<listener> at = listen(other, {"127.0.0.1", 0});
        ASSERT_TRUE(at.has_value());
        const auto answer = [](listener& from, int kind) -> task<> {
            result<stream> client = co_await from.accept();
            if (client.has_error()) co_return client.error();
            if (kind == 0) {
                const result<> sent = co_await send(*client, "HTTP/1.1 400 Bad Request\r\n\r\n");
                EXPECT_TRUE(sent.has_value());
            }
            if (kind != 1) static_cast<void>(co_await read_bytes(*client, 1'000'000));
            co_return result<>{};
        };
        other.spawn(answer(*at, what));
        other.start();
        const error_code failed = try_to_connect(at->local(), {}, what == 2 ? 100ms : 10s);
        const errc expected[] = {errc::tls_failed, errc::connection_lost, errc::timeout};
        EXPECT_EQ(failed, expected[what]) << describe(failed);
        other.stop();
    }
}

TEST_F(Tls, StoppingTheWorkerEndsTheHandshake) {
    worker other;
    result<listener> silent = listen(other, {"127.0.0.1", 0});
    ASSERT_TRUE(silent.has_value());
    worker on;
    flag begun;
    error_code end;
    const auto script = [](worker& by, address to, tls_client with, flag& go,
                           error_code& out) -> task<> {
        by.post([&go] { go.raise(); });
        const result<stream> made =
            co_await connect_tls(by, std::move(to), with, steady_time::max());
        out = made.error();
        co_return result<>{};
    };
    on.spawn(script(on, silent->local(), make({}), begun, end));
    on.start();
    EXPECT_TRUE(begun.wait());
    on.stop();
    EXPECT_EQ(end, errc::cancelled);
}

task<> send_all(stream& to, std::string_view bytes, int& left) {
    std::size_t sent = 0;
    // As the pipeline does: what the kernel takes, then waiting, in pieces of odd sizes.
    while (sent < bytes.size()) {
        const std::string_view rest = bytes.substr(sent);
        const std::array<std::string_view, 4> pieces = {
            rest.substr(0, 10), "",
            rest.substr(0).substr(std::min<std::size_t>(10, rest.size()), 70'001), ""};
        const result<std::size_t> taken = to.try_write(pieces);
        if (taken.has_error()) co_return taken.error();
        const std::size_t all = pieces[0].size() + pieces[2].size();
        if (*taken < all) {
            const result<> written = co_await to.write(pieces, *taken);
            if (written.has_error()) co_return written;
        }
        sent += all;
    }
    --left;
    co_return result<>{};
}

TEST_F(Tls, LargeTransfersGoBothWaysAtOnce) {
    std::string sent(24 << 20, '\0');
    std::uint32_t state = 1;
    for (char& c : sent) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        tls_server far(ours_.sign(), echo);
        far.speak_only(version);
        far.receive_at_most(65536);
        const auto script = [](Tls& self, address to, std::string_view bytes) -> task<> {
            result<stream> made =
                co_await connect_tls(*self.current_, std::move(to), self.make({}), self.in(10s));
            if (made.has_error()) co_return made.error();
            made->expires_at(self.in(60s));
            int left = 1;
            self.current_->spawn(check(send_all(*made, bytes, left)));
            const result<std::string> got = co_await read_bytes(*made, bytes.size());
            if (got.has_error()) co_return got.error();
            EXPECT_TRUE(*got == bytes);
            EXPECT_EQ(left, 0);
            co_return result<>{};
        };
        run(script(*this, far.at("localhost"), sent));
    }
}

TEST_F(Tls, ThePeerMayChangeTheKeysAtAnyTime) {
    tls_server far(ours_.sign(), [](tls_peer& client) {
        while (true) {
            const std::string bytes = client.read();
            if (bytes.empty()) return;
            client.change_keys();
            if (!client.send(bytes)) return;
        }
    });
    far.speak_only(TLS1_3_VERSION);
    const auto script = [](Tls& self, address to) -> task<> {
        result<stream> made =
            co_await connect_tls(*self.current_, std::move(to), self.make({}), self.in(10s));
        if (made.has_error()) co_return made.error();
        const std::string bytes(1 << 20, 'k');
        int left = 1;
        self.current_->spawn(check(send_all(*made, bytes, left)));
        const result<std::string> got = co_await read_bytes(*made, bytes.size());
        EXPECT_TRUE(got.has_value() && *got == bytes);
        EXPECT_FALSE(made->readable()) << "what is left is for TLS alone";
        co_return result<>{};
    };
    run(script(*this, far.at("localhost")));
}

TEST_F(Tls, AnEndThatWasSaidIsAnEndAndACutIsNot) {
    for (const int how : {0, 1, 2}) {
        SCOPED_TRACE(how);
        tls_server far(ours_.sign(), [&](tls_peer& client) {
            client.read_bytes(4);
            client.send("half");
            if (how == 0) client.say_end();
            // Unread bytes would make the close a reset that overtakes what was sent.
            if (how == 2)
                client.reset();
            else
                client.close();
        });
        const auto script = [](Tls& self, address to, int kind) -> task<> {
            result<stream> made =
                co_await connect_tls(*self.current_, std::move(to), self.make({}), self.in(10s));
            if (made.has_error()) co_return made.error();
            const result<> asked = co_await send(*made, "ping");
            if (asked.has_error()) co_return asked;
            const result<std::string> got = co_await read_bytes(*made, 8);
            if (kind == 0)
                EXPECT_EQ(got.has_value() ? *got : "", "half");
            else
                EXPECT_EQ(got.error(), errc::connection_lost);
            EXPECT_TRUE(made->peer_closed());
            // Writing to who has gone ends with an error, not with a signal.
            result<> sent;
            for (int i = 0; i < 1000 && sent.has_value(); ++i) {
                sent = co_await send(*made, std::string(1000, 'x'));
                const result<> slept = co_await self.current_->time().sleep_until(self.in(1ms));
                if (slept.has_error()) co_return slept;
            }
            EXPECT_EQ(sent.error(), errc::connection_lost);
            co_return result<>{};
        };
        run(script(*this, far.at("localhost"), how));
    }
}

TEST_F(Tls, ReadableAndPeerClosedKnowWhatIsDecryptedAlready) {
    flag greeted;
    flag go_on;
    flag ended;
    tls_server far(ours_.sign(), [&](tls_peer& client) {
        greeted.raise();
        EXPECT_TRUE(go_on.wait());
        client.send("ab");
        client.say_end();
        ended.raise();
        client.read();
    });
    const auto script = [](Tls& self, address to, flag& here, flag& go, flag& said) -> task<> {
        result<stream> made =
            co_await connect_tls(*self.current_, std::move(to), self.make({}), self.in(10s));
        if (made.has_error()) co_return made.error();
        const result<> shaken = co_await until(self, [&here] { return here.up(); });
        if (shaken.has_error()) co_return shaken;
        // The peer's session tickets are bytes on the socket, but none to be read.
        EXPECT_FALSE(made->readable());
        EXPECT_FALSE(made->peer_closed());
        go.raise();
        const result<> sent = co_await until(self, [&said] { return said.up(); });
        if (sent.has_error()) co_return sent;
        EXPECT_TRUE(made->readable());
        EXPECT_FALSE(made->peer_closed()) << "there is something to read";
        const result<std::string> first = co_await read_bytes(*made, 1);
        EXPECT_EQ(first.has_value() ? *first : "", "a");
        EXPECT_TRUE(made->readable()) << "of the same record, nothing on the socket";
        EXPECT_FALSE(made->peer_closed());
        const result<std::string> second = co_await read_bytes(*made, 1);
        EXPECT_EQ(second.has_value() ? *second : "", "b");
        EXPECT_TRUE(made->readable()) << "the end";
        EXPECT_TRUE(made->peer_closed());
        const result<std::string> end = co_await read_bytes(*made, 1);
        EXPECT_TRUE(end.has_value() && end->empty());
        co_return result<>{};
    };
    run(script(*this, far.at("localhost"), greeted, go_on, ended));
}

TEST_F(Tls, WritingStopsWhereTheKernelTakesNoMoreAndGoesOnThere) {
    flag full;
    flag all_read;
    std::string received;
    std::size_t total = 0;
    tls_server far(ours_.sign(), [&](tls_peer& client) {
        EXPECT_TRUE(full.wait());
        while (true) {
            const std::string more = client.read();
            if (more.empty()) break;
            received += more;
        }
        EXPECT_TRUE(client.orderly_end()) << "the client's end is said";
        all_read.raise();
    });
    far.receive_at_most(4096);
    const auto script = [](Tls& self, address to, flag& stuck, std::size_t& sent) -> task<> {
        result<stream> made =
            co_await connect_tls(*self.current_, std::move(to), self.make({}), self.in(10s));
        if (made.has_error()) co_return made.error();
        const std::string bytes(100'003, 'y');
        std::size_t taken = 0;  // of these, the last time
        const auto rest = [&](std::size_t from) {
            const std::size_t cut = std::min<std::size_t>(from + 5, bytes.size());
            const std::string_view all = bytes;
            return std::array<std::string_view, 2>{all.substr(from, cut - from), all.substr(cut)};
        };
        // On a busy machine the kernel finds room again a little later.
        for (steady_time last = self.in(0ms); self.in(0ms) - last < 1s;) {
            const result<std::size_t> now = made->try_write(rest(taken));
            if (now.has_error()) co_return now.error();
            if (*now == 0) {
                const result<> slept = co_await self.current_->time().sleep_until(self.in(5ms));
                if (slept.has_error()) co_return slept;
                continue;
            }
            last = self.in(0ms);
            if (taken == 0) sent += bytes.size();
            taken = (taken + *now) % bytes.size();
        }
        if (taken == 0) sent += bytes.size();
        made->expires_at(self.in(30ms));
        const result<> late = co_await made->write(rest(taken));
        EXPECT_EQ(late.error(), errc::timeout);
        made->expires_at(steady_time::max());
        const result<std::size_t> none = made->try_write(rest(taken));
        EXPECT_EQ(none.value(), 0U);
        stuck.raise();
        const result<> written = co_await made->write(rest(taken));
        EXPECT_TRUE(written.has_value());
        co_return result<>{};
    };
    run(script(*this, far.at("localhost"), full, total));
    EXPECT_TRUE(all_read.wait());
    EXPECT_EQ(received.size(), total);
    EXPECT_TRUE(received == std::string(total, 'y'));
}

TEST_F(Tls, AResetSaysNoEnd) {
    flag done;
    bool orderly = true;
    tls_server far(ours_.sign(), [&](tls_peer& client) {
        client.read_bytes(4);
        client.read();
        orderly = client.orderly_end();
        done.raise();
    });
    const auto script = [](Tls& self, address to) -> task<> {
        result<stream> made =
            co_await connect_tls(*self.current_, std::move(to), self.make({}), self.in(10s));
        if (made.has_error()) co_return made.error();
        const result<> sent = co_await send(*made, "ping");
        made->reset_on_close();
        co_return sent;
    };
    run(script(*this, far.at("localhost")));
    EXPECT_TRUE(done.wait());
    EXPECT_FALSE(orderly);
}

TEST_F(Tls, TheSendingSideAloneCanEnd) {
    tls_server far(ours_.sign(), [&](tls_peer& client) {
        EXPECT_EQ(client.read_bytes(100), "question");
        EXPECT_TRUE(client.orderly_end());
        client.send("answer");
        client.say_end();
        client.close();
    });
    const auto script = [](Tls& self, address to) -> task<> {
        result<stream> made =
            co_await connect_tls(*self.current_, std::move(to), self.make({}), self.in(10s));
        if (made.has_error()) co_return made.error();
        const result<> sent = co_await send(*made, "question");
        if (sent.has_error()) co_return sent;
        made->shutdown_send();
        const result<std::string> got = co_await read_bytes(*made, 100);
        EXPECT_EQ(got.has_value() ? *got : describe(got.error()), "answer");
        co_return result<>{};
    };
    run(script(*this, far.at("localhost")));
}

}  // namespace
}  // namespace lethe::net
