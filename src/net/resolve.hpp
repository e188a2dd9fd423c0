// Names become addresses, by a deadline; for the sources of net/ alone.
#pragma once

#include "base/clock.hpp"
#include "base/task.hpp"
#include "net/address.hpp"
#include "net/worker.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <vector>

namespace lethe::net {

// At least one, in the system's order. Errors: unknown_host, timeout, cancelled.
[[nodiscard]] task<std::vector<boost::asio::ip::tcp::endpoint>> resolve(worker& on,
                                                                        const address& to,
                                                                        steady_time deadline);

}  // namespace lethe::net
