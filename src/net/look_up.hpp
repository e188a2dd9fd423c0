// Names become addresses, for those whose library would block the worker to find them.
#pragma once

#include "base/clock.hpp"
#include "base/task.hpp"
#include "net/worker.hpp"

#include <string>
#include <vector>

namespace lethe::net {

// The IP addresses of a host in the system's order, at least one; a literal address is its own
// answer. Errors: unknown_host, timeout, cancelled (the worker stops).
[[nodiscard]] task<std::vector<std::string>> look_up(worker& on, std::string host,
                                                     steady_time deadline);

}  // namespace lethe::net
