// Reads messages from a connection: heads whole, bodies in pieces. Used by both ends.
#pragma once

#include "http/chunked.hpp"
#include "http/parser.hpp"
#include "net/stream.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace lethe::http {

// One per connection. The order of calls: try_fill() and scan() until there is a head,
// begin_body(), read_body() to its end, next_message(). Deadlines are the stream's.
class message_reader {
 public:
    message_reader(net::stream& from, std::size_t head_bytes_max);
    message_reader(const message_reader&) = delete;
    message_reader& operator=(const message_reader&) = delete;
    ~message_reader() { free_buffer(); }

    // No byte of the next message is here yet.
    [[nodiscard]] bool empty() const noexcept { return pending_.empty(); }
    // More bytes of a head; 0: the peer has ended its side. nullopt: none are there, and the
    // stream's reading() tells when to try again. While nothing of a message is here, no memory is
    // held for it.
    [[nodiscard]] result<std::optional<std::size_t>> try_fill();
    // The complete head, if it is here; valid until next_message().
    [[nodiscard]] result<std::optional<std::string_view>> scan();

    // All that was received from the first byte of that head on.
    [[nodiscard]] std::string_view from_head() const noexcept {
        return {buffer_, head_end_ + pending_.size()};
    }

    // Behind a complete head: how the body is delimited, and its bound.
    void begin_body(const framing& how, std::uint64_t bytes_max);
    // The whole body when it is here already and none of it was read.
    [[nodiscard]] std::optional<std::string_view> whole_body() const noexcept;
    // Counts that whole body as read, for who sent it without calling read_body().
    void skip_whole_body() noexcept;
    // The next piece, valid until the next call; empty at the end. Errors: truncated, malformed,
    // body_too_large, the stream's.
    [[nodiscard]] task<std::string_view> read_body();
    [[nodiscard]] bool body_done() const noexcept { return body_ == body_kind::none; }
    // read_body() was called for this body.
    [[nodiscard]] bool body_touched() const noexcept { return body_touched_; }
    // What is still to come, when it is known.
    [[nodiscard]] std::optional<std::uint64_t> body_left() const noexcept;

    // Forgets the message; bytes of the next one stay.
    void next_message();

 private:
    enum class body_kind : std::uint8_t { none, length, chunked, until_close };

    // Where the next bytes of a body go, when none are pending.
    [[nodiscard]] std::span<char> body_space();
    void free_buffer() noexcept;

    net::stream& stream_;
    head_scanner scanner_;
    chunked_decoder decoder_;
    const std::size_t capacity_;
    char* buffer_ = nullptr;               // heads, and bodies as far as they fit behind
    std::unique_ptr<char[]> body_buffer_;  // made when the room behind the head is small
    std::size_t head_end_ = 0;
    std::string_view pending_;  // received and not yet consumed, in one of the two buffers
    body_kind body_ = body_kind::none;
    bool body_touched_ = false;
    std::uint64_t left_ = 0;     // of a body with a length
    std::uint64_t allowed_ = 0;  // of a body without one
};

}  // namespace lethe::http
