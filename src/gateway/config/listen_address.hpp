// The option that says where to listen, for all sections that have one.
#pragma once

#include "gateway/config/table.hpp"
#include "net/address.hpp"

namespace lethe::gateway::config {

[[nodiscard]] codec<net::address> listen_address();

}  // namespace lethe::gateway::config
