// A gateway: the real engines and filters, in their real order, on simulated stores and time.
#pragma once

#include "http/filter.hpp"
#include "http/spool.hpp"
#include "idempotency/filter.hpp"
#include "session/filter.hpp"
#include "simulation/planted.hpp"
#include "simulation/service_link.hpp"
#include "simulation/store_link.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace lethe::simulation {

// What a client is told.
struct reply {
    bool reset = false;  // no answer, or a broken one
    int status = 0;
    std::string problem;
    std::optional<std::string> cookie;  // a session's cookie that is set; "" to forget it
    std::uint64_t execution = 0;        // 0: the gateway's own answer
    bool replayed = false;

    [[nodiscard]] static reply none() {
        reply out;
        out.reset = true;
        return out;
    }
};

// What a gateway needs to know of the rest.
struct gateway_world {
    const scenario& about;
    std::vector<store_server*> stores;
    std::vector<store_server*> previous;  // of each, while records move; else empty
    faults& weather;
    service_world& service;
    lethe::metrics::registry& counted;  // by all gateways
    planted bug = planted::nothing;
    std::uint64_t seed = 0;
    // A head goes out: what was acknowledged holds from here on.
    std::function<void(delivery&, const http::exchange&)> answers;
    std::function<void(delivery&, reply)> replies;
};

class gateway final : public host::program {
 public:
    gateway(host& on, gateway_world& in);
    ~gateway() override { process_.die(); }

    process& inside() override { return process_; }
    void stops() override;
    void dies() override { process_.die(); }

    // A client's request has come.
    void accept(delivery& what);
    // … and its client has left.
    void client_left(const delivery& what);
    // Exchanges that have not ended.
    [[nodiscard]] std::size_t open() const noexcept { return open_.size(); }

 private:
    class opened;

    boost::asio::awaitable<void> serve(delivery& what);
    void fill(http::exchange& x, const delivery& what);
    [[nodiscard]] reply make_reply(const http::exchange& x) const;

    host& host_;
    gateway_world& world_;
    std::map<std::uint64_t, http::exchange*> open_;  // by delivery
    process process_;
    process_spawner spawner_{process_};
    http::spool large_{{}};
    std::unique_ptr<random_source> random_;
    std::vector<std::unique_ptr<store::store>> stores_;
    idempotency::engine keys_;
    session::engine sessions_;
    idempotency::metrics key_counts_{world_.counted};
    session::metrics session_counts_{world_.counted};
    service_link service_;
    std::unique_ptr<http::chain> way_;
};

}  // namespace lethe::simulation
