// Asks the replicas of an upstream whether they are well.
#pragma once

#include "net/worker.hpp"
#include "upstream/connect.hpp"
#include "upstream/options.hpp"

#include <functional>
#include <memory>
#include <vector>

namespace lethe::upstream {

// One worker checks for all: `report` (called on that worker) passes it on. Checks go on until the
// object is destroyed.
class health_checker {
 public:
    // `entry`: of the options' replicas.
    using reporter = std::function<void(std::size_t entry, const replica& which, bool healthy)>;

    // `tls`: as make_tls() answered it.
    health_checker(net::worker& on, const options& of, std::optional<net::tls_client> tls,
                   reporter report);
    ~health_checker();
    health_checker(const health_checker&) = delete;
    health_checker& operator=(const health_checker&) = delete;

    // What that entry's name stands for from now on: those that are new are asked, those that are
    // gone no more.
    void use_addresses(std::size_t entry, const std::vector<replica>& now);

 private:
    struct shared;
    struct watched;
    void begin(std::size_t entry, const replica& one);
    static task<> watch(std::shared_ptr<shared> with, std::shared_ptr<watched> whom);
    static task<> ask(shared& with, const replica& to);

    std::shared_ptr<shared> shared_;
    std::vector<std::shared_ptr<watched>> watched_;
};

}  // namespace lethe::upstream
