#include "base/arena.hpp"

#include <algorithm>
#include <cstring>

namespace lethe {

void* arena::allocate(std::size_t bytes, std::size_t alignment) {
    std::size_t start = (used_ + alignment - 1) / alignment * alignment;
    if (blocks_.empty() || start + bytes > blocks_.back().size) {
        const std::size_t size = std::max(block_bytes, bytes);
        blocks_.push_back({std::make_unique_for_overwrite<char[]>(size), size});
        start = 0;
    }
    used_ = start + bytes;
    return blocks_.back().bytes.get() + start;
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
    if (blocks_.size() > 1) blocks_.resize(1);
    // A first block that one big exchange made large is not kept: idle connections stay small.
    if (!blocks_.empty() && blocks_.front().size > block_bytes) blocks_.clear();
    used_ = 0;
}

}  // namespace lethe
