#include "session/turn.hpp"

#include "base/bytes.hpp"

#include <algorithm>
#include <utility>

namespace lethe::session {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view magic = "LQ\1";
constexpr std::size_t id_size = 16;
constexpr std::size_t entry_bytes = id_size + 4;
constexpr milliseconds poll_min{5};
constexpr milliseconds poll_max{100};
constexpr milliseconds store_patience{5'000};
constexpr int tries_max = 64;

bool was_lost(const error_code& error) {
    return error == condition::outcome_unknown;
}

std::vector<turn_entry>::iterator find(turn_queue& queue, const std::string& id) {
    return std::find_if(queue.entries.begin(), queue.entries.end(),
                        [&id](const turn_entry& one) { return one.id == id; });
}

}  // namespace

std::string to_bytes(const turn_queue& queue) {
    std::string out(magic);
    out.push_back(queue.unclean ? 1 : 0);
    for (const turn_entry& one : queue.entries) {
        LETHE_ASSERT(one.id.size() == id_size);
        out += one.id;
        for (unsigned shift = 0; shift < 32; shift += 8)
            out.push_back(static_cast<char>((one.beat >> shift) & 0xff));
    }
    return out;
}

result<turn_queue> parse_turn_queue(std::string_view bytes) {
    turn_queue out;
    if (!bytes.starts_with(magic) || bytes.size() == magic.size()) return LETHE_ERR(errc::corrupt);
    bytes.remove_prefix(magic.size());
    if (bytes.front() != 0 && bytes.front() != 1) return LETHE_ERR(errc::corrupt);
    out.unclean = bytes.front() == 1;
    bytes.remove_prefix(1);
    if (bytes.size() % entry_bytes != 0 || bytes.size() > turn_queue_max * entry_bytes)
        return LETHE_ERR(errc::corrupt);
    for (; !bytes.empty(); bytes.remove_prefix(entry_bytes)) {
        turn_entry one{.id = std::string(bytes.substr(0, id_size)), .beat = 0};
        for (unsigned i = 0; i < 4; ++i)
            one.beat |= std::uint32_t{static_cast<unsigned char>(bytes[id_size + i])} << (8 * i);
        out.entries.push_back(std::move(one));
    }
    return out;
}

// What the holder, its renewal and its end share.
struct turn::shared {
    std::string key;
    std::string id;
    milliseconds lease{};
    std::uint32_t beats = 0;
    bool taken = false;
    bool unclean = false;  // once taken: what the queue's flag is to become
    bool lost = false;
    bool over = false;
};

struct turns::waiting {
    std::shared_ptr<turn::shared> mine;
    std::optional<turn_queue> queue;  // nullopt: read it
    store::expectation expect = store::absent{};
    steady_time spoke{};
    // When each entry's beat was first seen as it is.
    std::map<std::string, std::pair<std::uint32_t, steady_time>> seen;
    bool first = false;  // the turn is ours
};

turn::~turn() {
    what_->over = true;
    std::erase(owner_.held_, what_);
    owner_.background_.spawn(owner_.leave(what_));
}

bool turn::unclean() const noexcept {
    return what_->unclean;
}

void turn::fenced() noexcept {
    what_->unclean = false;
}

task<> turn::confirm(steady_time deadline) {
    if (what_->lost) co_return LETHE_ERR(errc::turn_lost);
    const result<std::optional<store::record>> record =
        co_await owner_.store_.read(what_->key, deadline);
    if (record.has_error()) co_return record.error();
    if (*record) {
        const result<turn_queue> queue = parse_turn_queue((*record)->value);
        if (queue.has_error()) co_return queue.error();
        if (!queue->entries.empty() && queue->entries.front().id == what_->id) co_return result<>{};
    }
    what_->lost = true;
    co_return LETHE_ERR(errc::turn_lost);
}

store::put turns::put_queue(const turn::shared& what, const turn_queue& queue,
                            store::expectation expect) const {
    // Whoever lives speaks again long before; a queue of the dead goes by itself.
    return {.key = what.key,
            .value = to_bytes(queue),
            .ttl = 4 * what.lease,
            .expect = expect,
            .subject = {}};
}

task<> turns::look(waiting& w, steady_time deadline) {
    const result<std::optional<store::record>> record = co_await store_.read(w.mine->key, deadline);
    if (record.has_error()) co_return record.error();
    w.queue = turn_queue{};
    w.expect = store::absent{};
    if (!*record) co_return result<>{};
    w.expect = (*record)->version;
    result<turn_queue> parsed = parse_turn_queue((*record)->value);
    if (parsed.has_error()) co_return parsed.error();
    w.queue = *std::move(parsed);
    co_return result<>{};
}

void turns::drop_silent(waiting& w) const {
    const steady_time now = clock_.steady_now();
    turn_queue& queue = *w.queue;
    for (auto at = queue.entries.begin(); at != queue.entries.end();) {
        const auto [seen, fresh] = w.seen.try_emplace(at->id, at->beat, now);
        if (!fresh && seen->second.first != at->beat) seen->second = {at->beat, now};
        if (at->id == w.mine->id || now - seen->second.second < w.mine->lease) {
            ++at;
            continue;
        }
        queue.unclean |= at == queue.entries.begin();
        at = queue.entries.erase(at);
    }
}

// One look at the queue, and at most one write of it.
task<> turns::step(waiting& w, steady_time deadline) {
    if (!w.queue) {
        const result<> looked = co_await look(w, deadline);
        if (looked.has_error()) co_return looked.error();
    }
    const turn_queue before = *w.queue;
    drop_silent(w);
    turn_queue& queue = *w.queue;
    auto own = find(queue, w.mine->id);
    if (own == queue.entries.end()) {
        // Not there yet, or dropped: this process stood still for too long. At the end again.
        if (queue.entries.size() >= turn_queue_max) co_return LETHE_ERR(errc::turn_refused);
        queue.entries.push_back({w.mine->id, ++w.mine->beats});
    } else if (clock_.steady_now() - w.spoke >= w.mine->lease / 3) {
        own->beat = ++w.mine->beats;
    }
    if (queue != before) {
        const result<store::answer> written =
            co_await store_.run(put_queue(*w.mine, queue, w.expect), deadline);
        if (written.has_error() && !was_lost(written.error())) co_return written.error();
        if (written.has_error() || !written->done) {
            w.queue.reset();
            co_return result<>{};
        }
        w.spoke = clock_.steady_now();
    }
    w.first = w.queue->entries.front().id == w.mine->id;
    w.mine->unclean = w.queue->unclean;
    w.queue.reset();
    co_return result<>{};
}

task<std::unique_ptr<turn>> turns::take(std::string identity, rules how, steady_time deadline,
                                        const bool& gone) {
    waiting w;
    w.mine = std::make_shared<turn::shared>();
    w.mine->key = "q:" + sha256(identity);
    w.mine->id = random_.bytes(id_size);
    w.mine->lease = how.lease;
    const steady_time give_up = std::min(deadline, clock_.steady_now() + how.wait);
    error_code why;
    milliseconds pause = poll_min;
    while (!why) {
        const steady_time until = std::min(deadline, clock_.steady_now() + store_patience);
        const result<> stepped = co_await step(w, until);
        if (stepped.has_error() && !was_lost(stepped.error())) why = stepped.error();
        if (!why && w.first) break;
        if (!why && gone) why = make_error_code(errc::turn_refused);
        if (!why && clock_.steady_now() >= give_up) why = make_error_code(errc::turn_refused);
        if (why) break;
        const result<> slept =
            co_await clock_.sleep_until(std::min(give_up, clock_.steady_now() + pause));
        if (slept.has_error()) why = slept.error();
        pause = std::min(2 * pause, poll_max);
    }
    auto mine = std::make_unique<turn>(*this, w.mine);
    if (why) co_return why;  // leaves the queue as it dies
    w.mine->taken = true;
    held_.push_back(w.mine);
    if (!std::exchange(keeping_, true)) background_.spawn(keep_alive());
    co_return mine;
}

// Out of the queue, whether it was in or not. What fails here ends with the lease.
task<> turns::leave(std::shared_ptr<turn::shared> what) {
    waiting w;
    w.mine = what;
    const steady_time deadline = clock_.steady_now() + store_patience;
    for (int i = 0; i < tries_max; ++i) {
        const result<> looked = co_await look(w, deadline);
        if (looked.has_error()) co_return looked.error();
        const auto own = find(*w.queue, what->id);
        if (own == w.queue->entries.end()) co_return result<>{};
        if (what->taken && own == w.queue->entries.begin()) w.queue->unclean = what->unclean;
        w.queue->entries.erase(own);
        store::operation last = put_queue(*what, *w.queue, w.expect);
        if (w.queue->entries.empty() && !w.queue->unclean) last = store::erase{what->key, w.expect};
        const result<store::answer> done = co_await store_.run(std::move(last), deadline);
        if (done.has_value() && done->done) co_return result<>{};
        if (done.has_error() && !was_lost(done.error())) co_return done.error();
    }
    co_return result<>{};
}

// A new beat for one turn.
task<> turns::beat(std::shared_ptr<turn::shared> what) {
    waiting w;
    w.mine = what;
    const steady_time deadline = clock_.steady_now() + what->lease / 3;
    for (int i = 0; i < tries_max && !what->over; ++i) {
        const result<> looked = co_await look(w, deadline);
        if (looked.has_error()) co_return looked.error();
        const auto own = find(*w.queue, what->id);
        what->lost = own == w.queue->entries.end();
        if (what->lost) co_return result<>{};
        own->beat = ++what->beats;
        w.queue->unclean = what->unclean;
        const result<store::answer> done =
            co_await store_.run(put_queue(*what, *w.queue, w.expect), deadline);
        if (done.has_value() && done->done) co_return result<>{};
        if (done.has_error() && !was_lost(done.error())) co_return done.error();
    }
    co_return result<>{};
}

// One for all turns that are held; ends when none is.
task<> turns::keep_alive() {
    while (!held_.empty()) {
        milliseconds shortest = held_.front()->lease;
        for (const auto& one : held_) shortest = std::min(shortest, one->lease);
        const result<> slept = co_await clock_.sleep_until(clock_.steady_now() + shortest / 3);
        if (slept.has_error()) break;
        const std::vector<std::shared_ptr<turn::shared>> now = held_;
        for (const auto& one : now) {
            if (one->over || one->lost) continue;
            const result<> spoken = co_await beat(one);
            static_cast<void>(spoken);  // the next try comes soon; a lost turn is found out
        }
    }
    keeping_ = false;
    co_return result<>{};
}

}  // namespace lethe::session
