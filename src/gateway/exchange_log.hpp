// What is told of each exchange when it is over: metrics, and a line in the access log.
#pragma once

#include "base/metrics.hpp"
#include "http/server.hpp"

#include <array>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace lethe::gateway {

// One per worker. Routes are those of the present configuration; see use_routes().
class exchange_log final : public http::exchange_observer {
 public:
    exchange_log(lethe::metrics::registry& in, clock& time);

    // The metrics of a configuration's routes, in its order; what exchanges of an earlier
    // configuration still count lands at "other".
    void use_routes(std::span<const std::string> names);
    void log_access(bool yes) noexcept { log_access_ = yes; }

    void finished(const http::exchange& x, int status, std::uint64_t body_bytes,
                  bool complete) override;

 private:
    struct route_metrics {
        std::string name;
        std::array<lethe::metrics::counter*, 6> by_class;  // none, 1xx … 5xx
        lethe::metrics::histogram* duration;
    };

    void count_problem(std::string_view slug);
    [[nodiscard]] route_metrics make(const std::string& route);
    void write_access_line(const http::exchange& x, int status, std::uint64_t body_bytes,
                           bool complete, double seconds) const;

    lethe::metrics::registry& registry_;
    clock& clock_;
    std::vector<route_metrics> routes_;
    route_metrics none_;
    std::map<std::string_view, lethe::metrics::counter*> problems_;  // slugs are constants
    bool log_access_ = false;
};

}  // namespace lethe::gateway
