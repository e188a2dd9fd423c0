// Blocks of memory that every request takes and gives back: kept for the next one, the last given
// back first, because it is still in the processor's cache.
#pragma once

#include <cstddef>

namespace lethe {

// Of the calling thread; a block may be given back on another one. A few dozen blocks of each of a
// few sizes are kept, the rest goes back to the system.
[[nodiscard]] void* take_block(std::size_t bytes);
void give_block(void* block, std::size_t bytes) noexcept;

}  // namespace lethe
