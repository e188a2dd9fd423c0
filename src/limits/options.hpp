// What a user may say about the requests of one client. Plain values: the configuration fills
// them, the filter obeys.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace lethe::limits {

// Limits of one route; more are refused by the configuration check.
inline constexpr std::size_t limits_per_route_max = 8;

// So many requests in so long, evenly spread.
struct rate {
    std::uint32_t count = 0;
    std::chrono::seconds period{1};

    bool operator==(const rate&) const = default;
};

// Who counts as one client. Where a request has no such thing it counts as its address.
enum class client_rule : std::uint8_t {
    address,  // the peer's; an IPv6 address by its first 64 bits
    caller,   // whom the token names
    session,  // the caller's session
    field,    // the value of a field of the request
};

struct client_source {
    client_rule by = client_rule::address;
    std::string field = {};  // of client_rule::field

    bool operator==(const client_source&) const = default;
};

// When the store cannot be asked.
enum class store_down_rule : std::uint8_t {
    local,   // each gateway holds the limit by itself
    refuse,  // 503
};

struct options {
    rate pace;
    // So many at once, after a pause that was long enough. nullopt: what the rate brings in a
    // second, and 1 at least.
    std::optional<std::uint32_t> burst = {};
    client_source by = {};
    // Names it to clients and in the store. "": made of `by`.
    std::string name = {};
    std::string store = {};  // "": each gateway counts for itself
    store_down_rule store_down = store_down_rule::local;
    std::chrono::milliseconds store_timeout{200};
    bool headers = false;  // RateLimit and RateLimit-Policy on answers
    // Clients that are told apart at the same time; see client_table.hpp.
    std::uint32_t clients_max = 65'536;

    bool operator==(const options&) const = default;
};

}  // namespace lethe::limits
