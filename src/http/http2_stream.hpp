// One request over HTTP/2 and its answer: an exchange, its two bodies, and what waits for them.
#pragma once

#include "base/block_cache.hpp"
#include "http/body_pace.hpp"
#include "http/exchange.hpp"
#include "http/http2_request.hpp"
#include "http/http2_session.hpp"
#include "net/suspension.hpp"
#include "net/timer.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lethe::http {

class http2_connection;

// One worker. Made when the head begins; its connection destroys it when the session knows it no
// more and serve() has ended.
class http2_stream final : public http2_session::stream, private net::timer {
 public:
    http2_stream(http2_connection& owner, std::int32_t id);
    http2_stream(const http2_stream&) = delete;
    http2_stream& operator=(const http2_stream&) = delete;
    ~http2_stream();

    // One per request, and large: kept for the next one.
    static void* operator new(std::size_t bytes) { return take_block(bytes); }
    static void operator delete(void* at) noexcept { give_block(at, sizeof(http2_stream)); }

    [[nodiscard]] std::int32_t id() const noexcept { return id_; }

    // From the complete head to the end of the answer.
    [[nodiscard]] task<> serve();
    // serve() will be called or was, and end_serving() was not.
    [[nodiscard]] bool serving() const noexcept { return serving_; }
    // Behind serve(): from here on the session's closed() is the end of the stream.
    void end_serving() noexcept { serving_ = false; }
    [[nodiscard]] bool is_closed() const noexcept { return closed_; }

    // What the session put out was handed to the kernel.
    void written();
    // The connection is gone.
    void lost();
    // Lets go on who waits for what has come. Not from within the session, and the last thing done
    // with the stream: it may end by it.
    void wake();

    std::size_t place = 0;  // among its connection's

 private:
    // The request's body; its window opens as it is read.
    class incoming_body final : public body_source {
     public:
        explicit incoming_body(http2_stream& owner) : owner_(owner) {}
        task<std::string_view> read() override;
        std::optional<std::uint64_t> length() const noexcept override;
        std::optional<std::string_view> whole() const noexcept override;
        bool rewind() noexcept override { return !owner_.body_touched_; }
        void release() noexcept override {}  // part of the stream

     private:
        http2_stream& owner_;
    };

    // --- the session's calls
    void field(std::string_view name, std::string_view value, bool well_formed) override;
    void head_done(bool has_body) override;
    void body_piece(std::string_view bytes) override;
    void body_done() override;
    [[nodiscard]] ready answer_ready() const noexcept override { return {piece_, last_piece_}; }
    void answer_taken(std::size_t size, bool last) override;
    void closed() override;

    void expired() override;
    void wake_later();
    void wait_until(duration patience);
    // True: what came is answered already, as a problem. Else its body is ready to be read.
    [[nodiscard]] bool refuse();
    // The head, and the body if all of it is there: true, until_written() is next; else
    // send_pieces().
    [[nodiscard]] bool begin_answer();
    void send_head(bool has_body);
    [[nodiscard]] task<> send_pieces();
    void offer(std::string_view bytes, bool last);
    [[nodiscard]] task<> until_written();

    http2_connection& owner_;
    const std::int32_t id_;
    arena memory_;
    exchange x_;
    http2_request head_;
    framing framing_;
    error_code refused_;  // why the head cannot be served

    incoming_body body_{*this};
    std::string arrived_;  // of the request's body, not yet read
    std::string reading_;  // the piece that the reader has
    std::optional<std::uint64_t> body_length_;
    body_pace pace_;
    std::uint64_t body_bytes_ = 0;  // read
    bool body_done_ = false;        // all of it has arrived
    bool body_touched_ = false;
    bool continue_pending_ = false;

    std::string_view piece_;  // of the answer's body, not yet taken by the session
    bool last_piece_ = false;
    std::uint64_t answered_bytes_ = 0;
    bool all_taken_ = false;    // by the session, with the end of the answer
    bool all_written_ = false;  // to the kernel
    bool unwritten_ = false;    // something was taken and is not yet written

    // Of serve(): for the request's body, then for the answer to be written.
    net::suspension waits_;
    bool serving_ = false;
    bool awake_soon_ = false;
    bool closed_ = false;
    bool lost_ = false;
    bool timed_out_ = false;
};

}  // namespace lethe::http
