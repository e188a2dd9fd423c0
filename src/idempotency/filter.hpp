// Idempotency keys over HTTP: reads the key, claims it, forwards once, keeps the answer, replays
// it.
#pragma once

#include "http/filter.hpp"
#include "http/problem.hpp"
#include "idempotency/closing.hpp"
#include "idempotency/engine.hpp"
#include "idempotency/metrics.hpp"
#include "idempotency/options.hpp"
#include "idempotency/spawner.hpp"

#include <optional>
#include <string>

namespace lethe::idempotency {

// Inside authentication and the session filter, whose findings scope the key; around everything
// that may reach the upstream. One per worker and route.
//
// A keyed request's body is read whole before anything is forwarded, and can be rewound from then
// on. After the claim x.survives_client is set: the upstream's answer is waited for and recorded
// though the client has left. What it spawns refers to `work`, `counts` and `background`, not to
// the filter.
class filter final : public http::filter {
 public:
    // Precondition: !find_mistake(options). `work`, `counts` and `background` belong to the worker
    // and outlive the filter and what it spawns.
    filter(engine& work, route_options options, metrics& counts, spawner& background);

    [[nodiscard]] task<> handle(http::exchange& x, http::next rest) override;

 private:
    [[nodiscard]] bool takes_key(http::method m) const noexcept;
    // nullopt: the refusal is in x.
    [[nodiscard]] std::optional<std::string> read_key(http::exchange& x);
    [[nodiscard]] std::optional<std::string> caller_of(http::exchange& x);
    void refuse(http::exchange& x, const http::problem_type& type, std::string_view detail) const;

    // Not protected: no key, or the store is away and the route says pass.
    [[nodiscard]] task<> pass(http::exchange& x, http::next rest, bool say_off);
    [[nodiscard]] task<> handle_keyed(http::exchange& x, http::next rest, std::string id);
    [[nodiscard]] task<admission> admit(http::exchange& x, claim_request request);
    [[nodiscard]] task<> refuse_unclaimed(http::exchange& x, http::next rest, error_code why);
    void answer_admission(http::exchange& x, admission admitted);

    [[nodiscard]] task<> forward(http::exchange& x, http::next rest, claim_handle claim);
    [[nodiscard]] task<> keep(http::exchange& x, claim_handle claim);
    [[nodiscard]] task<> release(http::exchange& x, claim_handle claim);
    [[nodiscard]] task<> lose(http::exchange& x, claim_handle claim);

    engine& engine_;
    const route_options options_;
    metrics& metrics_;
    const closing closing_;
};

}  // namespace lethe::idempotency
