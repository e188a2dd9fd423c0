// What stands behind a request of the public API.
#pragma once

#include "http/exchange.hpp"
#include "lethe/request.hpp"
#include "net/worker.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lethe {
inline namespace v1 {
namespace internal {

// Lives as long as the handler's coroutine.
struct request_data {
    http::exchange& exchange;
    net::worker& worker;
    std::string body = {};
    // The pattern's names (views of the route) and what stood in their places, decoded.
    std::vector<std::pair<std::string_view, std::string>> path_parameters = {};
};

struct request_access {
    [[nodiscard]] static http::exchange& exchange(const request& r) noexcept {
        return r.data_->exchange;
    }
};

// Percent-decoding (RFC 3986 section 2.1); `plus_is_space` in queries. False: a broken escape.
[[nodiscard]] bool decode(std::string_view text, bool plus_is_space, std::string& out);
// A whole number as lethe's fields have it; 0: it is none.
[[nodiscard]] std::uint64_t read_number(std::string_view text) noexcept;

}  // namespace internal
}  // namespace v1
}  // namespace lethe
