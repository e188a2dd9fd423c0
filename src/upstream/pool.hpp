// An upstream: its replicas, the connections kept to them, and the way of one request to one of
// them.
#pragma once

#include "http/client.hpp"
#include "http/filter.hpp"
#include "net/signal.hpp"
#include "upstream/admission.hpp"
#include "upstream/affinity.hpp"
#include "upstream/balancer.hpp"
#include "upstream/connect.hpp"
#include "upstream/metrics.hpp"
#include "upstream/options.hpp"
#include "upstream/retry_budget.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <vector>

namespace lethe::upstream {

struct hedge_try;

// One worker. Outlives the exchanges it handles and their bodies (exchange::keeps).
class pool final : public http::handler {
 public:
    // `tls`: as make_tls() answered it.
    pool(net::worker& on, options what, std::optional<net::tls_client> tls);
    ~pool() override;

    // Sets the answer and x.outcome. Never sends a request that may have run a second time, unless
    // its method is idempotent.
    task<> handle(http::exchange& x) override;

    // What the active check found of a replica of that entry of the options; on this pool's worker.
    void set_healthy(std::size_t entry, const replica& which, bool yes);
    // What that entry's name stands for from now on; on this pool's worker. Until the first call
    // requests that have nowhere else to go wait for it.
    void use_addresses(std::size_t entry, const std::vector<replica>& now);

    [[nodiscard]] const options& what() const noexcept { return options_; }

 private:
    friend class answer_body;
    friend class hedge;

    using connection = std::unique_ptr<http::client_connection>;

    struct kept {
        connection open;
        steady_time since;
    };

    // A replica, by the balancer's number.
    struct place {
        std::size_t entry = 0;  // of the options
        replica where;
        std::string authority;   // for logs
        std::vector<kept> idle;  // the longest idle first
    };

    enum class attempt : std::uint8_t {
        answered,
        refused_locally,  // the request's own body failed: the problem is set
        not_sent,         // nothing reached a replica
        broke_off,        // something was sent, no complete head came back
        timed_out,        // the same, by time
        failed_twice,     // broke off, and so did a hedge
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
    // The replica of the cookie while it can be chosen, else the balancer's choice.
    [[nodiscard]] std::optional<std::size_t> choose(const std::vector<bool>& tried,
                                                    std::optional<std::uint64_t> key,
                                                    const std::optional<affinity_mark>& mark);
    void keep_affinity(http::exchange& x, const std::optional<affinity_mark>& mark,
                       std::size_t replica);
    [[nodiscard]] bool may_hedge(const http::exchange& x) const;
    // The answer that a hedge got in place of `replica`.
    void take_hedge(http::exchange& x, std::size_t replica, hedge_try& from);
    void join(std::size_t entry, const replica& one, std::optional<steady_time> slowly_from);
    // The number of the replica, joined or not; nullopt: none.
    [[nodiscard]] std::optional<std::size_t> find(std::size_t entry, const replica& which) const;
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
    retry_budget hedges_;
    std::optional<affinity> affinity_;
    std::deque<place> places_;  // does not move what a connection is being made to
    // By entry: a name of which nothing is known yet.
    std::vector<bool> not_looked_up_;
    net::signal room_;
    std::unique_ptr<admission> admission_;  // null: without concurrency_options
};

}  // namespace lethe::upstream
