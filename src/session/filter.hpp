// Sessions over HTTP: the cookie in and out, the Lethe-Session* fields to the upstream and back.
#pragma once

#include "http/filter.hpp"
#include "session/engine.hpp"
#include "session/handle.hpp"
#include "session/metrics.hpp"
#include "session/turn.hpp"

#include <memory>
#include <string>

namespace lethe::session {

// How services reach a session by URL; without keys they do not.
struct url_source {
    std::shared_ptr<const handle_keys> keys;
    std::string prefix;  // "http://127.0.0.1:3500/lethe/v1/session/"
    std::string route;   // route_mark()
    random_source* random = nullptr;
};

// Outside the idempotency filter. Reads the session, shows it to the upstream, and commits what the
// upstream answers with before the answer goes out, whatever its status.
// `work` and `counts` belong to the worker and outlive the filter.
class filter final : public http::filter {
 public:
    filter(engine& work, route_options route, metrics& counts, url_source urls = {},
           turns* queue = nullptr);

    [[nodiscard]] task<> handle(http::exchange& x, http::next rest) override;

 private:
    struct loaded;

    [[nodiscard]] task<loaded> load(http::exchange& x);
    void show(http::exchange& x, loaded& found);
    void show_url(http::exchange& x, loaded& found);
    enum class kept : std::uint8_t { yes, refused };
    [[nodiscard]] task<kept> look_for_made_by_url(http::exchange& x, loaded& found);
    enum class verdict : std::uint8_t { done, again };
    [[nodiscard]] task<verdict> commit(http::exchange& x, loaded& found, bool repeatable);
    [[nodiscard]] task<kept> take_turn(http::exchange& x, loaded& found);
    [[nodiscard]] task<> load_in_turn(loaded& found, steady_time deadline);
    [[nodiscard]] task<kept> hold_body(http::exchange& x);
    [[nodiscard]] task<verdict> look_again(http::exchange& x, loaded& found, ticket holder,
                                           bool moved);
    void bind(change& wanted, const http::exchange& x, const loaded& found) const;
    void show_again(http::exchange& x, loaded& found);
    void stay(http::exchange& x, const loaded& found) const;
    void fail(http::exchange& x, const loaded& found, const error_code& why) const;
    void hand_out(http::exchange& x, const loaded& found, const committed& done,
                  const std::optional<ticket>& holder) const;
    // Whether the session is as new as its cookie; reads it again where the route says so.
    [[nodiscard]] task<> check_floor(http::exchange& x, loaded& found);
    [[nodiscard]] steady_time store_deadline(http::exchange& x) const;

    engine& engine_;
    const route_options route_;
    const presenter presenter_;
    metrics& metrics_;
    const url_source urls_;
    turns* const turns_;  // for routes with `serialize`
};

// Directly inside the idempotency filter: writes into a keyed answer that changes the session which
// session it was made for (Lethe-Session-Origin), so that the outcome keeps it and a replay does
// not change another one. Never reaches the client: `filter` removes it.
class origin_stamp final : public http::filter {
 public:
    [[nodiscard]] task<> handle(http::exchange& x, http::next rest) override;
};

}  // namespace lethe::session
