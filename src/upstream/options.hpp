// What a user may say about an upstream. Plain values: the configuration fills them, the pool
// obeys.
#pragma once

#include "base/secret.hpp"
#include "net/address.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lethe::upstream {

enum class balance_rule : std::uint8_t {
    // Each replica in turn.
    round_robin,
    // Two replicas at random, the one with fewer requests under way.
    least_requests,
    // All requests with the same key (hash_options) to one replica, as long as it is in use.
    hash,
};

// What makes the key of balance_rule::hash. A request without it goes by least_requests.
enum class hash_source : std::uint8_t {
    client,   // the peer's address
    caller,   // whom the token names
    session,  // the caller's session
    path,     // the path, without the query
    field,    // a field of the request
};

struct hash_options {
    hash_source by = hash_source::client;
    std::string field;  // of hash_source::field

    bool operator==(const hash_options&) const = default;
};

// How replicas are known that are spoken to in TLS, and who the gateway is to them.
struct tls_options {
    std::string ca_file;           // PEM; "": the system's authorities
    std::string name;              // in the replicas' certificates; "": the host of each
    std::string certificate_file;  // PEM; "": none
    std::string key_file;
    bool verify = true;

    bool operator==(const tls_options&) const = default;
};

// What an entry of the replicas stands for.
enum class replica_kind : std::uint8_t {
    one,
    // Each address of the host.
    addresses,
    // Each address of the targets of the host's SRV records, with the records' ports and weights.
    services,
};

// One place that answers, spoken to in HTTP/1.1; or the name of several.
struct replica {
    // A name, an IPv4 address, an IPv6 address without brackets, or the path of a Unix socket,
    // which begins with '/'.
    std::string host;
    std::uint16_t port = 80;
    // Its part of the requests, in proportion to those of the others; 1 to 1000.
    std::uint32_t weight = 1;
    bool secure = false;  // in TLS
    replica_kind kind = replica_kind::one;
    std::chrono::milliseconds refresh{30'000};  // of names: from one look-up to the next
    // Of an address that a name led to: what its certificate and a Host field go by. "": the host.
    std::string name = {};

    bool operator==(const replica&) const = default;
};

// Addresses of one name that are used; more are left out.
inline constexpr std::size_t addresses_max = 256;

[[nodiscard]] inline bool is_path(const replica& one) {
    return one.host.starts_with('/');
}

// "127.0.0.1:9001", "[::1]:9001", "localhost" for a path: fit for a Host field.
[[nodiscard]] inline std::string to_authority(const replica& one) {
    if (is_path(one)) return "localhost";
    const std::string& host = one.name.empty() ? one.host : one.name;
    const bool is_v6 = host.find(':') != std::string::npos;
    const std::string port = ":" + std::to_string(one.port);
    return is_v6 ? "[" + host + "]" + port : host + port;
}

// For people and logs: the address, "unix:/run/shop.sock" for a path, "dns:shop.internal:80" and
// "srv:_http._tcp.shop.internal" for names.
[[nodiscard]] inline std::string to_text(const replica& one) {
    if (is_path(one)) return "unix:" + one.host;
    if (one.kind == replica_kind::services) return "srv:" + one.host;
    if (one.kind == replica_kind::addresses) return "dns:" + to_authority(one);
    replica address = one;
    address.name.clear();
    return to_authority(address);
}

// Asks every replica on a schedule; a replica is in use again once it answers.
struct health_options {
    std::string path = "/healthz";  // answered with 2xx by a healthy replica
    std::chrono::milliseconds interval{2'000};
    std::chrono::milliseconds timeout{1'000};  // connecting and the whole answer
    std::uint32_t healthy_after = 1;           // good answers in a row
    std::uint32_t unhealthy_after = 2;         // bad ones in a row

    bool operator==(const health_options&) const = default;
};

// Leaves a replica out for a while when requests to it fail (refused, reset, timed out, nonsense).
struct ejection_options {
    std::uint32_t consecutive_failures = 3;  // 0: never
    std::chrono::milliseconds for_how_long{10'000};

    bool operator==(const ejection_options&) const = default;
};

// How many of the requests that broke off may be sent again: at most `percent` of the requests of
// the last ten seconds, and `per_second` more. Both 0: none. Per worker.
struct retry_options {
    std::uint32_t percent = 20;
    std::uint32_t per_second = 10;

    bool operator==(const retry_options&) const = default;
};

// A read (GET or HEAD without a key) that has no head of an answer after so long is sent to another
// replica too, and the first answer is taken: at most `percent` of the requests of the last ten
// seconds, per worker.
struct hedge_options {
    std::chrono::milliseconds after{0};
    std::uint32_t percent = 5;

    bool operator==(const hedge_options&) const = default;
};

// Leads a client back to the replica that answered it, by a sealed cookie.
struct affinity_options {
    std::string cookie = "lethe-replica";
    std::chrono::seconds max_age{0};  // 0: as long as the browser runs
    std::vector<secret> keys;         // the first seals, all open

    bool operator==(const affinity_options& other) const {
        return cookie == other.cookie && max_age == other.max_age &&
               std::ranges::equal(keys, other.keys, {}, &secret::reveal, &secret::reveal);
    }
};

// What the gateway says to the service is signed with it (signature.hpp).
struct signature_options {
    std::string key_id;
    secret key;

    bool operator==(const signature_options& other) const {
        return key_id == other.key_id && key.reveal() == other.key.reveal();
    }
};

// How many requests are under way at the upstream at once, so that it is not led beyond what it can
// do. Per worker.
struct concurrency_options {
    bool adaptive = true;  // found out by the latency, between min and max; false: always max
    std::uint32_t min = 4;
    std::uint32_t max = 1'000;
    // Requests beyond it wait: so many, so long. More, and who waited longer, are refused with 503.
    std::uint32_t queue = 256;
    std::chrono::milliseconds queue_time{100};

    bool operator==(const concurrency_options&) const = default;
};

struct options {
    std::string name;
    std::vector<replica> replicas;  // at least one, no two equal
    // Whom to ask for the addresses of names; nullopt: the system's way.
    std::optional<net::address> resolver{};
    balance_rule balance = balance_rule::least_requests;
    std::optional<hash_options> hash_by{};  // of balance_rule::hash, and needed there
    std::optional<affinity_options> affinity{};
    std::optional<health_options> health;  // nullopt: no active checks
    ejection_options ejection;
    // A replica that comes back gets its full part of the requests only after so long; 0: at once.
    std::chrono::milliseconds slow_start{0};
    retry_options retries;
    std::optional<hedge_options> hedging{};
    std::optional<tls_options> tls{};  // for replicas that are secure; nullopt: the default
    std::optional<signature_options> signature{};
    std::optional<concurrency_options> concurrency{};  // nullopt: only connections_max holds

    std::chrono::milliseconds connect_timeout{2'000};
    // From the request's last byte to the whole head of the answer.
    std::chrono::milliseconds answer_timeout{30'000};
    // Between two pieces of the answer's body.
    std::chrono::milliseconds read_timeout{30'000};

    // Each per worker and replica.
    std::uint32_t connections_max = 256;
    std::uint32_t keep_alive_max = 64;  // idle connections kept
    std::chrono::milliseconds keep_alive_timeout{30'000};
    // Per worker: requests that wait for a connection; more are refused with 503.
    std::uint32_t requests_waiting_max = 256;

    bool operator==(const options&) const = default;
};

}  // namespace lethe::upstream
