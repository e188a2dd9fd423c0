#include "http/server_connection.hpp"

#include "base/bytes.hpp"
#include "base/log.hpp"
#include "http/answer_head.hpp"
#include "http/http2_connection.hpp"
#include "http/problems.hpp"
#include "http/writer.hpp"
#include "net/end_of_turn.hpp"
#include "net/errors.hpp"
#include "net/proxy_protocol.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <utility>

namespace lethe::http {
namespace {

// How often a waiting exchange looks whether its client is still there.
constexpr std::chrono::milliseconds client_check_interval{250};
// An unread request body up to this size is read to keep the connection.
constexpr std::uint64_t discard_bytes_max = 64 * 1024;
constexpr std::uint64_t linger_bytes_max = 4 * 1024 * 1024;
constexpr std::chrono::milliseconds linger_time{2'000};
constexpr std::chrono::milliseconds idle_time_while_draining{1'000};
// What a client that knows beforehand that HTTP/2 is spoken begins with looks like a head (RFC 9113
// section 3.4).
constexpr std::string_view http2_begin = "PRI * HTTP/2.0\r\n\r\n";

struct exchange_end {
    void operator()(exchange* x) const noexcept { x->~exchange(); }
};
using exchange_ptr = std::unique_ptr<exchange, exchange_end>;

// Not in a coroutine's frame: Asio keeps frames for the next coroutine only while they are small.
exchange_ptr make_exchange(arena& memory, clock& time) {
    void* const place = memory.allocate(sizeof(exchange), alignof(exchange));
    return exchange_ptr(new (place) exchange(memory, time));
}

// Without a length, HTTP/1.0 learns the body's end from the connection's.
bool ends_with_connection(const exchange& x) {
    return x.request.version_minor == 0 && x.response_body && !x.response_body->length() &&
           !answer_has_no_body(x);
}

// curl and others offer HTTP/2 on the way; staying with HTTP/1.1 is the refusal RFC 9110 wants.
bool asks_for_other_protocol(const exchange& x, const framing& how) {
    if (!how.wants_upgrade) return false;
    const auto wanted = x.request.header.first(field_id::upgrade);
    return !wanted || !equal_ignoring_case(*wanted, "h2c");
}

}  // namespace

door_metrics::door_metrics(metrics::registry& in)
    : done(in.make_counter("lethe_tls_handshakes_total",
                           "TLS handshakes of clients that came to an end.")),
      resumed(in.make_counter("lethe_tls_handshakes_resumed_total",
                              "Those of them that resumed a session by its ticket.")),
      failed(in.make_counter("lethe_tls_handshakes_failed_total",
                             "TLS handshakes of clients that failed or took too long.")),
      proxies_refused(in.make_counter(
          "lethe_http_proxies_refused_total",
          "Connections closed because they came from no trusted proxy, or without its header.")),
      http2(in.make_counter("lethe_http2_connections_total",
                            "Connections of clients that spoke HTTP/2.")),
      http2_failed(in.make_counter(
          "lethe_http2_connections_failed_total",
          "Those of them that were ended because frames were malformed or came in floods.")) {}

server_connection::server_connection(net::worker& on, net::stream stream,
                                     server_connection_state state, connection_owner& owner)
    : owner_(owner),
      worker_(on),
      stream_(std::move(stream)),
      state_(std::move(state)),
      reader_(stream_, state_.settings->head.head_bytes_max) {}

void server_connection::begin_drain() {
    if (http2_ != nullptr) return http2_->begin_drain();
    if (idle_) stream_.expires_at(worker_.time().steady_now() + idle_time_while_draining);
}

server_connection::client_watch::client_watch(server_connection& owner, exchange& x)
    : owner_(owner) {
    owner_.current_ = &x;
    owner_.set(owner_.worker_.timers(), x.started + client_check_interval);
}
server_connection::client_watch::~client_watch() {
    owner_.clear();
    owner_.current_ = nullptr;
}

void server_connection::expired() {
    if (current_ == nullptr) return;
    if (!current_->client_gone && stream_.peer_closed()) {
        current_->client_gone = true;
        if (!current_->survives_client && current_->waiting_on != nullptr)
            current_->waiting_on->cancel();
    }
    set(worker_.timers(), worker_.time().steady_now() + client_check_interval);
}

task<std::string_view> server_connection::incoming_body::read() {
    server_connection& c = owner_;
    if (c.continue_pending_) {
        c.continue_pending_ = false;
        static constexpr std::array<std::string_view, 1> go_on = {"HTTP/1.1 100 Continue\r\n\r\n"};
        const result<> told = co_await c.write_now(go_on);
        if (told.has_error()) co_return told.error();
    }
    const steady_time began = c.worker_.time().steady_now();
    c.stream_.expires_at(began + pace_.patience(*c.state_.settings));
    const result<std::string_view> piece = co_await c.reader_.read_body();
    pace_.took(c.worker_.time().steady_now() - began, piece.has_value() ? piece->size() : 0);
    co_return piece;
}

void server_connection::begin() {
    if (state_.opening) {
        owner_.serve(*this);
        return;
    }
    become_idle();
    wait_for_request();
}

void server_connection::become_idle() {
    idle_ = true;
    const auto patience =
        state_.draining ? std::min(idle_time_while_draining, state_.settings->keep_alive_timeout)
                        : state_.settings->keep_alive_timeout;
    stream_.expires_at(worker_.turn_time() + patience);
}

server_connection::heard server_connection::look_for_request() {
    const result<std::optional<std::size_t>> got = reader_.try_fill();
    if (got.has_error() || *got == std::optional<std::size_t>(0)) return heard::end;
    if (!*got) return heard::nothing;
    idle_ = false;
    return heard::request;
}

void server_connection::wait_for_request() {
    stream_.reading().wait_with(
        [](void* self) {
            server_connection& one = *static_cast<server_connection*>(self);
            switch (one.look_for_request()) {
                case heard::nothing: one.wait_for_request(); return;
                case heard::request: one.owner_.serve(one); return;
                case heard::end: one.owner_.end(one); return;
            }
        },
        this);
}

// From the first byte on the whole head has one deadline, however the bytes trickle in.
task<std::string_view> server_connection::read_rest_of_head() {
    stream_.expires_at(worker_.time().steady_now() + state_.settings->header_timeout);
    while (true) {
        const result<std::optional<std::size_t>> got = reader_.try_fill();
        if (got.has_error()) co_return got.error();
        if (!*got) {
            co_await stream_.reading().wait();
            continue;
        }
        if (**got == 0) co_return LETHE_ERR(errc::truncated);
        const result<std::optional<std::string_view>> head = reader_.scan();
        if (head.has_error()) co_return head.error();
        if (*head) co_return **head;
    }
}

task<server_connection::agreed> server_connection::shake_hands() {
    // Not kept: a connection does not hold the certificates of its time.
    net::tls_server with = *std::move(state_.opening->tls);
    state_.opening->tls.reset();
    const result<net::tls_session> made = co_await net::accept_tls(
        stream_, std::move(with), worker_.time().steady_now() + state_.settings->header_timeout);
    if (made.has_error()) {
        state_.counts.failed.add();
        log::debug("http.tls_failed",
                   {{"remote", stream_.remote_address()}, {"error", describe(made.error())}});
        if (made.error() != net::errc::plain_http) co_return made.error();
        exchange x(memory_, worker_.time());
        x.remote_address = stream_.remote_address();
        x.started = worker_.turn_time();
        const result<> refused = co_await refuse(x, made.error());
        if (refused.has_error()) co_return refused.error();
        co_return agreed::nothing;
    }
    state_.counts.done.add();
    if (made->resumed) state_.counts.resumed.add();
    if (!made->client_chain.empty()) take_certificates(made->client_chain);
    secure_ = true;
    co_return made->protocol == "h2" ? agreed::http2 : agreed::http1;
}

// RFC 9440 sections 2.2 and 2.3: byte sequences of structured fields, of DER.
void server_connection::take_certificates(const std::vector<std::string>& chain) {
    client_ = std::make_unique<client_certificate>();
    for (std::size_t i = 0; i < chain.size(); ++i) {
        std::string& field = client_->fields[std::min<std::size_t>(i, 1)];
        if (!field.empty()) field += ", ";
        field += ":" + to_base64(chain[i]) + ":";
    }
}

task<> server_connection::take_proxy_header() {
    result<> taken = co_await net::take_proxy_header(
        stream_, worker_.time().steady_now() + state_.settings->header_timeout);
    if (taken.has_error()) {
        state_.counts.proxies_refused.add();
        log::warn("http.proxy_header_refused",
                  {{"remote", stream_.remote_address()}, {"error", describe(taken.error())}});
    }
    co_return taken;
}

task<server_connection::left> server_connection::run() {
    if (state_.opening && state_.opening->proxied) {
        const result<> taken = co_await take_proxy_header();
        if (taken.has_error()) co_return taken.error();
    }
    if (state_.opening && state_.opening->tls) {
        const result<agreed> shaken = co_await shake_hands();
        if (shaken.has_error()) co_return shaken.error();
        state_.opening.reset();
        if (*shaken == agreed::nothing) co_return co_await linger();
        if (*shaken == agreed::http2) co_return co_await serve_http2({});
        state_.http2 = false;
    }
    state_.opening.reset();
    while (true) {
        if (reader_.empty()) {
            become_idle();
            const heard now = look_for_request();
            if (now == heard::end) co_return left::over;
            if (now == heard::nothing) {
                wait_for_request();
                co_return left::idle;
            }
        }
        const result<after> served = co_await serve_one();
        memory_.reset();
        if (served.has_error()) co_return served.error();
        if (*served == after::end) break;
        if (*served == after::http2) co_return co_await serve_http2(reader_.from_head());
        state_.http2 = false;
        reader_.next_message();
    }
    co_return co_await linger();
}

// To its end. `begun`: what has come of it.
task<server_connection::left> server_connection::serve_http2(std::string_view begun) {
    idle_ = false;
    http2_client client;
    client.secure = secure_;
    if (client_) {
        client.certificate = client_->fields[0];
        client.certificate_chain = client_->fields[1];
    }
    http2_connection connection(worker_, stream_, state_, client);
    http2_ = &connection;
    const result<> ended = co_await connection.run(begun);
    http2_ = nullptr;
    if (ended.has_error()) co_return ended.error();
    co_return left::over;
}

void server_connection::prepare_body(exchange& x) {
    reader_.begin_body(framing_, state_.settings->body_bytes_max);
    // Who sends the body without waiting needs no invitation (RFC 9110 section 10.1.1).
    continue_pending_ = framing_.expects_continue && reader_.empty();
    body_.pace_ = {};
    body_.length_ =
        framing_.chunked ? std::nullopt : std::optional(framing_.content_length.value_or(0));
    if (framing_.chunked || body_.length_ != std::optional<std::uint64_t>(0))
        x.request_body = body_ptr(&body_);
}

// An error: the connection ends at once, without an orderly end.
task<server_connection::after> server_connection::serve_one() {
    const exchange_ptr made = make_exchange(memory_, worker_.time());
    exchange& x = *made;
    x.remote_address = stream_.remote_address();
    x.secure = secure_;
    if (client_) {
        x.client_certificate = client_->fields[0];
        x.client_certificate_chain = client_->fields[1];
    }
    result<std::string_view> head = std::string_view{};
    if (const result<std::optional<std::string_view>> found = reader_.scan(); found.has_error())
        head = found.error();
    else if (*found)
        head = **found;
    else
        head = co_await read_rest_of_head();
    x.started = worker_.turn_time();
    if (head.has_error()) {
        if (head.error() == condition::cancelled || head.error() == condition::unavailable)
            co_return head.error();
        const result<> refused = co_await refuse(x, head.error());
        if (refused.has_error()) co_return refused.error();
        co_return after::end;
    }
    if (state_.http2 && *head == http2_begin) co_return after::http2;
    framing_ = {};
    const result<> parsed = parse_request_head(*head, state_.settings->head, x.request, framing_);
    if (parsed.has_error()) {
        const result<> refused = co_await refuse(x, parsed.error());
        if (refused.has_error()) co_return refused.error();
        co_return after::end;
    }
    const bool other_protocol = asks_for_other_protocol(x, framing_);
    drop_fields_named_by_connection(x.request.header);
    prepare_body(x);
    const client_watch watch(*this, x);
    if (other_protocol) {
        answer_problem(x, problems::upgrade_not_supported, {"Connections cannot be upgraded yet."});
    } else if (framing_.content_length.value_or(0) > state_.settings->body_bytes_max) {
        answer_problem(x, problems::body_too_large);
    } else {
        const result<> handled = co_await state_.end.handle(x);
        if (handled.has_error()) {
            if (state_.observer != nullptr) state_.observer->finished(x, 0, 0, false);
            co_return handled.error();
        }
        if (x.response.status == 0) {
            LETHE_BUG("an exchange ended without an answer");
            answer_problem(x, problems::internal_error);
        }
    }

    sent so_far;
    const bool keep = may_keep_alive() && !ends_with_connection(x);
    const std::string_view answer_head = make_head(x, keep);
    net::end_of_turn end(worker_);
    if (end.worth_waiting()) co_await end.wait();
    result<> written{};
    const result<net::written> tried = try_write_whole(x, answer_head, so_far);
    if (tried.has_error())
        written = tried.error();
    else if (*tried == net::written::part)
        written = co_await write_answer(x, answer_head, so_far);
    if (state_.observer != nullptr)
        state_.observer->finished(x, x.response.status, so_far.body_bytes, so_far.complete);
    if (written.has_error()) co_return written.error();
    if (!keep) co_return after::end;
    if (reader_.body_done()) co_return after::another_request;
    co_return co_await finish_request_body();
}

task<> server_connection::refuse(exchange& x, const error_code& why) {
    log::debug("http.request_refused", {{"remote", x.remote_address}, {"error", describe(why)}});
    answer_problem(x, problem_of(why));
    sent so_far;
    const std::string_view answer_head = make_head(x, false);
    const result<> written = co_await write_answer(x, answer_head, so_far);
    if (state_.observer != nullptr)
        state_.observer->finished(x, x.response.status, so_far.body_bytes, so_far.complete);
    co_return written;
}

bool server_connection::may_keep_alive() const {
    if (!framing_.keep_alive || state_.draining) return false;
    if (reader_.body_done()) return true;
    return !continue_pending_ &&
           reader_.body_left().value_or(discard_bytes_max + 1) <= discard_bytes_max;
}

// In the exchange's arena.
std::string_view server_connection::make_head(exchange& x, bool keep_alive) {
    const auto length = length_to_say(x);
    head_text out(x.memory());
    append_status_line(out, x.response.status);
    bool dated = false;
    for (const field_line& line : x.response.header) {
        if (!is_sent(x, line)) continue;
        dated |= line.id == field_id::date;
        append_field(out, line.name, line.value);
    }
    if (!dated) append_date(out, worker_.time().system_now());
    if (length) append_content_length(out, *length);
    chunked_answer_ = !length && !answer_has_no_body(x) && x.request.version_minor >= 1;
    if (chunked_answer_) append_field(out, "Transfer-Encoding", "chunked");
    if (!keep_alive)
        append_field(out, "Connection", "close");
    else if (x.request.version_minor == 0)
        append_field(out, "Connection", "keep-alive");
    append_head_end(out);
    return out.done();
}

task<> server_connection::write_now(std::span<const std::string_view> pieces, std::size_t skip) {
    std::size_t size = 0;
    for (const std::string_view piece : pieces) size += piece.size();
    if (skip == 0) {
        const result<std::size_t> taken = stream_.try_write(pieces);
        if (taken.has_error()) co_return taken.error();
        skip = *taken;
    }
    if (skip == size) co_return result<>{};
    stream_.expires_at(worker_.time().steady_now() + state_.settings->write_timeout);
    co_return co_await stream_.write(pieces, skip);
}

// The common case without a coroutine.
result<net::written> server_connection::try_write_whole(const exchange& x, std::string_view head,
                                                        sent& so_far) {
    const auto whole = whole_answer(x);
    if (!whole) return net::written::part;
    const std::array<std::string_view, 2> pieces = {head, *whole};
    const result<std::size_t> taken = stream_.try_write(pieces);
    if (taken.has_error()) return taken.error();
    so_far.head_bytes = std::min(*taken, head.size());
    so_far.body_bytes = *taken - so_far.head_bytes;
    so_far.complete = *taken == head.size() + whole->size();
    return so_far.complete ? net::written::all : net::written::part;
}

task<> server_connection::write_answer(exchange& x, std::string_view head, sent& so_far) {
    if (const auto whole = whole_answer(x)) {
        const std::array<std::string_view, 2> pieces = {head, *whole};
        const std::size_t taken =
            std::exchange(so_far.head_bytes, 0) + std::exchange(so_far.body_bytes, 0);
        const result<> written = co_await write_now(pieces, taken);
        so_far.complete = written.has_value();
        if (so_far.complete) so_far.body_bytes = whole->size();
        co_return written;
    }
    const std::array<std::string_view, 1> pieces = {head};
    const result<> head_written = co_await write_now(pieces);
    if (head_written.has_error()) co_return head_written;
    co_return co_await write_body(x, so_far);
}

task<> server_connection::write_body(exchange& x, sent& so_far) {
    std::array<char, 20> size_line;
    const auto expected = x.response_body->length();
    while (true) {
        const result<std::string_view> piece = co_await x.response_body->read();
        if (piece.has_error()) {
            // The client must not take what it has for the whole: no last chunk, no orderly end.
            stream_.reset_on_close();
            co_return piece.error();
        }
        if (piece->empty()) break;
        so_far.body_bytes += piece->size();
        LETHE_ASSERT(!expected || so_far.body_bytes <= *expected);
        if (chunked_answer_) {
            const std::size_t digits = write_chunk_size(size_line, piece->size());
            const std::array<std::string_view, 3> pieces = {
                std::string_view(size_line.data(), digits), *piece, chunk_end};
            const result<> written = co_await write_now(pieces);
            if (written.has_error()) co_return written;
        } else {
            const std::array<std::string_view, 1> pieces = {*piece};
            const result<> written = co_await write_now(pieces);
            if (written.has_error()) co_return written;
        }
    }
    if (chunked_answer_) {
        static constexpr std::array<std::string_view, 1> pieces = {last_chunk};
        const result<> written = co_await write_now(pieces);
        if (written.has_error()) co_return written;
    }
    so_far.complete = true;
    co_return result<>{};
}

// Reads what the handler left of a small body, so that the connection can go on.
task<server_connection::after> server_connection::finish_request_body() {
    while (!reader_.body_done()) {
        const result<std::string_view> piece = co_await body_.read();
        if (piece.has_error()) co_return piece.error();
    }
    co_return after::another_request;
}

// A socket that is closed while bytes wait in it is reset, and the client may lose the answer it
// has not read yet: so the end is said first, and what still comes is read for a while (RFC 9112
// section 9.6).
task<server_connection::left> server_connection::linger() {
    stream_.shutdown_send();
    stream_.expires_at(worker_.time().steady_now() + linger_time);
    std::array<char, 4096> dropped;
    for (std::uint64_t total = 0; total < linger_bytes_max;) {
        const result<std::size_t> got = co_await stream_.read_some(dropped);
        if (got.has_error() || *got == 0) break;
        total += *got;
    }
    co_return left::over;
}

connection_list::~connection_list() {
    while (first_ != nullptr) destroy(*first_);
}

server_connection& connection_list::add(std::unique_ptr<server_connection> one) noexcept {
    server_connection& added = *one.release();
    added.next_ = first_;
    if (first_ != nullptr) first_->previous_ = &added;
    first_ = &added;
    return added;
}

void connection_list::destroy(server_connection& one) noexcept {
    (one.previous_ != nullptr ? one.previous_->next_ : first_) = one.next_;
    if (one.next_ != nullptr) one.next_->previous_ = one.previous_;
    delete &one;
}

}  // namespace lethe::http
