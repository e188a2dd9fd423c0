// A server with a pool behind it, on a worker of its own: the way of a request without
// configuration.
#pragma once

#include "http/server.hpp"
#include "upstream/watch.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace lethe::test {

struct proxy_options {
    std::vector<std::uint16_t> replicas;
    http::server_settings server = {};
    std::function<void(upstream::options&)> adjust = {};
    bool survives_client = false;
    // As a filter would leave the exchange.
    std::function<void(http::exchange&)> prepare = {};
    http::door_options door = {};
};

class proxy {
 public:
    explicit proxy(proxy_options options);
    ~proxy();

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    // How the last exchange ended, as the gateway's observer sees it.
    [[nodiscard]] int finished_count() const noexcept;
    void drain();
    void abort();
    // For connections that come now.
    void use(const http::server_settings& settings);
    // The server object goes, the worker stays.
    void destroy_server();

 private:
    struct impl;
    std::unique_ptr<impl> impl_;
    std::uint16_t port_ = 0;
};

}  // namespace lethe::test
