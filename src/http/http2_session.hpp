// The server's end of HTTP/2 (RFC 9113) without I/O: bytes in, events out; answers in, bytes out.
// Frames, HPACK and flow control are nghttp2's; what a client may cost us is decided here.
#pragma once

#include "base/clock.hpp"
#include "http/errors.hpp"
#include "http/fields.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

struct nghttp2_session;

namespace lethe::http {

struct http2_limits {
    std::uint32_t streams_max = 100;           // requests under way on one connection
    std::uint32_t stream_window = 128 * 1024;  // bytes of a request's body that wait for a reader
    std::uint32_t connection_window = 256 * 1024;  // the same of all of its requests
    std::size_t head_bytes_max = 16 * 1024;        // told to the client
};

// Why a stream is ended from our side (RFC 9113 section 7).
enum class http2_reset : std::uint8_t {
    no_more_needed,  // the answer is complete, the rest of the request is not wanted
    internal_error,  // the answer broke off
    cancelled,       // the client is too slow
};

// One worker. Calls to a stream may come from within receive() and fill().
class http2_session {
 public:
    // A request of the client's, as its server sees it. Until closed() was called the session knows
    // it.
    class stream {
     public:
        // A field of the head, in the order they came, while they are decoded. `well_formed`: false
        // when it has bytes that no field may have.
        virtual void field(std::string_view name, std::string_view value, bool well_formed) = 0;
        virtual void head_done(bool has_body) = 0;
        // A piece of the body, to be copied; give it back by consume() when it is used up.
        virtual void body_piece(std::string_view bytes) = 0;
        virtual void body_done() = 0;
        // What of the answer's body may be sent now, and whether the answer ends behind it.
        struct ready {
            std::string_view bytes;
            bool last = false;
        };
        [[nodiscard]] virtual ready answer_ready() const noexcept = 0;
        // The first `size` bytes of that are on their way; `last`: with the end of the answer.
        virtual void answer_taken(std::size_t size, bool last) = 0;
        // No frame of it comes or goes any more. The last call.
        virtual void closed() = 0;

     protected:
        ~stream() = default;
    };
    class streams {
     public:
        // A request begins; nullptr: it is refused, and the client may send it again elsewhere.
        [[nodiscard]] virtual stream* open(std::int32_t id) = 0;

     protected:
        ~streams() = default;
    };

    http2_session(const http2_limits& limits, streams& user, clock& time);
    ~http2_session();
    http2_session(const http2_session&) = delete;
    http2_session& operator=(const http2_session&) = delete;

    // What the client sent, its preface first. Error, once: malformed, or too_costly when its
    // frames cost more than they are good for. Then what is left to send tells the client why, and
    // what else it sends is ignored.
    [[nodiscard]] result<> receive(std::string_view bytes);
    // A head has begun and is not complete.
    [[nodiscard]] bool head_under_way() const noexcept { return head_under_way_; }
    // When it began.
    [[nodiscard]] steady_time head_since() const noexcept { return head_since_; }

    // Puts bytes to send into `out`, which has room for a frame (fill_bytes_min); how many. 0:
    // there is nothing to send now.
    static constexpr std::size_t fill_bytes_min = 16 * 1024 + 9;
    [[nodiscard]] std::size_t fill(std::span<char> out);
    [[nodiscard]] bool has_output() const noexcept;
    // Nothing will come or go any more: after go_away(), an error, or the client's own farewell.
    [[nodiscard]] bool finished() const noexcept;

    // The head of the answer; without a body it ends the answer. Names in any case; views may end
    // after the call.
    void answer(std::int32_t id, int status, std::span<const field_line> fields, bool has_body);
    void answer_continue(std::int32_t id);  // 100
    // answer_ready() has something new.
    void resume(std::int32_t id);
    void reset(std::int32_t id, http2_reset why);
    // Bytes of a body are used up. `still_open`: false when the stream was closed.
    void consume(std::int32_t id, std::size_t size, bool still_open);

    // Asks the client to begin no more requests here; those it has begun by then are still served.
    void announce_end();
    // No request after those that have come is served.
    void go_away();
    // The connection ends, whatever is under way.
    void terminate();

    struct callbacks;

 private:
    friend struct callbacks;

    // Frames that bring nothing cost a point, some more; those that bring something and time give
    // points back. Whoever has none left is sent away.
    void charge(std::uint32_t points) noexcept;
    void credit(std::uint32_t points) noexcept;

    http2_limits limits_;
    streams& user_;
    clock& time_;
    struct session_free {
        void operator()(nghttp2_session* one) const noexcept;
    };
    std::unique_ptr<nghttp2_session, session_free> session_;
    std::string_view held_;  // of the session's, not yet put out
    std::span<char> out_;    // what fill() fills
    std::size_t filled_ = 0;
    std::uint32_t points_;
    steady_time points_at_;
    std::size_t head_bytes_ = 0;  // decoded of the head under way
    steady_time head_since_{};
    bool head_under_way_ = false;
    bool too_costly_ = false;
    bool failed_ = false;
};

}  // namespace lethe::http
