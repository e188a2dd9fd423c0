// Somebody who works with keys in a session of their own, logs in, and half of the time logs out
// while more of their requests are under way.
#pragma once

#include "faults/customer.hpp"
#include "witness/history.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace lethe::faults {

struct visited {
    witness::visit seen;
    std::string token;
    std::map<std::string, std::string> cookies;  // at the end, or before the logout
    std::size_t requests = 0;
    std::size_t unexpected = 0;
    std::string first_unexpected;
};

// Everybody uses the same keys: they must never meet. Until all is done or `around.stop`; what is
// under way then is followed to its end.
[[nodiscard]] visited visit_once(const surroundings& around, const std::string& user,
                                 const std::string& token, std::uint64_t seed);

// Once all is healthy again: reads the session, or tries the old cookie.
void look_back(const surroundings& around, visited& one);

}  // namespace lethe::faults
