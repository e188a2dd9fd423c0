// TLS from outside: what clients, services and operators meet.
#include "base/bytes.hpp"
#include "gateway/running_gateway.hpp"
#include "net/test_tls.hpp"
#include "support/dns_server.hpp"
#include "wire/peers.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <mutex>
#include <sstream>

namespace lethe::test {
namespace {

using namespace std::chrono_literals;
using net::test::authority;
using net::test::identity;
using net::test::tls_visitor;

constexpr std::string_view request = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";

bool contains(const std::string& text, std::string_view what) {
    return text.find(what) != std::string::npos;
}

// A plain service that remembers the last request.
class service {
 public:
    [[nodiscard]] std::string url() const {
        return "http://127.0.0.1:" + std::to_string(origin_.port());
    }
    [[nodiscard]] std::string last() {
        const std::scoped_lock lock(mutex_);
        return last_;
    }

 private:
    void serve(raw_socket& connection) {
        while (true) {
            std::string got = connection.read_message();
            if (got.empty()) return;
            {
                const std::scoped_lock lock(mutex_);
                last_ = std::move(got);
            }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine");
        }
    }

    std::mutex mutex_;
    std::string last_;
    scripted_origin origin_{[this](raw_socket& c) { serve(c); }};
};

std::string to(const std::string& replica, const std::string& more = {}) {
    return "upstreams:\n  - {name: app, replicas: [\"" + replica + "\"]" + more +
           "}\nroutes: [{match: {prefix: /}, upstream: app}]\n";
}

class GatewayTls : public ::testing::Test {
 protected:
    // A certificate for these names in shop.pem and shop.key.
    identity write(const authority::wish& what = {}) {
        identity one = ours_.sign(what);
        net::test::write_certificate(path("shop.pem"), one.certificate.get());
        net::test::write_key(path("shop.key"), one.key.get());
        return one;
    }
    [[nodiscard]] std::string path(const std::string& file) const {
        return gateway_.folder.path() / file;
    }
    void configure(const std::string& tls_options = {}) {
        gateway_.listener_options =
            ", tls: {certificates: [{file: shop.pem, key_file: shop.key}]" + tls_options + "}";
        gateway_.rewrite(to(behind_.url()));
    }
    void start(const std::string& tls_options = {}) {
        write();
        configure(tls_options);
        ASSERT_TRUE(gateway_.start());
    }
    [[nodiscard]] std::string metric(const std::string& name) const {
        client admin(gateway_.admin_port);
        std::istringstream all(admin.get("/metrics").body);
        for (std::string line; std::getline(all, line);)
            if (line.starts_with(name + " ")) return line.substr(name.size() + 1);
        return {};
    }
    // The answer to the request.
    static std::string ask(tls_visitor& client, std::string_view what = request) {
        if (!client.shaken() || !client.send(what)) return "no answer";
        return client.read();
    }
    std::string shown() {
        tls_visitor one(gateway_.port, {});
        return one.shown();
    }

    authority ours_{"ours"};
    authority clients_{"clients"};
    service behind_;
    running_gateway gateway_{""};
};

TEST_F(GatewayTls, CurlSpeaksItAndTheServiceLearnsOfIt) {
    start();
    net::test::write_certificate(path("ca.pem"), ours_.certificate());
    const finished_command done = run_command(
        {"/usr/bin/env", "curl", "--silent", "--show-error", "--noproxy", "*", "--cacert",
         path("ca.pem"), "https://localhost:" + std::to_string(gateway_.port) + "/hello"},
        20s);
    EXPECT_EQ(done.exit, 0) << done.output;
    EXPECT_EQ(done.output, "fine");
    EXPECT_TRUE(contains(behind_.last(), "X-Forwarded-Proto: https\r\n")) << behind_.last();
    EXPECT_TRUE(contains(behind_.last(), ";proto=https;")) << behind_.last();
    EXPECT_EQ(metric("lethe_tls_handshakes_total"), "1");
    EXPECT_NE(metric("lethe_tls_certificate_expiry_seconds"), "");
}

TEST_F(GatewayTls, PlainHttpIsToldThatThePortSpeaksHttps) {
    start();
    client lost(gateway_.port);
    const http_answer answer = lost.get("/hello");
    EXPECT_EQ(answer.status, 400);
    EXPECT_TRUE(contains(answer.body, "urn:lethe:problem:tls-expected")) << answer.body;
    EXPECT_EQ(behind_.last(), "");
    EXPECT_EQ(metric("lethe_tls_handshakes_failed_total"), "1");
}

TEST_F(GatewayTls, ChangedCertificatesAreTakenOverAndNoConnectionIsLost) {
    start();
    tls_visitor open(gateway_.port, {});
    EXPECT_TRUE(contains(ask(open), "fine"));
    write({.names = "DNS:next.example"});
    ASSERT_TRUE(gateway_.wait_for_event("gateway.certificates_reloaded"));
    EXPECT_EQ(shown(), "next.example EC");
    EXPECT_TRUE(contains(ask(open), "fine")) << "what was open goes on";
}

TEST_F(GatewayTls, HalfOfAChangeIsRefusedAndTheWholeTaken) {
    start();
    const identity next = ours_.sign({.names = "DNS:next.example"});
    net::test::write_certificate(path("shop.pem"), next.certificate.get());
    ASSERT_TRUE(gateway_.wait_for_event("gateway.certificates_refused"));
    EXPECT_TRUE(contains(gateway_.log(), "key values mismatch")) << gateway_.log();
    EXPECT_EQ(shown(), "localhost EC");
    net::test::write_key(path("shop.key"), next.key.get());
    ASSERT_TRUE(gateway_.wait_for_event("gateway.certificates_reloaded"));
    EXPECT_EQ(shown(), "next.example EC");
}

TEST_F(GatewayTls, ALinkThatLeadsElsewhereIsAChange) {
    const identity first = ours_.sign({.names = "DNS:first.example"});
    const identity next = ours_.sign({.names = "DNS:next.example"});
    for (const auto& [folder, one] : {std::pair("first", &first), std::pair("next", &next)}) {
        std::filesystem::create_directory(path(folder));
        net::test::write_certificate(path(std::string(folder) + "/shop.pem"),
                                     one->certificate.get());
        net::test::write_key(path(std::string(folder) + "/shop.key"), one->key.get());
    }
    std::filesystem::create_directory_symlink("first", path("now"));
    gateway_.listener_options =
        ", tls: {certificates: [{file: now/shop.pem, key_file: now/shop.key}]}";
    gateway_.rewrite(to(behind_.url()));
    ASSERT_TRUE(gateway_.start());
    EXPECT_EQ(shown(), "first.example EC");
    std::filesystem::create_directory_symlink("next", path("then"));
    std::filesystem::rename(path("then"), path("now"));
    ASSERT_TRUE(gateway_.wait_for_event("gateway.certificates_reloaded"));
    EXPECT_EQ(shown(), "next.example EC");
}

TEST_F(GatewayTls, AReloadTakesOptionsOverButNotWhetherTlsIsSpoken) {
    start();
    EXPECT_TRUE(tls_visitor(gateway_.port, {.version_max = TLS1_2_VERSION}).shaken());
    configure(", min_version: 1.3");
    gateway_.running().send(SIGHUP);
    ASSERT_TRUE(gateway_.wait_for_event("gateway.reloaded"));
    EXPECT_FALSE(tls_visitor(gateway_.port, {.version_max = TLS1_2_VERSION}).shaken());
    EXPECT_TRUE(tls_visitor(gateway_.port, {}).shaken());
    gateway_.listener_options.clear();
    gateway_.rewrite(to(behind_.url()));
    gateway_.running().send(SIGHUP);
    ASSERT_TRUE(gateway_.wait_for_event("gateway.reload_needs_restart"));
    ASSERT_TRUE(gateway_.wait_for_event("gateway.reloaded", 2));
    EXPECT_TRUE(tls_visitor(gateway_.port, {}).shaken());
}

TEST_F(GatewayTls, ASessionResumesAtAnotherGatewayWithTheSameKeys) {
    const std::string keys = ", ticket_keys: [\"0123456789abcdef0123456789abcdef\"]";
    start(keys);
    running_gateway other{""};
    std::filesystem::copy_file(path("shop.pem"), other.folder.path() / "shop.pem");
    std::filesystem::copy_file(path("shop.key"), other.folder.path() / "shop.key");
    other.listener_options = gateway_.listener_options;
    other.rewrite(to(behind_.url()));
    ASSERT_TRUE(other.start());
    tls_visitor first(gateway_.port, {});
    EXPECT_TRUE(contains(ask(first), "fine"));
    const net::test::session_ptr session = first.session();
    tls_visitor second(other.port, {.resumes = session.get()});
    EXPECT_TRUE(contains(ask(second), "fine"));
    EXPECT_TRUE(second.resumed());
}

TEST_F(GatewayTls, WithoutKeysAProcessResumesItsOwnAlsoBehindAReload) {
    start();
    tls_visitor first(gateway_.port, {});
    EXPECT_TRUE(contains(ask(first), "fine"));
    const net::test::session_ptr session = first.session();
    gateway_.running().send(SIGHUP);
    ASSERT_TRUE(gateway_.wait_for_event("gateway.reloaded"));
    for (int worker = 0; worker < 4; ++worker) {
        tls_visitor again(gateway_.port, {.resumes = session.get()});
        EXPECT_TRUE(contains(ask(again), "fine"));
        EXPECT_TRUE(again.resumed()) << "by any worker";
    }
    EXPECT_EQ(metric("lethe_tls_handshakes_resumed_total"), "4");
}

TEST_F(GatewayTls, AServiceSeesTheClientsCertificateAndNoForgedOne) {
    net::test::write_certificate(path("clients.pem"), clients_.certificate());
    start(", client_certificates: {ca_file: clients.pem, required: false}");
    constexpr std::string_view forged =
        "GET /hello HTTP/1.1\r\nHost: localhost\r\nClient-Cert: :AAAA:\r\n"
        "Client-Cert-Chain: :AAAA:\r\n\r\n";
    tls_visitor nobody(gateway_.port, {});
    EXPECT_TRUE(contains(ask(nobody, forged), "fine"));
    EXPECT_FALSE(contains(behind_.last(), "Client-Cert")) << behind_.last();
    const identity known = clients_.sign();
    tls_visitor one(gateway_.port, {.shows = &known});
    EXPECT_TRUE(contains(ask(one, forged), "fine"));
    const auto field = [](const std::string& name, X509* of) {
        unsigned char* der = nullptr;
        const int size = i2d_X509(of, &der);
        const std::string_view bytes(reinterpret_cast<const char*>(der),
                                     static_cast<std::size_t>(size));
        const std::string out = name + ": :" + to_base64(bytes) + ":\r\n";
        OPENSSL_free(der);
        return out;
    };
    EXPECT_TRUE(contains(behind_.last(), field("Client-Cert", known.certificate.get())))
        << behind_.last();
    EXPECT_FALSE(contains(behind_.last(), "Client-Cert-Chain")) << "it came alone";
    EXPECT_FALSE(contains(behind_.last(), ":AAAA:"));
    tls_visitor more(gateway_.port, {.shows = &known, .with = clients_.certificate()});
    EXPECT_TRUE(contains(ask(more, forged), "fine"));
    EXPECT_TRUE(contains(behind_.last(), field("Client-Cert-Chain", clients_.certificate())))
        << behind_.last();
}

TEST_F(GatewayTls, RequestsUnderWayAreAnsweredInADrainAndIdleClientsToldTheEnd) {
    start();
    tls_visitor idle(gateway_.port, {});
    EXPECT_TRUE(contains(ask(idle), "fine"));
    gateway_.running().send(SIGTERM);
    EXPECT_EQ(idle.read(), "");
    EXPECT_TRUE(idle.orderly_end());
    EXPECT_EQ(gateway_.running().wait(10s), 0);
}

TEST_F(GatewayTls, MistakesInItsFilesAreToldBeforeAnythingStarts) {
    write();
    const identity other = ours_.sign();
    net::test::write_key(path("shop.key"), other.key.get());
    configure();
    const auto refused = gateway_.start_refused();
    EXPECT_EQ(refused.exit, 1);
    EXPECT_TRUE(contains(refused.output,
                         "listen[0].tls: the key " + path("shop.key") + ": key values mismatch"))
        << refused.output;
    write();
    std::filesystem::remove(path("shop.key"));
    EXPECT_TRUE(contains(gateway_.start_refused().output, "the key " + path("shop.key") + ": "));
}

TEST_F(GatewayTls, BehindAProxyThatPassesOnBytesTheClientIsKnown) {
    write();
    gateway_.listener_options =
        ", proxy_protocol: true, tls: {certificates: [{file: shop.pem, key_file: shop.key}]}";
    gateway_.rewrite("trusted_proxies: [127.0.0.1]\n" + to(behind_.url()));
    ASSERT_TRUE(gateway_.start());
    tls_visitor one(gateway_.port, {.before = "PROXY TCP4 192.0.2.7 192.0.2.2 56324 443\r\n"});
    EXPECT_TRUE(contains(ask(one), "fine"));
    EXPECT_TRUE(contains(behind_.last(), "X-Forwarded-For: 192.0.2.7\r\n")) << behind_.last();
    EXPECT_FALSE(tls_visitor(gateway_.port, {}).shaken()) << "without the header";
    EXPECT_TRUE(gateway_.wait_for_event("http.proxy_header_refused"));
    EXPECT_EQ(metric("lethe_http_proxies_refused_total"), "1");
}

// A replica that speaks TLS.
void answer(net::test::tls_peer& client) {
    while (true) {
        const std::string got = client.read();
        if (got.empty()) return;
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine");
    }
}

TEST_F(GatewayTls, ReplicasAreSpokenToInTlsAndMustBeTheOnesTheySayTheyAre) {
    net::test::write_certificate(path("ca.pem"), ours_.certificate());
    const identity self = ours_.sign({.names = "DNS:shop.internal"});
    net::test::tls_server replica(self, answer);
    const std::string url = "https://127.0.0.1:" + std::to_string(replica.at("").port);
    const auto status = [&](const std::string& tls) {
        gateway_.rewrite(to(url, tls));
        gateway_.running().send(SIGHUP);
        static int reloads = 0;
        EXPECT_TRUE(gateway_.wait_for_event("gateway.reloaded", ++reloads));
        client user(gateway_.port);
        return user.get("/hello").status;
    };
    gateway_.rewrite(to(url));
    ASSERT_TRUE(gateway_.start());
    client user(gateway_.port);
    EXPECT_EQ(user.get("/hello").status, 503) << "its authority is not the system's";
    EXPECT_TRUE(gateway_.wait_for_text("no authority that is trusted")) << gateway_.log();
    EXPECT_EQ(status(", tls: {ca_file: ca.pem}"), 503) << "it is not 127.0.0.1";
    EXPECT_TRUE(gateway_.wait_for_text("is for another name")) << gateway_.log();
    EXPECT_EQ(status(", tls: {ca_file: ca.pem, name: shop.internal}"), 200);
    EXPECT_EQ(status(", tls: {verify: false}"), 200);
    gateway_.running().kill_now();  // and with it the connection that the replica waits at
}

TEST_F(GatewayTls, TheAddressesOfANameMustShowItsCertificateAndOutliveTheNameServer) {
    dns_server names;
    names.set_addresses("shop.test", {"127.0.0.1"});
    net::test::write_certificate(path("ca.pem"), ours_.certificate());
    const identity self = ours_.sign({.names = "DNS:shop.test"});
    net::test::tls_server replica(self, answer);
    const auto configuration = [&](const std::string& tls) {
        return "upstreams:\n  - name: app\n    replicas: [{dns: \"https://shop.test:" +
               std::to_string(replica.at("").port) + "\", refresh: 100ms}]\n    resolver: " +
               "\"127.0.0.1:" + std::to_string(names.port()) + "\"\n    tls: {ca_file: ca.pem" +
               tls + "}\nroutes: [{match: {prefix: /}, upstream: app}]\n";
    };
    gateway_.rewrite(configuration(""));
    ASSERT_TRUE(gateway_.start());
    {
        client user(gateway_.port);
        EXPECT_EQ(user.get("/hello").status, 200) << gateway_.log();
    }
    names.fail(true);
    EXPECT_TRUE(gateway_.wait_for_event("upstream.look_up_failed")) << gateway_.log();
    gateway_.rewrite(configuration(", name: other.test"));
    gateway_.running().send(SIGHUP);
    ASSERT_TRUE(gateway_.wait_for_event("gateway.reloaded"));
    client user(gateway_.port);
    EXPECT_EQ(user.get("/hello").status, 503) << "its certificate is for shop.test";
    EXPECT_TRUE(gateway_.wait_for_text("is for another name")) << gateway_.log();
    gateway_.rewrite(configuration(""));
    gateway_.running().send(SIGHUP);
    ASSERT_TRUE(gateway_.wait_for_event("gateway.reloaded", 2));
    EXPECT_EQ(user.get("/hello").status, 200) << gateway_.log();
    gateway_.running().kill_now();  // and with it the connection that the replica waits at
}

TEST_F(GatewayTls, HealthIsAskedInTlsAndTheGatewayShowsItsCertificate) {
    net::test::write_certificate(path("ca.pem"), ours_.certificate());
    const identity self = ours_.sign();
    net::test::tls_server replica(self, answer);
    replica.want_client_certificate(clients_);
    const identity gateway = clients_.sign();
    net::test::write_certificate(path("gateway.pem"), gateway.certificate.get());
    net::test::write_key(path("gateway.key"), gateway.key.get());
    gateway_.rewrite(
        to("https://localhost:" + std::to_string(replica.at("").port),
           ", keep_alive_max: 0, health: {path: /healthz, interval: 100ms}, tls: {ca_file: ca.pem, "
           "certificate_file: gateway.pem, key_file: gateway.key}"));
    ASSERT_TRUE(gateway_.start());
    client user(gateway_.port);
    EXPECT_EQ(user.get("/hello").status, 200);
    EXPECT_FALSE(contains(gateway_.log(), "replica_unhealthy")) << gateway_.log();
}

}  // namespace
}  // namespace lethe::test
