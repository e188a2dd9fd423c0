// postgres:// as libpq takes it, and what lethe adds to it.
//
//     postgres://user:password@host:5432,host2:5432/database?sslmode=verify-full
//         &schema=lethe       where the tables are
//         &migrate=manual     tables are made by `lethe store migrate` alone
//         &connections=3      per worker
//         &pooler=session     PgBouncer stands before the server, with pool_mode=session
#pragma once

#include "base/error.hpp"
#include "base/secret.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lethe::store::postgres {

inline constexpr unsigned connections_default = 3;
inline constexpr unsigned connections_max = 16;

// One server to try, as libpq names its parts; "" where the URL says nothing.
struct endpoint {
    std::string host;  // a name, an address, or the folder of a Unix socket
    std::string address;
    std::string port;
};

struct settings {
    // libpq's parameters but for those of `endpoints`. Each may be a secret.
    std::vector<std::pair<std::string, secret>> parameters;
    std::vector<endpoint> endpoints;  // at least one
    std::string schema = "lethe";
    bool migrates = true;  // by itself, when it connects
    bool pooled = false;   // a pooler stands before the server, which keeps sessions apart
    unsigned connections = connections_default;
};

// errc::malformed and `why` otherwise, which repeats nothing of the URL but an option's name.
[[nodiscard]] result<settings> parse_url(std::string_view url, std::string& why);

// For logs: "db1.internal:5432".
[[nodiscard]] std::string to_text(const endpoint& one);

}  // namespace lethe::store::postgres
