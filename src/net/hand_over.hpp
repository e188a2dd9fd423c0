// Listening sockets, and what else a successor needs, that one process of ours hands over to the
// next, so that a new binary takes over without refusing anybody.
#pragma once

#include "base/descriptor.hpp"
#include "base/secret.hpp"
#include "net/address.hpp"

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace lethe::net {

struct hand_over {
    // Each with the address it was configured by; they stay the giver's, which goes on to accept.
    std::vector<std::pair<address, int>> sockets;
    secret keys;  // what the process made for itself; any bytes
};

// Starts `program` with these arguments (the first is its name) as a child that can take what is
// handed over: its process id, or below 0 with errno. Main thread.
[[nodiscard]] pid_t start_successor(const std::string& program,
                                    const std::vector<std::string>& arguments,
                                    const hand_over& what);

// In the successor, main thread, before workers run. None, when nobody handed anything over.
[[nodiscard]] std::vector<descriptor> take_handed_over(const address& at);
[[nodiscard]] secret take_handed_keys();
// Closes what nobody took, and tells the giver, with SIGUSR1, that it may go: the successor serves.
void tell_giver();

}  // namespace lethe::net
