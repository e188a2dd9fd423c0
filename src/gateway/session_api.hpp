// Where a Lethe-Session-Url leads: a service reads and changes the session of the request that it
// works on, beyond what fits into fields.
//
//     GET, HEAD  the readable slots as JSON, with an ETag
//     PATCH      application/merge-patch+json, application/json-patch+json,
//                application/lethe-ops+json; committed before the answer
//
// The handle in the path is all the right there is: it never reaches a log.
#pragma once

#include "base/metrics.hpp"
#include "http/filter.hpp"
#include "session/engine.hpp"
#include "session/handle.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace lethe::gateway {

inline constexpr std::string_view session_api_prefix = "/lethe/v1/session/";

// What a handle's route is at this gateway now.
struct session_way {
    session::engine* sessions = nullptr;
    const session::route_options* rules = nullptr;
};
struct session_ways {
    std::shared_ptr<const void> keeps;                 // what the pointers live in
    std::shared_ptr<const session::handle_keys> keys;  // null: the interface is off
    std::function<std::optional<session_way>(std::string_view route_mark)> find;
};

// Conditions of a request for a session, as its fields say them.
struct session_condition {
    bool given = false;                    // there was an If-Match
    bool any = false;                      // If-Match: *
    std::optional<std::uint64_t> version;  // If-Match: "17"
};
// nullopt for what is not one strong entity tag or *.
[[nodiscard]] std::optional<session_condition> parse_if_match(const http::fields& header);
// If-None-Match: whether the session's version is among them.
[[nodiscard]] bool matches_none(const http::fields& header, std::uint64_t version);

// One per worker.
class session_api final : public http::handler {
 public:
    // `ways` is asked at each request.
    session_api(std::function<session_ways()> ways, metrics::registry& in);

    task<> handle(http::exchange& x) override;

 private:
    struct call;

    [[nodiscard]] task<> serve(http::exchange& x, call with);
    [[nodiscard]] task<> read(http::exchange& x, call with);
    [[nodiscard]] task<> change(http::exchange& x, call with);
    [[nodiscard]] task<> commit(http::exchange& x, call with, session::change wanted,
                                session_condition condition);
    void refuse(http::exchange& x, const error_code& error, bool conditional);

    std::function<session_ways()> ways_;
    metrics::counter& read_;
    metrics::counter& not_modified_;
    metrics::counter& changed_;
    metrics::counter& conflicts_;
    metrics::counter& refused_;
    metrics::counter& no_handle_;
    metrics::counter& gone_;
    metrics::counter& failed_;
};

}  // namespace lethe::gateway
