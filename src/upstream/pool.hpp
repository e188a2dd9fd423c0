// An upstream: its replicas, the connections kept to them, and the way of one request to one of
// them.
#pragma once

#include "http/client.hpp"
#include "http/filter.hpp"
#include "net/signal.hpp"
#include "upstream/admission.hpp"
#include "upstream/balancer.hpp"
#include "upstream/connect.hpp"
#include "upstream/metrics.hpp"
#include "upstream/options.hpp"
#include "upstream/retry_budget.hpp"

#include <memory>
#include <vector>

namespace lethe::upstream {

// One worker. Outlives the exchanges it handles and their bodies (exchange::keeps).
class pool final : public http::handler {
 public:
    // `tls`: as make_tls() answered it.
    pool(net::worker& on, options what, std::optional<net::tls_client> tls);
    ~pool() override;

    // Sets the answer and x.outcome. Never sends a request that may have run a second time, unless
    // its method is idempotent.
    task<> handle(http::exchange& x) override;

    // What the active check found; on this pool's worker.
    void set_healthy(std::size_t replica, bool yes);

    [[nodiscard]] const options& what() const noexcept { return options_; }

 private:
    friend class answer_body;

    using connection = std::unique_ptr<http::client_connection>;

    struct kept {
        connection open;
        steady_time since;
    };

    enum class attempt : std::uint8_t {
        answered,
        refused_locally,  // the request's own body failed: the problem is set
        not_sent,         // nothing reached a replica
        broke_off,        // something was sent, no complete head came back
        timed_out,        // the same, by time
        stale,            // a kept connection ended before it answered
        cancelled,        // the client left
    };

    task<> handle_limited(http::exchange& x);
    task<> try_replicas(http::exchange& x);
    // Opens `into`; where that fails it stays empty, and the answer says what became of the
    // attempt.
    task<attempt> open_for(http::exchange& x, std::size_t replica, connection& into);
    // Whether a request of which something was sent may go again; then it is counted.
    [[nodiscard]] bool take_retry(const http::exchange& x);
    // What balance_rule::hash goes by; nullopt: this request has no such thing.
    [[nodiscard]] std::optional<std::uint64_t> hash_key(const http::exchange& x) const;
    task<attempt> transfer(http::exchange& x, std::size_t replica, connection with, bool was_kept);
    enum class room : std::uint8_t { free, refused };
    task<room> make_room(http::exchange& x);
    task<connection> open(std::size_t replica, steady_time deadline);
    [[nodiscard]] connection take_kept(std::size_t replica, bool check);
    void attach_answer(http::exchange& x, std::size_t replica, connection with);
    void give_back(std::size_t replica, connection with);
    void failed(std::size_t replica);
    void answer_failure(http::exchange& x, attempt last);
    [[nodiscard]] static bool refuse_body(http::exchange& x, const error_code& why);

    net::worker& worker_;
    options options_;
    std::optional<net::tls_client> tls_;
    metrics metrics_;
    balancer balancer_;
    retry_budget budget_;
    std::vector<std::string> authorities_;
    std::vector<std::vector<kept>> kept_;  // per replica, the longest idle first
    net::signal room_;
    std::unique_ptr<admission> admission_;  // null: without concurrency_options
};

}  // namespace lethe::upstream
