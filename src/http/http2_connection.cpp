#include "http/http2_connection.hpp"

#include "base/block_cache.hpp"
#include "base/log.hpp"
#include "net/end_of_turn.hpp"
#include "net/errors.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace lethe::http {
namespace {

constexpr std::size_t input_bytes = 32 * 1024;
constexpr std::size_t output_bytes = 64 * 1024;
static_assert(output_bytes >= http2_session::fill_bytes_min);
// Requests whose client has left may go on for a while (for their keys); beyond so many of them,
// new ones are refused.
constexpr std::size_t streams_over_max = 2;
constexpr std::chrono::milliseconds go_away_after{1'000};
constexpr std::chrono::milliseconds linger_time{2'000};
constexpr std::uint64_t linger_bytes_max = 4 * 1024 * 1024;

// A block of the cache for as long as it is needed.
class block {
 public:
    explicit block(std::size_t bytes) : bytes_(bytes) {}
    block(const block&) = delete;
    block& operator=(const block&) = delete;
    ~block() { release(); }

    std::span<char> take() {
        if (at_ == nullptr) at_ = static_cast<char*>(take_block(bytes_));
        return {at_, bytes_};
    }
    void release() noexcept {
        if (at_ != nullptr) give_block(std::exchange(at_, nullptr), bytes_);
    }

 private:
    char* at_ = nullptr;
    std::size_t bytes_;
};

http2_limits limits_of(const server_settings& settings) {
    return {.streams_max = settings.http2_streams_max,
            .head_bytes_max = settings.head.head_bytes_max};
}

}  // namespace

http2_connection::http2_connection(net::worker& on, net::stream& stream,
                                   const server_connection_state& state, http2_client client)
    : worker_(on),
      stream_(stream),
      state_(state),
      client_(client),
      session_(limits_of(*state.settings), *this, on.time()),
      idle_since_(on.turn_time()) {}

http2_connection::~http2_connection() {
    LETHE_ASSERT(streams_.empty());
}

// --- streams

http2_session::stream* http2_connection::open(std::int32_t id) {
    if (streams_.size() >= streams_over_max * state_.settings->http2_streams_max) return nullptr;
    streams_.push_back(std::make_unique<http2_stream>(*this, id));
    streams_.back()->place = streams_.size() - 1;
    return streams_.back().get();
}

void http2_connection::remove(http2_stream& one) {
    std::erase(begun_, &one);
    std::erase(awake_, &one);
    std::erase(sent_, &one);
    const std::size_t place = one.place;
    std::swap(streams_[place], streams_.back());
    streams_[place]->place = place;
    streams_.pop_back();
    if (!streams_.empty()) return;
    idle_since_ = worker_.turn_time();
    set_deadline();
}

task<> http2_connection::serve(http2_connection& self, http2_stream& one) {
    const result<> served = co_await one.serve();
    one.end_serving();
    if (one.is_closed()) self.remove(one);
    // What is left to send may be what ends the stream; the connection ends with run(), which may
    // go on in the last call here.
    if (!self.over_)
        self.send_soon();
    else if (self.streams_.empty() && self.ended_.waiting())
        self.ended_.resume();
    co_return served;
}

// --- reading

task<> http2_connection::run(std::string_view begun) {
    state_.counts.http2.add();
    worker_.spawn(write_all(*this));
    if (state_.draining) begin_drain();
    take(begun);
    const result<> read = co_await read_all();
    over_ = true;
    clear();
    // Who is still served has lost its client; who had not begun is forgotten.
    std::vector<http2_stream*> left;
    for (const std::unique_ptr<http2_stream>& one : streams_) left.push_back(one.get());
    for (http2_stream* one : left) {
        if (one->serving())
            one->lost();
        else
            remove(*one);
    }
    if (!writer_ended_) stream_.cancel();
    if (output_waits_.waiting()) output_waits_.resume();
    while (!writer_ended_ || !streams_.empty()) co_await ended_.wait();
    co_return read;
}

task<> http2_connection::read_all() {
    block input(input_bytes);
    std::uint64_t dropped = 0;
    while (true) {
        const result<std::optional<std::size_t>> got =
            stream_.may_read() ? stream_.try_read(input.take()) : std::optional<std::size_t>{};
        if (got.has_error()) {
            const bool patient = got.error() == condition::timeout && !socket_full_ && !said_end_;
            if (!patient) co_return got.error();
            session_.terminate();
            send_soon();
            stream_.expires_at(worker_.turn_time() + linger_time);
        } else if (!*got) {
            input.release();
            co_await stream_.reading().wait();
        } else if (**got == 0) {
            co_return result<>{};
        } else if (said_end_) {
            dropped += **got;
            if (dropped > linger_bytes_max) co_return result<>{};
        } else {
            take({input.take().data(), **got});
        }
    }
}

void http2_connection::take(std::string_view bytes) {
    const result<> taken = session_.receive(bytes);
    if (taken.has_error()) {
        state_.counts.http2_failed.add();
        log::debug("http.http2_failed",
                   {{"remote", stream_.remote_address()}, {"error", describe(taken.error())}});
    }
    settle();
}

// Serves what has come, and sends what that gave in one go.
void http2_connection::settle() {
    settling_ = true;
    // Each may end within the call, and no other.
    beginning_.swap(begun_);
    for (http2_stream* one : beginning_) worker_.spawn(serve(*this, *one));
    beginning_.clear();
    wake_awake();
    settling_ = false;
    send_soon();
    set_deadline();
}

void http2_connection::wake_awake() {
    while (!awake_.empty()) {
        http2_stream* const one = awake_.back();
        awake_.pop_back();
        one->wake();
    }
}

// One deadline for what is waited for at the moment; when a request is under way that is its own.
void http2_connection::set_deadline() {
    if (said_end_ || over_) return;
    const server_settings& settings = *state_.settings;
    if (socket_full_)
        stream_.expires_at(worker_.turn_time() + settings.write_timeout);
    else if (session_.head_under_way())
        stream_.expires_at(session_.head_since() + settings.header_timeout);
    else if (streams_.empty())
        stream_.expires_at(idle_since_ + settings.keep_alive_timeout);
    else
        stream_.expires_at(steady_time::max());
}

// --- writing

void http2_connection::send_soon() {
    if (!settling_ && output_waits_.waiting() && (session_.has_output() || session_.finished()))
        output_waits_.resume();
}

task<> http2_connection::write_all(http2_connection& self) {
    while (!self.over_) {
        if (self.session_.has_output()) {
            const result<std::size_t> wrote = co_await self.write_output();
            if (wrote.has_error()) {
                self.stream_.cancel();  // the reader learns of it
                break;
            }
            if (*wrote != 0) continue;
        }
        if (self.session_.finished()) {
            self.said_end_ = true;
            self.stream_.shutdown_send();
            self.stream_.expires_at(self.worker_.turn_time() + linger_time);
            break;
        }
        co_await self.output_waits_.wait();
        net::end_of_turn end(self.worker_);
        if (end.worth_waiting()) co_await end.wait();
    }
    self.writer_ended_ = true;
    if (self.over_ && self.streams_.empty() && self.ended_.waiting()) self.ended_.resume();
    co_return result<>{};
}

task<std::size_t> http2_connection::write_output() {
    block output(output_bytes);
    const std::span<char> room = output.take();
    const std::size_t size = session_.fill(room);
    if (size == 0) co_return size;
    const std::array<std::string_view, 1> pieces = {std::string_view(room.data(), size)};
    const result<std::size_t> taken = stream_.try_write(pieces);
    if (taken.has_error()) co_return taken.error();
    if (*taken < size) {
        socket_full_ = true;
        set_deadline();
        const result<> written = co_await stream_.write(pieces, *taken);
        socket_full_ = false;
        if (written.has_error()) co_return written.error();
        set_deadline();
    }
    output.release();
    while (!sent_.empty()) {
        http2_stream* const one = sent_.back();
        sent_.pop_back();
        one->written();
    }
    wake_awake();
    co_return size;
}

// --- the end

void http2_connection::begin_drain() {
    if (over_ || said_end_) return;
    session_.announce_end();
    set(worker_.timers(), worker_.time().steady_now() + go_away_after);
    send_soon();
}

void http2_connection::expired() {
    if (over_ || said_end_) return;
    session_.go_away();
    send_soon();
}

}  // namespace lethe::http
