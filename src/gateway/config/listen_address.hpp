// The option that says where to listen, for all sections that have one.
#pragma once

#include "gateway/config/table.hpp"
#include "net/address.hpp"

namespace lethe::gateway::config {

// An IP address and a port.
[[nodiscard]] codec<net::address> tcp_address();
// The same, a Unix socket or one that systemd passes on.
[[nodiscard]] codec<net::address> listen_address();

}  // namespace lethe::gateway::config
