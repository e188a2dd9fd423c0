// Which of several servers keeps a key.
//
// Consistent hashing: each host has many points on a ring of 64-bit numbers, and a key belongs to
// the next point after its own hash. A host more or less moves only the keys between its points
// and those before them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lethe::store::memcached {

class ring {
 public:
    // Names of hosts, at least one; their order does not matter.
    explicit ring(std::span<const std::string> hosts);

    // An index into `hosts`.
    [[nodiscard]] std::size_t host_of(std::string_view key) const noexcept;

 private:
    std::vector<std::pair<std::uint64_t, std::size_t>> points_;  // ascending
};

}  // namespace lethe::store::memcached
