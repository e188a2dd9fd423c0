#include "http/http2_session.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <new>
#include <vector>

namespace lethe::http {
namespace {

// A page of a hundred requests that is left at once costs 400; then a dozen resets a second go on.
constexpr std::uint32_t points_max = 1'000;
constexpr std::uint32_t points_per_second = 50;
constexpr std::uint32_t points_of_reset = 4;
// What a frame of an answer's body gives back: clients say that they read it with one window update
// for the stream and one for the connection, and some measure the way with a ping.
constexpr std::uint32_t points_of_answer = 3;
// A client that opens its window by less makes frames that bring nobody forward: it gets nothing
// back for them.
constexpr std::size_t tiny_frame = 256;
// A head may be so many times larger than what is served before the connection ends: the decoder
// must follow it all the same.
constexpr std::size_t head_excess_max = 4;

const std::uint8_t* bytes_of(std::string_view text) {
    return reinterpret_cast<const std::uint8_t*>(text.data());
}
std::string_view text_of(const std::uint8_t* bytes, std::size_t size) {
    return {reinterpret_cast<const char*>(bytes), size};
}

nghttp2_nv name_value(std::string_view name, std::string_view value, std::uint8_t flags) {
    // The library copies both and only reads.
    return {const_cast<std::uint8_t*>(bytes_of(name)), const_cast<std::uint8_t*>(bytes_of(value)),
            name.size(), value.size(), flags};
}

std::uint32_t code_of(http2_reset why) {
    switch (why) {
        case http2_reset::no_more_needed: return NGHTTP2_NO_ERROR;
        case http2_reset::internal_error: return NGHTTP2_INTERNAL_ERROR;
        case http2_reset::cancelled: return NGHTTP2_CANCEL;
    }
    return NGHTTP2_INTERNAL_ERROR;
}

// It fails only where memory does, or for a stream that is gone by now.
void expect_done(int code) {
    if (code == NGHTTP2_ERR_NOMEM) throw std::bad_alloc();
}

}  // namespace

// What the library calls. `self` is the session.
struct http2_session::callbacks {
    static http2_session& of(void* self) { return *static_cast<http2_session*>(self); }
    static stream* stream_of(nghttp2_session* in, std::int32_t id) {
        return static_cast<stream*>(nghttp2_session_get_stream_user_data(in, id));
    }

    static int begin_headers(nghttp2_session* in, const nghttp2_frame* frame, void* self) {
        http2_session& me = of(self);
        me.head_under_way_ = true;
        me.head_since_ = me.time_.steady_now();
        me.head_bytes_ = 0;
        if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;  // trailers
        const std::int32_t id = frame->hd.stream_id;
        stream* const opened = me.user_.open(id);
        if (opened == nullptr) {
            me.charge(points_of_reset);
            expect_done(
                nghttp2_submit_rst_stream(in, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM));
            return 0;
        }
        expect_done(nghttp2_session_set_stream_user_data(in, id, opened));
        return 0;
    }

    static int take_field(nghttp2_session* in, const nghttp2_frame* frame, std::string_view name,
                          std::string_view value, bool well_formed, void* self) {
        http2_session& me = of(self);
        me.head_bytes_ += name.size() + value.size() + 32;
        if (me.head_bytes_ > head_excess_max * me.limits_.head_bytes_max) {
            me.too_costly_ = true;
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        }
        // Trailers say nothing that goes on (as with HTTP/1.1), but count.
        if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
            return 0;
        if (stream* const to = stream_of(in, frame->hd.stream_id))
            to->field(name, value, well_formed);
        return 0;
    }
    static int header(nghttp2_session* in, const nghttp2_frame* frame, const std::uint8_t* name,
                      std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                      std::uint8_t /*flags*/, void* self) {
        return take_field(in, frame, text_of(name, name_size), text_of(value, value_size), true,
                          self);
    }
    static int invalid_header(nghttp2_session* in, const nghttp2_frame* frame,
                              const std::uint8_t* name, std::size_t name_size,
                              const std::uint8_t* value, std::size_t value_size,
                              std::uint8_t /*flags*/, void* self) {
        return take_field(in, frame, text_of(name, name_size), text_of(value, value_size), false,
                          self);
    }

    static int begin_frame(nghttp2_session* /*in*/, const nghttp2_frame_hd* head, void* self) {
        http2_session& me = of(self);
        switch (head->type) {
            case NGHTTP2_DATA:
                if (head->length != 0 || (head->flags & NGHTTP2_FLAG_END_STREAM) != 0)
                    me.credit(1);
                else
                    me.charge(1);
                break;
            case NGHTTP2_HEADERS: me.credit(1); break;
            case NGHTTP2_WINDOW_UPDATE:
            case NGHTTP2_CONTINUATION:
            case NGHTTP2_PRIORITY:
            case NGHTTP2_SETTINGS:
            case NGHTTP2_PING: me.charge(1); break;
            case NGHTTP2_RST_STREAM: me.charge(points_of_reset); break;
            default: me.charge(1); break;
        }
        return me.too_costly_ ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
    }

    static int frame_done(nghttp2_session* in, const nghttp2_frame* frame, void* self) {
        const bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
        if (frame->hd.type == NGHTTP2_HEADERS) {
            of(self).head_under_way_ = false;
            stream* const to = stream_of(in, frame->hd.stream_id);
            if (to == nullptr) return 0;
            if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
                to->head_done(!ends);
            else if (ends)
                to->body_done();
        } else if (frame->hd.type == NGHTTP2_DATA && ends) {
            if (stream* const to = stream_of(in, frame->hd.stream_id)) to->body_done();
        }
        return 0;
    }
    // A head that the library did not accept is over too.
    static int frame_invalid(nghttp2_session* /*in*/, const nghttp2_frame* frame, int /*error*/,
                             void* self) {
        if (frame->hd.type == NGHTTP2_HEADERS) of(self).head_under_way_ = false;
        of(self).charge(points_of_reset);
        return 0;
    }

    static int data(nghttp2_session* in, std::uint8_t /*flags*/, std::int32_t id,
                    const std::uint8_t* bytes, std::size_t size, void* self) {
        if (stream* const to = stream_of(in, id))
            to->body_piece(text_of(bytes, size));
        else
            of(self).consume(id, size, true);
        return 0;
    }

    static int stream_closed(nghttp2_session* in, std::int32_t id, std::uint32_t /*code*/,
                             void* /*self*/) {
        stream* const to = stream_of(in, id);
        if (to == nullptr) return 0;
        expect_done(nghttp2_session_set_stream_user_data(in, id, nullptr));
        to->closed();
        return 0;
    }

    static int frame_sent(nghttp2_session* in, const nghttp2_frame* frame, void* /*self*/) {
        if (frame->hd.type != NGHTTP2_HEADERS || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
            return 0;
        if (stream* const to = stream_of(in, frame->hd.stream_id)) to->answer_taken(0, true);
        return 0;
    }

    // How much of the answer's body the next frame takes; send_data() copies it.
    static ssize_t read_answer(nghttp2_session* in, std::int32_t id, std::uint8_t* /*into*/,
                               std::size_t room, std::uint32_t* flags,
                               nghttp2_data_source* /*source*/, void* /*self*/) {
        const stream* const from = stream_of(in, id);
        if (from == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        const stream::ready ready = from->answer_ready();
        if (ready.bytes.empty() && !ready.last) return NGHTTP2_ERR_DEFERRED;
        const std::size_t size = std::min(room, ready.bytes.size());
        if (ready.last && size == ready.bytes.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
        *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
        return static_cast<ssize_t>(size);
    }

    static int send_data(nghttp2_session* in, nghttp2_frame* frame, const std::uint8_t* head,
                         std::size_t size, nghttp2_data_source* /*source*/, void* self) {
        constexpr std::size_t head_size = 9;
        http2_session& me = of(self);
        stream* const from = stream_of(in, frame->hd.stream_id);
        if (from == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        if (me.out_.size() - me.filled_ < head_size + size) return NGHTTP2_ERR_WOULDBLOCK;
        char* const to = me.out_.data() + me.filled_;
        std::memcpy(to, head, head_size);
        // No bytes may have no address.
        const std::string_view ready = from->answer_ready().bytes;
        if (size != 0) std::memcpy(to + head_size, ready.data(), size);
        me.filled_ += head_size + size;
        if (size == ready.size() || size >= tiny_frame) me.credit(points_of_answer);
        from->answer_taken(size, (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0);
        return 0;
    }

    static nghttp2_session_callbacks* all() {
        static nghttp2_session_callbacks* const made = [] {
            nghttp2_session_callbacks* out = nullptr;
            expect_done(nghttp2_session_callbacks_new(&out));
            nghttp2_session_callbacks_set_on_begin_headers_callback(out, begin_headers);
            nghttp2_session_callbacks_set_on_header_callback(out, header);
            nghttp2_session_callbacks_set_on_invalid_header_callback(out, invalid_header);
            nghttp2_session_callbacks_set_on_begin_frame_callback(out, begin_frame);
            nghttp2_session_callbacks_set_on_frame_recv_callback(out, frame_done);
            nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(out, frame_invalid);
            nghttp2_session_callbacks_set_on_data_chunk_recv_callback(out, data);
            nghttp2_session_callbacks_set_on_stream_close_callback(out, stream_closed);
            nghttp2_session_callbacks_set_on_frame_send_callback(out, frame_sent);
            nghttp2_session_callbacks_set_send_data_callback(out, send_data);
            return out;
        }();
        return made;
    }
};

namespace {

nghttp2_option* session_options() {
    static nghttp2_option* const made = [] {
        nghttp2_option* out = nullptr;
        expect_done(nghttp2_option_new(&out));
        // Windows open as bodies are read, not as they arrive.
        nghttp2_option_set_no_auto_window_update(out, 1);
        nghttp2_option_set_no_closed_streams(out, 1);
        nghttp2_option_set_max_outbound_ack(out, 100);
        // So large a head is not served anyhow.
        nghttp2_option_set_max_continuations(out, 8);
        return out;
    }();
    return made;
}

}  // namespace

void http2_session::session_free::operator()(nghttp2_session* one) const noexcept {
    nghttp2_session_del(one);
}

http2_session::http2_session(const http2_limits& limits, streams& user, clock& time)
    : limits_(limits),
      user_(user),
      time_(time),
      points_(points_max),
      points_at_(time.steady_now()) {
    nghttp2_session* made = nullptr;
    expect_done(nghttp2_session_server_new2(&made, callbacks::all(), this, session_options()));
    session_.reset(made);
    const std::array<nghttp2_settings_entry, 4> settings = {{
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.streams_max},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.stream_window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
         static_cast<std::uint32_t>(std::min<std::size_t>(limits.head_bytes_max, UINT32_MAX))},
        // The tree of RFC 7540 is work that clients can make; urgency (RFC 9218) is a number.
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    }};
    expect_done(nghttp2_submit_settings(made, NGHTTP2_FLAG_NONE, settings.data(), settings.size()));
    expect_done(nghttp2_session_set_local_window_size(
        made, NGHTTP2_FLAG_NONE, 0, static_cast<std::int32_t>(limits.connection_window)));
}

http2_session::~http2_session() = default;

void http2_session::charge(std::uint32_t points) noexcept {
    if (points_ < points) {
        // The time is read for those only who have used up what they had.
        const steady_time now = time_.steady_now();
        const auto passed =
            std::chrono::duration_cast<std::chrono::milliseconds>(now - points_at_).count();
        const auto earned = static_cast<std::uint64_t>(passed) * points_per_second / 1'000;
        points_ += static_cast<std::uint32_t>(std::min<std::uint64_t>(earned, points_max));
        points_ = std::min(points_, points_max);
        points_at_ = now;
    }
    if (points_ < points)
        too_costly_ = true;
    else
        points_ -= points;
}

void http2_session::credit(std::uint32_t points) noexcept {
    points_ = std::min(points_ + points, points_max);
}

result<> http2_session::receive(std::string_view bytes) {
    if (failed_) return {};
    const ssize_t taken = nghttp2_session_mem_recv(session_.get(), bytes_of(bytes), bytes.size());
    if (taken == NGHTTP2_ERR_NOMEM) throw std::bad_alloc();
    if (taken >= 0 && !too_costly_) return {};
    failed_ = true;
    if (taken == NGHTTP2_ERR_FLOODED) too_costly_ = true;
    expect_done(nghttp2_session_terminate_session(
        session_.get(), too_costly_ ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR));
    return too_costly_ ? LETHE_ERR(errc::too_costly) : LETHE_ERR(errc::malformed);
}

std::size_t http2_session::fill(std::span<char> out) {
    out_ = out;
    filled_ = 0;
    while (true) {
        const std::size_t size = std::min(held_.size(), out_.size() - filled_);
        if (size != 0) std::memcpy(out_.data() + filled_, held_.data(), size);
        filled_ += size;
        held_.remove_prefix(size);
        if (!held_.empty()) break;
        const std::uint8_t* bytes = nullptr;
        const ssize_t got = nghttp2_session_mem_send(session_.get(), &bytes);
        if (got == NGHTTP2_ERR_NOMEM) throw std::bad_alloc();
        if (got < 0) break;  // a callback failed: no more is sent, the peer's silence ends it
        if (got == 0) break;
        held_ = text_of(bytes, static_cast<std::size_t>(got));
    }
    out_ = {};
    return filled_;
}

bool http2_session::has_output() const noexcept {
    return !held_.empty() || nghttp2_session_want_write(session_.get()) != 0;
}

bool http2_session::finished() const noexcept {
    return held_.empty() && nghttp2_session_want_read(session_.get()) == 0 &&
           nghttp2_session_want_write(session_.get()) == 0;
}

void http2_session::answer(std::int32_t id, int status, std::span<const field_line> fields,
                           bool has_body) {
    // One per thread: of all workers' sessions one at a time answers.
    static thread_local std::vector<nghttp2_nv> lines;
    std::array<char, 3> digits{};
    std::to_chars(digits.data(), digits.data() + digits.size(), status);
    lines.clear();
    lines.push_back(name_value(":status", {digits.data(), digits.size()}, NGHTTP2_NV_FLAG_NONE));
    for (const field_line& one : fields)
        // A cookie that others set is nothing to compress one's guesses against (RFC 7541 7.1.3).
        lines.push_back(name_value(
            one.name, one.value,
            one.id == field_id::set_cookie ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE));
    nghttp2_data_provider body{};
    body.read_callback = callbacks::read_answer;
    expect_done(nghttp2_submit_response(session_.get(), id, lines.data(), lines.size(),
                                        has_body ? &body : nullptr));
}

void http2_session::answer_continue(std::int32_t id) {
    const nghttp2_nv status = name_value(":status", "100", NGHTTP2_NV_FLAG_NONE);
    const std::int32_t made =
        nghttp2_submit_headers(session_.get(), NGHTTP2_FLAG_NONE, id, nullptr, &status, 1, nullptr);
    expect_done(made);
}

void http2_session::resume(std::int32_t id) {
    expect_done(nghttp2_session_resume_data(session_.get(), id));
}

void http2_session::reset(std::int32_t id, http2_reset why) {
    expect_done(nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, code_of(why)));
}

void http2_session::consume(std::int32_t id, std::size_t size, bool still_open) {
    if (size == 0) return;
    if (still_open)
        expect_done(nghttp2_session_consume(session_.get(), id, size));
    else
        expect_done(nghttp2_session_consume_connection(session_.get(), size));
}

void http2_session::announce_end() {
    expect_done(nghttp2_submit_shutdown_notice(session_.get()));
}

void http2_session::go_away() {
    expect_done(nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE,
                                      nghttp2_session_get_last_proc_stream_id(session_.get()),
                                      NGHTTP2_NO_ERROR, nullptr, 0));
}

void http2_session::terminate() {
    expect_done(nghttp2_session_terminate_session(session_.get(), NGHTTP2_NO_ERROR));
}

}  // namespace lethe::http
