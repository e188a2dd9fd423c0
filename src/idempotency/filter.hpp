// Idempotency keys over HTTP: reads the key, claims it, forwards once, keeps the answer, replays
// it.
#pragma once

#include "http/filter.hpp"
#include "http/problem.hpp"
#include "http/spool.hpp"
#include "idempotency/closing.hpp"
#include "idempotency/engine.hpp"
#include "idempotency/graphql_request.hpp"
#include "idempotency/json_path.hpp"
#include "idempotency/metrics.hpp"
#include "idempotency/options.hpp"
#include "idempotency/spawner.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lethe::idempotency {

// Inside authentication and the session filter, whose findings scope the key; around everything
// that may reach the upstream. One per worker and route.
//
// A keyed request's body is read whole before anything is forwarded, into memory or a temporary
// file, and can be rewound from then on. After the claim x.survives_client is set: the upstream's
// answer is waited for and recorded though the client has left. What it spawns refers to `work`,
// `counts` and `background`, not to the filter.
class filter final : public http::filter {
 public:
    // Precondition: !find_mistake(options). `work`, `counts` and `background` belong to the worker,
    // `large` to the process; all outlive the filter and what it spawns.
    filter(engine& work, route_options options, metrics& counts, spawner& background,
           http::spool& large);

    [[nodiscard]] task<> handle(http::exchange& x, http::next rest) override;

 private:
    [[nodiscard]] bool takes_key(http::method m) const noexcept;
    // nullopt: the refusal is in x.
    [[nodiscard]] std::optional<std::string> read_key(http::exchange& x);
    [[nodiscard]] std::optional<std::string> take_key(http::exchange& x, std::string_view sent);
    // What a body came to; it stands in the exchange again and can be rewound.
    struct read_body {
        bool refused = false;  // the refusal is in the exchange
        // In memory; else its SHA-256 alone is known here.
        std::optional<std::string_view> whole = {};
        std::string sha256 = {};
    };
    [[nodiscard]] task<read_body> take_body(http::exchange& x);
    void refuse_body(http::exchange& x, const error_code& why);
    [[nodiscard]] std::optional<std::string> caller_of(http::exchange& x);
    void refuse(http::exchange& x, const http::problem_type& type, std::string_view detail) const;

    // Not protected: no key, or the store is away and the route says pass.
    [[nodiscard]] task<> pass(http::exchange& x, http::next rest, bool say_off);
    [[nodiscard]] task<> handle_keyed(http::exchange& x, http::next rest, std::string key,
                                      std::string caller);
    // A keyed request whose body has been read and stands in x again.
    [[nodiscard]] task<> run_keyed(http::exchange& x, http::next rest, std::string key,
                                   std::string caller, std::string body_digest);
    // filter_graphql.cpp
    [[nodiscard]] task<> handle_graphql(http::exchange& x, http::next rest);
    [[nodiscard]] std::optional<std::string> key_of_graphql(http::exchange& x,
                                                            const graphql_request& asked);
    [[nodiscard]] task<admission> admit(http::exchange& x, claim_request request);
    [[nodiscard]] task<> refuse_unclaimed(http::exchange& x, http::next rest, error_code why);
    void answer_admission(http::exchange& x, admission admitted);
    [[nodiscard]] task<> replay_blob(http::exchange& x, admission admitted);
    // What of an answer may stand in the key's record.
    [[nodiscard]] std::uint64_t inline_bytes_max() const noexcept;

    // filter_unknown.cpp: a claim that took over one without an outcome.
    [[nodiscard]] task<> settle_unknown(http::exchange& x, http::next rest, claim_handle claim,
                                        std::string key);
    [[nodiscard]] task<> reconcile(http::exchange& x, http::next rest, claim_handle claim,
                                   std::string key);
    [[nodiscard]] task<> adopt(http::exchange& x, http::exchange& probe, claim_handle claim);
    [[nodiscard]] task<> hold_unknown(http::exchange& x, claim_handle claim);
    void answer_unknown(http::exchange& x);
    [[nodiscard]] task<> make_final(http::exchange& x, claim_handle claim);

    void begin(http::exchange& x, const claim_handle& claim);
    [[nodiscard]] task<> forward(http::exchange& x, http::next rest, claim_handle claim);
    // The connection broke off, and the route or the method says that twice does no harm.
    [[nodiscard]] bool may_send_again(http::exchange& x, const claim_handle& claim) const;
    [[nodiscard]] task<> send_again(http::exchange& x, http::next rest, claim_handle claim);
    [[nodiscard]] task<> refuse_late(http::exchange& x, claim_handle claim);
    [[nodiscard]] task<> keep(http::exchange& x, claim_handle claim);
    // filter_replacing.cpp: an outcome whose session change met a conflict may be replaced.
    [[nodiscard]] bool may_be_replaced(const http::exchange& x) const noexcept;
    [[nodiscard]] static bool may_replace(const http::exchange& x, const claim_handle& claim);
    [[nodiscard]] task<> replace(http::exchange& x, http::next rest, admission admitted);
    [[nodiscard]] task<> keep_instead(http::exchange& x, claim_handle claim);
    [[nodiscard]] task<> release(http::exchange& x, claim_handle claim);
    [[nodiscard]] task<> lose(http::exchange& x, claim_handle claim);

    engine& engine_;
    const route_options options_;
    const std::vector<json_path> paths_;
    metrics& metrics_;
    const closing closing_;
    http::spool& spool_;
};

}  // namespace lethe::idempotency
