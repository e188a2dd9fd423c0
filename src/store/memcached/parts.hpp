// What all calls of one worker share.
#pragma once

#include "store/memcached/item.hpp"
#include "store/memcached/ring.hpp"
#include "store/memcached/server.hpp"

#include <functional>
#include <memory>
#include <vector>

namespace lethe::store::memcached {

struct parts {
    net::worker& on;
    names naming;
    ring hosts;
    std::vector<std::unique_ptr<server>> servers;
    std::function<system_time()> now;  // what expiry is compared with

    // The one that keeps a key, or the index of a subject.
    [[nodiscard]] server& server_of(std::string_view text) const {
        return *servers[hosts.host_of(text)];
    }
    // Of the machine: Memcached's own time of day is compared with it.
    [[nodiscard]] system_time real_now() const { return on.time().system_now(); }
    [[nodiscard]] error_code nothing_changed(const error_code& error, steady_time deadline) const {
        return memcached::nothing_changed(error, on.time().steady_now(), deadline);
    }
};

}  // namespace lethe::store::memcached
