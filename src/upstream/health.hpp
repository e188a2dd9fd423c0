// Asks the replicas of an upstream whether they are well.
#pragma once

#include "net/worker.hpp"
#include "upstream/connect.hpp"
#include "upstream/options.hpp"

#include <functional>
#include <memory>

namespace lethe::upstream {

// One worker checks for all: `report` (called on that worker) passes it on. Checks go on until the
// object is destroyed.
class health_checker {
 public:
    using reporter = std::function<void(std::size_t replica, bool healthy)>;

    // `tls`: as make_tls() answered it.
    health_checker(net::worker& on, const options& of, std::optional<net::tls_client> tls,
                   reporter report);
    ~health_checker();
    health_checker(const health_checker&) = delete;
    health_checker& operator=(const health_checker&) = delete;

 private:
    struct shared;
    static task<> watch(std::shared_ptr<shared> with, std::size_t replica);
    static task<> ask(shared& with, std::size_t replica);

    std::shared_ptr<shared> shared_;
};

}  // namespace lethe::upstream
