#include "base/arena.hpp"

#include "base/block_cache.hpp"

#include <algorithm>
#include <cstring>

namespace lethe {

void* arena::allocate_block(std::size_t bytes) {
    const std::size_t size = std::max(block_bytes, bytes + sizeof(block));
    last_ =
        ::new (size == block_bytes ? take_block(size) : ::operator new(size)) block{last_, size};
    used_ = sizeof(block) + bytes;
    return reinterpret_cast<char*>(last_) + sizeof(block);
}

std::string_view arena::copy(std::string_view text) {
    if (text.empty()) return {};
    char* to = static_cast<char*>(allocate(text.size(), 1));
    std::memcpy(to, text.data(), text.size());
    return {to, text.size()};
}

std::string_view arena::concat(std::initializer_list<std::string_view> parts) {
    std::size_t size = 0;
    for (const std::string_view part : parts) size += part.size();
    if (size == 0) return {};
    char* to = static_cast<char*>(allocate(size, 1));
    char* at = to;
    for (const std::string_view part : parts) {
        if (!part.empty()) std::memcpy(at, part.data(), part.size());
        at += part.size();
    }
    return {to, size};
}

void arena::reset() noexcept {
    while (last_ != nullptr) {
        block* const gone = last_;
        last_ = gone->previous;
        if (gone->size == block_bytes)
            give_block(gone, block_bytes);
        else
            ::operator delete(gone);
    }
    used_ = 0;
}

}  // namespace lethe
