// The Lethe-Session* fields between gateway and upstream.
#pragma once

#include "http/exchange.hpp"
#include "session/engine.hpp"

#include <optional>
#include <string>

namespace lethe::session::detail {

// Which session an answer was made for, as origin_stamp noted it.
struct origin {
    std::string pseudonym;      // "" for a caller without a session
    std::uint64_t version = 0;  // of the session that the upstream saw
    std::uint32_t made_by = 0;  // the mark of the handle that it had; 0 for none
};

// What an answer asks for.
struct asked {
    change wanted;  // without what the route and the exchange add to it
    // The version that the service had read by URL when it made the change.
    std::optional<std::uint64_t> read_version;
    std::optional<origin> made_for;
};

// Removes what a client or an inner step may have left there.
void strip_request(http::fields& header);
// What the upstream may know of the session.
void show_identity(http::exchange& x, const state& data, std::string_view pseudonym);
void show_slots(http::exchange& x, std::string_view json);
void show_url(http::exchange& x, std::string_view prefix, std::string_view handle);

// Says that the session has lost changes.
void show_stale(http::exchange& x);

// Whether any of them is there: most answers have none.
[[nodiscard]] bool says_something(const http::fields& header) noexcept;
// Takes the fields out of the answer, whatever they say. errc::patch_malformed, also for a patch
// above `patch_bytes_max`.
[[nodiscard]] result<asked> take_asked(http::fields& header, std::size_t patch_bytes_max);

// Whether the answer asks for a change; and the note that origin_stamp leaves.
[[nodiscard]] bool asks_for_change(const http::fields& header);
void stamp_origin(http::exchange& x);

}  // namespace lethe::session::detail
