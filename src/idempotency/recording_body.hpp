// An answer that is too large for the key's record, or a stream: passes through, is written into
// records of its own on the way where that is wanted, and ends its claim when its end has come.
#pragma once

#include "http/body.hpp"
#include "idempotency/closing.hpp"

#include <string>

namespace lethe::idempotency {

// `begun` was read from `rest` already. A body of up to `blob_bytes_max` is kept beside the
// outcome, a longer one is not. The outcome is recorded before the last piece is handed on; a body
// that breaks off, or is let go before its end, leaves it unknown.
[[nodiscard]] http::body_ptr make_recording_body(closing with, claim_handle claim, outcome result,
                                                 std::string begun, http::body_ptr rest,
                                                 std::uint64_t blob_bytes_max);

}  // namespace lethe::idempotency
