// PgBouncer for tests, on a free port.
#pragma once

#include "support/process.hpp"
#include "support/servers.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace lethe::test {

// Before a server's database, trusting everybody. has_program("pgbouncer") tells whether it can be.
class pgbouncer {
 public:
    // `lines` of its section [pgbouncer], such as "pool_mode = session".
    pgbouncer(const postgres_server& before, const std::vector<std::string>& lines);

    [[nodiscard]] std::string url() const;

 private:
    temporary_folder folder_;
    std::uint16_t port_ = 0;
    server_process process_;
};

}  // namespace lethe::test
