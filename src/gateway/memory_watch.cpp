#include "gateway/memory_watch.hpp"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace lethe::gateway {
namespace {

constexpr std::uint64_t large_body_bytes = 64 * 1024;

// The process' own path below the hierarchy, from the line "0::/system.slice/lethe.service".
std::string cgroup_path() {
    std::ifstream in("/proc/self/cgroup");
    for (std::string line; std::getline(in, line);)
        if (line.starts_with("0::/")) return line.substr(3);
    return {};
}

}  // namespace

std::optional<std::uint64_t> resident_bytes() {
    std::ifstream in("/proc/self/statm");
    std::uint64_t all = 0;
    std::uint64_t resident = 0;
    if (!(in >> all >> resident)) return std::nullopt;
    return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

// In a container the hierarchy usually begins at its own group, and the path is "/".
std::uint64_t cgroup_bytes_max() {
    std::string path = cgroup_path();
    if (path.empty()) return 0;
    std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
    while (true) {
        std::ifstream in("/sys/fs/cgroup" + path + "/memory.max");
        // "max": no limit, and no number.
        if (std::uint64_t most = 0; in >> most) least = std::min(least, most);
        if (path.empty()) break;
        path.resize(path.rfind('/'));
    }
    if (least == std::numeric_limits<std::uint64_t>::max()) return 0;
    return least / 10 * 9;
}

std::uint64_t memory_max(std::optional<std::uint64_t> configured) {
    return configured ? *configured : cgroup_bytes_max();
}

memory_pressure next_pressure(memory_pressure now, std::uint64_t used, std::uint64_t most) {
    using enum memory_pressure;
    if (most == 0) return none;
    const auto above = [used, most](unsigned percent) { return used > most / 100 * percent; };
    if (above(100) || (now == full && above(95))) return full;
    if (above(90) || (now != none && above(85))) return high;
    return none;
}

void give_back_free_memory() {
    malloc_trim(0);
}

bool has_memory_for(const http::exchange& x, memory_pressure now) {
    switch (now) {
        case memory_pressure::none: return true;
        case memory_pressure::high:
            return !x.request_body ||
                   x.request_body->length().value_or(large_body_bytes + 1) <= large_body_bytes;
        case memory_pressure::full: return false;
    }
    return true;
}

}  // namespace lethe::gateway
