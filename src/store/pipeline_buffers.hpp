// The inside of a pipeline: the bytes of one connection that are on their way out and in.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace lethe::store::detail {

// What was handed over to one connection and not yet taken by the kernel.
struct outgoing {
    std::string small;  // requests one behind the other
    std::string large;  // one more, which was not copied
    std::size_t written = 0;

    [[nodiscard]] std::size_t size() const noexcept { return small.size() + large.size(); }
    [[nodiscard]] bool empty() const noexcept { return written == size(); }
    // At most `bytes_max` of what is left.
    [[nodiscard]] std::array<std::string_view, 2> rest(std::size_t bytes_max) const noexcept {
        const std::size_t from_small = std::min(written, small.size());
        std::array<std::string_view, 2> out = {
            std::string_view(small).substr(from_small),
            std::string_view(large).substr(written - from_small)};
        out[0] = out[0].substr(0, bytes_max);
        out[1] = out[1].substr(0, bytes_max - out[0].size());
        return out;
    }
    void clear() noexcept {
        small.clear();
        large = {};
        written = 0;
    }
};

// Bytes that were read and not yet cut.
class incoming {
 public:
    [[nodiscard]] std::string_view bytes() const noexcept {
        return std::string_view(buffer_).substr(begin_, end_ - begin_);
    }
    // Room for more; `wanted` is how many bytes the reply at the beginning will have at least.
    [[nodiscard]] std::span<char> room(std::size_t wanted) {
        if (begin_ == end_) begin_ = end_ = 0;
        if (end_ == 0 && buffer_.size() > buffer_kept_bytes) buffer_ = {};
        if (buffer_.empty()) buffer_.resize(buffer_bytes);
        const std::size_t held = end_ - begin_;
        const std::size_t needed = std::max(held + room_bytes_min, wanted);
        if (buffer_.size() - begin_ < needed) {
            if (buffer_.size() < needed) {
                std::string larger(std::max(needed, wanted == 0 ? 2 * buffer_.size() : 0), '\0');
                std::memcpy(larger.data(), buffer_.data() + begin_, held);
                buffer_ = std::move(larger);
            } else {
                std::memmove(buffer_.data(), buffer_.data() + begin_, held);
            }
            begin_ = 0;
            end_ = held;
        }
        return {buffer_.data() + end_, buffer_.size() - end_};
    }
    void filled(std::size_t count) noexcept { end_ += count; }
    void drop(std::size_t count) noexcept { begin_ += count; }
    // The first `count` bytes, with the buffer itself where that saves a copy.
    [[nodiscard]] std::string take(std::size_t count) {
        if (begin_ != 0 || count < moved_bytes) {
            std::string out(bytes().substr(0, count));
            drop(count);
            return out;
        }
        std::string out = std::move(buffer_);
        const std::size_t left = end_ - count;
        buffer_.assign(std::max(buffer_bytes, left), '\0');
        std::memcpy(buffer_.data(), out.data() + count, left);
        begin_ = 0;
        end_ = left;
        out.resize(count);
        return out;
    }

 private:
    static constexpr std::size_t buffer_bytes = std::size_t{32} * 1024;
    static constexpr std::size_t buffer_kept_bytes = std::size_t{1} << 20;
    static constexpr std::size_t room_bytes_min = std::size_t{8} * 1024;
    // Replies from this size are handed on with the buffer they were read into.
    static constexpr std::size_t moved_bytes = std::size_t{64} * 1024;

    std::string buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

}  // namespace lethe::store::detail
