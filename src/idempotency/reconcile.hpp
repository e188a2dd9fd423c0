// Asks the service whether a request with this key has run.
#pragma once

#include "http/filter.hpp"

#include <cstdint>
#include <memory>
#include <string_view>

namespace lethe::idempotency {

enum class finding : std::uint8_t {
    done,      // 200: the answer is what a retry gets
    not_done,  // 404: it has not run, and what was sent before never will
    unclear,   // anything else, no answer included
};

struct reconciled {
    finding found = finding::unclear;
    // The question and its answer, the body unread; null for unclear.
    std::unique_ptr<http::exchange> probe;
};

// GET on the path with `key` percent-encoded for {key}, with the fields of x's request that are not
// about its body and the same Lethe-Attempt. An error means that the exchange can get no answer at
// all.
[[nodiscard]] task<reconciled> ask_service(http::exchange& x, http::next rest,
                                           std::string_view path, std::string_view key);

}  // namespace lethe::idempotency
