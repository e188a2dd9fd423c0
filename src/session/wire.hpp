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
};

// What an answer asks for.
struct asked {
    change wanted;  // without what the route and the exchange add to it
    std::optional<origin> made_for;
};

// Removes what a client or an inner step may have left there.
void strip_request(http::fields& header);
// Adds what the upstream may know of the session.
void show_session(http::exchange& x, const state& data, std::string_view pseudonym,
                  const std::vector<std::string>& readable);

// Takes the fields out of the answer, whatever they say. errc::patch_malformed, also for a patch
// above `patch_bytes_max`.
[[nodiscard]] result<asked> take_asked(http::fields& header, std::size_t patch_bytes_max);

// Whether the answer asks for a change; and the note that origin_stamp leaves.
[[nodiscard]] bool asks_for_change(const http::fields& header);
void stamp_origin(http::exchange& x);

}  // namespace lethe::session::detail
