// Good files: what the values are, what the defaults, what a reload can take over.
#include "gateway/config/checks.hpp"
#include "gateway/config/config_world.hpp"
#include "support/process.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace lethe::gateway::config::test {
namespace {

using namespace std::chrono_literals;

constexpr const char* shop =
    "listen: [{address: \"127.0.0.1:8080\"}]\n"
    "admin: {address: \"127.0.0.1:9901\"}\n"
    "workers: auto\n"
    "store: sqlite:lethe.db            # or a map of named stores\n"
    "issuers:\n"
    "  - {name: shop-id, issuer: \"https://id.shop.example\", audience: [shop], "
    "algorithms: [ES256], keys: {file: jwks.json}}\n"
    "upstreams:\n"
    "  - {name: shop, replicas: [\"http://127.0.0.1:9001\", \"http://127.0.0.1:9002\", "
    "\"http://127.0.0.1:9003\"], health: {path: /healthz, interval: 1s}}\n"
    "routes:\n"
    "  - match: {path: /orders, methods: [POST]}\n"
    "    authenticate: {issuers: [shop-id], forward: {sub: X-User}}\n"
    "    session: {read: [cart], write: [cart]}\n"
    "    idempotency: {mode: required}\n"
    "    upstream: shop\n"
    "  - match: {prefix: /}\n"
    "    upstream: shop\n";

TEST(LoadConfig, TheShopIsReadWhole) {
    const outcome got = parse(shop);
    ASSERT_TRUE(got.made) << got.text;
    const configuration& c = *got.made;
    EXPECT_EQ(net::to_text(c.listen.at(0).address), "127.0.0.1:8080");
    EXPECT_EQ(net::to_text(c.admin.value().address), "127.0.0.1:9901");
    EXPECT_EQ(c.workers, 0U);
    EXPECT_EQ(c.stores.at("default").url, "sqlite:/etc/lethe/lethe.db");
    const identity::issuer_options& issuer = c.issuers.at(0);
    EXPECT_EQ(issuer.name, "shop-id");
    EXPECT_EQ(issuer.issuer, "https://id.shop.example");
    EXPECT_EQ(issuer.audience, std::vector<std::string>{"shop"});
    EXPECT_EQ(issuer.algorithms, std::vector<token::algorithm>{token::algorithm::es256});
    EXPECT_EQ(issuer.keys_file, "/etc/lethe/jwks.json");
    const upstream::options& up = c.upstreams.at(0);
    ASSERT_EQ(up.replicas.size(), 3U);
    EXPECT_EQ(up.replicas[2], (upstream::replica{"127.0.0.1", 9003}));
    EXPECT_EQ(up.health.value().interval, 1s);
    EXPECT_EQ(up.health.value().timeout, upstream::health_options{}.timeout);
    const route_options& orders = c.routes.at(0);
    EXPECT_EQ(orders.name, "POST /orders");
    EXPECT_EQ(orders.match.path, "/orders");
    EXPECT_EQ(orders.authenticate.value().forward.at(0),
              (identity::forward_option{"sub", "X-User"}));
    EXPECT_EQ(orders.session.value().rules.write, std::vector<std::string>{"cart"});
    EXPECT_EQ(orders.session.value().rules.service, "shop");
    EXPECT_EQ(orders.idempotency.value().rules.mode, idempotency::key_mode::required);
    EXPECT_EQ(orders.idempotency.value().store, "default");
    EXPECT_EQ(c.routes.at(1).name, "/*");
    EXPECT_FALSE(c.routes.at(1).authenticate || c.routes.at(1).session ||
                 c.routes.at(1).idempotency);
}

TEST(LoadConfig, WhatIsNotSaidHasTheDefaultsOfTheStructs) {
    const outcome got = parse(with_route("  - {match: {prefix: /}, upstream: shop}\n"));
    ASSERT_TRUE(got.made) << got.text;
    EXPECT_EQ(got.made->upstreams.at(0).connect_timeout, upstream::options{}.connect_timeout);
    EXPECT_FALSE(got.made->upstreams.at(0).health);
    EXPECT_EQ(got.made->limits.body_bytes, server_limits{}.body_bytes);
    EXPECT_EQ(got.made->timeouts.drain, server_timeouts{}.drain);
    EXPECT_EQ(got.made->sessions.cookie_name, "__Host-lethe");
    EXPECT_EQ(got.made->routes.at(0).timeout, 60s);
    EXPECT_FALSE(got.made->admin);
    EXPECT_TRUE(got.made->trusted_proxies.empty());
}

TEST(LoadConfig, ReplicasMayHaveWeights) {
    const outcome got = parse(
        "listen: [{address: \"127.0.0.1:1\"}]\nupstreams:\n"
        "  - name: shop\n"
        "    replicas: [\"http://x\", {weight: 3, url: \"http://y:81\"}]\n"
        "    slow_start: 20s\n"
        "    retries: {percent: 0}\n"
        "routes: [{match: {prefix: /}, upstream: shop}]\n");
    ASSERT_TRUE(got.made) << got.text;
    const upstream::options& up = got.made->upstreams.at(0);
    EXPECT_EQ(up.replicas.at(0), (upstream::replica{"x", 80, 1}));
    EXPECT_EQ(up.replicas.at(1), (upstream::replica{"y", 81, 3}));
    EXPECT_EQ(up.slow_start, 20s);
    EXPECT_EQ(up.retries, (upstream::retry_options{.percent = 0, .per_second = 10}));
}

TEST(LoadConfig, HashGoesByWhatIsSaid) {
    using upstream::hash_source;
    const std::pair<const char*, upstream::hash_options> all[] = {
        {"client", {hash_source::client, ""}},
        {"caller", {hash_source::caller, ""}},
        {"session", {hash_source::session, ""}},
        {"path", {hash_source::path, ""}},
        {"field X-Tenant", {hash_source::field, "X-Tenant"}}};
    for (const auto& [text, expected] : all) {
        const outcome got = parse(
            "listen: [{address: \"127.0.0.1:1\"}]\nupstreams: [{name: shop, replicas: "
            "[\"http://a\"], balance: hash, hash_by: " +
            std::string(text) + "}]\nroutes: [{match: {prefix: /}, upstream: shop}]\n");
        ASSERT_TRUE(got.made) << got.text;
        EXPECT_EQ(got.made->upstreams.at(0).hash_by, expected) << text;
    }
}

TEST(LoadConfig, UnixSocketsAndThoseOfSystemd) {
    const outcome got = parse(
        "listen: [{address: \"unix:/run/a.sock\", mode: 0666}, {address: \"unix:/b\"}, {address: "
        "\"systemd:web\"}]\n"
        "upstreams: [{name: shop, replicas: [\"unix:/run/shop.sock\"]}]\n"
        "trusted_proxies: [unix]\n"
        "routes: [{match: {prefix: /}, upstream: shop}]\n");
    ASSERT_TRUE(got.made) << got.text;
    const std::vector<listener_options>& listen = got.made->listen;
    ASSERT_EQ(listen.size(), 3U);
    EXPECT_EQ(net::to_text(listen[0].address), "unix:/run/a.sock");
    EXPECT_EQ(listen[0].unix_mode, 0666U);
    EXPECT_EQ(listen[1].unix_mode, 0660U);
    EXPECT_EQ(listen[2].address.kind, net::address_kind::inherited);
    EXPECT_EQ(to_text(got.made->upstreams.at(0).replicas.at(0)), "unix:/run/shop.sock");
    EXPECT_TRUE(got.made->trusted_proxies.at(0).unix_peers);
    EXPECT_FALSE(got.made->trusted_proxies.at(0).contains(*parse_ip_address("::")));
}

TEST(LoadConfig, TlsOfListenersAndToReplicas) {
    const outcome got = parse(
        "listen:\n"
        "  - address: \"127.0.0.1:1\"\n"
        "    tls:\n"
        "      certificates: [{file: a.pem}, {file: /b.pem, key_file: b.key}]\n"
        "      min_version: 1.3\n"
        "      client_certificates: {ca_file: ca.pem, required: false}\n"
        "      ticket_keys: [\"0123456789abcdef0123456789abcdef\"]\n"
        "upstreams:\n"
        "  - name: shop\n"
        "    replicas: [\"https://a\", \"https://[::1]:9\", {url: \"http://b\", weight: 2}]\n"
        "    tls: {ca_file: up.pem, name: shop.internal, verify: false}\n"
        "routes: [{match: {prefix: /}, upstream: shop}]\n");
    ASSERT_TRUE(got.made) << got.text;
    const net::tls_server_options& tls = got.made->listen.at(0).tls.value();
    const std::string here = got.made->directory + "/";
    ASSERT_EQ(tls.certificates.size(), 2U);
    EXPECT_EQ(tls.certificates[0].file, here + "a.pem");
    EXPECT_EQ(tls.certificates[0].key_file, "") << "in the same file";
    EXPECT_EQ(tls.certificates[1].file, "/b.pem");
    EXPECT_EQ(tls.certificates[1].key_file, here + "b.key");
    EXPECT_EQ(tls.version_min, net::tls_version::tls13);
    EXPECT_EQ(tls.client_certificates.value().ca_file, here + "ca.pem");
    EXPECT_FALSE(tls.client_certificates->required);
    EXPECT_EQ(tls.ticket_keys.at(0).reveal(), "0123456789abcdef0123456789abcdef");
    using upstream::replica;
    const upstream::options& made = got.made->upstreams.at(0);
    EXPECT_EQ(made.replicas, (std::vector<replica>{
                                 {"a", 443, 1, true}, {"::1", 9, 1, true}, {"b", 80, 2, false}}));
    EXPECT_EQ(made.tls, (upstream::tls_options{here + "up.pem", "shop.internal", "", "", false}));
}

TEST(LoadConfig, EveryKindOfValueArrivesWhereItBelongs) {
    const outcome got = parse(
        "listen: [{address: \"[::1]:0\"}, {address: \"localhost:81\"}]\n"
        "workers: 3\n"
        "store: {default: \"sqlite:/a.db?synchronous=full\", scratch: \"memory:\"}\n"
        "upstreams:\n"
        "  - name: a.b_c-1\n"
        "    replicas: [\"http://[::1]:9\", \"http://shop.internal\", \"http://x:80/\"]\n"
        "    balance: round_robin\n"
        "    health: {}\n"
        "    ejection: {consecutive_failures: 0, for: 1m}\n"
        "    connect_timeout: 250ms\n"
        "    connections_max: 7\n"
        "routes:\n"
        "  - name: r\n"
        "    match: {prefix: /x, host: [Shop.Example, \"*.b.example\"], methods: [GET, PURGE]}\n"
        "    session: {read: [a], store: scratch, allow_lossy: true}\n"
        "    upstream: a.b_c-1\n"
        "    timeout: 2h\n"
        "  - match: {path: /}\n"
        "    idempotency: {scope: public, methods: [PUT], format: uuid, ttl: 2d, on_500: unknown}\n"
        "    upstream: a.b_c-1\n"
        "limits: {head_bytes: 64KiB, body_bytes: 1GiB, fields: 9}\n"
        "timeouts: {drain: 0s}\n"
        "trusted_proxies: [10.0.0.0/8, \"::1\"]\n"
        "log: {level: error, access: off}\n"
        "sessions: {cookie_name: sid, cookie_secure: false, idle_ttl: 1h, absolute_ttl: 9d, "
        "operation_memory: 3d}\n");
    ASSERT_TRUE(got.made) << got.text;
    const configuration& c = *got.made;
    EXPECT_EQ(net::to_text(c.listen.at(0).address), "[::1]:0");
    EXPECT_EQ(net::to_text(c.listen.at(1).address), "127.0.0.1:81");
    EXPECT_EQ(c.workers, 3U);
    EXPECT_EQ(c.stores.at("default").url, "sqlite:/a.db?synchronous=full");
    EXPECT_EQ(c.stores.at("scratch").url, "memory:");
    const upstream::options& up = c.upstreams.at(0);
    EXPECT_EQ(to_authority(up.replicas.at(0)), "[::1]:9");
    EXPECT_EQ(to_authority(up.replicas.at(1)), "shop.internal:80");
    EXPECT_EQ(up.balance, upstream::balance_rule::round_robin);
    EXPECT_TRUE(up.health.has_value());
    EXPECT_EQ(up.ejection.consecutive_failures, 0U);
    EXPECT_EQ(up.ejection.for_how_long, 60s);
    EXPECT_EQ(up.connect_timeout, 250ms);
    EXPECT_EQ(up.connections_max, 7U);
    const route_options& r = c.routes.at(0);
    EXPECT_EQ(r.name, "r");
    EXPECT_EQ(r.match.prefix, "/x");
    EXPECT_EQ(r.match.hosts, (std::vector<std::string>{"shop.example", "*.b.example"}));
    EXPECT_EQ(r.match.methods, (std::vector<std::string>{"GET", "PURGE"}));
    EXPECT_EQ(r.session.value().store, "scratch");
    EXPECT_EQ(r.timeout, 2h);
    const idempotency::route_options& keys = c.routes.at(1).idempotency.value().rules;
    EXPECT_EQ(keys.scope, idempotency::key_scope::open);
    EXPECT_TRUE(keys.put);
    EXPECT_FALSE(keys.delete_);
    EXPECT_EQ(keys.format, idempotency::key_format::uuid);
    EXPECT_EQ(keys.ttl, 48h);
    EXPECT_EQ(keys.on_500, idempotency::answer_rule::unknown);
    EXPECT_EQ(c.limits.head_bytes, 65536U);
    EXPECT_EQ(c.limits.body_bytes, 1U << 30);
    EXPECT_EQ(c.timeouts.drain, 0s);
    EXPECT_TRUE(c.trusted_proxies.at(0).contains(*parse_ip_address("::ffff:10.1.2.3")));
    EXPECT_FALSE(c.trusted_proxies.at(0).contains(*parse_ip_address("11.0.0.1")));
    EXPECT_TRUE(c.trusted_proxies.at(1).contains(*parse_ip_address("::1")));
    EXPECT_EQ(c.log.level, log::level::error);
    EXPECT_EQ(c.log.access, access_log::off);
    EXPECT_EQ(c.sessions.cookie_name, "sid");
    EXPECT_EQ(c.sessions.absolute_ttl, 9 * 24h);
}

TEST(LoadConfig, AnchorsAndVariablesSaveRepetition) {
    const outcome got =
        parse("x-keys: &keys {idempotency: {mode: required, scope: public}, upstream: shop}\n" +
                  with_route("  - {match: {path: /a}, <<: *keys}\n"
                             "  - {match: {path: /b}, <<: *keys, timeout: \"${SECONDS}s\"}\n"),
              {{"SECONDS", "7"}});
    ASSERT_TRUE(got.made) << got.text;
    EXPECT_EQ(got.made->routes.at(0).upstream, "shop");
    EXPECT_EQ(got.made->routes.at(1).idempotency.value().rules.mode,
              idempotency::key_mode::required);
    EXPECT_EQ(got.made->routes.at(1).timeout, 7s);
}

TEST(LoadConfig, RoutesWithoutANameGetOneOfTheirOwn) {
    const outcome got = parse(
        with_route("  - {match: {path: /a, methods: [GET, PUT]}, upstream: shop}\n"
                   "  - {match: {prefix: /a, host: shop.example}, upstream: shop}\n"
                   "  - {match: {prefix: /a, host: [shop.example, b.example]}, upstream: shop}\n"
                   "  - {match: {prefix: /}, upstream: shop, name: shop.example/a/*}\n"));
    ASSERT_TRUE(got.made) << got.text;
    EXPECT_EQ(got.made->routes.at(0).name, "GET,PUT /a");
    EXPECT_EQ(got.made->routes.at(1).name, "shop.example/a/* (2)");
    EXPECT_EQ(got.made->routes.at(2).name, "shop.example/a/* (3)");
    EXPECT_EQ(got.made->routes.at(3).name, "shop.example/a/*");
}

TEST(LoadConfig, ALargeConfigurationIsReadInAMoment) {
    std::string routes;
    for (int i = 0; i < 5000; ++i)
        routes += "  - {match: {path: /r" + std::to_string(i) + "}, upstream: shop}\n";
    const auto started = std::chrono::steady_clock::now();
    const outcome got = parse(with_route(routes));
    ASSERT_TRUE(got.made) << got.text;
    EXPECT_EQ(got.made->routes.size(), 5000U);
    EXPECT_LT(std::chrono::steady_clock::now() - started, 10s);
}

TEST(LoadConfig, AReloadTakesOverAllButAFewOptions) {
    const auto made = [](const std::string& text) {
        outcome got = parse(text);
        EXPECT_TRUE(got.made) << got.text;
        return got.made.value_or(configuration{});
    };
    const std::string route = "  - {match: {prefix: /}, upstream: shop}\n";
    const configuration old = made(with_route(route));
    EXPECT_TRUE(changes_needing_restart(old, old).empty());
    const configuration live = made(with_route(
        "  - {match: {prefix: /new}, upstream: shop}\nlimits: {fields: 10}\nlog: {level: warn}\n"
        "timeouts: {drain: 1s}\ntrusted_proxies: [\"::1\"]\nsessions: {idle_ttl: 1m}\n"));
    EXPECT_TRUE(changes_needing_restart(old, live).empty());
    const std::string upstreams =
        "upstreams: [{name: shop, replicas: [\"http://a\"]}]\nroutes:\n" + route;
    const configuration all = made(
        "listen: [{address: \"127.0.0.1:8081\"}]\nadmin: {address: \"127.0.0.1:9901\"}\n"
        "workers: 2\nstore: \"memory:\"\nlog: {access: off}\n" +
        upstreams);
    EXPECT_EQ(changes_needing_restart(old, all),
              (std::vector<std::string>{"listen", "admin", "workers", "store", "log.access"}));
}

TEST(LoadConfig, AStoreCanMoveFromAnotherAlsoANamedOne) {
    const std::string rest =
        "\nlisten: [{address: \"127.0.0.1:1\"}]\nupstreams: [{name: shop, replicas: "
        "[\"http://a\"]}]\nroutes:\n  - {match: {prefix: /}, upstream: shop}\n";
    const configuration one =
        parse("store: {primary: \"sqlite:new.db\", previous: \"sqlite:/old.db\"}" + rest)
            .made.value();
    ASSERT_EQ(one.stores.size(), 1U);
    EXPECT_EQ(one.stores.at("default").url, "sqlite:/etc/lethe/new.db");
    EXPECT_EQ(one.stores.at("default").previous, "sqlite:/old.db");
    const configuration named =
        parse(
            "store: {default: \"sqlite:a.db\", carts: {primary: \"sqlite:b.db\", previous: "
            "\"sqlite:c.db\"}}" +
            rest)
            .made.value();
    EXPECT_EQ(named.stores.at("default").previous, "");
    EXPECT_EQ(named.stores.at("carts").previous, "sqlite:/etc/lethe/c.db");
    configuration done = named;
    done.stores.at("carts").previous.clear();
    EXPECT_EQ(changes_needing_restart(named, done), std::vector<std::string>{"store"});
}

class ConfigFile : public ::testing::Test {
 protected:
    std::string write(const std::string& name, const std::string& text) {
        std::ofstream(folder_.path() / name) << text;
        return (folder_.path() / name).string();
    }
    std::string load(const std::string& file) {
        mistakes_.clear();
        const auto got = load_config(file, mistakes_);
        EXPECT_EQ(got.has_value(), mistakes_.empty());
        error_ = got.has_error() ? got.error() : error_code{};
        return to_text(mistakes_);
    }

    const lethe::test::temporary_folder folder_{"lethe-config-"};
    std::vector<mistake> mistakes_;
    error_code error_;
};

constexpr const char* jwk = R"({"kty":"EC","crv":"P-256","kid":"a","alg":"ES256",)"
                            R"("x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
                            R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})";

TEST_F(ConfigFile, KeyFilesAreFoundBesideTheConfigurationAndMustHoldUsableKeys) {
    const std::string file = write("lethe.yaml", shop);
    EXPECT_NE(load(file).find("lethe.yaml:6:108: issuers[0].keys.file: cannot read"),
              std::string::npos)
        << to_text(mistakes_);
    EXPECT_EQ(mistakes_.size(), 1U);
    write("jwks.json", "{}");
    EXPECT_NE(load(file).find("issuers[0].keys.file: "), std::string::npos) << to_text(mistakes_);
    EXPECT_EQ(mistakes_.size(), 1U);
    write("jwks.json", jwk);
    EXPECT_EQ(load(file), "");
}

TEST_F(ConfigFile, AFileThatCannotBeReadIsSaidPlainly) {
    EXPECT_NE(load((folder_.path() / "none.yaml").string()).find("cannot be read (No such file"),
              std::string::npos);
    EXPECT_EQ(error_, errc::unreadable);
    EXPECT_NE(load(folder_.path().string()).find("cannot be read (Is a directory)"),
              std::string::npos);
    EXPECT_NE(load(write("big.yaml", std::string(document_bytes_max + 10, '#')))
                  .find("is larger than 1 MiB"),
              std::string::npos);
    EXPECT_EQ(error_, condition::malformed);
}

}  // namespace
}  // namespace lethe::gateway::config::test
