// One connection of the server: request after request, until one side ends it.
#pragma once

#include "http/message_reader.hpp"
#include "http/server.hpp"

namespace lethe::http {

class http2_connection;

// What became of connections before their first request.
struct door_metrics {
    explicit door_metrics(metrics::registry& in);

    metrics::counter& done;
    metrics::counter& resumed;
    metrics::counter& failed;
    metrics::counter& proxies_refused;
    metrics::counter& http2;
    metrics::counter& http2_failed;
};

struct server_connection_state {
    server_settings settings;  // a copy: a reload does not change a connection under way
    handler& end;
    exchange_observer* observer;
    const bool& draining;
    bool proxied;                        // it begins with a PROXY header
    bool http2;                          // it may speak HTTP/2
    std::optional<net::tls_server> tls;  // nullopt: plain
    door_metrics& counts;
};

class server_connection final : private net::timer {
 public:
    server_connection(net::worker& on, net::stream stream, server_connection_state state);
    server_connection(const server_connection&) = delete;
    server_connection& operator=(const server_connection&) = delete;

    // Ends when the connection has.
    [[nodiscard]] task<> run();

    // The server drains: an idle connection ends soon.
    void begin_drain();
    void abort() noexcept { stream_.cancel(); }

 private:
    // The request's body, pulled by whoever needs it; the client is told to send it then, not
    // before.
    class incoming_body final : public body_source {
     public:
        explicit incoming_body(server_connection& owner) : owner_(owner) {}
        task<std::string_view> read() override;
        std::optional<std::uint64_t> length() const noexcept override { return length_; }
        std::optional<std::string_view> whole() const noexcept override {
            return owner_.reader_.whole_body();
        }
        bool rewind() noexcept override { return !owner_.reader_.body_touched(); }
        void release() noexcept override {}  // part of the connection

     private:
        friend class server_connection;
        server_connection& owner_;
        std::optional<std::uint64_t> length_;
    };

    // What becomes of the connection behind an answer.
    enum class after : std::uint8_t { another_request, http2, end };
    enum class agreed : std::uint8_t { http1, http2, nothing };

    struct sent {
        std::uint64_t head_bytes = 0;
        std::uint64_t body_bytes = 0;
        bool complete = false;
    };

    // Looks now and then whether the client is still there, as long as it lives.
    class client_watch {
     public:
        client_watch(server_connection& owner, exchange& x);
        ~client_watch();
        client_watch(const client_watch&) = delete;
        client_watch& operator=(const client_watch&) = delete;

     private:
        server_connection& owner_;
    };

    // What is said of a client's certificate in each request.
    struct client_certificate {
        std::string fields[2];  // itself, and those that came with it
    };

    void expired() override;
    task<> take_proxy_header();
    // `nothing`: what can be said to the client was said.
    task<agreed> shake_hands();
    void take_certificates(const std::vector<std::string>& chain);
    task<> serve_http2(std::string_view begun);
    task<> wait_for_request();
    task<std::string_view> read_rest_of_head();
    task<after> serve_one();
    task<> refuse(exchange& x, const error_code& why);
    void prepare_body(exchange& x);
    [[nodiscard]] bool may_keep_alive() const;
    [[nodiscard]] std::string_view make_head(exchange& x, bool keep_alive);
    [[nodiscard]] result<net::written> try_write_whole(const exchange& x, std::string_view head,
                                                       sent& so_far);
    task<> write_answer(exchange& x, std::string_view head, sent& so_far);
    task<> write_body(exchange& x, sent& so_far);
    task<> write_now(std::span<const std::string_view> pieces, std::size_t skip = 0);
    task<after> finish_request_body();
    task<> linger();

    net::worker& worker_;
    net::stream stream_;
    server_connection_state state_;
    message_reader reader_;
    incoming_body body_{*this};
    arena memory_;
    framing framing_;
    std::unique_ptr<client_certificate> client_;  // null: none
    http2_connection* http2_ = nullptr;           // while HTTP/2 is spoken
    exchange* current_ = nullptr;                 // while its answer is made and sent
    bool secure_ = false;
    bool idle_ = true;
    bool continue_pending_ = false;
    bool chunked_answer_ = false;
};

}  // namespace lethe::http
