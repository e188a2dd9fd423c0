// One connection of the server: request after request, until one side ends it.
//
// Between requests it is an object and nothing else: no coroutine, no buffer, no arena. Most
// connections of a server wait most of the time, and there may be very many of them.
#pragma once

#include "http/body_pace.hpp"
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

// What comes before the first request.
struct connection_opening {
    bool proxied = false;                               // it begins with a PROXY header
    std::optional<net::tls_server> tls = std::nullopt;  // nullopt: plain
};

struct server_connection_state {
    // Shared: a reload makes others, and does not change a connection under way.
    std::shared_ptr<const server_settings> settings;
    handler& end;
    exchange_observer* observer;
    const bool& draining;
    door_metrics& counts;
    std::unique_ptr<connection_opening> opening;  // null: nothing, or it is over
    bool http2 = false;                           // the client may begin with HTTP/2
};

class server_connection;

// Who has connections, runs them when they have something to do and destroys them. Neither is
// called within run().
class connection_owner {
 public:
    virtual void serve(server_connection& one) = 0;
    virtual void end(server_connection& one) noexcept = 0;

 protected:
    ~connection_owner() = default;
};

class server_connection final : private net::timer {
 public:
    server_connection(net::worker& on, net::stream stream, server_connection_state state,
                      connection_owner& owner);
    server_connection(const server_connection&) = delete;
    server_connection& operator=(const server_connection&) = delete;

    // Once. From here on its owner is told what is to be done with it; perhaps within this call,
    // and the connection may be gone behind it.
    void begin();

    // Why run() came back: there is no request now, and the owner will be told of the next one; or
    // the connection is over. So it is after an error.
    enum class left : std::uint8_t { idle, over };
    [[nodiscard]] task<left> run();

    // The server drains: an idle connection ends soon.
    void begin_drain();
    void abort() noexcept { stream_.cancel(); }

 private:
    friend class connection_list;

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
        body_pace pace_;
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
    // What was heard of a connection without a request.
    enum class heard : std::uint8_t { nothing, request, end };

    void become_idle();
    [[nodiscard]] heard look_for_request();
    void wait_for_request();
    task<left> serve_http2(std::string_view begun);
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
    task<left> linger();

    connection_owner& owner_;
    server_connection* previous_ = nullptr;  // in a connection_list
    server_connection* next_ = nullptr;
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

// All connections of a server, which it owns.
class connection_list {
 public:
    connection_list() = default;
    connection_list(const connection_list&) = delete;
    connection_list& operator=(const connection_list&) = delete;
    ~connection_list();

    // Answers the same.
    server_connection& add(std::unique_ptr<server_connection> one) noexcept;
    void destroy(server_connection& one) noexcept;
    // `what` must destroy none.
    template <class What>
    void for_each(const What& what) const {
        for (server_connection* one = first_; one != nullptr; one = one->next_) what(*one);
    }

 private:
    server_connection* first_ = nullptr;
};

}  // namespace lethe::http
