#include "http/message_reader.hpp"

#include "base/block_cache.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace lethe::http {
namespace {

// A chunked body may bring up to this many bytes of the next message with it: they must fit into
// the head's buffer, which is larger.
constexpr std::size_t body_buffer_bytes = 16 * 1024;
constexpr std::size_t room_behind_head = 4 * 1024;

}  // namespace

message_reader::message_reader(net::stream& from, std::size_t head_bytes_max)
    : stream_(from),
      scanner_(head_bytes_max),
      capacity_(std::max(head_bytes_max, body_buffer_bytes) + room_behind_head) {}

void message_reader::free_buffer() noexcept {
    if (buffer_ != nullptr) give_block(std::exchange(buffer_, nullptr), capacity_);
}

result<std::optional<std::size_t>> message_reader::try_fill() {
    if (!stream_.may_read()) return std::optional<std::size_t>{};
    if (buffer_ == nullptr) buffer_ = static_cast<char*>(take_block(capacity_));
    LETHE_ASSERT(pending_.empty() || pending_.data() == buffer_);
    const std::size_t used = pending_.size();
    LETHE_ASSERT(used < capacity_);
    const result<std::optional<std::size_t>> got =
        stream_.try_read({buffer_ + used, capacity_ - used});
    if (got.has_value() && *got) pending_ = {buffer_, used + **got};
    if (pending_.empty()) free_buffer();
    return got;
}

result<std::optional<std::string_view>> message_reader::scan() {
    LETHE_TRY(const std::optional<std::size_t> size, scanner_.scan(pending_));
    if (!size) return std::optional<std::string_view>{};
    head_end_ = *size;
    const std::string_view head = pending_.substr(0, *size);
    pending_.remove_prefix(*size);
    return std::optional(head);
}

void message_reader::begin_body(const framing& how, std::uint64_t bytes_max) {
    body_touched_ = false;
    allowed_ = bytes_max;
    if (how.chunked) {
        body_ = body_kind::chunked;
        decoder_.reset();
    } else if (how.until_close) {
        body_ = body_kind::until_close;
    } else {
        left_ = how.content_length.value_or(0);
        body_ = left_ == 0 ? body_kind::none : body_kind::length;
    }
}

std::optional<std::string_view> message_reader::whole_body() const noexcept {
    if (body_ != body_kind::length || body_touched_ || pending_.size() < left_) return std::nullopt;
    return pending_.substr(0, left_);
}

void message_reader::skip_whole_body() noexcept {
    if (!whole_body()) return;
    pending_.remove_prefix(left_);
    left_ = 0;
    body_ = body_kind::none;
}

std::optional<std::uint64_t> message_reader::body_left() const noexcept {
    if (body_ == body_kind::none) return 0;
    if (body_ == body_kind::length) return left_;
    return std::nullopt;
}

std::span<char> message_reader::body_space() {
    if (capacity_ - head_end_ >= room_behind_head)
        return {buffer_ + head_end_, capacity_ - head_end_};
    if (body_buffer_ == nullptr)
        body_buffer_ = std::make_unique_for_overwrite<char[]>(body_buffer_bytes);
    return {body_buffer_.get(), body_buffer_bytes};
}

task<std::string_view> message_reader::read_body() {
    body_touched_ = true;
    while (body_ != body_kind::none) {
        if (!pending_.empty()) {
            if (body_ == body_kind::chunked) {
                const result<chunked_decoder::step> step = decoder_.decode(pending_);
                if (step.has_error()) co_return step.error();
                pending_.remove_prefix(step->consumed);
                if (step->done) body_ = body_kind::none;
                if (step->data.size() > allowed_) co_return LETHE_ERR(errc::body_too_large);
                allowed_ -= step->data.size();
                if (!step->data.empty()) co_return step->data;
                continue;
            }
            std::string_view piece = pending_;
            if (body_ == body_kind::length) {
                piece = piece.substr(0, left_);
                left_ -= piece.size();
                if (left_ == 0) body_ = body_kind::none;
            } else if (piece.size() > allowed_) {
                co_return LETHE_ERR(errc::body_too_large);
            } else {
                allowed_ -= piece.size();
            }
            pending_.remove_prefix(piece.size());
            co_return piece;
        }
        std::span<char> space = body_space();
        // Never past the body's end: what follows is the next message's.
        if (body_ == body_kind::length && space.size() > left_) space = space.first(left_);
        const result<std::size_t> got = co_await stream_.read_some(space);
        if (got.has_error()) co_return got.error();
        if (*got == 0) {
            if (body_ != body_kind::until_close) co_return LETHE_ERR(errc::truncated);
            body_ = body_kind::none;
        }
        pending_ = {space.data(), *got};
    }
    co_return std::string_view{};
}

void message_reader::next_message() {
    scanner_.reset();
    head_end_ = 0;
    if (!pending_.empty()) {
        LETHE_ASSERT(pending_.size() < capacity_);
        std::memmove(buffer_, pending_.data(), pending_.size());
        pending_ = {buffer_, pending_.size()};
    } else {
        free_buffer();
    }
    body_buffer_.reset();
}

}  // namespace lethe::http
