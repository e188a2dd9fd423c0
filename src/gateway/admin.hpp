// The admin listener: /healthz, /readyz, /metrics. For operators and orchestrators, not for users.
#pragma once

#include "http/filter.hpp"

#include <functional>
#include <string>

namespace lethe::gateway {

// What the admin listener asks the gateway. Called on the worker that serves it.
struct admin_source {
    std::function<task<std::string>()> why_not_ready;  // "" when ready
    std::function<std::string()> metrics;              // Prometheus text
};

class admin_handler final : public http::handler {
 public:
    explicit admin_handler(admin_source from) : from_(std::move(from)) {}
    task<> handle(http::exchange& x) override;

 private:
    admin_source from_;
};

}  // namespace lethe::gateway
