// A body that streams: pieces are pulled by whoever sends them on, so that a slow reader slows the
// writer and nothing piles up in between.
#pragma once

#include "base/arena.hpp"
#include "base/task.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace lethe::http {

class body_source {
 public:
    // The next piece, valid until the next call; empty at the end of the body. Errors: the sender
    // broke off (condition::unavailable), was too slow (timeout), sent nonsense (malformed) or too
    // much (too_large). After an error or the end, do not call again.
    [[nodiscard]] virtual task<std::string_view> read() = 0;

    // The whole length in bytes when it is known beforehand, from the body's start.
    [[nodiscard]] virtual std::optional<std::uint64_t> length() const noexcept = 0;

    // The whole body when all of it is in memory and nothing was read yet: lets a writer send head
    // and body at once. Whoever sends it so still calls read() until the end or lets the body go.
    [[nodiscard]] virtual std::optional<std::string_view> whole() const noexcept {
        return std::nullopt;
    }

    // Back to the start, so that it can be sent again. False when it cannot.
    [[nodiscard]] virtual bool rewind() noexcept { return false; }

    // What the owner calls instead of delete: bodies live on the heap, in an arena or in a
    // connection.
    virtual void release() noexcept = 0;

 protected:
    ~body_source() = default;
};

struct body_release {
    void operator()(body_source* body) const noexcept { body->release(); }
};
// Empty pointer: no body (length 0).
using body_ptr = std::unique_ptr<body_source, body_release>;

// A body from bytes that live as long as the exchange (see arena::copy). Can be rewound.
[[nodiscard]] body_ptr make_borrowed_body(arena& memory, std::string_view bytes);
// A body that owns its bytes. Can be rewound.
[[nodiscard]] body_ptr make_owned_body(std::string bytes);

// Reads a body to its end; condition::too_large when it is longer than `bytes_max` (what was read
// is lost then). A null body is empty.
[[nodiscard]] task<std::string> read_whole(body_source* body, std::uint64_t bytes_max);

}  // namespace lethe::http
