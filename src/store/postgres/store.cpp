#include "store/postgres/store.hpp"

#include "base/log.hpp"
#include "store/postgres/examine.hpp"
#include "store/postgres/schema.hpp"
#include "store/postgres/statements.hpp"
#include "store/rules.hpp"

#include <algorithm>
#include <bit>
#include <map>
#include <numeric>
#include <utility>

namespace lethe::store::postgres {
namespace {

using namespace std::chrono_literals;

// Each time another's commit came between: more in a row would be a bug, not bad luck.
constexpr unsigned races_max = 50;
constexpr std::size_t purged_max = 1000;
constexpr std::size_t purged_by_turns = 500;
constexpr std::chrono::seconds purge_interval{5};

pool_options options_of(const engine_state& of, metrics::registry& registry) {
    return {.to = of.to,
            .store_name = of.options.name,
            .registry = registry,
            .queue_operations_max = of.options.queue_operations_max,
            .queue_bytes_max = of.options.queue_bytes_max};
}

}  // namespace

bool engine_state::enter() {
    const std::scoped_lock lock(mutex_);
    if (closed_) return false;
    ++inside_;
    return true;
}

void engine_state::leave() {
    const std::scoped_lock lock(mutex_);
    if (--inside_ == 0) left_.notify_all();
}

void engine_state::close() {
    std::unique_lock lock(mutex_);
    closed_ = true;
    left_.wait(lock, [this] { return inside_ == 0; });
}

struct postgres_store::core : std::enable_shared_from_this<postgres_store::core> {
    core(std::shared_ptr<engine_state> of, net::worker& on,
         std::shared_ptr<metrics::registry> counted)
        : state(std::move(of)),
          worker(on),
          registry(std::move(counted)),
          counts(*registry, state->options.name),
          connections(on, options_of(*state, *registry)) {}

    task<std::vector<answer>> batch(std::vector<operation>& operations, steady_time deadline);
    task<std::vector<answer>> transact(std::vector<operation>& operations, steady_time deadline);
    task<std::vector<outcome>> try_transaction(std::span<const statement> parts,
                                               steady_time deadline);
    task<std::vector<outcome>> try_by_steps(std::span<const statement> parts, steady_time deadline);
    [[nodiscard]] record_version draw_version();
    void purge_now_and_then();
    static task<> purge_by_turns(std::shared_ptr<core> self);

    std::shared_ptr<engine_state> state;
    net::worker& worker;
    std::shared_ptr<metrics::registry> registry;
    lethe::store::counts counts;
    pool connections;
    bool gone = false;  // the store is
};

namespace {

// A call within the engine's life.
class visit {
 public:
    explicit visit(postgres_store::core& at) : state_(at.state), inside_(state_->enter()) {
        if (inside_) at.purge_now_and_then();
    }
    ~visit() {
        if (inside_) state_->leave();
    }
    visit(const visit&) = delete;
    visit& operator=(const visit&) = delete;
    [[nodiscard]] bool refused() const noexcept { return !inside_; }

 private:
    std::shared_ptr<engine_state> state_;
    bool inside_;
};

bool may_race(const operation& any) {
    if (const put* one = std::get_if<put>(&any))
        return !std::holds_alternative<anything>(one->expect);
    if (const erase* one = std::get_if<erase>(&any))
        return std::holds_alternative<record_version>(one->expect);
    return false;
}

const std::string& key_of(const operation& any) {
    return std::visit([](const auto& one) -> const std::string& { return one.key; }, any);
}

// When each operation may be sent: after those of its key that may have to be asked again.
std::vector<std::size_t> rounds_of(const std::vector<operation>& operations) {
    std::vector<std::size_t> out(operations.size(), 0);
    if (operations.size() < 2) return out;
    std::map<std::string_view, std::size_t> next_of;
    for (std::size_t i = 0; i < operations.size(); ++i) {
        std::size_t& next = next_of[key_of(operations[i])];
        out[i] = next;
        if (may_race(operations[i])) next = out[i] + 1;
    }
    return out;
}

}  // namespace

record_version postgres_store::core::draw_version() {
    std::uint64_t number = 0;
    while (number == 0)
        worker.random().fill({reinterpret_cast<unsigned char*>(&number), sizeof number});
    return {number};
}

task<std::vector<answer>> postgres_store::core::batch(std::vector<operation>& operations,
                                                      steady_time deadline) {
    const purpose what = only_reads(operations) ? purpose::read : purpose::write;
    const std::vector<std::size_t> rounds = rounds_of(operations);
    std::vector<statement> all;
    all.reserve(operations.size());
    for (const operation& one : operations) {
        const bool is_put = std::holds_alternative<put>(one);
        all.push_back(to_statement(one, is_put ? draw_version() : record_version{}, false));
    }
    std::vector<answer> answers(operations.size());
    std::vector<std::size_t> open(operations.size());
    std::iota(open.begin(), open.end(), std::size_t{0});
    bool changed = false;
    const auto failed = [&](const error_code& error) {
        return changed ? LETHE_ERR(errc::outcome_unknown) : error;
    };
    unsigned races = 0;
    for (std::size_t round = 0; !open.empty(); ++round) {
        std::vector<std::size_t> asked;
        std::vector<statement> statements;
        for (const std::size_t i : open)
            if (rounds[i] <= round) {
                asked.push_back(i);
                statements.push_back(all[i]);
            }
        const result<std::vector<rows>> got =
            co_await connections.ask(std::move(statements), what, deadline);
        if (got.has_error()) co_return failed(got.error());
        bool raced = false;
        for (std::size_t n = 0; n < asked.size(); ++n) {
            result<outcome> one = to_outcome(all[asked[n]], (*got)[n]);
            if (one.has_error()) co_return failed(one.error());
            raced = raced || one->raced;
            if (one->raced) continue;
            changed = changed || what == purpose::write;
            answers[asked[n]] = std::move(one->answered);
            std::erase(open, asked[n]);
        }
        if (!raced) continue;
        if (++races >= races_max) co_return failed(LETHE_ERR(errc::unavailable));
        --round;
    }
    co_return answers;
}

// The outcomes of a transaction that was committed, or of one that changed nothing because one of
// them is not done or raced.
task<std::vector<outcome>> postgres_store::core::try_transaction(std::span<const statement> parts,
                                                                 steady_time deadline) {
    const bool repeats = std::ranges::adjacent_find(parts, {}, &statement::key) != parts.end();
    // Each operation of a key sees those before it.
    if (repeats) {
        result<std::vector<outcome>> done = co_await try_by_steps(parts, deadline);
        co_return done;
    }
    const statement all = transact_statement(parts);
    std::vector<statement> statements = {all};
    const result<std::vector<rows>> got =
        co_await connections.ask(std::move(statements), purpose::write, deadline);
    if (got.has_error()) co_return got.error();
    result<std::vector<outcome>> out = to_outcomes(all, got->front());
    // It was committed, whatever the answer looks like.
    if (out.has_error()) co_return LETHE_ERR(errc::outcome_unknown);
    co_return out;
}

// BEGIN and the operations, and COMMIT once they are all done.
task<std::vector<outcome>> postgres_store::core::try_by_steps(std::span<const statement> parts,
                                                              steady_time deadline) {
    pool::transaction held;
    std::vector<statement> statements = {statement{.id = statement_id::begin}};
    statements.insert(statements.end(), parts.begin(), parts.end());
    const result<std::vector<rows>> got =
        co_await connections.begin(std::move(statements), deadline, held);
    if (got.has_error()) co_return got.error();
    std::vector<outcome> out;
    bool all_done = true;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        result<outcome> one = to_outcome(parts[i], (*got)[i + 1]);
        if (one.has_error()) co_return one.error();
        all_done = all_done && one->answered.done && !one->raced;
        out.push_back(*std::move(one));
    }
    if (all_done) {
        const result<> committed = co_await connections.commit(held, deadline);
        if (committed.has_error()) co_return committed.error();
    }
    co_return out;
}

task<std::vector<answer>> postgres_store::core::transact(std::vector<operation>& operations,
                                                         steady_time deadline) {
    if (operations.empty()) co_return std::vector<answer>{};
    // In the order of keys, so that transactions do not wait for each other crosswise; operations
    // of different keys do not see each other.
    std::vector<std::size_t> order(operations.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, {}, [&](std::size_t i) {
        return std::pair(std::string_view(key_of(operations[i])), i);
    });
    std::vector<statement> parts;
    for (const std::size_t i : order) {
        const bool is_put = std::holds_alternative<put>(operations[i]);
        parts.push_back(
            to_statement(operations[i], is_put ? draw_version() : record_version{}, true));
    }
    for (unsigned races = 0; races < races_max; ++races) {
        result<std::vector<outcome>> got = co_await try_transaction(parts, deadline);
        // Whether what changes nothing was committed is no question.
        if (got.has_error() && got.error() == condition::outcome_unknown && only_reads(operations))
            co_return LETHE_ERR(errc::unavailable);
        if (got.has_error()) co_return got.error();
        if (std::ranges::any_of(*got, &outcome::raced)) continue;
        const bool all_done =
            std::ranges::all_of(*got, [](const outcome& one) { return one.answered.done; });
        std::vector<answer> answers(operations.size());
        for (std::size_t n = 0; n < order.size(); ++n) {
            answers[order[n]] = std::move((*got)[n].answered);
            if (!all_done) answers[order[n]].version = {};
        }
        co_return answers;
    }
    co_return LETHE_ERR(errc::unavailable);
}

void postgres_store::core::purge_now_and_then() {
    if (worker.stopping() || state->purging.exchange(true)) return;
    worker.spawn(purge_by_turns(shared_from_this()));
}

task<> postgres_store::core::purge_by_turns(std::shared_ptr<core> self) {
    while (true) {
        // Not all gateways at once.
        const auto jitter = std::chrono::milliseconds(self->worker.cheap_random() % 1000);
        const result<> slept = co_await self->worker.time().sleep_until(
            self->worker.time().steady_now() + purge_interval + jitter);
        if (slept.has_error() || self->gone || !self->state->enter()) break;
        std::size_t removed = purged_by_turns;
        while (removed == purged_by_turns) {
            std::vector<statement> statements = {
                {.id = statement_id::purge_by_turns,
                 .numbers = {static_cast<std::int64_t>(purged_by_turns), 0}}};
            const result<std::vector<rows>> got = co_await self->connections.ask(
                std::move(statements), purpose::alone, self->worker.time().steady_now() + 10s);
            removed = got.has_value() ? got->front().affected() : 0;
        }
        self->state->leave();
    }
    self->state->purging = false;
    co_return result<>{};
}

// ---- the store

postgres_store::postgres_store(std::shared_ptr<engine_state> of, net::worker& on,
                               std::shared_ptr<metrics::registry> registry)
    : core_(std::make_shared<core>(std::move(of), on, std::move(registry))) {}

postgres_store::~postgres_store() {
    core_->gone = true;
    core_->connections.close();
}

task<std::vector<answer>> postgres_store::batch(std::vector<operation> operations,
                                                steady_time deadline) {
    const result<> fine = check(operations);
    if (fine.has_error()) co_return fine.error();
    const std::shared_ptr<core> in = core_;
    const visit here(*in);
    result<std::vector<answer>> out = LETHE_ERR(errc::unavailable);
    if (!here.refused()) out = co_await in->batch(operations, deadline);
    in->counts.batch(operations, out);
    co_return out;
}

task<std::vector<answer>> postgres_store::transact(std::vector<operation> operations,
                                                   steady_time deadline) {
    const result<> fine = check(operations);
    if (fine.has_error()) co_return fine.error();
    const std::shared_ptr<core> in = core_;
    const visit here(*in);
    result<std::vector<answer>> out = LETHE_ERR(errc::unavailable);
    if (!here.refused()) out = co_await in->transact(operations, deadline);
    in->counts.batch(operations, out);
    co_return out;
}

task<subject_page> postgres_store::list_subject(std::string subject, std::string key_prefix,
                                                std::string after, std::size_t keys_max,
                                                steady_time deadline) {
    const result<> fine = check_listing(subject, key_prefix, after, keys_max);
    if (fine.has_error()) co_return fine.error();
    const std::shared_ptr<core> in = core_;
    const visit here(*in);
    if (here.refused()) co_return LETHE_ERR(errc::unavailable);
    const std::size_t wanted = std::min(keys_max, page_keys_max);
    const std::string first = first_listed(key_prefix, after);
    const std::string end = end_listed(key_prefix);
    std::vector<statement> statements = {list_statement(subject, first, end, wanted + 1)};
    const result<std::vector<rows>> got =
        co_await in->connections.ask(std::move(statements), purpose::read, deadline);
    in->counts.listing(got.has_error() ? got.error() : error_code{});
    if (got.has_error()) co_return got.error();
    subject_page page{.keys = to_keys(got->front())};
    page.more = page.keys.size() > wanted;
    if (page.more) page.keys.resize(wanted);
    co_return page;
}

task<> postgres_store::ping(steady_time deadline) {
    const std::shared_ptr<core> in = core_;
    const visit here(*in);
    if (here.refused()) co_return LETHE_ERR(errc::unavailable);
    std::vector<statement> statements = {{.id = statement_id::ping}};
    const result<std::vector<rows>> got =
        co_await in->connections.ask(std::move(statements), purpose::read, deadline);
    error_code error = got.has_error() ? got.error() : error_code{};
    // A server that only lets read is of no use.
    if (!error && (got->front().size() != 1 || got->front().at(0, 0) != std::string_view("\0", 1)))
        error = LETHE_ERR(errc::unavailable);
    in->counts.ping(error);
    if (error) co_return error;
    co_return result<>{};
}

task<scan_page> postgres_store::scan(std::string cursor, std::size_t keys_max,
                                     steady_time deadline) {
    const result<> fine = check_scan(cursor, keys_max);
    if (fine.has_error()) co_return fine.error();
    const std::shared_ptr<core> in = core_;
    const visit here(*in);
    if (here.refused()) co_return LETHE_ERR(errc::unavailable);
    const std::size_t wanted = std::min(keys_max, page_keys_max);
    std::vector<statement> statements = {scan_statement(cursor, wanted + 1)};
    const result<std::vector<rows>> got =
        co_await in->connections.ask(std::move(statements), purpose::read, deadline);
    if (got.has_error()) co_return got.error();
    scan_page page{.keys = to_keys(got->front()), .cursor = std::move(cursor)};
    page.more = page.keys.size() > wanted;
    if (page.more) page.keys.resize(wanted);
    if (!page.keys.empty()) page.cursor = page.keys.back();
    co_return page;
}

task<std::size_t> postgres_store::purge_expired(std::size_t records_max, steady_time deadline) {
    if (records_max == 0) co_return LETHE_ERR(errc::malformed);
    const std::shared_ptr<core> in = core_;
    const visit here(*in);
    if (here.refused()) co_return LETHE_ERR(errc::unavailable);
    const auto wanted = static_cast<std::int64_t>(std::min(records_max, purged_max));
    std::vector<statement> statements = {{.id = statement_id::purge, .numbers = {wanted, 0}}};
    const result<std::vector<rows>> got =
        co_await in->connections.ask(std::move(statements), purpose::alone, deadline);
    if (got.has_error()) co_return got.error();
    co_return got->front().affected();
}

task<examination> postgres_store::examine(steady_time deadline) {
    const std::shared_ptr<core> in = core_;
    const visit here(*in);
    if (here.refused()) co_return LETHE_ERR(errc::unavailable);
    std::string why;
    std::size_t endpoint = 0;
    const pool_options options = options_of(*in->state, *in->registry);
    const result<std::unique_ptr<connection>> made =
        co_await connect_anywhere(in->worker, options, endpoint, why);
    if (made.has_error()) co_return made.error();
    const std::unique_ptr<connection>& on = *made;
    result<examination> seen = co_await look_at(*on, *in->state->to, deadline);
    co_return seen;
}

task<migration> postgres_store::migrate(steady_time deadline) {
    const std::shared_ptr<core> in = core_;
    const visit here(*in);
    if (here.refused()) co_return LETHE_ERR(errc::unavailable);
    std::string why;
    std::size_t endpoint = 0;
    const pool_options options = options_of(*in->state, *in->registry);
    const result<std::unique_ptr<connection>> made =
        co_await connect_anywhere(in->worker, options, endpoint, why);
    if (made.has_error()) co_return made.error();
    const std::unique_ptr<connection>& on = *made;
    const result<migration> done =
        co_await postgres::migrate(*on, in->state->to->schema, deadline, why);
    if (done.has_error())
        log::error("store.unusable", {{"store", in->state->options.name}, {"error", why}});
    co_return done;
}

// ---- the engine

postgres_engine::postgres_engine(settings to, open_options options)
    : state_(std::make_shared<engine_state>()) {
    state_->to = std::make_shared<const settings>(std::move(to));
    state_->options = std::move(options);
}
postgres_engine::~postgres_engine() {
    state_->close();
}

std::unique_ptr<store> postgres_engine::make_store(caller by) {
    LETHE_ASSERT(by.worker != nullptr);
    auto registry = std::make_shared<metrics::registry>();
    const std::scoped_lock lock(mutex_);
    registries_.push_back(registry);
    return std::make_unique<postgres_store>(state_, *by.worker, std::move(registry));
}

std::vector<const metrics::registry*> postgres_engine::metrics() const {
    std::vector<const metrics::registry*> out;
    const std::scoped_lock lock(mutex_);
    for (const auto& one : registries_) out.push_back(one.get());
    return out;
}

}  // namespace lethe::store::postgres
