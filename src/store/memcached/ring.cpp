#include "store/memcached/ring.hpp"

#include "base/bytes.hpp"
#include "store/memcached/item.hpp"

#include <algorithm>

namespace lethe::store::memcached {
namespace {

// With so many points the fullest of ten hosts has about a tenth more than its share.
constexpr std::size_t points_per_host = 256;

}  // namespace

ring::ring(std::span<const std::string> hosts) {
    LETHE_ASSERT(!hosts.empty());
    for (std::size_t host = 0; host < hosts.size(); ++host)
        for (std::size_t i = 0; i < points_per_host; ++i) {
            const std::string digest = sha256_of_parts({hosts[host], std::to_string(i)});
            points_.emplace_back(stable_hash(digest), host);
        }
    // Equal points, should there ever be two, go by the hosts' names: not by their order here.
    std::ranges::sort(points_, [&](const auto& a, const auto& b) {
        return a.first != b.first ? a.first < b.first : hosts[a.second] < hosts[b.second];
    });
}

std::size_t ring::host_of(std::string_view key) const noexcept {
    const std::uint64_t at = stable_hash(key);
    const auto next =
        std::ranges::lower_bound(points_, at, {}, [](const auto& point) { return point.first; });
    return next == points_.end() ? points_.front().second : next->second;
}

}  // namespace lethe::store::memcached
