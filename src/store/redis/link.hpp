// The connection of one worker to the server that has the records: a pipeline, and what helps it on
// when another server has become the primary or the functions are not there.
#pragma once

#include "store/open.hpp"
#include "store/pipeline.hpp"
#include "store/redis/greeting.hpp"
#include "store/redis/refusal.hpp"
#include "store/redis/settings.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace lethe::store::redis {

using connector =
    std::function<task<net::stream>(net::worker& on, net::address to, steady_time deadline)>;

// Plainly or over TLS, as the settings want it: the one place that knows.
[[nodiscard]] task<net::stream> connect_to(net::worker& on, const settings& with, net::address to,
                                           steady_time deadline);

struct link_options {
    std::shared_ptr<const settings> with;
    std::shared_ptr<const greeting> greet;
    net::address server;
    connector connect = {};  // empty: connect_to(server)
    open_options limits = {};
    metrics::registry* registry = nullptr;
};

// One worker; destroyed before it.
class link {
 public:
    link(net::worker& on, link_options options);
    ~link();
    link(const link&) = delete;
    link& operator=(const link&) = delete;

    // The connection as it is now; whoever asks it keeps it for so long.
    [[nodiscard]] std::shared_ptr<pipeline> now() const { return pipeline_; }
    // The same, asked: as pipeline::ask.
    [[nodiscard]] task<std::string> ask(std::string request, std::size_t replies,
                                        steady_time deadline);
    // After `helps` of a refusal: makes a new connection (for the next call) or loads the functions
    // (the error when that failed).
    [[nodiscard]] task<> apply(remedy helps, steady_time deadline);
    // The next call makes a new connection; what is under way keeps this one. No more often than
    // each half second.
    void renew();
    // Errors that servers answered with, logged here at most now and then.
    void tell(std::string_view error) const;

    [[nodiscard]] const net::address& server() const noexcept { return options_.server; }
    [[nodiscard]] net::worker& worker() const noexcept { return worker_; }

 private:
    [[nodiscard]] std::shared_ptr<pipeline> make() const;

    net::worker& worker_;
    link_options options_;
    // Shared with the calls under way on it.
    std::shared_ptr<pipeline> pipeline_;
    steady_time renewed_ = steady_time::min();
};

}  // namespace lethe::store::redis
