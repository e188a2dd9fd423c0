// What is learned about the replicas of an upstream while it runs: the addresses of names, and
// which replicas are healthy.
#pragma once

#include "upstream/health.hpp"
#include "upstream/names.hpp"
#include "upstream/pool.hpp"

#include <functional>
#include <memory>

namespace lethe::upstream {

// To be made to each worker's pool of the upstream, on its worker, in the order of the reports.
using pool_change = std::function<void(pool&)>;

// One worker watches for all. Goes on until it is destroyed.
class watch {
 public:
    // `tls`: as make_tls() answered it. `report` is called on the worker.
    watch(net::worker& on, const options& of, const std::optional<net::tls_client>& tls,
          std::shared_ptr<known_names> known, std::function<void(pool_change)> report);

 private:
    std::function<void(pool_change)> report_;
    health_checker health_;
    name_follower names_;
};

}  // namespace lethe::upstream
