// The gateways that read the corpus: lethe, and nginx and HAProxy as Debian installs them. Each has
// one port for each of the upstreams it was given.
#pragma once

#include "support/servers.hpp"
#include "wire/proxy.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace lethe::test::hostile {

using ports = std::vector<std::uint16_t>;

class lethe_gateway {
 public:
    explicit lethe_gateway(const ports& upstreams);
    [[nodiscard]] const ports& at() const noexcept { return ports_; }

 private:
    std::vector<std::unique_ptr<proxy>> proxies_;
    ports ports_;
};

// A server process with a configuration of its own in a temporary folder. The defaults of its
// maker where nothing else is needed to compare: what it accepts is its own choice.
class other_gateway {
 public:
    [[nodiscard]] static other_gateway nginx(const ports& upstreams);
    [[nodiscard]] static other_gateway haproxy(const ports& upstreams);
    [[nodiscard]] const ports& at() const noexcept { return ports_; }

 private:
    other_gateway() = default;
    void start(const std::vector<std::string>& command);

    std::unique_ptr<temporary_folder> folder_;
    std::unique_ptr<server_process> process_;
    ports ports_;
};

}  // namespace lethe::test::hostile
