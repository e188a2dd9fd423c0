// The whole configuration as plain values, complete and checked: what load.hpp makes of a file, and
// what the rest of gateway/ works from. The tables that read, check and describe it are
// tables_*.cpp.
#pragma once

#include "base/log.hpp"
#include "gateway/config/address.hpp"
#include "idempotency/options.hpp"
#include "identity/options.hpp"
#include "limits/options.hpp"
#include "net/address.hpp"
#include "net/tls_server.hpp"
#include "session/options.hpp"
#include "upstream/options.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace lethe::gateway::config {

struct listener_options {
    // An IP address (port 0: the system chooses), a path or the name of an inherited socket.
    net::address address;
    unsigned unix_mode = 0660;  // of a path
    // Paths made absolute. Without ticket keys the process has one of its own. nullopt: plain HTTP.
    std::optional<net::tls_server_options> tls;
    bool http2 = true;
    bool proxy_protocol = false;  // connections begin with a PROXY header of a trusted proxy
};

struct admin_options {
    net::address address;
    std::string api_token;  // what callers of /lethe/v1/ show; "": nobody may
};

// Where services reach sessions by URL (Lethe-Session-Url).
struct session_api_options {
    net::address address{"127.0.0.1", 3500};
    // What the URL begins with, for services that see the listener elsewhere; "": its address.
    std::string url;
    std::vector<std::string> keys;  // none: a random one, which only this process has
};

// As store::open takes them, a file's path made absolute.
struct store_options {
    std::string url;
    std::string previous;  // where records move from, piece by piece; "" for none
};

// Which requests a route is for. On the request's normalised path and its authority.
struct route_match {
    std::optional<std::string> path;    // exactly this path; else
    std::optional<std::string> prefix;  // this path and all below it
    // In lower case, without a port; "*.shop.example": every name below. Empty: every host.
    std::vector<std::string> hosts;
    std::vector<std::string> methods;  // GET stands for HEAD too. Empty: every method.
};

struct session_options {
    session::route_options rules;
    std::string store = "default";  // "": none, for sessions in cookies alone
    bool allow_lossy = false;       // a store that may forget is what the user wants
};

struct idempotency_options {
    idempotency::route_options rules;
    std::string store = "default";
    bool allow_lossy = false;
};

struct route_options {
    std::string name;
    route_match match;
    std::vector<limits::options> limits;
    std::optional<identity::authenticate_options> authenticate;
    std::optional<session_options> session;
    std::optional<idempotency_options> idempotency;
    std::string upstream;
    // From the request's head to the head of the answer, all tries and stores included.
    std::chrono::milliseconds timeout{60'000};
};

// Above a limit a request is refused, with a problem that says which.
struct server_limits {
    std::uint64_t head_bytes = 16 * 1024;
    std::uint64_t target_bytes = 8 * 1024;
    std::uint32_t fields = 100;
    std::uint64_t body_bytes = 10 * 1024 * 1024;
    std::uint64_t body_rate_min = 500;  // bytes a second; 0: any pace
    // Of the process; nullopt: 90 % of the cgroup's, 0: no limit.
    std::optional<std::uint64_t> memory_bytes;
    std::uint32_t connections = 10'000;  // per worker
    std::uint32_t http2_streams = 100;   // per connection
    // Bodies that must be read whole and are too large for memory; all of them together.
    std::uint64_t spool_bytes = std::uint64_t{1} << 30;
    std::string spool_directory;  // "": TMPDIR, else /var/tmp
};

struct server_timeouts {
    std::chrono::milliseconds header{10'000};
    std::chrono::milliseconds body{30'000};
    std::chrono::milliseconds write{30'000};
    std::chrono::milliseconds keep_alive{60'000};
    std::chrono::milliseconds drain{30'000};
};

enum class access_log : std::uint8_t { stdout_stream, stderr_stream, off };

struct log_options {
    log::level level = log::level::info;
    access_log access = access_log::stdout_stream;
};

struct configuration {
    std::string file;       // as it was given; "" for a text
    std::string directory;  // what relative paths in it start from; absolute

    std::vector<listener_options> listen;
    std::optional<admin_options> admin;
    std::optional<session_api_options> session_api;
    std::uint32_t workers = 0;  // 0: one per core
    std::map<std::string, store_options> stores;
    std::vector<identity::issuer_options> issuers;
    std::vector<upstream::options> upstreams;
    std::vector<route_options> routes;
    server_limits limits;
    server_timeouts timeouts;
    std::vector<network> trusted_proxies;
    log_options log;
    session::settings sessions;
};

}  // namespace lethe::gateway::config
