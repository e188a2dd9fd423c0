// The client's end of HTTP/1.1: sends one request at a time over a kept connection, reads the
// answer.
#pragma once

#include "http/exchange.hpp"
#include "http/message_reader.hpp"
#include "net/stream.hpp"

#include <chrono>
#include <string_view>

namespace lethe::http {

struct client_timeouts {
    std::chrono::milliseconds write{30'000};  // for the peer to take a piece of the request
    std::chrono::milliseconds answer{
        30'000};  // from the request's last byte to the whole head of the answer
    std::chrono::milliseconds read{30'000};  // between two pieces of the answer's body
};

// One worker. A connection serves one exchange at a time; after its body was read to the end and
// reusable() holds, it can serve another.
class client_connection final : public cancellable {
 public:
    client_connection(net::worker& on, net::stream stream, const head_limits& limits,
                      client_timeouts timeouts);
    client_connection(const client_connection&) = delete;
    client_connection& operator=(const client_connection&) = delete;

    // Sends a request without a body, as much as needs no waiting: send() sends the rest.
    // Before anything else of an exchange.
    [[nodiscard]] result<net::written> try_send(std::string_view head);
    // Sends a request: its finished head and its body, chunked when the body's length is not known.
    // Ends early, without an error, when the peer answers before it has read all. A failing body's
    // error is answered as it is, with body_failed() set.
    [[nodiscard]] task<> send(std::string_view head, body_source* body, steady_time deadline);
    // Reads the head of the answer; interim answers are skipped. Views of `out` live in its arena.
    [[nodiscard]] task<> read_head(method asked, response_head& out, steady_time deadline);
    // The next piece of the answer's body.
    [[nodiscard]] task<std::string_view> read_body(steady_time deadline);
    [[nodiscard]] message_reader& reader() noexcept { return reader_; }

    // At least one byte of the request under way was handed to the kernel.
    [[nodiscard]] bool anything_sent() const noexcept { return anything_sent_; }
    [[nodiscard]] bool body_failed() const noexcept { return body_failed_; }
    // The answer was read to its end and both sides let the connection go on.
    [[nodiscard]] bool reusable() const noexcept;
    // The peer has closed the idle connection, or sent what belongs to no request: to the next one
    // it would be the answer. One system call.
    [[nodiscard]] bool stale() noexcept { return stream_.readable(); }
    // False: nothing has come since the last answer, as far as the loop knows. No system call.
    [[nodiscard]] bool may_be_stale() const noexcept { return stream_.may_read(); }
    void next_exchange();
    // Whether the answer's body has a length, and which.
    [[nodiscard]] const framing& answer_framing() const noexcept { return framing_; }

    void cancel() noexcept override {
        cancelled_ = true;
        stream_.cancel();
    }

 private:
    [[nodiscard]] task<> write(std::span<const std::string_view> pieces, steady_time deadline,
                               std::size_t skip = 0);
    void begin_exchange() noexcept;
    [[nodiscard]] task<> send_body(body_source& body, bool chunked, steady_time deadline);

    net::worker& worker_;
    net::stream stream_;
    head_limits limits_;
    client_timeouts timeouts_;
    message_reader reader_;
    framing framing_;
    std::size_t tried_ = 0;  // bytes of the head that try_send() sent
    bool anything_sent_ = false;
    bool all_sent_ = false;
    bool body_failed_ = false;
    bool answered_ = false;
    bool cancelled_ = false;
};

}  // namespace lethe::http
