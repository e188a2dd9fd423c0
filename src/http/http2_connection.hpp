// One connection of the server that speaks HTTP/2: reads frames, has their requests handled side by
// side, writes what the session has to send.
#pragma once

#include "http/http2_session.hpp"
#include "http/http2_stream.hpp"
#include "http/server_connection.hpp"

#include <memory>
#include <string_view>
#include <vector>

namespace lethe::http {

// What is known of the client before its first request.
struct http2_client {
    bool secure = false;
    std::string_view certificate;
    std::string_view certificate_chain;
};

// One worker. The stream and the state must outlive it.
class http2_connection final : private http2_session::streams, private net::timer {
 public:
    http2_connection(net::worker& on, net::stream& stream, const server_connection_state& state,
                     http2_client client);
    http2_connection(const http2_connection&) = delete;
    http2_connection& operator=(const http2_connection&) = delete;
    ~http2_connection();

    // `begun`: what was read of the connection already. Ends when no request is under way and
    // nothing more can come; the stream is to be closed then.
    [[nodiscard]] task<> run(std::string_view begun);
    // The server drains: the client is told to go elsewhere.
    void begin_drain();

    // --- for its streams
    [[nodiscard]] net::worker& worker() noexcept { return worker_; }
    [[nodiscard]] net::stream& client_stream() noexcept { return stream_; }
    [[nodiscard]] const server_connection_state& state() const noexcept { return state_; }
    [[nodiscard]] const http2_client& client() const noexcept { return client_; }
    [[nodiscard]] http2_session& session() noexcept { return session_; }
    // There is something to send.
    void send_soon();
    // The head is complete: have it served.
    void begin(http2_stream& one) { begun_.push_back(&one); }
    // Something came for it: wake() when the session has been left.
    void wake_soon(http2_stream& one) { awake_.push_back(&one); }
    // Some of its answer is in what is written next.
    void tell_when_written(http2_stream& one) { sent_.push_back(&one); }
    // The session knows it no more.
    void remove(http2_stream& one);

 private:
    http2_session::stream* open(std::int32_t id) override;
    void expired() override;

    [[nodiscard]] task<> read_all();
    void take(std::string_view bytes);
    void settle();
    void wake_awake();
    void set_deadline();
    [[nodiscard]] static task<> write_all(http2_connection& self);
    // How many bytes.
    [[nodiscard]] task<std::size_t> write_output();
    [[nodiscard]] static task<> serve(http2_connection& self, http2_stream& one);

    net::worker& worker_;
    net::stream& stream_;
    const server_connection_state& state_;
    http2_client client_;
    http2_session session_;
    std::vector<std::unique_ptr<http2_stream>> streams_;
    std::vector<http2_stream*> begun_;
    std::vector<http2_stream*> beginning_;  // settle()'s, kept for its room
    std::vector<http2_stream*> awake_;
    std::vector<http2_stream*> sent_;
    net::suspension output_waits_;  // the writer, for output
    net::suspension ended_;         // run(), for the writer and all streams
    steady_time idle_since_;
    bool settling_ = false;
    bool writer_ended_ = false;
    bool socket_full_ = false;
    bool said_end_ = false;  // nothing more is sent
    bool over_ = false;      // nothing more is read
};

}  // namespace lethe::http
