#include "store/sqlite/store.hpp"

#include "store/rules.hpp"
#include "store/sqlite/examine.hpp"
#include "store/sqlite/records.hpp"
#include "store/sqlite/schema.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace lethe::store::sqlite {
namespace {

namespace asio = boost::asio;

// In one call: the writer's other calls wait behind it.
constexpr std::size_t purged_max = 1000;

// A call whose worker waits for it. What stands here is the worker's, but for `left`.
class waiting_call final : public call {
 public:
    using call::call;
    asio::steady_timer* timer = nullptr;
    bool finished = false;
    bool left = false;  // under the mailbox's mutex: nobody waits any more, its loop may be gone
};

}  // namespace

// Of one loop; calls that end while the loop is busy come back together.
class sqlite_store::loop_mailbox final : public mailbox,
                                         public std::enable_shared_from_this<loop_mailbox> {
 public:
    explicit loop_mailbox(asio::any_io_executor on) : executor_(std::move(on)) {}

    [[nodiscard]] bool is_of(const asio::any_io_executor& on) const { return executor_ == on; }

    void deliver(std::span<const call_ptr> finished) override {
        const std::scoped_lock lock(mutex_);
        for (const call_ptr& one : finished)
            if (!static_cast<waiting_call&>(*one).left) inbox_.push_back(one);
        if (inbox_.empty() || std::exchange(posted_, true)) return;
        asio::post(executor_, [self = shared_from_this()] { self->empty(); });
    }

    // The worker.
    void leave(waiting_call& one) {
        const std::scoped_lock lock(mutex_);
        one.left = true;
    }

 private:
    void empty() {
        {
            const std::scoped_lock lock(mutex_);
            posted_ = false;
            std::swap(inbox_, opened_);
        }
        for (const call_ptr& each : opened_) {
            auto& one = static_cast<waiting_call&>(*each);
            one.finished = true;
            if (one.timer != nullptr) one.timer->cancel();
        }
        opened_.clear();
    }

    const asio::any_io_executor executor_;
    std::mutex mutex_;  // over inbox_, posted_ and `left` of its calls
    std::vector<call_ptr> inbox_;
    bool posted_ = false;
    std::vector<call_ptr> opened_;  // the worker's
};

sqlite_store::sqlite_store(std::shared_ptr<database> in, engine_promises promises,
                           std::shared_ptr<metrics::registry> registry, const std::string& name,
                           clock& time)
    : database_(std::move(in)),
      promises_(promises),
      registry_(std::move(registry)),
      counts_(*registry_, name),
      clock_(time) {}

// As long as a worker waits for a call, however that ends.
class sqlite_store::stay {
 public:
    stay(waiting_call& one, asio::steady_timer& timer) : one_(one) { one_.timer = &timer; }
    ~stay() {
        one_.timer = nullptr;
        if (!one_.finished) static_cast<loop_mailbox&>(*one_.from()).leave(one_);
    }
    stay(const stay&) = delete;
    stay& operator=(const stay&) = delete;

 private:
    waiting_call& one_;
};

call_ptr sqlite_store::make_call(const asio::any_io_executor& on) {
    if (!mailbox_ || !mailbox_->is_of(on)) mailbox_ = std::make_shared<loop_mailbox>(on);
    return std::make_shared<waiting_call>(mailbox_);
}

task<> sqlite_store::finish(call_ptr any, bool is_write, steady_time deadline) {
    const steady_time now = clock_.steady_now();
    if (now >= deadline) co_return LETHE_ERR(errc::timeout);
    auto& one = static_cast<waiting_call&>(*any);
    asio::steady_timer timer(co_await asio::this_coro::executor);
    const stay here(one, timer);
    const result<> queued = is_write ? database_->submit_write(any) : database_->submit_read(any);
    if (queued.has_error()) co_return queued;
    // A deadline far away must not overflow the timer's.
    timer.expires_after(std::min<duration>(deadline - now, std::chrono::hours{24}));
    static_cast<void>(co_await timer.async_wait(asio::as_tuple(asio::use_awaitable)));
    if (one.finished) co_return result<>{};
    if (one.give_up() || !is_write) co_return LETHE_ERR(errc::timeout);
    co_return LETHE_ERR(errc::outcome_unknown);
}

task<> sqlite_store::ask(call_ptr one, bool is_write, steady_time deadline) {
    const result<> finished = co_await finish(one, is_write, deadline);
    if (finished.has_error()) co_return finished;
    if (one->outcome.has_error()) co_return one->outcome.error();
    co_return result<>{};
}

task<std::vector<answer>> sqlite_store::write(std::vector<operation> operations,
                                              bool all_or_nothing, steady_time deadline) {
    const auto one = make_call(co_await asio::this_coro::executor);
    one->operations = std::move(operations);
    one->all_or_nothing = all_or_nothing;
    const result<> finished = co_await finish(one, true, deadline);
    call::answers out =
        finished.has_error() ? call::answers(finished.error()) : std::move(one->outcome);
    counts_.batch(one->operations, out);
    co_return out;
}

task<std::vector<answer>> sqlite_store::batch(std::vector<operation> operations,
                                              steady_time deadline) {
    const result<> fine = check(operations);
    if (fine.has_error()) co_return fine.error();
    if (!only_reads(operations)) {
        call::answers written = co_await write(std::move(operations), false, deadline);
        co_return written;
    }
    const auto one = make_call(co_await asio::this_coro::executor);
    one->operations = std::move(operations);
    one->work = [call = one.get()](connection&, records& tables, system_time now) -> error_code {
        std::vector<answer> answers;
        for (const operation& any : call->operations) {
            result<answer> got = tables.apply(any, now);
            if (got.has_error()) return got.error();
            answers.push_back(*std::move(got));
        }
        call->outcome = std::move(answers);
        return {};
    };
    const result<> done = co_await ask(one, false, deadline);
    call::answers out = done.has_error() ? call::answers(done.error()) : std::move(one->outcome);
    counts_.batch(one->operations, out);
    co_return out;
}

task<std::vector<answer>> sqlite_store::transact(std::vector<operation> operations,
                                                 steady_time deadline) {
    const result<> fine = check(operations);
    if (fine.has_error()) co_return fine.error();
    call::answers written = co_await write(std::move(operations), true, deadline);
    co_return written;
}

task<subject_page> sqlite_store::list_subject(std::string subject, std::string key_prefix,
                                              std::string after, std::size_t keys_max,
                                              steady_time deadline) {
    const result<> fine = check_listing(subject, key_prefix, after, keys_max);
    if (fine.has_error()) co_return fine.error();
    const auto one = make_call(co_await asio::this_coro::executor);
    const auto page = std::make_shared<subject_page>();
    one->work = [=](connection&, records& tables, system_time now) -> error_code {
        result<subject_page> found = tables.list(subject, key_prefix, after, keys_max, now);
        if (found.has_error()) return found.error();
        *page = *std::move(found);
        return {};
    };
    const result<> done = co_await ask(one, false, deadline);
    counts_.listing(done.has_error() ? done.error() : error_code{});
    if (done.has_error()) co_return done.error();
    co_return std::move(*page);
}

// A reader answers, and the writer: it moves on, gets the lock, and where its last commit failed it
// tries one.
task<> sqlite_store::ping(steady_time deadline) {
    const auto read = make_call(co_await asio::this_coro::executor);
    read->work = [](connection&, records& tables, system_time) -> error_code {
        const result<> seen = tables.begin();
        return seen.has_error() ? seen.error() : error_code{};
    };
    result<> done = co_await ask(read, false, deadline);
    if (done.has_value()) {
        const auto write = make_call(co_await asio::this_coro::executor);
        write->probes_writer = true;
        done = co_await ask(write, true, deadline);
        // It changed nothing that anybody could ask for.
        if (done.has_error() && done.error() == errc::outcome_unknown)
            done = LETHE_ERR(errc::timeout);
    }
    counts_.ping(done.has_error() ? done.error() : error_code{});
    co_return done;
}

task<scan_page> sqlite_store::scan(std::string cursor, std::size_t keys_max, steady_time deadline) {
    const result<> fine = check_scan(cursor, keys_max);
    if (fine.has_error()) co_return fine.error();
    const auto one = make_call(co_await asio::this_coro::executor);
    const auto page = std::make_shared<scan_page>();
    one->work = [=](connection&, records& tables, system_time now) -> error_code {
        result<scan_page> found = tables.scan(cursor, keys_max, now);
        if (found.has_error()) return found.error();
        *page = *std::move(found);
        return {};
    };
    const result<> done = co_await ask(one, false, deadline);
    if (done.has_error()) co_return done.error();
    co_return std::move(*page);
}

task<std::size_t> sqlite_store::purge_expired(std::size_t records_max, steady_time deadline) {
    if (records_max == 0) co_return LETHE_ERR(errc::malformed);
    const auto one = make_call(co_await asio::this_coro::executor);
    const auto removed = std::make_shared<std::size_t>(0);
    one->work = [=](connection&, records& tables, system_time now) -> error_code {
        const auto wanted = static_cast<std::int64_t>(std::min(records_max, purged_max));
        const result<std::int64_t> gone = tables.purge(now, wanted);
        if (gone.has_error()) return gone.error();
        *removed = static_cast<std::size_t>(*gone);
        return {};
    };
    const result<> done = co_await ask(one, true, deadline);
    if (done.has_error()) co_return done.error();
    co_return *removed;
}

task<examination> sqlite_store::examine(steady_time deadline) {
    const auto one = make_call(co_await asio::this_coro::executor);
    const auto facts = std::make_shared<file_facts>();
    one->work = [facts, path = database_->path(), mode = database_->mode()](
                    connection& on, records&, system_time) -> error_code {
        result<file_facts> seen = look_at(on, path, mode);
        if (seen.has_error()) return seen.error();
        *facts = *std::move(seen);
        return {};
    };
    const result<> done = co_await ask(one, false, deadline);
    if (done.has_error()) co_return done.error();
    co_return judge(*facts, promises_);
}

// The engine migrated the file when it opened it, before anybody could use it.
task<migration> sqlite_store::migrate(steady_time deadline) {
    const result<> usable = co_await ping(deadline);
    if (usable.has_error()) co_return usable.error();
    co_return migration{.from = static_cast<std::uint32_t>(database_->take_schema_found()),
                        .to = static_cast<std::uint32_t>(schema_version)};
}

sqlite_engine::sqlite_engine(std::shared_ptr<database> started, synchronous mode, std::string name)
    : database_(std::move(started)), mode_(mode), name_(std::move(name)) {}
sqlite_engine::~sqlite_engine() {
    database_->close();
}

std::unique_ptr<store> sqlite_engine::make_store(caller by) {
    auto registry = std::make_shared<metrics::registry>();
    const std::scoped_lock lock(mutex_);
    registries_.push_back(registry);
    return std::make_unique<sqlite_store>(database_, promises(), std::move(registry), name_,
                                          by.time);
}

std::vector<const metrics::registry*> sqlite_engine::metrics() const {
    std::vector<const metrics::registry*> out = {&database_->metrics()};
    const std::scoped_lock lock(mutex_);
    for (const auto& one : registries_) out.push_back(one.get());
    return out;
}

}  // namespace lethe::store::sqlite
