// One Memcached server, as one worker talks to it.
#pragma once

#include "base/secret.hpp"
#include "net/address.hpp"
#include "net/worker.hpp"
#include "store/memcached/meta.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace lethe::store::memcached {

struct server_options {
    std::string user;  // "" for no login
    secret password;
    std::size_t queue_requests_max = 10'000;
    std::size_t queue_bytes_max = std::size_t{128} * 1024 * 1024;
    metrics::registry* registry = nullptr;
    std::string store_name = {};
};

// Why a CAS value says where it was read: a server that was restarted counts its CAS values from 1
// again, so a value that was read before may by chance be that of another's new record. It is
// therefore good on the connection it was read from alone.
using connection_number = std::uint64_t;

struct answered {
    std::unique_ptr<std::string> bytes;  // what the replies are views into
    std::vector<reply> replies;
    connection_number connection = 0;  // which they came from
};

// One worker. Outlives the calls under way.
class server {
 public:
    server(net::worker& on, const server_options& options, net::address at);
    ~server();
    server(const server&) = delete;
    server& operator=(const server&) = delete;

    [[nodiscard]] requests begin() const noexcept { return requests(next_number_); }
    // One reply for each request. Errors: those of pipeline::ask, with outcome_unknown for corrupt:
    // also when the replies are not those of the requests, and then the connection is closed.
    [[nodiscard]] task<answered> ask(requests what, steady_time deadline);
    [[nodiscard]] task<> ping(steady_time deadline);
    // The lines that the server answers to `stats` or `stats settings`.
    [[nodiscard]] task<std::string> statistics(std::string about, steady_time deadline);
    // Makes sure that the server has told its limits: after this, item_bytes_max() is known.
    [[nodiscard]] task<> learn_limits(steady_time deadline);

    // The connection that is open now; a request that is asked in the same turn of the loop leaves
    // on it or not at all. 0: none is open.
    [[nodiscard]] connection_number connection() const noexcept;
    // The longest value of an item that lethe gives this server.
    [[nodiscard]] std::size_t item_bytes_max() const noexcept { return item_bytes_max_; }
    [[nodiscard]] const net::address& at() const noexcept { return at_; }

 private:
    [[nodiscard]] std::shared_ptr<pipeline> make_line();
    [[nodiscard]] result<> greeted(std::size_t index, std::string_view bytes);
    [[nodiscard]] result<> learn(std::string_view settings);
    void give_up_line(const std::shared_ptr<pipeline>& line);

    net::worker& worker_;
    server_options options_;
    net::address at_;
    std::uint64_t next_number_ = 1;
    connection_number connections_ = 0;
    std::size_t item_bytes_max_ = 0;
    std::shared_ptr<pipeline> line_;
};

// The longest value that an item of a server with these settings can have, and that lethe wants.
[[nodiscard]] std::size_t item_bytes_for(std::string_view settings) noexcept;
// What is said of a step that changes no record when its answer was lost: timeout or unavailable.
[[nodiscard]] error_code nothing_changed(const error_code& error, steady_time now,
                                         steady_time deadline) noexcept;
// The error that a reply stands for, when it is not the one that was hoped for.
[[nodiscard]] error_code to_error(const reply& refused) noexcept;

}  // namespace lethe::store::memcached
