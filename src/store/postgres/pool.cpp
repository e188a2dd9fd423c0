#include "base/log.hpp"
#include "store/postgres/pool_impl.hpp"
#include "store/postgres/schema.hpp"

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace lethe::store::postgres {
namespace {

constexpr unsigned attempts_max = 5;

// The server must not go on for nobody: a statement ends well before stuck_after. Nobody's function
// stands in for the server's own, tables are named with their schema. Plans are always by the keys'
// indexes.
constexpr const char* setup_text =
    "SET search_path = pg_catalog; SET statement_timeout = '8s'; SET lock_timeout = '4s'; "
    "SET idle_in_transaction_session_timeout = '10s'; "
    "SET default_transaction_isolation = 'read committed'; "
    "SET plan_cache_mode = force_generic_plan; SET jit = off; SET enable_seqscan = off; "
    "SET enable_hashjoin = off; SET enable_mergejoin = off; SET client_min_messages = error; "
    "SELECT pg_backend_pid()";

// A pooler answers with a number of its own, not with that of the server's process. It may give the
// next transaction to another session of the server, without what was set and prepared, and that
// session to others with it: so its owner has to say that it does not.
std::string pooler_complaint(const connection& on, const rows& setup, const settings& to) {
    if (to.pooled || setup.size() != 1 || setup.at(0, 0) == std::to_string(on.server_process()))
        return {};
    return "a pooler stands before the server: where it keeps sessions apart (PgBouncer: "
           "pool_mode=session), say so with pooler=session in the URL; else name the server itself";
}

std::vector<std::pair<const char*, std::string>> all_statements(const std::string& schema) {
    std::vector<std::pair<const char*, std::string>> out;
    for (std::size_t i = 0; i < statement_count; ++i) {
        const auto id = static_cast<statement_id>(i);
        out.emplace_back(name_of(id), text_of(id, schema));
    }
    return out;
}

// The tables are there, or `why` says what to do.
task<> check_schema(connection& on, const settings& to, const std::string store_name,
                    steady_time deadline, std::string& why) {
    failure said;
    const result<std::uint32_t> found = co_await read_schema_version(on, to.schema, deadline, said);
    if (found.has_error()) {
        why = "its tables cannot be read: " + said.message;
        co_return found.error();
    }
    if (*found < schema_version && to.migrates) {
        const result<migration> done = co_await migrate(on, to.schema, deadline, why);
        if (done.has_error()) co_return done.error();
        if (done->from != done->to)
            log::info("store.migrated",
                      {{"store", store_name}, {"from", done->from}, {"to", done->to}});
        co_return result<>{};
    }
    why = schema_complaint(*found);
    if (!why.empty()) co_return LETHE_ERR(errc::unavailable);
    co_return result<>{};
}

// Two lives of one hold: the transaction's owner and the lane, which may be lost meanwhile.
struct hold_guard {
    std::shared_ptr<pool::impl> in;
    std::size_t lane_index = 0;
    std::uint64_t hold = 0;
    bool ended = false;

    [[nodiscard]] lane* held() const {
        lane& one = in->lanes[lane_index];
        return one.now == lane::state::open && one.held && one.hold == hold ? &one : nullptr;
    }
    ~hold_guard() {
        if (ended) return;
        if (lane* one = held()) one->send_rollback();
    }
};

}  // namespace

task<std::unique_ptr<connection>> connect_anywhere(net::worker& on, const pool_options& options,
                                                   std::size_t& endpoint_index, std::string& why) {
    const std::vector<endpoint>& all = options.to->endpoints;
    const std::size_t first = endpoint_index;
    for (std::size_t i = 0; i < all.size(); ++i) {
        const std::size_t at = (first + i) % all.size();
        const steady_time deadline = on.time().steady_now() + options.connect_timeout;
        std::string reason;
        result<std::unique_ptr<connection>> made =
            co_await connection::open(on, *options.to, all[at], deadline, reason);
        failure said;
        if (made.has_value()) {
            const result<rows> set_up = co_await (*made)->query(setup_text, deadline, said);
            reason =
                set_up.has_value() ? pooler_complaint(**made, *set_up, *options.to) : said.message;
            if (reason.empty() && set_up.has_value()) {
                endpoint_index = at;
                co_return made;
            }
        }
        if (on.stopping()) co_return LETHE_ERR(errc::unavailable);
        log::warn("store.connect_failed",
                  {{"store", options.store_name}, {"server", to_text(all[at])}, {"error", reason}});
        why += (why.empty() ? "" : "; ") + to_text(all[at]) + ": " + reason;
    }
    co_return LETHE_ERR(errc::unavailable);
}

pool::impl::counted::counted(metrics::registry& registry, const std::string& store)
    : made(registry.make_counter("lethe_store_connections_made_total",
                                 "Connections to the store's servers that were made.",
                                 {{"store", store}})),
      failed(registry.make_counter("lethe_store_connections_failed_total",
                                   "Attempts to connect to the store's servers that failed.",
                                   {{"store", store}})),
      lost(registry.make_counter("lethe_store_connections_lost_total",
                                 "Connections to the store's servers that were lost.",
                                 {{"store", store}})),
      open(registry.make_gauge("lethe_store_connections", "Connections to the store's servers.",
                               {{"store", store}})),
      under_way(registry.make_gauge("lethe_store_requests_under_way",
                                    "Requests to the store's servers that wait or are sent.",
                                    {{"store", store}})),
      commits(registry.make_counter("lethe_store_commits_total", "Commits of changes.",
                                    {{"store", store}})),
      committed(registry.make_counter("lethe_store_committed_calls_total",
                                      "Calls that shared those commits.", {{"store", store}})),
      retries(registry.make_counter("lethe_store_retries_total",
                                    "Calls that were undone by the server and asked again.",
                                    {{"store", store}})) {}

pool::impl::impl(net::worker& on, pool_options given)
    : owner(on), options(std::move(given)), counts(options.registry, options.store_name) {
    for (std::size_t i = 0; i < options.to->connections; ++i) lanes.emplace_back(*this, i);
}

// ---- calls

error_code pool::impl::refusal(const call& one, steady_time deadline) {
    if (closed || owner.stopping()) return LETHE_ERR(errc::unavailable);
    const steady_time moment = owner.time().steady_now();
    if (moment >= deadline) return LETHE_ERR(errc::timeout);
    if (reads.operations() + writes.operations() + one.operations > options.queue_operations_max ||
        reads.bytes() + writes.bytes() + one.bytes > options.queue_bytes_max)
        return LETHE_ERR(errc::overloaded);
    if (hopeless(moment)) return LETHE_ERR(errc::unavailable);
    return {};
}

task<> pool::impl::wait(call& one, steady_time deadline) {
    const auto alive = shared_from_this();
    one.on_deadline = [this](call& late) { leave(late); };
    if (deadline != steady_time::max() && !one.ended) one.set(owner.timers(), deadline);
    co_await one.waiting.wait();
    if (one.error) co_return one.error;
    co_return result<>{};
}

void pool::impl::enqueue(call& one) {
    counts.under_way.add(1);
    queue_of(one).push_back(one);
    if (!std::exchange(enlisted, true)) owner.enlist(*this);
    dispatch_soon();
}

void pool::impl::leave(call& one) {
    if (one.ended) return;
    error_code error = LETHE_ERR(errc::timeout);
    if (one.queued) {
        queue_of(one).remove(one);
    } else {
        for (lane& each : lanes)
            for (flight& under_way : each.flights) under_way.forget(one);
        // What was sent without its commit is undone.
        if (one.what != purpose::read && one.what != purpose::transaction)
            error = LETHE_ERR(errc::outcome_unknown);
    }
    end(one, error);
}

void pool::impl::end(call& one, error_code error) {
    if (one.ended) return;
    one.error = error;
    one.ended = true;
    one.clear();
    counts.under_way.add(-1);
    ended.push_back(&one);
    wake_soon();
}

void pool::impl::ask_again(call& one) {
    if (closed || ++one.attempts >= attempts_max) {
        end(one, LETHE_ERR(errc::unavailable));
        return;
    }
    counts.retries.add();
    queue_of(one).push_front(one);
    dispatch_soon();
}

void pool::impl::end_waiting(const error_code& error) {
    for (call_queue* queue : {&reads, &writes})
        while (call* one = queue->front()) {
            queue->remove(*one);
            end(*one, error);
        }
}

void pool::impl::wake_soon() {
    if (ended.empty() || std::exchange(wake_coming, true)) return;
    boost::asio::post(owner.executor(), [self = shared_from_this()] {
        self->wake_coming = false;
        self->wake();
    });
}

// Resumed coroutines run within this call: they may ask again, close the pool or destroy it.
void pool::impl::wake() {
    const auto alive = shared_from_this();
    std::vector<call*> now_ended;
    while (!ended.empty()) {
        now_ended.swap(ended);
        for (call* one : now_ended) one->waiting.resume();
        now_ended.clear();
    }
    ended.swap(now_ended);
}

// ---- what leaves when

void pool::impl::dispatch_soon() {
    if (std::exchange(dispatch_coming, true)) return;
    boost::asio::post(owner.executor(), [self = shared_from_this()] {
        self->dispatch_coming = false;
        self->dispatch();
    });
}

bool pool::impl::is_reader(const lane& one) const noexcept {
    return one.index + 1 == lanes.size();
}
bool pool::impl::is_writer(const lane& one) const noexcept {
    return lanes.size() == 1 || !is_reader(one);
}

bool pool::impl::any(bool writer) const noexcept {
    return std::ranges::any_of(lanes, [&](const lane& one) {
        return one.now == lane::state::open && (writer ? is_writer(one) : is_reader(one));
    });
}

bool pool::impl::all_idle() const noexcept {
    return std::ranges::all_of(lanes, [](const lane& one) { return one.now == lane::state::idle; });
}

// Nothing will be sent for a while: better to say so.
bool pool::impl::hopeless(steady_time now) const noexcept {
    return all_idle() && not_before > now + options.patience;
}

// What waits is divided among the connections that are free: the server then works on them side by
// side. Few are not worth a commit more.
std::size_t pool::impl::fair_share() const noexcept {
    const auto free = static_cast<std::size_t>(std::ranges::count_if(
        lanes, [&](const lane& one) { return is_writer(one) && one.may_take(true); }));
    const std::size_t share = writes.operations() / std::max<std::size_t>(free, 1) + 1;
    return std::clamp(share, options.worth_a_commit, flight_operations_max);
}

// True when a flight left.
bool pool::impl::fill(lane& one) {
    if (!reads.empty() && (is_reader(one) || !any(false)) && one.may_take(false)) {
        one.send(make_flight(reads));
        return true;
    }
    if (!writes.empty() && (is_writer(one) || !any(true)) && one.may_take(true)) {
        one.send(make_flight(writes, fair_share()));
        return true;
    }
    return false;
}

void pool::impl::dispatch() {
    if (closed || (reads.empty() && writes.empty())) return;
    connect_lanes();
    // It is not yet time to try again.
    if (all_idle()) {
        if (hopeless(owner.time().steady_now()))
            end_waiting(LETHE_ERR(errc::unavailable));
        else
            later.set(owner.timers(), not_before);
        return;
    }
    bool left = true;
    while (left) {
        left = false;
        for (lane& one : lanes) left = fill(one) || left;
    }
}

// ---- connecting

void pool::impl::connect_lanes() {
    if (owner.stopping() || owner.time().steady_now() < not_before) return;
    for (lane& one : lanes) {
        if (one.now != lane::state::idle) continue;
        one.now = lane::state::connecting;
        owner.spawn(connect(shared_from_this(), one));
    }
}

task<> pool::impl::connect(std::shared_ptr<impl> self, lane& one) {
    std::string why;
    std::size_t endpoint = self->endpoint;
    result<std::unique_ptr<connection>> made =
        co_await connect_anywhere(self->owner, self->options, endpoint, why);
    if (made.has_error()) {
        one.now = lane::state::idle;
        self->attempt_failed({});
        co_return result<>{};
    }
    const std::shared_ptr<connection> with = *std::move(made);
    const steady_time deadline = self->owner.time().steady_now() + self->options.setup_timeout;
    result<> ready =
        co_await check_schema(*with, *self->options.to, self->options.store_name, deadline, why);
    if (ready.has_value()) {
        failure said;
        std::vector<std::pair<const char*, std::string>> all =
            all_statements(self->options.to->schema);
        ready = co_await with->become_pipeline(std::move(all), deadline, said);
        if (ready.has_error()) why = said.message;
    }
    if (ready.has_error() || self->closed) {
        one.now = lane::state::idle;
        self->attempt_failed(why);
        co_return result<>{};
    }
    self->endpoint = endpoint;
    one.with = with;
    one.now = lane::state::open;
    one.answered = false;
    self->counts.made.add();
    self->counts.open.add(1);
    self->dispatch();
    if (one.with != with) co_return result<>{};
    const result<> ended = co_await lane::run(self, one, with);
    co_return ended;
}

void pool::impl::attempt_failed(const std::string& why) {
    if (closed) return;
    if (!why.empty()) log::error("store.unusable", {{"store", options.store_name}, {"error", why}});
    counts.failed.add();
    pause();
    if (all_idle()) end_waiting(LETHE_ERR(errc::unavailable));
}

void pool::impl::pause() {
    // Several connections lost at once are one misfortune.
    if (owner.time().steady_now() < not_before) return;
    last_pause = std::clamp(2 * last_pause, options.pause_first, options.pause_last);
    // Between half and all of it, so that the workers of many gateways do not come at once.
    const auto half = static_cast<std::uint64_t>(last_pause.count()) / 2;
    const std::chrono::milliseconds pause(half + owner.cheap_random() % (half + 1));
    not_before = owner.time().steady_now() + pause;
}

void pool::impl::close() noexcept {
    if (std::exchange(enlisted, false)) owner.delist(*this);
    if (std::exchange(closed, true)) return;
    for (lane& one : lanes) one.lost();
    end_waiting(LETHE_ERR(errc::unavailable));
}

// ---- the pool

pool::pool(net::worker& on, pool_options options)
    : impl_(std::make_shared<impl>(on, std::move(options))) {}

pool::~pool() {
    impl_->close();
}

void pool::close() noexcept {
    impl_->close();
}

bool pool::open() const noexcept {
    return impl_->any(true) || impl_->any(false);
}

task<std::vector<rows>> pool::ask(std::vector<statement> statements, purpose what,
                                  steady_time deadline) {
    const std::shared_ptr<impl> in = impl_;
    call one(std::move(statements), what);
    const error_code refused = in->refusal(one, deadline);
    if (refused) co_return refused;
    in->enqueue(one);
    const result<> ended = co_await in->wait(one, deadline);
    if (ended.has_error()) co_return ended.error();
    co_return std::move(one.answers);
}

pool::transaction::~transaction() = default;

task<std::vector<rows>> pool::begin(std::vector<statement> statements, steady_time deadline,
                                    transaction& out) {
    const std::shared_ptr<impl> in = impl_;
    call one(std::move(statements), purpose::transaction);
    const error_code refused = in->refusal(one, deadline);
    if (refused) co_return refused;
    in->enqueue(one);
    const result<> ended = co_await in->wait(one, deadline);
    if (ended.has_error()) co_return ended.error();
    const auto guard = std::make_shared<hold_guard>();
    guard->in = in;
    guard->lane_index = one.lane_index;
    guard->hold = one.hold;
    out.held_ = guard;
    co_return std::move(one.answers);
}

task<> pool::commit(transaction& of, steady_time deadline) {
    const auto guard = std::static_pointer_cast<hold_guard>(of.held_);
    lane* const on = guard->held();
    // The connection was lost, and everything was undone.
    if (on == nullptr) co_return LETHE_ERR(errc::unavailable);
    if (guard->in->owner.time().steady_now() >= deadline) co_return LETHE_ERR(errc::timeout);
    call one({statement{.id = statement_id::commit}}, purpose::commit);
    call_queue only;
    only.push_back(one);
    guard->ended = true;
    guard->in->counts.under_way.add(1);
    on->send(make_flight(only));
    const result<> ended = co_await guard->in->wait(one, deadline);
    if (ended.has_error()) co_return ended.error();
    if (one.answers.front().tag() != "COMMIT") co_return LETHE_ERR(errc::unavailable);
    co_return result<>{};
}

}  // namespace lethe::store::postgres
