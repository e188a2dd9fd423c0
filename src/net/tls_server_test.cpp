// TLS as the server, against clients of OpenSSL's own and ours, with certificates made here.
#include "net/tls_server.hpp"

#include "net/errors.hpp"
#include "net/test_tls.hpp"
#include "net/tls.hpp"
#include "support/process.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <filesystem>
#include <mutex>

namespace lethe::net {
namespace {

using namespace std::chrono_literals;
using test::authority;
using test::tls_visitor;

constexpr std::chrono::milliseconds handshake_time{300};

// Echoes to everybody, on a thread of its own, and remembers how each handshake ended.
class echo_server {
 public:
    explicit echo_server(tls_server with)
        : listener_(*listen(worker_, {"127.0.0.1", 0})), with_(std::move(with)) {
        worker_.spawn(accept_all());
        worker_.start();
    }
    ~echo_server() { worker_.stop(); }
    [[nodiscard]] std::uint16_t port() const { return listener_.local().port; }
    // Of the handshake that ends next, or has ended.
    result<tls_session> next() {
        std::unique_lock lock(mutex_);
        EXPECT_TRUE(came_.wait_for(lock, 10s, [this] { return !ended_.empty(); }));
        result<tls_session> out = ended_.front();
        ended_.erase(ended_.begin());
        return out;
    }

 private:
    task<> accept_all() {
        while (true) {
            result<stream> one = co_await listener_.accept();
            if (one.has_error()) co_return one.error();
            worker_.spawn(echo(*std::move(one)));
        }
    }
    task<> echo(stream with) {
        result<tls_session> made =
            co_await accept_tls(with, with_, worker_.time().steady_now() + handshake_time);
        {
            const std::scoped_lock lock(mutex_);
            ended_.push_back(made);
            came_.notify_all();
        }
        if (made.has_error() && made.error() != errc::plain_http) co_return made.error();
        std::array<char, 20'000> bytes;
        while (true) {
            if (made.has_error()) {
                constexpr std::array<std::string_view, 1> told = {"speak TLS"};
                co_return co_await with.write(told);
            }
            const result<std::size_t> got = co_await with.read_some(bytes);
            if (got.has_error() || *got == 0) co_return result<>{};
            const std::array<std::string_view, 1> back = {std::string_view(bytes.data(), *got)};
            const result<> sent = co_await with.write(back);
            if (sent.has_error()) co_return sent;
        }
    }

    worker worker_;
    listener listener_;
    tls_server with_;
    std::mutex mutex_;
    std::condition_variable came_;
    std::vector<result<tls_session>> ended_;
};

class TlsServer : public ::testing::Test {
 public:
    // A certificate for these names, in files.
    tls_server_options::certificate made(const std::string& file, authority::wish what) {
        const test::identity one = ours_.sign(what);
        test::write_certificate(path(file + ".pem"), one.certificate.get());
        test::write_key(path(file + ".key"), one.key.get());
        return {path(file + ".pem"), path(file + ".key")};
    }
    [[nodiscard]] std::string path(const std::string& file) const { return folder_.path() / file; }
    // With a certificate for localhost unless others are given.
    tls_server make(tls_server_options options = {}) {
        if (options.certificates.empty()) options.certificates = {made("localhost", {})};
        std::string why;
        result<tls_server> out = make_tls_server(options, why);
        EXPECT_TRUE(out.has_value()) << why;
        return *out;
    }
    std::string why_not(const tls_server_options& options) {
        std::string why;
        EXPECT_TRUE(make_tls_server(options, why).has_error());
        return why;
    }
    tls_server_options asks_clients(bool required) {
        test::write_certificate(path("clients.pem"), clients_.certificate());
        tls_server_options out;
        out.client_certificates = {path("clients.pem"), required};
        return out;
    }

    lethe::test::temporary_folder folder_{"lethe-tls-server"};
    authority ours_{"ours"};
    authority clients_{"clients"};
};

TEST_F(TlsServer, SpeaksWithOurOwnClientBothWaysInAnySize) {
    echo_server at(make());
    test::write_certificate(path("ca.pem"), ours_.certificate());
    std::string why;
    const tls_client with = *make_tls_client({.ca_file = path("ca.pem")}, why);
    worker on;
    const auto talk = [](worker& w, tls_client as, std::uint16_t port) -> task<> {
        result<stream> to = co_await connect_tls(w, {"localhost", port}, std::move(as),
                                                 w.time().steady_now() + 10s);
        EXPECT_TRUE(to.has_value());
        if (to.has_error()) co_return to.error();
        for (const std::size_t size : {1U, 16'384U, 16'385U, 3'000'000U}) {
            std::string sent(size, 'x');
            for (std::size_t i = 0; i < size; i += 7) sent[i] = static_cast<char>('a' + i % 26);
            std::string back;
            const auto write = [](stream& out, std::string bytes) -> task<> {
                const std::string_view all = bytes;
                const std::array<std::string_view, 3> pieces = {all.substr(0, 1),
                                                                all.substr(1, all.size() / 2),
                                                                all.substr(1 + all.size() / 2)};
                co_return co_await out.write(pieces);
            };
            w.spawn(write(*to, sent));
            std::array<char, 7000> bytes;
            while (back.size() < size) {
                const result<std::size_t> got = co_await to->read_some(bytes);
                EXPECT_TRUE(got.has_value());
                if (got.has_error() || *got == 0) co_return LETHE_ERR(errc::connection_lost);
                back.append(bytes.data(), *got);
            }
            EXPECT_TRUE(back == sent) << size;
        }
        co_return result<>{};
    };
    on.spawn(talk(on, with, at.port()));
    on.run();
    EXPECT_TRUE(at.next().has_value());
}

TEST_F(TlsServer, ShowsTheCertificateOfTheNameThatIsAskedFor) {
    tls_server_options options;
    options.certificates = {made("a", {.names = "DNS:a.example,DNS:www.a.example"}),
                            made("wild", {.names = "DNS:*.b.example"}),
                            made("b", {.names = "DNS:deep.b.example"})};
    echo_server at(make(options));
    const auto shown = [&](const std::string& name) {
        const tls_visitor one(at.port(), {.name = name});
        EXPECT_TRUE(one.shaken()) << name;
        return one.shown();
    };
    EXPECT_EQ(shown("a.example"), "a.example www.a.example EC");
    EXPECT_EQ(shown("WWW.A.Example"), "a.example www.a.example EC");
    EXPECT_EQ(shown("x.b.example"), "*.b.example EC");
    EXPECT_EQ(shown("deep.b.example"), "deep.b.example EC") << "an exact name comes first";
    EXPECT_EQ(shown("y.x.b.example"), "a.example www.a.example EC") << "one level only";
    EXPECT_EQ(shown("b.example"), "a.example www.a.example EC");
    EXPECT_EQ(shown("nobody.example"), "a.example www.a.example EC") << "the first";
    EXPECT_EQ(shown(""), "a.example www.a.example EC");
}

TEST_F(TlsServer, OfSeveralForANameTheClientGetsTheTypeOfKeyItKnows) {
    tls_server_options options;
    options.certificates = {made("ec", {.names = "DNS:a.example"}),
                            made("rsa", {.names = "DNS:a.example", .rsa = true}),
                            made("later", {.names = "DNS:a.example,DNS:other.example"})};
    echo_server at(make(options));
    const auto shown = [&](const std::string& name, const std::string& signatures) {
        return tls_visitor(at.port(), {.name = name, .signatures = signatures}).shown();
    };
    EXPECT_EQ(shown("a.example", "ECDSA+SHA256"), "a.example EC");
    EXPECT_EQ(shown("a.example", "RSA-PSS+SHA256"), "a.example RSA");
    EXPECT_EQ(shown("other.example", "ECDSA+SHA256"), "a.example other.example EC");
    EXPECT_EQ(shown("nobody.example", "RSA-PSS+SHA256"), "a.example RSA");
}

TEST_F(TlsServer, OldVersionsAndWeakCiphersAreRefused) {
    echo_server both(make());
    tls_server_options only_new;
    only_new.version_min = tls_version::tls13;
    echo_server modern(make(only_new));
    const auto shaken = [](const echo_server& at, int version, const std::string& ciphers = "") {
        return tls_visitor(at.port(), {.version_max = version, .ciphers = ciphers}).shaken();
    };
    EXPECT_TRUE(shaken(both, TLS1_3_VERSION));
    EXPECT_TRUE(shaken(both, TLS1_2_VERSION));
    EXPECT_FALSE(shaken(both, TLS1_1_VERSION));
    EXPECT_FALSE(shaken(both, TLS1_VERSION));
    EXPECT_TRUE(shaken(modern, TLS1_3_VERSION));
    EXPECT_FALSE(shaken(modern, TLS1_2_VERSION));
    for (const char* const weak : {"AES128-SHA", "ECDHE-ECDSA-AES128-SHA256",
                                   "DHE-RSA-AES128-GCM-SHA256", "aNULL", "ECDHE-ECDSA-AES256-CCM"})
        EXPECT_FALSE(shaken(both, TLS1_2_VERSION, weak)) << weak;
    EXPECT_TRUE(shaken(both, TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305"));
}

TEST_F(TlsServer, AgreesOnAProtocolOrRefuses) {
    tls_server_options two;
    two.protocols = {"h2", "http/1.1"};
    echo_server one(make());
    echo_server both(make(two));
    const auto agreed = [](const echo_server& at, std::vector<std::string> offered) {
        const tls_visitor client(at.port(), {.protocols = std::move(offered)});
        return client.shaken() ? client.protocol() : std::string("refused");
    };
    EXPECT_EQ(agreed(one, {"h2", "http/1.1"}), "http/1.1");
    EXPECT_EQ(one.next()->protocol, "http/1.1");
    EXPECT_EQ(agreed(one, {"h2"}), "refused") << "RFC 7301 section 3.2";
    EXPECT_TRUE(one.next().has_error());
    EXPECT_EQ(agreed(one, {}), "");
    EXPECT_EQ(one.next()->protocol, "");
    EXPECT_EQ(agreed(both, {"http/1.1", "h2"}), "h2") << "the server's preference";
}

TEST_F(TlsServer, ATicketResumesAtEveryServerThatHasItsKey) {
    const secret old_key(std::string(32, 'o'));
    const secret new_key(std::string(32, 'n'));
    const auto with = [&](std::vector<secret> keys) {
        tls_server_options options;
        options.ticket_keys = std::move(keys);
        return make(options);
    };
    echo_server first(with({old_key}));
    echo_server other(with({old_key}));
    echo_server changed(with({new_key, old_key}));
    echo_server forgot(with({new_key}));
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        const auto visit = [&](const echo_server& at, SSL_SESSION* session, bool resumed) {
            tls_visitor client(at.port(), {.version_max = version, .resumes = session});
            EXPECT_TRUE(client.echoes("x"));
            EXPECT_EQ(client.resumed(), resumed);
            return client.session();
        };
        const test::session_ptr ticket = visit(first, nullptr, false);
        visit(other, ticket.get(), true);
        const test::session_ptr renewed = visit(changed, ticket.get(), true);
        visit(forgot, ticket.get(), false);
        visit(forgot, renewed.get(), true);
    }
    EXPECT_FALSE(first.next()->resumed);
    EXPECT_TRUE(other.next()->resumed);
}

TEST_F(TlsServer, WithoutTicketKeysNothingIsResumed) {
    echo_server at(make());
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        tls_visitor first(at.port(), {.version_max = version});
        EXPECT_TRUE(first.echoes("x"));
        const test::session_ptr session = first.session();
        const tls_visitor second(at.port(), {.version_max = version, .resumes = session.get()});
        EXPECT_TRUE(second.shaken());
        EXPECT_FALSE(second.resumed());
    }
}

TEST_F(TlsServer, ClientsShowACertificateOfTheAuthorityOrAreNotLetIn) {
    echo_server at(make(asks_clients(true)));
    const test::identity good = clients_.sign();
    const test::identity stranger = ours_.sign();
    const test::identity old = clients_.sign({.ends_seconds = -10});
    tls_visitor let_in(at.port(), {.shows = &good});
    EXPECT_TRUE(let_in.echoes("x"));
    const result<tls_session> seen = at.next();
    ASSERT_TRUE(seen.has_value());
    ASSERT_EQ(seen->client_chain.size(), 1U);
    std::array<unsigned char, 4096> der;
    unsigned char* end = der.data();
    const int size = i2d_X509(good.certificate.get(), &end);
    EXPECT_EQ(seen->client_chain[0], std::string(reinterpret_cast<const char*>(der.data()),
                                                 static_cast<std::size_t>(size)));
    EXPECT_FALSE(tls_visitor(at.port(), {.shows = &stranger}).echoes("x"));
    EXPECT_EQ(at.next().error(), errc::tls_untrusted);
    EXPECT_FALSE(tls_visitor(at.port(), {.shows = &old}).echoes("x"));
    EXPECT_EQ(at.next().error(), errc::tls_expired);
    EXPECT_FALSE(tls_visitor(at.port(), {}).echoes("x"));
    EXPECT_TRUE(at.next().has_error());
}

TEST_F(TlsServer, ClientsWithoutACertificateComeInWhereItIsOptional) {
    echo_server at(make(asks_clients(false)));
    const test::identity stranger = ours_.sign();
    EXPECT_TRUE(tls_visitor(at.port(), {}).echoes("x"));
    EXPECT_TRUE(at.next()->client_chain.empty());
    EXPECT_FALSE(tls_visitor(at.port(), {.shows = &stranger}).echoes("x"))
        << "a wrong one is none that could be left out";
}

TEST_F(TlsServer, WhereCertificatesAreAskedForNothingIsResumed) {
    tls_server_options options = asks_clients(true);
    options.ticket_keys = {secret(std::string(32, 'k'))};
    echo_server at(make(options));
    const test::identity good = clients_.sign();
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        tls_visitor first(at.port(), {.version_max = version, .shows = &good});
        EXPECT_TRUE(first.echoes("x"));
        const test::session_ptr session = first.session();
        tls_visitor without(at.port(), {.version_max = version, .resumes = session.get()});
        EXPECT_FALSE(without.echoes("x"));
        EXPECT_FALSE(without.resumed());
    }
}

// A plain socket to the server.
class raw_visitor {
 public:
    explicit raw_visitor(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        at.sin_port = htons(port);
        EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    }
    ~raw_visitor() { close(); }
    void send(std::string_view bytes) {
        EXPECT_EQ(::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(bytes.size()));
    }
    std::string read() {
        std::array<char, 256> bytes;
        const ssize_t got = ::recv(socket_, bytes.data(), bytes.size(), 0);
        return {bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
    }
    void close() {
        if (socket_ >= 0) ::close(socket_);
        socket_ = -1;
    }

 private:
    int socket_;
};

TEST_F(TlsServer, PlainHttpCanBeAnsweredInPlainHttp) {
    echo_server at(make());
    raw_visitor lost(at.port());
    lost.send("GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    EXPECT_EQ(lost.read(), "speak TLS");
    EXPECT_EQ(at.next().error(), errc::plain_http);
}

TEST_F(TlsServer, WhoSaysNothingOrNonsenseOrLeavesIsLetGo) {
    echo_server at(make());
    raw_visitor silent(at.port());
    EXPECT_EQ(at.next().error(), errc::timeout);
    raw_visitor half(at.port());
    half.send(std::string_view("\x16\x03\x01\x02\x00\x01", 6));
    EXPECT_EQ(at.next().error(), errc::timeout) << "a record that does not come to its end";
    raw_visitor babbler(at.port());
    babbler.send("SSH-2.0-OpenSSH_9.2\r\n");
    EXPECT_EQ(at.next().error(), errc::tls_failed);
    raw_visitor leaves(at.port());
    leaves.send(std::string_view("\x16\x03\x01", 3));
    leaves.close();
    EXPECT_EQ(at.next().error(), errc::connection_lost);
    EXPECT_TRUE(tls_visitor(at.port(), {}).echoes("still here"));
}

TEST_F(TlsServer, SaysWhatIsWrongWithItsFiles) {
    const auto good = made("good", {});
    const auto other = made("other", {});
    EXPECT_EQ(why_not({}), "TLS needs a certificate");
    EXPECT_TRUE(why_not({.certificates = {{path("none.pem"), ""}}})
                    .starts_with("the certificate " + path("none.pem") + ": "));
    EXPECT_EQ(why_not({.certificates = {{good.key_file, ""}}}),
              "the certificate " + good.key_file + ": no start line");
    EXPECT_TRUE(why_not({.certificates = {{good.file, ""}}}).starts_with("the key " + good.file))
        << "the key is not in the same file";
    EXPECT_TRUE(why_not({.certificates = {{good.file, path("none.key")}}})
                    .starts_with("the key " + path("none.key") + ": "));
    EXPECT_EQ(why_not({.certificates = {{good.file, other.key_file}}}),
              "the key " + other.key_file + ": key values mismatch");
    const test::identity guarded = ours_.sign();
    test::write_certificate(path("guarded.pem"), guarded.certificate.get());
    test::write_key(path("guarded.key"), guarded.key.get(), "word");
    EXPECT_TRUE(why_not({.certificates = {{path("guarded.pem"), path("guarded.key")}}})
                    .starts_with("the key " + path("guarded.key") + ": "))
        << "it is never asked for on a terminal";
    tls_server_options clients;
    clients.certificates = {good};
    clients.client_certificates = {path("none.pem"), true};
    EXPECT_TRUE(why_not(clients).starts_with("the authorities of clients "));
}

TEST_F(TlsServer, TellsWhenTheFirstOfItsCertificatesEnds) {
    tls_server_options options;
    options.certificates = {made("long", {.ends_seconds = 90'000}),
                            made("short", {.names = "DNS:b.example", .ends_seconds = 50'000})};
    const auto left = make(options).expiry() - std::chrono::system_clock::now();
    EXPECT_GT(left, 49'900s);
    EXPECT_LE(left, 50'000s);
}

}  // namespace
}  // namespace lethe::net
