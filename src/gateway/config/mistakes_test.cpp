// Bad files: what people get wrong, where the message points, and what it says to do.
#include "gateway/config/config_world.hpp"

#include <gtest/gtest.h>

namespace lethe::gateway::config::test {
namespace {

struct row {
    std::string text;
    std::string mistakes;  // all of them, without "t.yaml:"
};

std::string expected_text(const std::string& lines) {
    std::string out;
    for (std::size_t at = 0; at < lines.size();) {
        const std::size_t end = std::min(lines.find('\n', at), lines.size());
        out += "t.yaml:" + lines.substr(at, end - at) + "\n";
        at = end + 1;
    }
    return out;
}

void expect_mistakes(const std::vector<row>& rows) {
    for (const row& one : rows) {
        const outcome got = parse(one.text);
        EXPECT_FALSE(got.made) << one.text;
        EXPECT_EQ(got.text, expected_text(one.mistakes)) << one.text;
    }
}

const std::string root_route = "  - {match: {prefix: /}, upstream: shop}\n";

TEST(ConfigMistakes, UnknownKeysNameTheNearestKnownOne) {
    expect_mistakes({
        {with_route("  - {match: {prefix: /}, upstream: shop, timout: 1s}\n"),
         "8:42: routes[0].timout: there is no such option, did you mean 'timeout'?"},
        {with_route("  - {match: {prefx: /}, upstream: shop}\n"),
         "8:14: routes[0].match.prefx: there is no such option, did you mean 'prefix'?"},
        {with_route(root_route + "limits: {body-bytes: 1MiB, colour: red}\n"),
         "9:10: limits.body-bytes: there is no such option, did you mean 'body_bytes'?\n"
         "9:28: limits.colour: there is no such option, expected head_bytes, target_bytes, "
         "fields, body_bytes, body_rate_min, memory_bytes, connections, http2_streams, "
         "spool_bytes or spool_directory"},
    });
}

TEST(ConfigMistakes, MissingPartsAreNamed) {
    const outcome got = parse("workers: auto\n");
    EXPECT_EQ(got.text,
              expected_text("1:1: listen: is missing, expected a list of at least one listener "
                            "such as [{address: \"127.0.0.1:8080\"}]\n"
                            "1:1: routes: is missing, expected a list of at least one route such "
                            "as [{match: {prefix: /}, upstream: shop}]"));
    EXPECT_NE(parse("- a\n").text.find("t.yaml:1:1: is a list, expected a map of options"),
              std::string::npos);
    EXPECT_NE(parse("hello\n").text.find("t.yaml:1:1: is a single value"), std::string::npos);
}

TEST(ConfigMistakes, ValuesOfTheWrongKindAreRefused) {
    const auto with = [](const std::string& rest) { return with_route(root_route + rest); };
    expect_mistakes({
        {with("workers: 0\n"),
         "9:10: workers: \"0\" is out of range, expected auto, or a whole number from 1 to 1024"},
        {with("workers: \"2\"\n"),
         "9:10: workers: \"2\" is not a whole number, expected auto, or a whole number from 1 to "
         "1024"},
        {with("workers: [2]\n"),
         "9:10: workers: is a list, expected auto, or a whole number from 1 to 1024"},
        {with("limits: {fields: 1e3}\n"),
         "9:18: limits.fields: \"1e3\" is not a whole number, expected a whole number from 8 to "
         "1000"},
        {with("limits: {fields: 99999999999999999999999}\n"),
         "9:18: limits.fields: \"99999999999999999999999\" is out of range, expected a whole "
         "number from 8 to 1000"},
        {with("limits: {body_bytes: 5GB}\n"),
         "9:22: limits.body_bytes: \"5GB\" is not a size, expected a size from 0 to 1024GiB, "
         "written as 512, 64KiB, 10MiB or 1GiB"},
        {with("timeouts: {header: 10}\n"),
         "9:20: timeouts.header: \"10\" is not a duration, expected a duration from 100ms to 1h, "
         "written as 500ms, 1s, 5m, 24h or 30d"},
        {with("timeouts: {header: -1s}\n"),
         "9:20: timeouts.header: \"-1s\" is not a duration, expected a duration from 100ms to 1h, "
         "written as 500ms, 1s, 5m, 24h or 30d"},
        {with("timeouts: {header: 2h}\n"),
         "9:20: timeouts.header: \"2h\" is out of range, expected a duration from 100ms to 1h"},
        {with("timeouts:\n"),
         "9:1: timeouts: has no value, expected a map of options; {} stands for one without "
         "options"},
        {with("sessions: {cookie_secure: yes}\n"),
         "9:27: sessions.cookie_secure: \"yes\" is neither, expected true or false"},
        {with("log: {access: stdot}\n"),
         "9:15: log.access: \"stdot\" is not a choice here, did you mean 'stdout'?"},
        {with("trusted_proxies: [10.0.0.1/8]\n"),
         "9:19: trusted_proxies[0]: \"10.0.0.1/8\" is not an address or a network, expected an "
         "address or a network such as 10.0.0.0/8, or unix (bits behind the prefix must be zero)"},
        {with("sessions: {cookie_name: __Host-x, cookie_secure: false}\n"),
         "9:1: sessions: browsers refuse a cookie named __Host-x that is not secure: set "
         "cookie_secure to true, or choose a name without that prefix"},
    });
}

TEST(ConfigMistakes, SessionKeys) {
    const auto with = [](const std::string& rest) { return with_route(root_route + rest); };
    expect_mistakes({
        {with("sessions: {encryption: keyring}\n"),
         "9:1: sessions: encryption: keyring needs keys: make one with `lethe session key FILE`"},
        {with("sessions: {keys: [{id: \"k 1\", file: a}]}\n"),
         "9:24: sessions.keys[0].id: \"k 1\" does not fit, expected 1 to 16 letters, digits, '-' "
         "and '_'"},
        {with("sessions: {keys: [{file: a}]}\n"),
         "9:19: sessions.keys[0].id: is missing, expected 1 to 16 letters, digits, '-' and '_'"},
        {with("sessions: {keys: [{id: k1, file: \"\"}]}\n"),
         "9:34: sessions.keys[0].file: \"\" does not fit, expected a file with a key"},
    });
    const outcome got =
        parse(with("sessions: {encryption: keyring, keys: [{id: k1, file: a}], retired_keys: "
                   "[k0]}\n"));
    ASSERT_TRUE(got.made) << got.text;
    EXPECT_EQ(got.made->sessions.keys.at(0).file, "/etc/lethe/a");
    EXPECT_EQ(got.made->sessions.encryption, session::encryption_mode::keyring);
}

TEST(ConfigMistakes, SessionsByUrl) {
    const std::string with_session =
        "  - {match: {prefix: /}, upstream: shop, session: {read: [cart]}}\n";
    const auto with = [&](const std::string& rest) { return with_route(with_session + rest); };
    expect_mistakes({
        {with("sessions: {session_bytes_max: 8KiB}\n"),
         "9:31: sessions.session_bytes_max: lets sessions grow beyond what travels in a field "
         "(4KiB), expected session_api: {}, by which services read larger ones, or at most 4KiB"},
        {with("session_api: {address: \"127.0.0.1:8080\"}\n"),
         "9:24: session_api.address: listen[0] takes that address already, expected another port: "
         "clients must not reach sessions by URL"},
        {with("session_api: {address: \"0.0.0.0:3500\"}\n"),
         "9:24: session_api.address: is nothing that a service can connect to, expected an "
         "address of this machine, or session_api.url"},
        {with("session_api: {url: \"http://lethe:3500/\"}\n"),
         "9:20: session_api.url: \"http://lethe:3500/\" does not fit, expected the beginning of a "
         "URL such as http://lethe.internal:3500, without a slash at its end"},
        {with("session_api: {keys: [short]}\n"),
         "9:22: session_api.keys[0]: is too short or too long, or has other characters, expected "
         "32 to 256 visible ASCII characters"},
    });
    const outcome good = parse(with("session_api: {}\nsessions: {session_bytes_max: 256KiB}\n"));
    ASSERT_TRUE(good.made) << good.text;
    EXPECT_EQ(good.made->session_api->address.port, 3500);
    const outcome always = parse(with_route(
        "  - {match: {prefix: /}, upstream: shop, session: {read: [cart], url: always}}\n"));
    EXPECT_NE(always.text.find("routes[0].session.url: is always, and services have nowhere to "
                               "connect"),
              std::string::npos)
        << always.text;
}

TEST(ConfigMistakes, SigningKeysAreNotShown) {
    const outcome got = parse(
        "listen: [{address: \"127.0.0.1:1\"}]\nupstreams: [{name: shop, replicas: "
        "[\"http://a\"], signature: {key_id: k1, key: hush-hush}}]\nroutes:\n" +
        root_route);
    EXPECT_NE(got.text.find("upstreams[0].signature.key: is too short"), std::string::npos)
        << got.text;
    EXPECT_EQ(got.text.find("hush"), std::string::npos);
}

TEST(ConfigMistakes, AddressesAndReplicas) {
    const auto with = [](const std::string& listen, const std::string& replica) {
        return "listen: [{address: \"" + listen + "\"}]\nupstreams: [{name: shop, replicas: [\"" +
               replica + "\"]}]\nroutes:\n" + root_route;
    };
    const std::string address =
        ", expected an address of the form 127.0.0.1:8080, [::1]:8080, unix:/run/lethe/lethe.sock "
        "or systemd:NAME";
    const std::string url =
        ", expected a URL of the form http://host:port, https://host:port or unix:/run/shop.sock";
    const std::string good = "127.0.0.1:80";
    std::vector<row> rows;
    for (const std::string bad : {"127.0.0.1", "127.0.0.1:70000", ":8080", "::1:80", "[::1:80",
                                  "unix:lethe.sock", "systemd:"})
        rows.push_back({with(bad, "http://a"),
                        "1:20: listen[0].address: \"" + bad + "\" is not an address" + address});
    rows.push_back({with("shop.example:80", "http://a"),
                    "1:20: listen[0].address: \"shop.example:80\" names a host, and one can "
                    "listen on an IP address only" +
                        address});
    for (const std::string bad : {"127.0.0.1:80", "ftp://a", "http://", "http://a:0",
                                  "http://a:99999", "http://a b", "http://[::1"})
        rows.push_back({with(good, bad),
                        "2:37: upstreams[0].replicas[0]: \"" + bad + "\" is not a replica" + url});
    rows.push_back({with(good, "http://a/x"),
                    "2:37: upstreams[0].replicas[0]: \"http://a/x\" has a path, which a replica "
                    "cannot have" +
                        url});
    rows.push_back({with(good, "http://u:p@a"),
                    "2:37: upstreams[0].replicas[0]: \"http://u:p@a\" has user information, which "
                    "a replica cannot have" +
                        url});
    expect_mistakes(rows);
}

TEST(ConfigMistakes, Balancing) {
    const auto with = [](const std::string& options) {
        return "listen: [{address: \"127.0.0.1:1\"}]\nupstreams:\n  - {name: shop, replicas: "
               "[\"http://a\"], " +
               options + "}\nroutes:\n" + root_route;
    };
    expect_mistakes({
        {with("balance: hash"),
         "3:51: upstreams[0].balance: goes by nothing, expected hash_by beside it, such as "
         "hash_by: session"},
        {with("hash_by: path"),
         "3:51: upstreams[0].hash_by: there is no balance: hash that goes by it, expected "
         "balance: hash beside it"},
        {with("balance: hash, hash_by: cookie"),
         "3:66: upstreams[0].hash_by: \"cookie\" is nothing to balance by, expected client, "
         "caller, session, path, or field and a field's name"},
        {with("balance: hash, hash_by: \"field a b\""),
         "3:66: upstreams[0].hash_by: \"field a b\" is nothing to balance by, expected client, "
         "caller, session, path, or field and a field's name"},
        {"listen: [{address: \"127.0.0.1:1\"}]\nupstreams:\n  - {name: shop, replicas: "
         "[{url: \"http://a\", weight: 0}, {weight: 2}, {url: \"http://b\", wait: 1}]}\n"
         "routes:\n" +
             root_route,
         "3:55: upstreams[0].replicas[0].weight: \"0\" is out of range, expected a whole number "
         "from 1 to 1000\n"
         "3:59: upstreams[0].replicas[1]: does not say where it is, expected one of url, dns and "
         "srv\n"
         "3:90: upstreams[0].replicas[2].wait: there is no such option, expected url, dns, srv, "
         "refresh or weight"},
    });
}

TEST(ConfigMistakes, HedgingAndAffinity) {
    const auto with = [](const std::string& options) {
        return "listen: [{address: \"127.0.0.1:1\"}]\nupstreams:\n  - {name: shop, replicas: "
               "[\"http://a\"], " +
               options + "}\nroutes:\n" + root_route;
    };
    const std::string keys = "keys: [\"0123456789abcdef0123456789abcdef\"]";
    expect_mistakes({
        {with("hedge: {percent: 5}"),
         "3:49: upstreams[0].hedge.after: is missing, expected a duration from 1ms to 1m"},
        {with("hedge: {after: 50ms}, affinity: {" + keys + "}"),
         "3:42: upstreams[0].hedge: asks other replicas than that of the cookie, expected hedge or "
         "affinity, not both"},
        {with("affinity: {keys: [short]}"),
         "3:60: upstreams[0].affinity.keys[0]: is too short or too long, or has other characters, "
         "expected 32 to 256 visible ASCII characters"},
        {with("affinity: {cookie: __Host-lethe, " + keys + "}"),
         "3:61: upstreams[0].affinity.cookie: is the sessions' cookie, expected another name"},
    });
}

TEST(ConfigMistakes, NamesOfReplicas) {
    const auto with = [](const std::string& replica, const std::string& options = "") {
        return "listen: [{address: \"127.0.0.1:1\"}]\nupstreams:\n  - {name: shop, replicas: [" +
               replica + "]" + options + "}\nroutes:\n" + root_route;
    };
    const std::string name = ", expected a URL of the form http://name:port or https://name:port";
    const std::string service =
        ", expected a URL of the form http://_service._tcp.domain or "
        "https://_service._tcp.domain, without a port";
    expect_mistakes({
        {with("{dns: \"http://127.0.0.1:80\"}"),
         "3:35: upstreams[0].replicas[0].dns: \"http://127.0.0.1:80\" is no name" + name},
        {with("{dns: \"shop:80\"}"),
         "3:35: upstreams[0].replicas[0].dns: \"shop:80\" is not a replica" + name},
        {with("{srv: \"http://_http._tcp.shop:80\"}"),
         "3:35: upstreams[0].replicas[0].srv: \"http://_http._tcp.shop:80\" has a port" + service},
        {with("{srv: \"http://shop\"}"),
         "3:35: upstreams[0].replicas[0].srv: \"http://shop\" is no service" + service},
        {with("{url: \"http://a\", dns: \"http://b\"}"),
         "3:29: upstreams[0].replicas[0]: says twice where it is, expected one of url, dns and "
         "srv"},
        {with("{url: \"http://a\", refresh: 10s}"),
         "3:29: upstreams[0].replicas[0]: has a refresh, but no name that is followed, expected "
         "dns or srv"},
        {with("{srv: \"http://_http._tcp.shop\", weight: 2}"),
         "3:29: upstreams[0].replicas[0]: has a weight, which its records have, expected srv "
         "without weight"},
        {with("{dns: \"http://shop:80\"}", ", resolver: \"ns.internal:53\""),
         "3:65: upstreams[0].resolver: \"ns.internal:53\" is no name server, expected an IP "
         "address and a port, such as 127.0.0.1:53"},
    });
}

TEST(ConfigMistakes, TlsProxyHeadersAndUnixSockets) {
    const auto listener = [](const std::string& tls) {
        return "listen: [{address: \"127.0.0.1:1\", tls: " + tls +
               "}]\nupstreams: [{name: shop, replicas: [\"http://a\"]}]\n"
               "routes: [{match: {prefix: /}, upstream: shop}]\n";
    };
    const auto upstream = [](const std::string& replica, const std::string& tls) {
        return "listen: [{address: \"127.0.0.1:1\"}]\nupstreams: [{name: shop, replicas: [\"" +
               replica + "\"], tls: " + tls +
               "}]\nroutes: [{match: {prefix: /}, upstream: shop}]\n";
    };
    const std::string key = "expected 32 to 256 visible ASCII characters";
    expect_mistakes({
        {listener("{}"),
         "1:40: listen[0].tls.certificates: is missing, expected a list of at least one "
         "certificate such as {file: shop.pem, key_file: shop.key}"},
        {listener("{certificates: []}"),
         "1:55: listen[0].tls.certificates: is empty, expected a list of at least one certificate "
         "such as {file: shop.pem, key_file: shop.key}"},
        {listener("{certificates: [{file: a.pem}], min_version: 1.1}"),
         "1:85: listen[0].tls.min_version: \"1.1\" is not a choice here, did you mean '1.2'?"},
        {listener("{certificates: [{file: a.pem}], ticket_keys: [tooshort]}"),
         "1:86: listen[0].tls.ticket_keys[0]: is too short or too long, or has other characters, " +
             key},
        {listener("{certificates: [{file: a.pem}], client_certificates: {required: true}}"),
         "1:93: listen[0].tls.client_certificates.ca_file: is missing, expected a file with "
         "certificates"},
        {"listen: [{address: \"127.0.0.1:1\", proxy_protocol: true}]\nupstreams: [{name: shop, "
         "replicas: [\"http://a\"]}]\nroutes: [{match: {prefix: /}, upstream: shop}]\n",
         "1:51: listen[0].proxy_protocol: there is no proxy whose word is believed, expected its "
         "address in trusted_proxies"},
        {"listen: [{address: \"127.0.0.1:1\", mode: \"0666\"}, {address: \"unix:/a\", mode: 666}, "
         "{address: \"unix:/a\"}]\nupstreams: [{name: shop, replicas: [\"unix:shop.sock\"]}]\n"
         "routes: [{match: {prefix: /}, upstream: shop}]\n",
         "1:41: listen[0].mode: there is no Unix socket that it is for, expected an address such "
         "as "
         "unix:/run/lethe/lethe.sock\n"
         "1:77: listen[1].mode: \"666\" is not a mode, expected four octal digits such as 0660\n"
         "1:93: listen[2].address: listen[1] takes that address already, expected another port\n"
         "2:37: upstreams[0].replicas[0]: \"unix:shop.sock\" is not the path of a Unix socket, "
         "expected a URL of the form http://host:port, https://host:port or unix:/run/shop.sock"},
        {upstream("http://a", "{name: b}"),
         "2:50: upstreams[0].tls: there is no replica that it is for, expected a replica whose "
         "URL begins with https://"},
        {upstream("https://a", "{key_file: a.key}"),
         "2:51: upstreams[0].tls: has only one of certificate_file and key_file, expected both, "
         "or none"},
    });
}

TEST(ConfigMistakes, NamesMustExistAndBeSaidOnce) {
    expect_mistakes({
        {with_route("  - {match: {prefix: /}, upstream: shp}\n"),
         "8:36: routes[0].upstream: there is no upstream called \"shp\", did you mean 'shop'?"},
        {with_route("  - {match: {prefix: /}, upstream: shop, authenticate: {issuers: [other]}}\n"),
         "8:67: routes[0].authenticate.issuers[0]: there is no issuer called \"other\", expected "
         "id"},
        {with_route("  - {match: {prefix: /}, upstream: shop, session: {read: [a], store: x}}\n"),
         "8:70: routes[0].session.store: there is no store called \"x\", expected default"},
        {with_route("  - {name: a, match: {path: /a}, upstream: shop}\n"
                    "  - {name: a, match: {path: /b}, upstream: shop}\n"),
         "9:12: routes[1].name: routes[0] is called \"a\" already, expected a name of its own"},
        {"listen: [{address: \"127.0.0.1:1\"}]\nroutes:\n"
         "  - {match: {prefix: /}, upstream: shop, authenticate: {issuers: [id]}}\n",
         "3:36: routes[0].upstream: there is no upstream called \"shop\", expected one to be "
         "defined under upstreams\n"
         "3:67: routes[0].authenticate.issuers[0]: there is no issuer called \"id\", expected one "
         "to be defined under issuers"},
        {"listen: [{address: \"127.0.0.1:1\"}]\nadmin: {address: \"0.0.0.0:1\"}\nupstreams:\n"
         "  - {name: shop, replicas: [\"http://a\", \"http://a:80\"]}\n"
         "  - {name: shop, replicas: [\"http://a\"]}\nroutes:\n" +
             root_route,
         "2:18: admin.address: listen[0] takes that address already, expected another port: "
         "clients must not reach the admin pages\n"
         "4:41: upstreams[0].replicas[1]: replicas[0] is a:80 already, expected each replica once\n"
         "5:12: upstreams[1].name: upstreams[0] is called \"shop\" already, expected a name of its "
         "own"},
    });
}

TEST(ConfigMistakes, RoutesThatNoRequestReaches) {
    const auto routes = [](const std::string& earlier, const std::string& later) {
        return with_route("  - {match: {" + earlier + "}, upstream: shop}\n  - {match: {" + later +
                          "}, upstream: shop}\n");
    };
    const std::string hidden =
        "9:6: routes[1].match: never gets a request, since routes[0] matches all of them first, "
        "expected the narrower route to stand before the wider one";
    const std::string equal =
        "9:6: routes[1].match: routes[0] has the same match, expected each match once";
    expect_mistakes({
        {routes("prefix: /", "path: /a"), hidden},
        {routes("prefix: /a", "prefix: /a/b, methods: [GET]"), hidden},
        {routes("path: /a, methods: [GET]", "path: /a, methods: [HEAD]"), hidden},
        {routes("prefix: /, host: \"*.x\"", "prefix: /, host: [a.x, \"*.b.x\"]"), hidden},
        {routes("path: /a", "path: /a"), equal},
        {routes("prefix: /, methods: [GET, PUT]", "prefix: /, methods: [PUT, GET]"), equal},
    });
    const std::pair<std::string, std::string> reachable[] = {
        {"prefix: /a", "prefix: /ab"},
        {"prefix: /a, methods: [GET]", "prefix: /a"},
        {"prefix: /a, host: a.x", "prefix: /a, host: \"*.x\""},
        {"prefix: /, host: \"*.x\"", "prefix: /, host: x"},
        {"path: /a", "prefix: /a"},
    };
    for (const auto& [earlier, later] : reachable)
        EXPECT_EQ(parse(routes(earlier, later)).text, "") << earlier << " | " << later;
}

TEST(ConfigMistakes, PathsThatNoRequestHas) {
    const auto path = [](const std::string& is) {
        return with_route("  - {match: {path: \"" + is + "\"}, upstream: shop}\n");
    };
    const auto said = [](const std::string& is, const std::string& why) {
        return "8:20: routes[0].match.path: \"" + is + "\" " + why +
               ", expected a path such as /orders";
    };
    expect_mistakes({
        {path("orders"), said("orders", "does not start with '/'")},
        {path("/a/../b"),
         said("/a/../b", "is not in normal form, which is \"/b\", so nothing would match")},
        {path("/%61"), said("/%61",
                            "is not in normal form, which is \"/a\", so nothing would "
                            "match")},
        {path("/a?b"), said("/a?b", "is not a path that a request can have")},
        {path("/caf\xc3\xa9"), said("/caf\xc3\xa9", "is not a path that a request can have")},
    });
    EXPECT_EQ(parse(path("/caf%C3%A9")).text, "");
    expect_mistakes({{with_route("  - {match: {prefix: /api/}, upstream: shop}\n"),
                      "8:22: routes[0].match.prefix: \"/api/\" ends with '/', and a prefix stands "
                      "for itself and all below it, expected a path such as / or /api"},
                     {with_route("  - {match: {prefix: /, methods: [get]}, upstream: shop}\n"),
                      "8:35: routes[0].match.methods[0]: \"get\" is not in capitals, and methods "
                      "are told apart by them, expected a method such as GET or POST"}});
}

TEST(ConfigMistakes, KeysWithoutAnOwnerAndStoresThatForget) {
    const std::string lossy =
        "listen: [{address: \"127.0.0.1:1\"}]\nstore: \"memory:\"\nupstreams:\n  - {name: shop, "
        "replicas: [\"http://a\"]}\nroutes:\n";
    const std::string owner =
        "nothing tells whose key it is, so that one caller could get another's answer, expected "
        "authenticate or session on this route, or scope: public, where all callers share one key "
        "space";
    expect_mistakes({
        {with_route("  - {match: {prefix: /}, upstream: shop, idempotency: {}}\n"),
         "8:42: routes[0].idempotency: " + owner},
        {with_route("  - {match: {prefix: /, methods: [GET]}, upstream: shop, idempotency: {scope: "
                    "public}}\n"),
         "8:58: routes[0].idempotency: no request of this route takes a key, expected POST or "
         "PATCH in match.methods, or PUT or DELETE in both match.methods and idempotency.methods"},
        {lossy + "  - {match: {prefix: /}, upstream: shop, idempotency: {scope: public}}\n",
         "6:42: routes[0].idempotency: the store \"default\" may lose what was acknowledged, and a "
         "request could then run twice, expected a durable store such as sqlite:lethe.db, or "
         "allow_lossy: true"},
        {lossy + "  - {match: {prefix: /}, upstream: shop, session: {read: [a]}}\n",
         "6:42: routes[0].session: the store \"default\" may lose what was acknowledged, and a "
         "session could then be lost, expected a durable store such as sqlite:lethe.db, or "
         "allow_lossy: true"},
        {with_route("  - match: {prefix: /}\n    upstream: shop\n    session: {write: [cart]}\n"
                    "    idempotency: {ttl: 3d}\n"),
         "11:24: routes[0].idempotency.ttl: outcomes are remembered for 3d, longer than the "
         "session remembers its changes (sessions.operation_memory is 25h), expected a shorter ttl "
         "or a longer operation_memory"},
    });
    const auto retrying = [](const std::string& methods, const std::string& more) {
        return with_route("  - match: {prefix: /, methods: [" + methods +
                          "]}\n    upstream: shop\n    session: {on_conflict: retry}\n" + more);
    };
    expect_mistakes({
        {retrying("POST, PATCH", ""),
         "10:28: routes[0].session.on_conflict: is retry, and no request of this route may be sent "
         "again, expected a method such as PUT, or idempotency: {backend: dedups} for requests "
         "with a key"},
    });
    EXPECT_EQ(parse(retrying("POST, PUT", "")).text, "");
    EXPECT_EQ(parse(retrying("POST", "    idempotency: {backend: dedups}\n")).text, "");
    EXPECT_EQ(parse(lossy + "  - {match: {prefix: /}, upstream: shop, idempotency: {scope: public, "
                            "allow_lossy: true}}\n")
                  .text,
              "");
}

TEST(ConfigMistakes, AStoreThatMovesNamesTwoThatKeepThePromise) {
    const auto with_store = [](const std::string& store, const std::string& more = "") {
        return "listen: [{address: \"127.0.0.1:1\"}]\nstore: " + store +
               "\nupstreams: [{name: shop, replicas: [\"http://a\"]}]\n" +
               "routes: [{match: {prefix: /}, upstream: shop, session: {read: [a]" + more + "}}]\n";
    };
    const std::string needs =
        "4:47: routes[0].session: the store \"default\" may lose what was "
        "acknowledged, and a session could then be lost, expected a durable "
        "store such as sqlite:lethe.db, or allow_lossy: true";
    expect_mistakes({
        {with_store("{primary: \"sqlite:a.db\", previous: \"sqlite:/etc/lethe/a.db\"}"),
         "2:43: store.previous: is the primary itself, expected the store that records are moved "
         "from"},
        {with_store("{default: {primary: \"sqlite:a.db\", previous: \"sqlite:a.db\"}}"),
         "2:53: store.default.previous: is the primary itself, expected the store that records are "
         "moved from"},
        {with_store("{primary: \"sqlite:a.db\"}"),
         "2:8: store.previous: is missing, expected a store's URL such as sqlite:lethe.db"},
        {with_store("{primary: \"sqlite:a.db\", previus: \"sqlite:b.db\"}"),
         "2:8: store.previous: is missing, expected a store's URL such as sqlite:lethe.db\n"
         "2:33: store.previus: there is no such option, did you mean 'previous'?"},
        {with_store("{primary: \"sqlite:a.db\", previous: \"sqlite:b.db\", carts: \"memory:\"}"),
         "2:58: store.carts: there is no such option, expected primary or previous"},
        {with_store("{primary: \"sqlite:a.db\", previous: {primary: \"sqlite:b.db\"}}"),
         "2:43: store.previous: is a map, expected a store's URL such as sqlite:lethe.db"},
        {with_store("[a]"),
         "2:8: store: is a list, expected a store's URL such as sqlite:lethe.db, {primary: URL, "
         "previous: URL}, or a map of named ones"},
        {with_store("{primary: \"sqlite:a.db\", previous: \"memory:\"}"), needs},
        {with_store("{primary: \"memory:\", previous: \"sqlite:a.db\"}"), needs},
    });
    EXPECT_EQ(parse(with_store("{primary: \"sqlite:a.db\", previous: \"memory:\"}",
                               ", allow_lossy: true"))
                  .text,
              "");
}

TEST(ConfigMistakes, SlotsAreNamesAndASlipOfTheHandIsNoticed) {
    expect_mistakes({
        {with_route("  - match: {prefix: /}\n    upstream: shop\n"
                    "    session: {read: [crat, cart], write: [\"\", cart, cart]}\n"),
         "10:43: routes[0].session.write[0]: \"\" does not fit, expected a slot's name\n"
         "10:53: routes[0].session.write[2]: \"cart\" is listed twice, expected each once"},
        {with_route("  - match: {prefix: /}\n    upstream: shop\n"
                    "    session: {read: [crat], write: [cart]}\n"),
         "10:22: routes[0].session.read[0]: no route writes the slot \"crat\", did you mean "
         "'cart'?"},
    });
    EXPECT_EQ(parse(with_route("  - match: {prefix: /}\n    upstream: shop\n"
                               "    session: {read: [a, user], write: [b, cart]}\n"))
                  .text,
              "");
}

TEST(ConfigMistakes, SecretsAreNotQuoted) {
    const outcome url = parse(
        "listen: [{address: \"127.0.0.1:1\"}]\nstore: \"redsi://me:hunter2@h\"\nroutes: []\n");
    EXPECT_EQ(url.text.find("hunter2"), std::string::npos) << url.text;
    EXPECT_NE(url.text.find("t.yaml:2:8: store: not a store's URL"), std::string::npos) << url.text;
    const outcome token = parse(
        "listen: [{address: \"127.0.0.1:1\"}]\nadmin: {address: \"127.0.0.1:2\", api_token: "
        "hunter2}\nroutes: []\n");
    EXPECT_EQ(token.text.find("hunter2"), std::string::npos) << token.text;
    EXPECT_NE(token.text.find("admin.api_token: is too short"), std::string::npos) << token.text;
    const outcome moving = parse(
        "listen: [{address: \"127.0.0.1:1\"}]\nstore: {primary: \"redsi://me:hunter2@h\", "
        "previous: "
        "\"postgres//me:hunter2@h\"}\nroutes: []\n");
    EXPECT_EQ(moving.text.find("hunter2"), std::string::npos) << moving.text;
    EXPECT_NE(moving.text.find("t.yaml:2:18: store.primary: "), std::string::npos) << moving.text;
    const outcome variable =
        parse(with_route("  - {match: {prefix: /}, upstream: shop, timeout: \"${SECRET}\"}\n"),
              {{"SECRET", "hunter2"}});
    EXPECT_EQ(variable.text.find("hunter2"), std::string::npos) << variable.text;
    EXPECT_NE(variable.text.find("\"${SECRET}\" is not a duration"), std::string::npos);
}

TEST(ConfigMistakes, AllAreReportedAtOnceInTheOrderOfTheFile) {
    const outcome got = parse(
        "listen: [{adress: \"127.0.0.1:8080\"}]\n"
        "wrkers: 2\n"
        "upstreams:\n"
        "  - {name: shop, replicas: [], balance: random}\n"
        "routes:\n"
        "  - match: {prefix: /}\n"
        "    upstream: nobody\n"
        "    timeout: soon\n"
        "  - match: {path: /a}\n"
        "limits: {fields: many}\n"
        "limits: {}\n");
    EXPECT_EQ(got.mistakes.size(), 11U) << got.text;
    for (std::size_t i = 1; i < got.mistakes.size(); ++i)
        EXPECT_LE(got.mistakes[i - 1].at, got.mistakes[i].at) << got.text;
    for (const char* path :
         {"listen[0].address", "listen[0].adress", "wrkers", "upstreams[0].replicas",
          "upstreams[0].balance", "routes[0].upstream", "routes[0].timeout", "routes[1].upstream",
          "routes[1].match", "limits.fields"})
        EXPECT_NE(got.text.find(std::string(": ") + path + ": "), std::string::npos) << path << "\n"
                                                                                     << got.text;
}

TEST(ConfigMistakes, MoreThanAnybodyReadsAreNotListed) {
    std::string routes;
    for (int i = 0; i < 9000; ++i) routes += "  - {}\n";
    const outcome got = parse(with_route(routes));
    EXPECT_EQ(got.mistakes.size(), mistakes_max + 1);
    EXPECT_EQ(to_text(got.mistakes.back()),
              "t.yaml: has more mistakes, expected these to be put right first");
    std::string items;
    for (int i = 0; i < 20'000; ++i) items += "\"10.0.0.1\", ";
    EXPECT_EQ(parse(with_route(root_route + "trusted_proxies: [" + items + "\"::1\"]\n")).text,
              "t.yaml:9:18: trusted_proxies: has 20001 entries, expected at most 10000\n");
}

}  // namespace
}  // namespace lethe::gateway::config::test
