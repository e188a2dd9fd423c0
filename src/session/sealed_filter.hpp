// Sessions without a store (`mode: sealed`): what a session holds travels in the browser's cookies,
// sealed. What outgrows them moves to the store, where there is one.
//
// The browser keeps what came last: of two answers at the same time one change is lost. So routes
// say `on_conflict: last_writer_wins`, and operations, which promise not to be lost, are refused.
#pragma once

#include "base/recent.hpp"
#include "http/filter.hpp"
#include "session/filter.hpp"
#include "session/revocation.hpp"
#include "session/sealed_cookie.hpp"

#include <memory>
#include <optional>

namespace lethe::session {

// A session whose cookie was opened, with what was made of it. The same cookie opens to the same
// again; whether the session is over is asked each time.
struct opened_cookie {
    sealed_session session;
    std::vector<shown_text> texts{};
};
// Those that were used last; of one worker and ring. Only of sessions in a single cookie of at most
// kept_cookie_bytes_max, so that all of it stays below 32 MB.
using opened_cookies = recent<std::shared_ptr<opened_cookie>>;
inline constexpr std::size_t opened_cookies_max = 4096;
inline constexpr std::size_t kept_cookie_bytes_max = 2048;

// What the filters of one worker share; outlives them.
struct sealed_parts {
    random_source& random;
    settings options;
    std::shared_ptr<const keyring> keys;  // not null
    opened_cookies& known;
    // Of the route's store; both null without one.
    engine* stored = nullptr;
    revocations* revoked = nullptr;
};

// What a change makes of a sealed session: pure.
struct sealed_change {
    effect what = effect::none;
    std::optional<state> next{};  // what the new cookies hold; nullopt: they stay or go
};
[[nodiscard]] result<sealed_change> change_sealed(const sealed_session* seen, change wanted,
                                                  const settings& options, system_time now,
                                                  random_source& random);

// Stands where `filter` stands otherwise.
class sealed_filter final : public http::filter {
 public:
    sealed_filter(sealed_parts parts, route_options route, metrics& counts);

    [[nodiscard]] task<> handle(http::exchange& x, http::next rest) override;

 private:
    struct loaded;

    [[nodiscard]] result<std::shared_ptr<opened_cookie>> open(
        const detail::found_cookies& sent) const;
    [[nodiscard]] task<> load(http::exchange& x, loaded& out);
    void refuse_unavailable(http::exchange& x, loaded& out, const error_code& because);
    [[nodiscard]] task<> judge(http::exchange& x, loaded& out);
    [[nodiscard]] task<> commit(http::exchange& x, loaded& found);
    // False: the answer is another session's outcome and changes none.
    [[nodiscard]] bool place(http::exchange& x, const loaded& found,
                             const std::string& made_for_pseudonym);
    [[nodiscard]] task<> hand_out(http::exchange& x, const loaded& found, state next, effect what);
    // Renews the cookies when they are old enough, clears those that are no session.
    void keep(http::exchange& x, const loaded& found);
    void refuse(http::exchange& x, const error_code& because);

    const sealed_parts parts_;
    const route_options route_;
    const presenter presenter_;
    metrics& metrics_;
    // For sessions that moved to the store.
    std::unique_ptr<session::filter> stored_;
};

}  // namespace lethe::session
