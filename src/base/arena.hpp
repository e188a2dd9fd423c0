// Memory that lives as long as one exchange: allocation is a pointer bump, release is one reset.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <new>
#include <string_view>
#include <utility>

namespace lethe {

// One thread only. Objects made in it must not need a destructor, or their maker runs it.
class arena {
 public:
    arena() = default;
    arena(const arena&) = delete;
    arena& operator=(const arena&) = delete;
    ~arena() { reset(); }

    [[nodiscard]] void* allocate(std::size_t bytes,
                                 std::size_t alignment = alignof(std::max_align_t)) {
        const std::size_t start = (used_ + alignment - 1) / alignment * alignment;
        if (last_ == nullptr || start + bytes > last_->size) return allocate_block(bytes);
        used_ = start + bytes;
        return reinterpret_cast<char*>(last_) + start;
    }
    // What was allocated last ends at `end`, before which it began: the rest is free again.
    void trim(const void* end) noexcept {
        used_ = static_cast<std::size_t>(static_cast<const char*>(end) -
                                         reinterpret_cast<const char*>(last_));
    }
    [[nodiscard]] std::string_view copy(std::string_view text);
    // The parts one after another, in one piece.
    [[nodiscard]] std::string_view concat(std::initializer_list<std::string_view> parts);

    // Forgets everything and gives its memory back.
    void reset() noexcept;

 private:
    static constexpr std::size_t block_bytes = 4096;

    struct alignas(std::max_align_t) block {
        block* previous;
        std::size_t size;  // with this head
    };

    void* allocate_block(std::size_t bytes);

    block* last_ = nullptr;
    std::size_t used_ = 0;  // of the last block, with its head
};

}  // namespace lethe
