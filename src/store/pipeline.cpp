#include "store/pipeline.hpp"

#include "base/log.hpp"
#include "net/errors.hpp"
#include "net/suspension.hpp"
#include "store/pipeline_buffers.hpp"
#include "store/pipeline_call.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

namespace lethe::store {
namespace {

using detail::incoming;
using detail::outgoing;

// Requests up to this size are copied together to leave in one write; larger ones are moved.
constexpr std::size_t copied_bytes_max = std::size_t{16} * 1024;
// How much is handed over to a connection at once: what is handed over can no longer be taken back.
constexpr std::size_t handed_over_bytes = std::size_t{64} * 1024;
// What requests leave behind for the next ones, so that they need not allocate.
constexpr std::size_t rooms_max = 256;
constexpr std::size_t room_bytes_max = std::size_t{4} * 1024;
constexpr std::size_t slice_bytes = std::size_t{256} * 1024;
// How long a connection that takes no more bytes may still bring replies.
constexpr std::chrono::seconds last_replies{1};

struct pipeline_metrics {
    pipeline_metrics(metrics::registry& in, const std::string& store)
        : made(in.make_counter("lethe_store_connections_made_total",
                               "Connections to the store's servers that were made.",
                               {{"store", store}})),
          failed(in.make_counter("lethe_store_connections_failed_total",
                                 "Attempts to connect to the store's servers that failed.",
                                 {{"store", store}})),
          lost(in.make_counter("lethe_store_connections_lost_total",
                               "Connections to the store's servers that were lost.",
                               {{"store", store}})),
          open(in.make_gauge("lethe_store_connections", "Connections to the store's servers.",
                             {{"store", store}})),
          under_way(in.make_gauge("lethe_store_requests_under_way",
                                  "Requests to the store's servers that wait or are sent.",
                                  {{"store", store}})) {}

    metrics::counter& made;
    metrics::counter& failed;
    metrics::counter& lost;
    metrics::gauge& open;
    metrics::gauge& under_way;
};

// Shared by the coroutine that reads, the one that writes while the kernel takes no more, and the
// pipeline, which lets go of it first.
struct connection {
    explicit connection(net::stream made) : stream(std::move(made)) {}

    net::stream stream;
    outgoing out;
    // The place in the order of all requests of the first one in `out`.
    std::uint64_t out_first = 0;
    bool writing = false;   // a coroutine waits until the kernel takes more
    bool broken = false;    // nothing more can be written
    bool answered = false;  // a request got a reply
};

}  // namespace

struct pipeline::impl final : net::stoppable, std::enable_shared_from_this<pipeline::impl> {
    // A request that was handed over. Whoever has left keeps the place, so that the replies are
    // dropped.
    struct expected {
        call* who;
        std::size_t replies;
    };
    enum class state { idle, connecting, open, closed };

    impl(net::worker& on, pipeline_options given) : owner(on), options(std::move(given)) {
        if (options.registry != nullptr) counts.emplace(*options.registry, options.store_name);
        if (!options.connect) options.connect = net::connect;
    }

    void stop_waiting() noexcept override { close(); }
    void close() noexcept;

    error_code refusal(std::size_t bytes, steady_time deadline);
    void enqueue(call& one);
    void unlink(call& one);
    void leave(call& one);
    void end(call& one, error_code error);
    void end_unsent(const error_code& error);
    void end_sent(const std::shared_ptr<connection>& with);

    // Room that an earlier request has left, and where it is kept.
    std::string room();
    void keep_room(std::string of);

    void flush_soon();
    void wake_soon();
    void wake();
    void flush();
    void hand_over(connection& to);
    void give_up_writing(connection& with);

    task<> greet(connection& to, reply_cutter& cutter, incoming& in, steady_time deadline,
                 error_code& tell);
    result<> take_replies(connection& with, reply_cutter& cutter, incoming& in);
    void deliver(std::string_view bytes, incoming& in);
    task<> read(std::shared_ptr<connection> with, reply_cutter& cutter, incoming& in);
    static task<> write(std::shared_ptr<impl> self, std::shared_ptr<connection> with);
    static task<> run(std::shared_ptr<impl> self);
    void attempt_failed(const error_code& why, const error_code& tell);
    void connection_lost(const std::shared_ptr<connection>& with, const error_code& why);
    void pause();

    net::worker& owner;
    pipeline_options options;
    std::optional<pipeline_metrics> counts;
    state now = state::idle;
    bool enlisted = false;
    bool flush_coming = false;
    bool wake_coming = false;
    bool waking = false;
    steady_time read_at;  // when the last bytes came

    // Requests that are not handed over, oldest first.
    call* first = nullptr;
    call* last = nullptr;
    std::size_t requests = 0;  // not handed over, or their replies not there
    std::size_t bytes = 0;     // not handed over

    std::deque<expected> sent;
    std::uint64_t sent_first = 0;  // the place of sent.front()
    std::vector<call*> ended;      // to be resumed
    std::vector<std::string> rooms;

    std::shared_ptr<connection> with;
    steady_time not_before = steady_time::min();
    std::chrono::milliseconds last_pause{0};
};

// ---- the requests

error_code pipeline::impl::refusal(std::size_t request_bytes, steady_time deadline) {
    if (now == state::closed || owner.stopping()) return LETHE_ERR(errc::unavailable);
    // Whoever asks while replies are handed out does so in one moment: the clock's price shows
    // here.
    const steady_time moment = waking ? read_at : owner.time().steady_now();
    if (moment >= deadline) return LETHE_ERR(errc::timeout);
    if (requests >= options.queue_requests_max || bytes + request_bytes > options.queue_bytes_max)
        return LETHE_ERR(errc::overloaded);
    if (now == state::idle && moment < not_before) return LETHE_ERR(errc::unavailable);
    return {};
}

void pipeline::impl::enqueue(call& one) {
    one.previous_ = last;
    (last != nullptr ? last->next_ : first) = &one;
    last = &one;
    ++requests;
    bytes += one.request_bytes_;
    if (counts) counts->under_way.add(1);
    if (!std::exchange(enlisted, true)) owner.enlist(*this);
    if (now == state::idle) {
        now = state::connecting;
        owner.spawn(run(shared_from_this()));
    } else if (now == state::open) {
        flush_soon();
    }
}

void pipeline::impl::unlink(call& one) {
    (one.previous_ != nullptr ? one.previous_->next_ : first) = one.next_;
    (one.next_ != nullptr ? one.next_->previous_ : last) = one.previous_;
    one.previous_ = one.next_ = nullptr;
    bytes -= one.request_bytes_;
}

// The deadline has passed.
void pipeline::impl::leave(call& one) {
    if (one.ended_) return;
    if (one.sent_) {
        sent[one.place_ - sent_first].who = nullptr;
        end(one, LETHE_ERR(errc::outcome_unknown));
    } else {
        unlink(one);
        --requests;
        end(one, LETHE_ERR(errc::timeout));
    }
    wake_soon();
}

void pipeline::impl::end(call& one, error_code error) {
    one.error_ = error;
    one.ended_ = true;
    one.clear();
    if (counts) counts->under_way.add(-1);
    ended.push_back(&one);
}

void pipeline::impl::end_unsent(const error_code& error) {
    while (first != nullptr) {
        call& one = *first;
        unlink(one);
        --requests;
        end(one, error);
    }
    wake_soon();
}

void pipeline::impl::end_sent(const std::shared_ptr<connection>& lost) {
    // Of what was handed over last, not a byte may have left.
    const std::uint64_t unsent_from =
        lost->out.written == 0 && !lost->out.empty() ? lost->out_first : sent_first + sent.size();
    for (std::size_t i = 0; i < sent.size(); ++i) {
        if (sent[i].who == nullptr) continue;
        const bool left = sent_first + i < unsent_from;
        end(*sent[i].who, left ? LETHE_ERR(errc::outcome_unknown) : LETHE_ERR(errc::unavailable));
    }
    requests -= sent.size();
    sent_first += sent.size();
    sent.clear();
    wake_soon();
}

void pipeline::impl::wake_soon() {
    if (ended.empty() || std::exchange(wake_coming, true)) return;
    boost::asio::post(owner.executor(), [self = shared_from_this()] {
        self->wake_coming = false;
        self->wake();
    });
}

// Resumed coroutines run within this call: they may ask again, close the pipeline or destroy it.
void pipeline::impl::wake() {
    const auto alive = shared_from_this();
    std::vector<call*> now_ended;
    while (!ended.empty()) {
        now_ended.swap(ended);
        for (call* one : now_ended) one->waiting_.resume();
        now_ended.clear();
    }
    ended.swap(now_ended);  // keeps its room
}

// ---- writing

std::string pipeline::impl::room() {
    if (rooms.empty()) return {};
    std::string out = std::move(rooms.back());
    rooms.pop_back();
    return out;
}

void pipeline::impl::keep_room(std::string of) {
    if (rooms.size() >= rooms_max || of.capacity() > room_bytes_max) return;
    of.clear();
    rooms.push_back(std::move(of));
}

// What is asked for within one turn of the loop leaves in one write.
void pipeline::impl::flush_soon() {
    if (std::exchange(flush_coming, true)) return;
    boost::asio::post(owner.executor(), [self = shared_from_this()] {
        self->flush_coming = false;
        self->flush();
    });
}

void pipeline::impl::hand_over(connection& to) {
    to.out.clear();
    to.out_first = sent_first + sent.size();
    if (sent.empty() && first != nullptr)
        to.stream.expires_at(owner.time().steady_now() + options.stuck_after);
    while (first != nullptr && to.out.size() < handed_over_bytes) {
        call& one = *first;
        unlink(one);
        one.sent_ = true;
        one.place_ = sent_first + sent.size();
        sent.push_back({&one, one.expected_});
        if (one.request_.size() > copied_bytes_max) {
            to.out.large = std::move(one.request_);
            break;
        }
        to.out.small += one.request_;
        keep_room(std::move(one.request_));
    }
}

void pipeline::impl::flush() {
    if (now != state::open || with->writing || with->broken) return;
    connection& to = *with;
    while (true) {
        if (to.out.empty()) {
            if (first == nullptr) return;
            hand_over(to);
        }
        const std::array<std::string_view, 2> pieces = to.out.rest(to.out.size());
        const result<std::size_t> taken = to.stream.try_write(pieces);
        if (taken.has_error()) {
            give_up_writing(to);
            return;
        }
        to.out.written += *taken;
        if (!to.out.empty()) {
            to.writing = true;
            owner.spawn(write(shared_from_this(), with));
            return;
        }
    }
}

void pipeline::impl::give_up_writing(connection& to) {
    // What the server said before it left can still be read; then the reader meets the end.
    to.broken = true;
    to.stream.expires_at(owner.time().steady_now() + last_replies);
}

// Waits for a server that takes its time. In slices, so that progress is noticed.
task<> pipeline::impl::write(std::shared_ptr<impl> self, std::shared_ptr<connection> to) {
    while (!to->out.empty()) {
        const std::array<std::string_view, 2> pieces = to->out.rest(slice_bytes);
        const std::size_t size = pieces[0].size() + pieces[1].size();
        const result<> written = co_await to->stream.write(pieces);
        // Part of a slice may have left when it failed.
        to->out.written += size;
        if (self->with != to) co_return result<>{};
        if (written.has_error()) {
            self->give_up_writing(*to);
            co_return result<>{};
        }
        to->stream.expires_at(self->owner.time().steady_now() + self->options.stuck_after);
    }
    to->writing = false;
    self->flush();
    co_return result<>{};
}

// ---- reading

result<> pipeline::impl::take_replies(connection& from, reply_cutter& cutter, incoming& in) {
    while (!in.bytes().empty()) {
        const result<std::size_t> size = cutter.cut(in.bytes());
        if (size.has_error()) return size.error();
        if (*size == 0) {
            if (std::max(in.bytes().size(), cutter.bytes_wanted()) > options.reply_bytes_max)
                return LETHE_ERR(errc::corrupt);
            return {};
        }
        const std::string_view reply = in.bytes().substr(0, *size);
        if (cutter.is_unasked(reply)) {
            in.drop(*size);
            continue;
        }
        if (sent.empty()) return LETHE_ERR(errc::corrupt);
        from.answered = true;
        deliver(reply, in);
    }
    return {};
}

void pipeline::impl::deliver(std::string_view reply, incoming& in) {
    expected& next = sent.front();
    call* const who = next.who;
    const bool last_one = --next.replies == 0;
    if (who == nullptr) {
        in.drop(reply.size());
    } else if (last_one && !who->keeps_ && who->collected_.empty()) {
        // Looked at before the next read, where it lies.
        who->whole_ = reply;
        in.drop(reply.size());
    } else {
        if (who->collected_.empty()) {
            who->collected_ = in.take(reply.size());
        } else {
            who->collected_ += reply;
            in.drop(reply.size());
        }
        who->whole_ = who->collected_;
    }
    if (!last_one) return;
    if (who != nullptr) end(*who, {});
    sent.pop_front();
    ++sent_first;
    --requests;
}

// Until the connection ends, and why it did. cancelled: nobody wants it any more.
task<> pipeline::impl::read(std::shared_ptr<connection> from, reply_cutter& cutter, incoming& in) {
    read_at = owner.time().steady_now();
    while (true) {
        if (!from->broken)
            from->stream.expires_at(sent.empty() && !from->writing ? steady_time::max()
                                                                   : read_at + options.stuck_after);
        const std::size_t wanted = in.bytes().empty() ? 0 : cutter.bytes_wanted();
        const result<std::size_t> got = co_await from->stream.read_some(in.room(wanted));
        if (with != from) co_return LETHE_ERR(net::errc::cancelled);
        if (got.has_error()) co_return got.error();
        if (*got == 0) co_return LETHE_ERR(net::errc::connection_lost);
        in.filled(*got);
        read_at = owner.time().steady_now();
        const result<> cut = take_replies(*from, cutter, in);
        waking = true;
        wake();
        waking = false;
        if (with != from) co_return LETHE_ERR(net::errc::cancelled);
        if (cut.has_error()) co_return cut;
    }
}

// ---- the connection

// `tell` becomes what `greeted` said; what else goes wrong means nothing to who asks.
task<> pipeline::impl::greet(connection& to, reply_cutter& cutter, incoming& in,
                             steady_time deadline, error_code& tell) {
    to.stream.expires_at(deadline);
    const std::array<std::string_view, 1> pieces = {options.greeting};
    const result<> written = co_await to.stream.write(pieces);
    if (written.has_error()) co_return written.error();
    std::size_t replies = 0;
    while (replies < options.greeting_replies) {
        const std::string_view there = in.bytes();
        const result<std::size_t> size = there.empty() ? std::size_t{0} : cutter.cut(there);
        if (size.has_error()) co_return size.error();
        if (*size != 0) {
            const std::string_view reply = there.substr(0, *size);
            if (!cutter.is_unasked(reply)) {
                const result<> fine =
                    options.greeted ? options.greeted(replies, reply) : result<>{};
                if (fine.has_error()) {
                    tell = fine.error();
                    co_return fine;
                }
                ++replies;
            }
            in.drop(*size);
            continue;
        }
        if (there.size() > options.reply_bytes_max) co_return LETHE_ERR(errc::corrupt);
        const result<std::size_t> got = co_await to.stream.read_some(in.room(0));
        if (got.has_error()) co_return got.error();
        if (*got == 0) co_return LETHE_ERR(net::errc::connection_lost);
        in.filled(*got);
    }
    co_return result<>{};
}

// A connection from the attempt to make it to its end.
task<> pipeline::impl::run(std::shared_ptr<impl> self) {
    const steady_time deadline = self->owner.time().steady_now() + self->options.connect_timeout;
    result<net::stream> made =
        co_await self->options.connect(self->owner, self->options.server, deadline);
    if (self->now == state::closed) co_return result<>{};
    if (made.has_error()) {
        self->attempt_failed(made.error(), LETHE_ERR(errc::unavailable));
        co_return result<>{};
    }
    const auto mine = std::make_shared<connection>(*std::move(made));
    self->with = mine;
    const std::unique_ptr<reply_cutter> cutter = self->options.make_cutter();
    incoming in;
    error_code tell = LETHE_ERR(errc::unavailable);
    const result<> greeted = co_await self->greet(*mine, *cutter, in, deadline, tell);
    if (self->now == state::closed) co_return result<>{};
    if (greeted.has_error()) {
        self->with = nullptr;
        self->attempt_failed(greeted.error(), tell);
        co_return result<>{};
    }
    self->now = state::open;
    if (self->counts) {
        self->counts->made.add();
        self->counts->open.add(1);
    }
    self->flush();
    const result<> ended = co_await self->read(mine, *cutter, in);
    if (self->with == mine) self->connection_lost(mine, ended.error());
    co_return result<>{};
}

void pipeline::impl::pause() {
    last_pause = std::clamp(2 * last_pause, options.pause_first, options.pause_last);
    // Between half and all of it, so that the workers of many gateways do not come at once.
    const auto half = static_cast<std::uint64_t>(last_pause.count()) / 2;
    const std::chrono::milliseconds pause(half + owner.cheap_random() % (half + 1));
    not_before = owner.time().steady_now() + pause;
}

void pipeline::impl::attempt_failed(const error_code& why, const error_code& tell) {
    log::warn("store.connect_failed", {{"store", options.store_name},
                                       {"server", net::to_text(options.server)},
                                       {"error", describe(why)}});
    if (counts) counts->failed.add();
    now = state::idle;
    pause();
    end_unsent(tell);
}

void pipeline::impl::connection_lost(const std::shared_ptr<connection>& lost,
                                     const error_code& why) {
    log::warn("store.connection_lost", {{"store", options.store_name},
                                        {"server", net::to_text(options.server)},
                                        {"error", describe(why)}});
    if (counts) {
        counts->lost.add();
        counts->open.add(-1);
    }
    lost->stream.cancel();
    with = nullptr;
    now = state::idle;
    // A server that answered may be asked again at once; one that let us in and fell silent, not.
    if (lost->answered)
        last_pause = {};
    else
        pause();
    if (why == condition::corrupt && !sent.empty() && sent.front().who != nullptr) {
        end(*sent.front().who, LETHE_ERR(errc::corrupt));
        sent.front().who = nullptr;
    }
    end_sent(lost);
    end_unsent(LETHE_ERR(errc::unavailable));
}

void pipeline::impl::close() noexcept {
    if (std::exchange(enlisted, false)) owner.delist(*this);
    if (now == state::closed) return;
    if (counts && now == state::open) counts->open.add(-1);
    now = state::closed;
    if (const auto lost = std::exchange(with, nullptr)) {
        lost->stream.cancel();
        end_sent(lost);
    }
    end_unsent(LETHE_ERR(errc::unavailable));
}

pipeline::pipeline(net::worker& on, pipeline_options options)
    : impl_(std::make_shared<impl>(on, std::move(options))) {}
pipeline::~pipeline() {
    impl_->close();
}

pipeline::call::call(pipeline& through, std::size_t replies)
    : in_(*through.impl_), request_(in_.room()), expected_(replies), keeps_(false) {
    LETHE_ASSERT(replies > 0);
}

pipeline::call::call(pipeline& through, std::string request, std::size_t replies)
    : in_(*through.impl_), request_(std::move(request)), expected_(replies), keeps_(true) {
    LETHE_ASSERT(replies > 0);
}

bool pipeline::call::send(steady_time deadline) {
    error_ = in_.refusal(request_.size(), deadline);
    if (error_) return false;
    request_bytes_ = request_.size();
    in_.enqueue(*this);
    if (deadline != steady_time::max()) set(in_.owner.timers(), deadline);
    return true;
}

void pipeline::call::expired() {
    in_.leave(*this);
}

task<std::string> pipeline::ask(std::string request, std::size_t replies, steady_time deadline) {
    call one(*this, std::move(request), replies);
    if (one.send(deadline)) co_await one.ended();
    // The pipeline may be gone by now.
    if (one.error_) co_return one.error_;
    co_return std::move(one.collected_);
}

void pipeline::close() noexcept {
    impl_->close();
}
bool pipeline::open() const noexcept {
    return impl_->now == impl::state::open;
}

}  // namespace lethe::store
