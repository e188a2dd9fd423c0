// What the URL of a Redis or Valkey says.
//
//     redis://[user:password@]host[:port][/database]
//     redis+sentinel://[user:password@]host[:port],host2[:port]/PRIMARY[/database]
//     redis+cluster://[user:password@]host[:port],host2[:port]
//
// rediss… is the same over TLS. Options: prefix=TEXT, proto=2, wait=REPLICAS, wait_ms=TIME;
// ca=FILE, cert=FILE, key=FILE, tls_name=NAME; sentinel_user=NAME, sentinel_password=TEXT.
#pragma once

#include "net/tls.hpp"
#include "store/redis/record.hpp"
#include "store/server_url.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::store::redis {

enum class topology { single, sentinel, cluster };

struct credentials {
    std::string user;  // "": the server's default user
    secret password;   // empty: nobody is presented
};

struct settings {
    topology how = topology::single;
    bool tls = false;
    std::vector<net::address> hosts;  // the server, the sentinels, or some nodes of the cluster
    credentials server;
    credentials sentinel;
    std::string primary;  // what the sentinels call it
    unsigned database = 0;
    key_names names{"lethe:"};
    unsigned protocol = 3;  // 2: HELLO is not tried
    // Replicas that must have a change before it is answered as done; 0: none is asked for.
    unsigned wait_replicas = 0;
    std::chrono::milliseconds wait_time{1000};
    net::tls_client_options tls_files;
    // Made from them when the store is opened.
    std::optional<net::tls_client> tls_client = {};
};

[[nodiscard]] bool is_redis_url(std::string_view url) noexcept;
// errc::malformed and `why` otherwise, which repeats no password.
[[nodiscard]] result<settings> parse_settings(std::string_view url, std::string& why);

}  // namespace lethe::store::redis
