// The inner end of a service's requests: finds the route, reads the body, calls the user's
// coroutine and turns what it answers into HTTP.
#pragma once

#include "http/filter.hpp"
#include "lethe/response.hpp"
#include "library/request_data.hpp"
#include "library/routes.hpp"

#include <string>
#include <utility>
#include <vector>

namespace lethe::library {

// Made before the service runs, then read by all workers.
struct service_rules {
    route_table routes;
    std::vector<std::pair<std::string, std::string>> every_answer;
    std::size_t body_bytes_max = 0;
};

// HTTP allows its status and its fields.
[[nodiscard]] bool are_sendable(const response& answer);

// One per worker. The rules and the worker outlive it.
class service_handler final : public http::handler {
 public:
    service_handler(const service_rules& rules, net::worker& on) : rules_(rules), worker_(on) {}

    task<> handle(http::exchange& x) override;

 private:
    task<> call(http::exchange& x, const found_route& route);

    const service_rules& rules_;
    net::worker& worker_;
};

}  // namespace lethe::library
