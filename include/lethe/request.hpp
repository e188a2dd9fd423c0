// A request as a handler sees it.
#pragma once

#include "lethe/errors.hpp"
#include "lethe/json.hpp"
#include "lethe/session.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace lethe {
inline namespace v1 {

namespace internal {
struct request_data;
struct request_access;
}  // namespace internal

// Moved, not copied; one worker. It and every view from it are valid until the handler's coroutine
// has ended: a handler that hands work on copies what that work needs.
class request {
 public:
    explicit request(const internal::request_data& data) noexcept : data_(&data) {}
    request(request&&) noexcept = default;
    request& operator=(request&&) noexcept = default;

    [[nodiscard]] std::string_view method() const noexcept;  // "GET"
    [[nodiscard]] std::string_view path() const noexcept;    // normalised, still percent-encoded
    [[nodiscard]] std::string_view query() const noexcept;   // without '?'
    [[nodiscard]] std::string_view remote_address() const noexcept;

    // The first field of that name, in any case.
    [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
    // What stood in the place of {name} of the route's pattern, decoded; "" if there is no such
    // place.
    [[nodiscard]] std::string_view path_parameter(std::string_view name) const noexcept;
    // The first "name=value" of the query, decoded.
    [[nodiscard]] std::optional<std::string> query_parameter(std::string_view name) const;
    // The whole body; at most service_options::body_bytes_max.
    [[nodiscard]] std::string_view body() const noexcept;

    // --- what lethe adds. It strips such fields from its clients' requests, so a service that only
    // lethe can reach may trust them.

    // The session's slots that the route may read, none where there is no session. Errors are met
    // where it is read: service_errc::malformed_field, service_errc::session_elsewhere. Decoded
    // anew at each call.
    [[nodiscard]] session_view session() const;
    // The same wherever the session is: where the request has a Lethe-Session-Url
    // (docs/sessions.md), asked for there, as it is now; else session(). Errors are met where the
    // view is read; besides the above session_gone, session_away. Await in the handler's own
    // coroutine.
    [[nodiscard]] boost::asio::awaitable<session_view> fetch_session() const;
    // Changes the session at Lethe-Session-Url now, whatever the handler answers; also by more than
    // fits into an answer's field. The session's new version. Errors: no_session_url,
    // session_gone, session_conflict, session_refused, session_away, session_unknown.
    using changed_session = boost::asio::awaitable<boost::system::result<std::uint64_t>>;
    [[nodiscard]] changed_session change_session(const lethe::session_change& change,
                                                 session_change_options options = {}) const;
    [[nodiscard]] changed_session change_session(const session_merge& change,
                                                 session_change_options options = {}) const;
    [[nodiscard]] changed_session change_session(const session_patch& change,
                                                 session_change_options options = {}) const;
    // The body as JSON. Errors: service_errc::malformed_json; wrong_type where it is no T.
    template <class T = json_value>
    [[nodiscard]] boost::system::result<T> json() const {
        const boost::system::result<json_value> parsed = json_value::parse(body());
        if (parsed.has_value()) return parsed->as<T>();
        return boost::system::result<T>(boost::system::in_place_error, parsed.error());
    }
    // Names the session without giving anything away; "" when there is none.
    [[nodiscard]] std::string session_id() const;
    // Which try of a keyed request this is, from 1; 0: the request carries no idempotency key. A
    // service that remembers the highest attempt of a key can refuse a lower one.
    [[nodiscard]] std::uint64_t attempt() const;
    // The client's Idempotency-Key without its quotes; "" when there is none.
    [[nodiscard]] std::string idempotency_key() const;

 private:
    friend struct internal::request_access;

    [[nodiscard]] changed_session change_by_url(std::string_view media_type, std::string json,
                                                session_change_options options) const;

    const internal::request_data* data_;
};

}  // namespace v1
}  // namespace lethe
