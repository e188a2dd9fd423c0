// Waits for a Redis server's replica to have what the server has. WAIT is of no use for that: it
// counts the replicas that have the writes of its own connection, of which there are none.
#pragma once

#include "support/servers.hpp"

#include <string>

namespace lethe::test {

// Until one replica has all that the server has now; false after 30 s.
[[nodiscard]] inline bool wait_until_replicated(redis_server& server) {
    const std::vector<std::string> question = {"INFO", "replication"};
    const unsigned long long wanted = std::stoull(server.info(question, "master_repl_offset"));
    return wait_for(
        [&] {
            // ip=127.0.0.1,port=6380,state=online,offset=123,lag=0
            const std::string replica = server.info(question, "slave0");
            const std::size_t at = replica.find(",offset=");
            return replica.find("state=online") != std::string::npos && at != std::string::npos &&
                   std::stoull(replica.substr(at + 8)) >= wanted;
        },
        std::chrono::seconds{30});
}

}  // namespace lethe::test
