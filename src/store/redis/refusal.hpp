// What the errors mean that a Redis answers with.
//
// The rule: unavailable only where the server is known to have changed nothing; an error that
// nobody here knows leaves a change unknown.
#pragma once

#include "store/store.hpp"

#include <string_view>

namespace lethe::store::redis {

// What helps, besides asking again later.
enum class remedy {
    none,
    load_functions,  // nothing ran: lethe's functions are not there
    reconnect,       // another server is the primary, or the credentials are others now
    // Of a cluster; nothing ran.
    follow,      // MOVED: the slot is another node's
    ask_other,   // ASK: this once, another node
    ask_again,   // TRYAGAIN: the keys of one call are on both sides of a move
    ask_anyone,  // CLUSTERDOWN: nobody serves the slot now
};

struct refusal {
    errc code = errc::outcome_unknown;
    remedy helps = remedy::none;
    // Nothing of the call was done, and nothing will be.
    bool nothing_ran = false;
};

// `text` as it came: "READONLY You can't write against a read only replica."
[[nodiscard]] refusal judge_error(std::string_view text) noexcept;

// What may be logged of it: never a part that may repeat what was sent.
[[nodiscard]] std::string_view reason_of(std::string_view text) noexcept;

}  // namespace lethe::store::redis
