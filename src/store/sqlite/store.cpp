#include "store/sqlite/store.hpp"

#include "store/rules.hpp"
#include "store/sqlite/records.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace lethe::store::sqlite {
namespace {

namespace asio = boost::asio;

// Where a worker waits for a call. Shared with the call, which may end later than the worker waits;
// the timer, which belongs to the worker's loop, is not.
class waiting_place : public std::enable_shared_from_this<waiting_place> {
 public:
    waiting_place(asio::any_io_executor on, asio::steady_timer& timer)
        : executor_(std::move(on)), timer_(&timer) {}

    // The database's thread.
    void wake() {
        const std::scoped_lock lock(mutex_);
        // Once the worker has left, its loop may be gone, too.
        if (left_) return;
        asio::post(executor_, [self = shared_from_this()] {
            self->finished = true;
            if (self->timer_ != nullptr) self->timer_->cancel();
        });
    }
    // The worker.
    void leave() {
        timer_ = nullptr;
        const std::scoped_lock lock(mutex_);
        left_ = true;
    }

    bool finished = false;  // the worker's

 private:
    const asio::any_io_executor executor_;
    asio::steady_timer* timer_;  // the worker's
    std::mutex mutex_;
    bool left_ = false;
};

}  // namespace

sqlite_store::sqlite_store(std::shared_ptr<database> in, engine_promises promises,
                           std::shared_ptr<metrics::registry> registry, const std::string& name,
                           clock& time)
    : database_(std::move(in)),
      promises_(promises),
      registry_(std::move(registry)),
      counts_(*registry_, name),
      clock_(time) {}

task<> sqlite_store::finish(call_ptr one, bool is_write, steady_time deadline) {
    const steady_time now = clock_.steady_now();
    if (now >= deadline) co_return LETHE_ERR(errc::timeout);
    const auto executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor);
    const auto place = std::make_shared<waiting_place>(executor, timer);
    one->wake = [place] { place->wake(); };
    const result<> queued = is_write ? database_->submit_write(one) : database_->submit_read(one);
    if (queued.has_error()) co_return queued;
    // A deadline far away must not overflow the timer's.
    timer.expires_after(std::min<duration>(deadline - now, std::chrono::hours{24}));
    static_cast<void>(co_await timer.async_wait(asio::as_tuple(asio::use_awaitable)));
    place->leave();
    if (place->finished) co_return result<>{};
    if (one->give_up() || !is_write) co_return LETHE_ERR(errc::timeout);
    co_return LETHE_ERR(errc::outcome_unknown);
}

task<> sqlite_store::read(call_ptr one, steady_time deadline) {
    const result<> finished = co_await finish(one, false, deadline);
    if (finished.has_error()) co_return finished;
    if (one->outcome.has_error()) co_return one->outcome.error();
    co_return result<>{};
}

task<std::vector<answer>> sqlite_store::write(std::vector<operation> operations,
                                              bool all_or_nothing, steady_time deadline) {
    const auto one = std::make_shared<call>();
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
    const auto one = std::make_shared<call>();
    one->operations = std::move(operations);
    one->read = [call = one.get()](records& tables, system_time now) -> error_code {
        std::vector<answer> answers;
        for (const operation& any : call->operations) {
            result<answer> got = tables.apply(any, now);
            if (got.has_error()) return got.error();
            answers.push_back(*std::move(got));
        }
        call->outcome = std::move(answers);
        return {};
    };
    const result<> done = co_await read(one, deadline);
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
    const auto one = std::make_shared<call>();
    const auto page = std::make_shared<subject_page>();
    one->read = [=](records& tables, system_time now) -> error_code {
        result<subject_page> found = tables.list(subject, key_prefix, after, keys_max, now);
        if (found.has_error()) return found.error();
        *page = *std::move(found);
        return {};
    };
    const result<> done = co_await read(one, deadline);
    counts_.listing(done.has_error() ? done.error() : error_code{});
    if (done.has_error()) co_return done.error();
    co_return std::move(*page);
}

task<> sqlite_store::ping(steady_time deadline) {
    const auto one = std::make_shared<call>();
    one->read = [](records& tables, system_time) -> error_code {
        const result<> read = tables.begin();
        return read.has_error() ? read.error() : error_code{};
    };
    const result<> done = co_await read(one, deadline);
    counts_.ping(done.has_error() ? done.error() : error_code{});
    co_return done;
}

sqlite_engine::sqlite_engine(std::shared_ptr<database> started, synchronous mode, std::string name)
    : database_(std::move(started)), mode_(mode), name_(std::move(name)) {}
sqlite_engine::~sqlite_engine() {
    database_->close();
}

std::unique_ptr<store> sqlite_engine::make_store(clock& time) {
    auto registry = std::make_shared<metrics::registry>();
    const std::scoped_lock lock(mutex_);
    registries_.push_back(registry);
    return std::make_unique<sqlite_store>(database_, promises(), std::move(registry), name_, time);
}

std::vector<const metrics::registry*> sqlite_engine::metrics() const {
    std::vector<const metrics::registry*> out = {&database_->metrics()};
    const std::scoped_lock lock(mutex_);
    for (const auto& one : registries_) out.push_back(one.get());
    return out;
}

}  // namespace lethe::store::sqlite
