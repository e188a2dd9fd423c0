// Order services on one database, and what of their work is on disk.
#pragma once

#include "support/client.hpp"
#include "support/process.hpp"
#include "support/servers.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lethe::test {

class orders_stage {
 public:
    // "sqlite" or "postgres", which is a real server.
    explicit orders_stage(const std::string& kind, std::size_t services);

    [[nodiscard]] std::uint16_t port(std::size_t service) const { return ports_.at(service); }
    // Returns when it serves.
    void start(std::size_t service);
    void kill_now(std::size_t service);
    // It ended by itself; false when it still runs after 5 s.
    [[nodiscard]] bool has_died(std::size_t service);
    // What the services said.
    [[nodiscard]] std::string log() const;

    // The numbers of the orders under each key, straight from the database.
    [[nodiscard]] std::map<std::string, std::vector<std::string>> orders() const;
    // Rows of orders, and of outcomes that are kept.
    struct row_counts {
        int orders = 0;
        int outcomes = 0;
    };
    [[nodiscard]] row_counts count_rows() const;

 private:
    [[nodiscard]] std::string sql(const std::string& statement) const;

    temporary_folder folder_{"lethe-orders"};
    std::unique_ptr<postgres_server> postgres_;
    std::string url_;
    std::vector<std::uint16_t> ports_;
    std::vector<std::optional<process>> processes_;
};

// A UUID that is told by a number, the same in each run.
[[nodiscard]] std::string uuid_of(unsigned number);

}  // namespace lethe::test
