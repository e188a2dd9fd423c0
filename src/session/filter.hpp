// Sessions over HTTP: the cookie in and out, the Lethe-Session* fields to the upstream and back.
#pragma once

#include "http/filter.hpp"
#include "session/engine.hpp"
#include "session/metrics.hpp"

namespace lethe::session {

// Outside the idempotency filter. Reads the session, shows it to the upstream, and commits what the
// upstream answers with before the answer goes out, whatever its status.
// `work` and `counts` belong to the worker and outlive the filter.
class filter final : public http::filter {
 public:
    filter(engine& work, route_options route, metrics& counts);

    [[nodiscard]] task<> handle(http::exchange& x, http::next rest) override;

 private:
    struct loaded;

    [[nodiscard]] task<loaded> load(http::exchange& x);
    [[nodiscard]] task<> commit(http::exchange& x, loaded found);
    [[nodiscard]] steady_time store_deadline(http::exchange& x) const;

    engine& engine_;
    const route_options route_;
    metrics& metrics_;
};

// Directly inside the idempotency filter: writes into a keyed answer that changes the session which
// session it was made for (Lethe-Session-Origin), so that the outcome keeps it and a replay does
// not change another one. Never reaches the client: `filter` removes it.
class origin_stamp final : public http::filter {
 public:
    [[nodiscard]] task<> handle(http::exchange& x, http::next rest) override;
};

}  // namespace lethe::session
