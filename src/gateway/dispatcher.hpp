// The way in and out of every exchange: cleans the request, finds its route, has it handled, cleans
// the answer.
#pragma once

#include "gateway/memory_watch.hpp"
#include "gateway/routes.hpp"

#include <memory>

namespace lethe::gateway {

// One per worker.
class dispatcher final : public http::handler {
 public:
    explicit dispatcher(net::worker& on);

    // For requests from now on.
    void use(std::shared_ptr<routes> fresh) { routes_ = std::move(fresh); }
    [[nodiscard]] const std::shared_ptr<routes>& current() const noexcept { return routes_; }

    // How much memory is left, from now on.
    void use(memory_pressure level) noexcept { pressure_ = level; }

    task<> handle(http::exchange& x) override;

 private:
    void refuse_unmatched(http::exchange& x) const;

    net::worker& worker_;
    lethe::metrics::counter& refused_for_memory_;
    memory_pressure pressure_ = memory_pressure::none;
    std::shared_ptr<routes> routes_;
};

}  // namespace lethe::gateway
