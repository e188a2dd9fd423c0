// The admin listener: /healthz, /readyz, /metrics, and /lethe/v1/ (subject_api.hpp). For operators
// and orchestrators, not for users.
#pragma once

#include "gateway/subject_api.hpp"
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
    admin_handler(admin_source from, subject_api subjects)
        : from_(std::move(from)), subjects_(std::move(subjects)) {}
    task<> handle(http::exchange& x) override;

 private:
    admin_source from_;
    subject_api subjects_;
};

}  // namespace lethe::gateway
