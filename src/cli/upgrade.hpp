// SIGUSR2: another process of lethe, perhaps of a newer binary, takes over the listening sockets.
#pragma once

#include "gateway/gateway.hpp"

#include <sys/types.h>

#include <string>

namespace lethe::cli {

// Main thread.
class upgrade {
 public:
    // Remembers where this program is: what is there when it is started again may be newer.
    explicit upgrade(std::string config_file);

    // Starts the successor; this process goes on until it is told that the successor serves.
    void start(const gateway::gateway& running);
    // Now and then: notices that it ended instead.
    void look();
    // The process that takes over, as long as it runs; else below 0.
    [[nodiscard]] pid_t successor() const noexcept { return successor_; }

 private:
    std::string program_;
    std::string config_file_;
    pid_t successor_ = -1;
};

}  // namespace lethe::cli
