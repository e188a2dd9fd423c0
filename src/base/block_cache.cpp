#include "base/block_cache.hpp"

#include <array>
#include <new>

namespace lethe {
namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LETHE_KEEPS_NO_BLOCKS
#endif
#endif

#ifdef LETHE_KEEPS_NO_BLOCKS
constexpr std::size_t kept_max = 0;  // so that the sanitizer sees who uses a block it gave back
#else
constexpr std::size_t kept_max = 64;
#endif

// The first bytes of a block that nobody uses.
struct unused {
    unused* next;
};

struct kept_blocks {
    std::size_t bytes = 0;  // of each; 0: not yet used
    std::size_t count = 0;
    unused* first = nullptr;
};

struct cache {
    std::array<kept_blocks, 6> sizes;
    bool ended = false;

    ~cache() {
        ended = true;
        for (kept_blocks& one : sizes)
            while (one.first != nullptr) {
                unused* const block = one.first;
                one.first = block->next;
                ::operator delete(block);
            }
    }

    kept_blocks* find(std::size_t bytes) noexcept {
        for (kept_blocks& one : sizes) {
            if (one.bytes == bytes) return &one;
            if (one.bytes == 0) {
                one.bytes = bytes;
                return &one;
            }
        }
        return nullptr;
    }
};

thread_local cache blocks;

}  // namespace

void* take_block(std::size_t bytes) {
    kept_blocks* const kept = blocks.find(bytes);
    if (kept == nullptr || kept->first == nullptr) return ::operator new(bytes);
    unused* const block = kept->first;
    kept->first = block->next;
    --kept->count;
    return block;
}

void give_block(void* block, std::size_t bytes) noexcept {
    kept_blocks* const kept = blocks.ended ? nullptr : blocks.find(bytes);
    if (kept == nullptr || kept->count >= kept_max || bytes < sizeof(unused)) {
        ::operator delete(block);
        return;
    }
    ++kept->count;
    kept->first = ::new (block) unused{kept->first};
}

}  // namespace lethe
