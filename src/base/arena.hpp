// Memory that lives as long as one exchange: allocation is a pointer bump, release is one reset.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

namespace lethe {

// One thread only. Objects made in it must not need a destructor, or their maker runs it.
class arena {
 public:
    arena() = default;
    arena(const arena&) = delete;
    arena& operator=(const arena&) = delete;

    [[nodiscard]] void* allocate(std::size_t bytes,
                                 std::size_t alignment = alignof(std::max_align_t));
    [[nodiscard]] std::string_view copy(std::string_view text);
    // The parts one after another, in one piece.
    [[nodiscard]] std::string_view concat(std::initializer_list<std::string_view> parts);

    // Forgets everything; keeps the first block for the next exchange.
    void reset() noexcept;

 private:
    static constexpr std::size_t block_bytes = 2048;

    struct block {
        std::unique_ptr<char[]> bytes;
        std::size_t size = 0;
    };

    std::vector<block> blocks_;
    std::size_t used_ = 0;  // in the last block
};

}  // namespace lethe
