// What holds of a store once nobody changes it any more, whatever happened before.
#pragma once

#include "net/worker.hpp"
#include "store/store.hpp"
#include "stores/load.hpp"

#include <string>
#include <vector>

namespace lethe::store {

// A listing of each subject of a load names exactly the live records that have it. Answers what is
// wrong.
[[nodiscard]] task<std::vector<std::string>> check_index(store& in, net::worker& on,
                                                         load_options options);

}  // namespace lethe::store
