// Follows the addresses that the names among the replicas of an upstream have.
#pragma once

#include "net/worker.hpp"
#include "upstream/options.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace lethe::upstream {

// Replicas of kind one, each with its name.
using address_list = std::shared_ptr<const std::vector<replica>>;
// What look-ups found last. Who keeps it across a reload has addresses at once afterwards, even
// where the name server is away by then.
using known_names = std::map<std::string, address_list>;

// One worker asks for all: `report` (called on that worker) passes on each change. A look-up that
// fails or finds nothing changes nothing; when it is the first one, an empty list is reported.
// Goes on until the object is destroyed.
class name_follower {
 public:
    using reporter = std::function<void(std::size_t entry, address_list now)>;

    name_follower(net::worker& on, const options& of, std::shared_ptr<known_names> known,
                  reporter report);
    ~name_follower();
    name_follower(const name_follower&) = delete;
    name_follower& operator=(const name_follower&) = delete;

 private:
    struct shared;
    static task<> follow(std::shared_ptr<shared> with, std::size_t entry);

    std::shared_ptr<shared> shared_;
};

}  // namespace lethe::upstream
