#include "http/http2_stream.hpp"

#include "base/log.hpp"
#include "http/answer_head.hpp"
#include "http/http2_connection.hpp"
#include "http/problems.hpp"
#include "http/writer.hpp"

#include <utility>

namespace lethe::http {

http2_stream::http2_stream(http2_connection& owner, std::int32_t id)
    : owner_(owner),
      id_(id),
      x_(memory_, owner.worker().time()),
      head_(owner.state().settings->head, x_.request) {
    const http2_client& client = owner.client();
    x_.remote_address = owner.client_stream().remote_address();
    x_.secure = client.secure;
    x_.client_certificate = client.certificate;
    x_.client_certificate_chain = client.certificate_chain;
}

http2_stream::~http2_stream() {
    LETHE_ASSERT(!waits_.waiting());
}

// --- what the session tells

void http2_stream::field(std::string_view name, std::string_view value, bool well_formed) {
    if (well_formed)
        head_.add(name, value);
    else
        head_.add_malformed();
}

void http2_stream::head_done(bool has_body) {
    const result<> read = head_.finish(has_body, framing_);
    if (read.has_error()) refused_ = read.error();
    x_.started = owner_.worker().turn_time();
    body_done_ = !has_body;
    continue_pending_ = framing_.expects_continue;
    serving_ = true;
    owner_.begin(*this);
}

void http2_stream::body_piece(std::string_view bytes) {
    arrived_ += bytes;
    continue_pending_ = false;
    wake_later();
}

void http2_stream::body_done() {
    body_done_ = true;
    wake_later();
}

void http2_stream::answer_taken(std::size_t size, bool last) {
    piece_.remove_prefix(size);
    answered_bytes_ += size;
    all_taken_ |= last;
    if (!std::exchange(unwritten_, true)) owner_.tell_when_written(*this);
}

void http2_stream::closed() {
    closed_ = true;
    if (serving_)
        wake_later();
    else
        owner_.remove(*this);
}

void http2_stream::wake_later() {
    if (!std::exchange(awake_soon_, true)) owner_.wake_soon(*this);
}

void http2_stream::written() {
    unwritten_ = false;
    all_written_ |= all_taken_;
    wake();
}

void http2_stream::lost() {
    closed_ = lost_ = true;
    wake();
}

void http2_stream::wake() {
    awake_soon_ = false;
    if (waits_.waiting()) return waits_.resume();
    if (!closed_ || all_taken_ || x_.client_gone) return;
    x_.client_gone = true;
    if (!x_.survives_client && x_.waiting_on != nullptr) x_.waiting_on->cancel();
}

void http2_stream::expired() {
    timed_out_ = true;
    if (waits_.waiting()) waits_.resume();
}

// --- the request's body

std::optional<std::uint64_t> http2_stream::incoming_body::length() const noexcept {
    return owner_.body_length_;
}

// Only where the length was known beforehand: who sends it has said by then how it ends.
std::optional<std::string_view> http2_stream::incoming_body::whole() const noexcept {
    const http2_stream& s = owner_;
    if (!s.body_done_ || s.body_touched_ || !s.body_length_) return std::nullopt;
    return s.arrived_;
}

task<std::string_view> http2_stream::incoming_body::read() {
    http2_stream& s = owner_;
    http2_session& session = s.owner_.session();
    const clock& time = s.owner_.worker().time();
    s.body_touched_ = true;
    if (!s.reading_.empty()) {
        session.consume(s.id_, s.reading_.size(), !s.closed_);
        s.reading_.clear();
        s.owner_.send_soon();
    }
    if (std::exchange(s.continue_pending_, false) && !s.closed_) {
        session.answer_continue(s.id_);
        s.owner_.send_soon();
    }
    while (s.arrived_.empty()) {
        if (s.body_done_) co_return std::string_view{};
        if (s.closed_) co_return LETHE_ERR(errc::truncated);
        const steady_time began = time.steady_now();
        s.wait_until(s.pace_.patience(*s.owner_.state().settings));
        co_await s.waits_.wait();
        s.clear();
        s.pace_.took(time.steady_now() - began, 0);
        if (s.timed_out_) co_return LETHE_ERR(errc::timeout);
    }
    s.reading_.swap(s.arrived_);
    s.body_bytes_ += s.reading_.size();
    s.pace_.took({}, s.reading_.size());
    if (s.body_bytes_ > s.owner_.state().settings->body_bytes_max)
        co_return LETHE_ERR(errc::body_too_large);
    co_return s.reading_;
}

void http2_stream::wait_until(duration patience) {
    timed_out_ = false;
    set(owner_.worker().timers(), owner_.worker().turn_time() + patience);
}

// --- the answer

bool http2_stream::refuse() {
    const server_settings& settings = *owner_.state().settings;
    if (refused_) {
        log::debug("http.request_refused",
                   {{"remote", x_.remote_address}, {"error", describe(refused_)}});
        answer_problem(x_, problem_of(refused_));
        return true;
    }
    // Said once, before anybody asks: what has arrived whole has a length by that.
    body_length_ = framing_.content_length;
    if (!body_length_ && body_done_) body_length_ = arrived_.size();
    if (body_length_.value_or(0) > settings.body_bytes_max) {
        answer_problem(x_, problems::body_too_large);
        return true;
    }
    if (body_length_ != std::optional<std::uint64_t>(0)) x_.request_body = body_ptr(&body_);
    return false;
}

void http2_stream::send_head(bool has_body) {
    fields& header = x_.response.header;
    header.remove_if([this](const field_line& line) { return !is_sent(x_, line); });
    if (!header.first(field_id::date))
        header.add("date", http_date(owner_.worker().time().system_now()));
    if (const auto length = length_to_say(x_))
        header.add("content-length", std::to_string(*length));
    owner_.session().answer(id_, x_.response.status, {header.begin(), header.size()}, has_body);
}

void http2_stream::offer(std::string_view bytes, bool last) {
    piece_ = bytes;
    last_piece_ = last;
    owner_.session().resume(id_);
}

// Until what was offered is in the kernel's hands.
task<> http2_stream::until_written() {
    owner_.send_soon();
    while (true) {
        if (lost_) co_return LETHE_ERR(errc::truncated);
        if (piece_.empty() && !unwritten_ && (!last_piece_ || all_taken_)) co_return result<>{};
        if (closed_ && !all_taken_) co_return LETHE_ERR(errc::truncated);
        wait_until(owner_.state().settings->write_timeout);
        co_await waits_.wait();
        clear();
        if (timed_out_) co_return LETHE_ERR(errc::timeout);
    }
}

task<> http2_stream::send_pieces() {
    owner_.send_soon();  // the head need not wait for them
    body_source& body = *x_.response_body;
    const auto length = body.length();
    std::uint64_t read = 0;
    while (true) {
        const result<std::string_view> piece = co_await body.read();
        if (piece.has_error()) co_return piece.error();
        if (piece->empty() && last_piece_) co_return result<>{};
        read += piece->size();
        LETHE_ASSERT(!length || read <= *length);
        offer(*piece, piece->empty() || (length && read == *length));
        const result<> sent = co_await until_written();
        if (sent.has_error() || piece->empty()) co_return sent;
    }
}

bool http2_stream::begin_answer() {
    const auto whole = whole_answer(x_);
    if (whole) {
        piece_ = *whole;
        last_piece_ = true;
    }
    send_head(!whole || !whole->empty());
    return whole.has_value();
}

task<> http2_stream::serve() {
    exchange_observer* const observer = owner_.state().observer;
    http2_session& session = owner_.session();
    if (closed_) co_return LETHE_ERR(errc::truncated);  // it came and went with the same bytes
    result<> handled;
    if (!refuse()) handled = co_await owner_.state().end.handle(x_);
    result<> sent = handled;
    if (handled.has_value()) {
        if (x_.response.status == 0) {
            LETHE_BUG("an exchange ended without an answer");
            answer_problem(x_, problems::internal_error);
        }
        if (closed_)
            sent = LETHE_ERR(errc::truncated);
        else if (begin_answer())
            sent = co_await until_written();
        else
            sent = co_await send_pieces();
    }
    if (observer != nullptr)
        observer->finished(x_, handled.has_value() ? x_.response.status : 0, answered_bytes_,
                           all_written_);
    // RFC 9113 section 8.1: an answer may come before the request's end.
    if (!closed_ && (sent.has_error() || !body_done_)) {
        const bool slow = sent.has_error() && sent.error() == condition::timeout;
        session.reset(id_, sent.has_value() ? http2_reset::no_more_needed
                           : slow           ? http2_reset::cancelled
                                            : http2_reset::internal_error);
    }
    session.consume(id_, arrived_.size() + reading_.size(), !closed_);
    co_return sent;
}

}  // namespace lethe::http
