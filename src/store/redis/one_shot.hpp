// Asks a server on a connection that is made for it and closed behind it: for questions that are
// asked seldom, of servers that keep no records.
#pragma once

#include "base/task.hpp"
#include "net/worker.hpp"
#include "store/redis/settings.hpp"

#include <string>
#include <vector>

namespace lethe::store::redis {

// The replies to `request`, each by itself. Errors: unavailable, corrupt.
[[nodiscard]] task<std::vector<std::string>> ask_once(net::worker& on, const settings& with,
                                                      net::address to, std::string request,
                                                      std::size_t replies, steady_time deadline);

}  // namespace lethe::store::redis
