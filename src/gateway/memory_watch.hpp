// How much memory the process takes, how much it may, and what is refused when that comes near.
//
// Queues, buffers and bodies each have their bounds; this is the bound of all of them together,
// below which the kernel ends the process and every request with it.
#pragma once

#include "http/exchange.hpp"

#include <cstdint>
#include <optional>

namespace lethe::gateway {

enum class memory_pressure : std::uint8_t {
    none,
    high,  // above nine tenths: large bodies are refused
    full,  // above the limit: requests and new connections are
};

// The pages that are in memory, as the kernel counts them against a cgroup's limit or kills by.
[[nodiscard]] std::optional<std::uint64_t> resident_bytes();
// 90 % of what the process' cgroup (version 2) and those around it may take; 0: no limit.
[[nodiscard]] std::uint64_t cgroup_bytes_max();
// The limit to keep to; 0: none.
[[nodiscard]] std::uint64_t memory_max(std::optional<std::uint64_t> configured);
// A level is left only well below where it was entered, so that it does not come and go.
[[nodiscard]] memory_pressure next_pressure(memory_pressure now, std::uint64_t used,
                                            std::uint64_t most);
// The allocator's free pages go back to the kernel. Takes milliseconds; not on a worker.
void give_back_free_memory();

[[nodiscard]] bool has_memory_for(const http::exchange& x, memory_pressure now);

}  // namespace lethe::gateway
